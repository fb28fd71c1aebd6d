"""Memory at the moment when one block needs most, forward or backward: the same moment for every term.

What is alive then comes from the block's code, run on the tape (see `planner.estimator.block`).
"""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import larger
from planner.estimator.formula import formula
from planner.estimator.gradients import UNSHARDED, last_weights
from planner.estimator.saved import plan_blocks
from planner.estimator.tape import ACTIVATION, GRADIENT, RECOMPUTED, TEMPORARY, WORK
from planner.estimator.workload import DTYPE_BYTES, Workload


@formula
def block_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of saved activations that are left when the first block, the last one to be differentiated, needs most.

    Where the sharding engine holds on to the inputs of frozen modules (see the stack), every block's input and its
    gradient are still there.
    Source: see `activation_bytes`.
    Valid for: the same.
    Error: published FSDP runs with adapters on a 7B model are within 2% with it.
    """
    inside = plan_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    others = (layers - 1) * inside.held()
    if stack.keeps_input_gradients and method != "full" and checkpointing == "full":
        others = others + 2 * layers * inside.kept_input()
    return inside.at_peak(checkpointing == "full", ACTIVATION) + inside.mask() * (checkpointing == "full") + others


@formula
def recomputation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of what a checkpointed block has recomputed and still holds when it needs most memory.

    Source: activation checkpointing, arXiv 1604.06174; the block's code run on the tape.
    Valid for: one block per checkpointed segment; 0 without checkpointing, and for selective checkpointing, where the
    whole block counts as saved activations.
    Error: not measured on its own.
    """
    if checkpointing != "full" and not stack.mlp_tiling:
        return 0.0
    return plan_blocks(workload, locals()).at_peak(checkpointing == "full", RECOMPUTED)


@formula
def backward_temporary_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of gradients of activations, and of kernels' work space, alive when a block needs most memory.

    The flash backward, for example, accumulates the gradient of the queries in fp32 and expands those of keys and
    values to all query heads; eager attention holds two more score matrices, one in fp32.
    Source: derivatives of torch's operations (derivatives.yaml), run on the tape.
    Valid for: decoder blocks of the catalog's families.
    Error: with it, 509 traced peaks are within 0.5% or 64 MiB.
    """
    return plan_blocks(workload, locals()).at_peak(checkpointing == "full", TEMPORARY)


@formula
def block_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of the gradients of a block's weights that exist when it needs most memory, but for its MLP's last weights.

    Those are in `early_gradient_bytes` and `late_gradient_bytes`, which know how gradients are split.
    Source: order of events in the block's backward pass, run on the tape.
    Valid for: full fine-tuning with stacks that never shard gradients; 0 for others, whose `gather_bytes` has all of a
    block's unsharded gradients, and for adapters, whose gradients are all counted there.
    Error: 0 against traced peaks in attention's backward pass.
    """
    if method != "full" or any(sharding.name not in UNSHARDED for sharding in stack.shardings):
        return 0.0
    inside = plan_blocks(workload, locals())
    last = last_weights(workload) * DTYPE_BYTES[inside.setting.weight_dtype] / tensor_parallel
    return larger(0.0, inside.at_peak(checkpointing == "full", GRADIENT) - last)


@formula
def block_dequantised_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of a dequantised weight where one is alive when a block needs most memory.

    Source: bitsandbytes dequantises one layer at a time into the compute dtype, forward and backward.
    Valid for: qlora; 0 otherwise.
    Error: not measured on its own.
    """
    if method != "qlora":
        return 0.0
    return plan_blocks(workload, locals()).at_peak(checkpointing == "full", WORK)
