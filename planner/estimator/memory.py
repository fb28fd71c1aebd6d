"""The memory of a plan: one dictionary of phase -> term -> formula, read by estimator, solver and report alike.

A peak is the largest phase; in a phase everything listed is alive at once. `forward` is the end of the forward pass,
`loss` the loss's backward, `backward_start` the backward pass of the last block, `backward_end` that of the first one,
`embedding` that of the embedding, `optimizer` the optimizer step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from planner.estimator import activations, buffers, gradients, host, states
from planner.estimator.formula import evaluate
from planner.estimator.workload import Workload

Term = Callable[..., float]

_ALWAYS: dict[str, Term] = {
    "weights": states.weight_bytes,
    "adapters": states.adapter_bytes,
    "master_weights": states.master_bytes,
    "optimizer_states": states.optimizer_state_bytes,
    "context": buffers.context_bytes,
}
_BACKWARD: dict[str, Term] = {
    "temporaries": activations.backward_temporary_bytes,
    "dequantised": buffers.dequantised_bytes,
    "communication": buffers.gather_bytes,
    "allocator": buffers.allocator_bytes,
}
PHASES: dict[str, dict[str, Term]] = {
    "forward": _ALWAYS
    | {
        "gradients": gradients.accumulated_gradient_bytes,
        "activations": activations.activation_bytes,
        "logits": buffers.forward_logit_bytes,
        "weight_casts": activations.weight_cast_bytes,
        "communication": buffers.gather_bytes,
        "allocator": buffers.allocator_bytes,
    },
    "loss": _ALWAYS
    | {
        "gradients": gradients.accumulated_gradient_bytes,
        "activations": activations.activation_bytes,
        "logits": buffers.logit_bytes,
        "weight_casts": activations.backward_weight_cast_bytes,
        "communication": buffers.gather_bytes,
        "allocator": buffers.allocator_bytes,
    },
    "backward_start": _ALWAYS
    | _BACKWARD
    | {
        "gradients": gradients.early_gradient_bytes,
        "activations": activations.activation_bytes,
        "recomputation": activations.recomputation_bytes,
        "weight_casts": activations.backward_weight_cast_bytes,
    },
    "backward_end": _ALWAYS
    | _BACKWARD
    | {"gradients": gradients.late_gradient_bytes, "activations": activations.block_activation_bytes},
    "embedding": _ALWAYS
    | {
        "gradients": gradients.gradient_bytes,
        "tied_gradients": gradients.tied_gradient_bytes,
        "communication": buffers.gather_bytes,
    },
    "optimizer": _ALWAYS
    | {"gradients": gradients.gradient_bytes, "optimizer_temporaries": states.optimizer_temporary_bytes},
}
HOST: dict[str, Term] = {
    "offloaded_states": host.offloaded_state_bytes,
    "offloaded_activations": host.offloaded_activation_bytes,
    "loading": host.loading_bytes,
}
"""What one node keeps in host memory, beside the operating system."""


ROUNDED_BYTES = 1024
"""Terms are rounded up to this. The allocator's own granularity is 512 bytes; in KiB every sum the solver makes stays
below 2^31, beyond which CP-SAT 9.15 was seen to call feasible models infeasible."""


def whole_bytes(value: float) -> int:
    """Memory is rounded up to whole KiB, here and nowhere else.

    >>> whole_bytes(1025.0)
    2048
    """
    return math.ceil(value / ROUNDED_BYTES) * ROUNDED_BYTES


def memory(workload: Workload, plan: Any) -> dict[str, dict[str, int]]:
    """Bytes on the fullest GPU: phase -> term -> bytes."""
    return {
        phase: {name: whole_bytes(evaluate(term, workload, plan)) for name, term in terms.items()}
        for phase, terms in PHASES.items()
    }


def host_memory(workload: Workload, plan: Any) -> dict[str, int]:
    """Bytes of host memory on one node: term -> bytes."""
    return {name: whole_bytes(evaluate(term, workload, plan)) for name, term in HOST.items()}


def peak(phases: dict[str, dict[str, int]]) -> tuple[str, int]:
    """The largest phase and its bytes; the first one of equals.

    >>> peak({"forward": {"weights": 2}, "loss": {"weights": 2, "logits": 3}})
    ('loss', 5)
    """
    totals = {phase: sum(terms.values()) for phase, terms in phases.items()}
    worst = max(totals, key=lambda phase: totals[phase])
    return worst, totals[worst]
