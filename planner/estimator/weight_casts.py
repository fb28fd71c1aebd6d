"""Memory of the 16-bit copies of fp32 weights that autocast makes."""

from __future__ import annotations

from typing import Any

from planner.catalog.stack import Stack
from planner.estimator.arrays import larger, smaller
from planner.estimator.formula import formula
from planner.estimator.saved import Blocks, plan_blocks
from planner.estimator.tape import CAST
from planner.estimator.workload import Workload


@formula
def weight_cast_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    checkpointing: str,
    checkpointed_layers: int,
    tensor_parallel: int,
    pipeline_parallel: int,
) -> float:
    """Bytes of 16-bit copies of fp32 weights while the forward pass computes the loss.

    2 x every fp32 matrix used in a multiplication: all linear layers and the head of an fp32 model, the adapters on a
    16-bit base, adapters and head of a k-bit model. Copies of trained weights are cached until the forward pass ends;
    those of frozen ones live as long as the block that keeps them.
    Source: torch.autocast's weight cache; finding 3 of the traced steps.
    Valid for: stacks that autocast.
    Error: 0 against the traced wcast term.
    """
    inside = _cast_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    plain = layers - smaller(checkpointed_layers, layers) * (checkpointing != "none")
    uncached = inside.casts() - inside.casts(cached=True)
    return layers * inside.casts(cached=True) + plain * uncached + inside.head_casts()


@formula
def backward_weight_cast_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    checkpointing: str,
    checkpointed_layers: int,
    tensor_parallel: int,
    pipeline_parallel: int,
) -> float:
    """Bytes of autocast's weight copies that the backward pass still needs; checkpointed blocks cast theirs anew.

    Source: finding 3 of the traced steps.
    Valid for: stacks that autocast.
    Error: 0 against the traced wcast term.
    """
    inside = _cast_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    plain = layers - smaller(checkpointed_layers, layers) * (checkpointing != "none")
    return plain * inside.casts() + inside.head_casts()


@formula
def block_weight_cast_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of autocast's weight copies when the last block needs most memory: the head's is free by then.

    Source: see `backward_weight_cast_bytes`.
    Valid for: stacks that autocast.
    Error: within 2% of the traced wcast term at peaks inside blocks.
    """
    inside = plan_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    others = layers - larger(1, smaller(checkpointed_layers, layers) * (checkpointing != "none"))
    return others * inside.casts() + inside.at_peak(checkpointing == "full", CAST)


def _cast_blocks(workload: Workload, decisions: dict[str, Any]) -> Blocks:
    """The blocks of a plan whose tokens and attention do not matter."""
    return plan_blocks(
        workload, {**decisions, "attention": "sdpa", "mlp_chunks": 1, "micro_batch": 1, "context_parallel": 1}
    )
