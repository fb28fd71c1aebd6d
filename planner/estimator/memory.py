"""The memory of a plan: one dictionary of phase -> term -> formula, read by estimator, solver and report alike.

A peak is the largest phase; in a phase everything listed is alive at once. `forward` is the end of the forward pass,
`loss` the loss's backward, `backward_start` the backward pass of the last block, `backward_end` that of the first one,
`embedding` that of the embedding, `optimizer` the optimizer step; `loading` comes before all steps, `evaluation` and
`saving` between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from planner.estimator import (
    activations,
    block_peak,
    buffers,
    engines,
    gradients,
    host,
    lifecycle,
    optimizers,
    placeholders,
    states,
    weight_casts,
)
from planner.estimator.formula import evaluate
from planner.estimator.uncertainty import margin_factor
from planner.estimator.workload import Workload

Term = Callable[..., float]

_ALWAYS: dict[str, Term] = {
    "weights": states.weight_bytes,
    "adapters": states.adapter_bytes,
    "master_weights": states.master_bytes,
    "optimizer_states": optimizers.optimizer_state_bytes,
    "context": buffers.context_bytes,
}
_BACKWARD: dict[str, Term] = {
    "temporaries": block_peak.backward_temporary_bytes,
    "block_gradients": block_peak.block_gradient_bytes,
    "dequantised": block_peak.block_dequantised_bytes,
    "logits": buffers.kept_logit_bytes,
    "gradient_placeholders": placeholders.placeholder_bytes,
    "communication": engines.gather_bytes,
    "allocator": buffers.backward_allocator_bytes,
    "allocator_gradients": engines.engine_allocator_bytes,
}
PHASES: dict[str, dict[str, Term]] = {
    "forward": _ALWAYS
    | {
        "gradients": gradients.accumulated_gradient_bytes,
        "gradient_placeholders": placeholders.last_placeholder_bytes,
        "activations": activations.forward_activation_bytes,
        "temporaries": activations.input_gradient_bytes,
        "logits": buffers.forward_logit_bytes,
        "weight_casts": weight_casts.weight_cast_bytes,
        "communication": engines.root_gather_bytes,
        "allocator": buffers.allocator_bytes,
        "allocator_gradients": engines.engine_allocator_bytes,
    },
    "loss": _ALWAYS
    | {
        "gradients": gradients.accumulated_gradient_bytes,
        "gradient_placeholders": placeholders.last_placeholder_bytes,
        "activations": activations.loss_activation_bytes,
        "logits": buffers.logit_bytes,
        "weight_casts": weight_casts.backward_weight_cast_bytes,
        "communication": engines.root_gather_bytes,
        "allocator": buffers.allocator_bytes,
        "allocator_gradients": engines.engine_allocator_bytes,
    },
    "backward_start": _ALWAYS
    | _BACKWARD
    | {
        "gradients": gradients.early_gradient_bytes,
        "activations": activations.backward_activation_bytes,
        "recomputation": block_peak.recomputation_bytes,
        "weight_casts": weight_casts.block_weight_cast_bytes,
    },
    "backward_end": _ALWAYS
    | _BACKWARD
    | {
        "gradients": gradients.late_gradient_bytes,
        "activations": block_peak.block_activation_bytes,
        "recomputation": block_peak.recomputation_bytes,
    },
    "embedding": _ALWAYS
    | {
        "gradients": gradients.inner_gradient_bytes,
        "embedding_gradients": gradients.embedding_gradient_bytes,
        "gradient_placeholders": placeholders.placeholder_bytes,
        "temporaries": activations.embedding_temporary_bytes,
        "logits": buffers.kept_logit_bytes,
        "communication": engines.gather_bytes,
    },
    "optimizer": _ALWAYS
    | {
        "gradients": gradients.gradient_bytes,
        "gradient_placeholders": placeholders.placeholder_bytes,
        "optimizer_temporaries": optimizers.optimizer_temporary_bytes,
        "activations": activations.remaining_activation_bytes,
        "temporaries": activations.input_gradient_bytes,
        "logits": buffers.kept_logit_bytes,
    },
    "loading": {
        "weights": lifecycle.loaded_weight_bytes,
        "adapters": lifecycle.loaded_adapter_bytes,
        "staged": lifecycle.staged_bytes,
        "context": buffers.context_bytes,
    },
    "evaluation": _ALWAYS
    | {
        "activations": lifecycle.evaluation_activation_bytes,
        "logits": lifecycle.evaluation_logit_bytes,
        "gradient_placeholders": placeholders.last_placeholder_bytes,
        "weight_casts": weight_casts.weight_cast_bytes,
        "communication": engines.gather_bytes,
    },
    "saving": _ALWAYS
    | {"gathered": lifecycle.saved_tensor_bytes, "gradient_placeholders": placeholders.last_placeholder_bytes},
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


def term_values(workload: Workload, plan: Any) -> dict[Term, float]:
    """Every term of GPU memory, evaluated once, however many phases it is part of."""
    terms = dict.fromkeys(term for phase in PHASES.values() for term in phase.values())
    return {term: evaluate(term, workload, plan) for term in terms}


def memory(workload: Workload, plan: Any, values: Mapping[Term, float] | None = None) -> dict[str, dict[str, int]]:
    """Bytes on the fullest GPU: phase -> term -> bytes; `values` are those of `term_values`, if they are known."""
    values = term_values(workload, plan) if values is None else values
    return {phase: {name: whole_bytes(values[term]) for name, term in terms.items()} for phase, terms in PHASES.items()}


def host_memory(workload: Workload, plan: Any) -> dict[str, int]:
    """Bytes of host memory on one node: term -> bytes."""
    return {name: whole_bytes(evaluate(term, workload, plan)) for name, term in HOST.items()}


def required_memory(workload: Workload, plan: Any, values: Mapping[Term, float] | None = None) -> dict[str, int]:
    """Bytes that each phase needs so that they suffice but for the accepted risk: every term with its margin."""
    known = term_values(workload, plan) if values is None else values

    def required(name: str, term: Term) -> int:
        return whole_bytes(known[term] * margin_factor(workload, plan.stack, plan.method, name))

    return {phase: sum(required(name, term) for name, term in terms.items()) for phase, terms in PHASES.items()}


def peak(phases: dict[str, dict[str, int]]) -> tuple[str, int]:
    """The largest phase and its bytes; the first one of equals.

    >>> peak({"forward": {"weights": 2}, "loss": {"weights": 2, "logits": 3}})
    ('loss', 5)
    """
    totals = {phase: sum(terms.values()) for phase, terms in phases.items()}
    worst = max(totals, key=lambda phase: totals[phase])
    return worst, totals[worst]
