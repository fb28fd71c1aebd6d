"""Memory of the data-parallel engine: gathered weights, unsharded gradients, buckets."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import smaller
from planner.estimator.buffers import ENGINE_FRAGMENTS
from planner.estimator.formula import call, formula
from planner.estimator.gradients import gradient_bytes
from planner.estimator.workload import DTYPE_BYTES, Workload

ZERO3_LIVE_PARAMETERS = 1e9
"""Parameters that DeepSpeed's ZeRO-3 leaves gathered. Source: defaults of stage3_max_live_parameters and
stage3_max_reuse_distance (runtime/zero/config.py)."""
QUANTISED_ELEMENT_BYTES = 0.55
"""Bytes per weight of a gathered 4-bit block with its constants."""


def _quantised(method: str, base_dtype: str) -> bool:
    return method == "qlora" and base_dtype not in DTYPE_BYTES


@formula
def root_gather_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
) -> float:
    """Bytes that the data-parallel engine holds besides its shards at the end of a forward pass.

    FSDP: embedding and head (or the head alone) in the compute dtype. ZeRO-3: up to 1e9 gathered parameters, or 2e9
    bytes of a 4-bit base, which is stored as 16-bit numbers. DDP: its
    buckets, a copy of all gradients (none where gradients are the buckets). 0 on one rank.
    Source: PyTorch FSDP, arXiv 2304.11277, section 4 (the root is not resharded after forward); DeepSpeed's defaults.
    Valid for: default prefetching and bucket sizes.
    Error: published FSDP runs of a 3B model on 2 GPUs are within 1% with it.
    """
    ranks = data_parallel * context_parallel
    if sharding == "ddp":
        trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
        return stack.ddp_bucket_copies * trainable * DTYPE_BYTES[grad_dtype] * (ranks > 1)
    element = DTYPE_BYTES[compute_dtype]
    if sharding == "zero3":
        stage = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
        stored = stage * (QUANTISED_ELEMENT_BYTES / element if _quantised(method, base_dtype) else 1)
        return smaller(ZERO3_LIVE_PARAMETERS, stored) * element * (ranks > 1)
    if sharding not in ("fsdp", "hsdp"):
        return 0.0 * ranks
    head = workload.architecture.head.weights / tensor_parallel
    whole = workload.ends_parameters(pipeline_parallel, tensor_parallel)
    return (whole if stack.keeps_root else head) * element * (ranks > 1)


@formula
def gather_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
) -> float:
    """Bytes that the data-parallel engine holds besides its shards during the backward pass.

    What it holds after the forward pass, and: FSDP: two blocks' weights (one in use, one prefetched) in the compute
    dtype, or quantised, and unsharded gradients of one block (FSDP2: in the compute dtype, and of the block before in
    the reduction's). ZeRO: the bucket of reduced gradients, allocated at its full size.
    Source: PyTorch FSDP, arXiv 2304.11277; _fsdp_param_group.py of FSDP2; DeepSpeed's documented defaults.
    Valid for: default prefetching and bucket sizes.
    Error: not measured on its own.
    """
    root: float = call(root_gather_bytes, workload, locals())
    ranks = data_parallel * context_parallel
    if sharding in ("none", "ddp"):
        return root
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    if sharding in ("zero1", "zero2", "zero3"):
        return root + float(stack.communication_bucket_bytes)
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel)
    layers = workload.stage_layers(pipeline_parallel)
    block = (workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel) - ends) / layers
    block_trainable = (trainable - (ends if method == "full" else 0.0)) / layers
    element = QUANTISED_ELEMENT_BYTES if _quantised(method, base_dtype) else DTYPE_BYTES[compute_dtype]
    gradients = block_trainable * (DTYPE_BYTES[grad_dtype] + stack.unsharded_gradient_bytes)
    return root + (2 * block * element + gradients) * (ranks > 1)


@formula
def engine_allocator_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes that the caching allocator cannot do without beyond gradients and what the data-parallel engine gathers.

    0.10 x (gradients + gathered weights and buckets).
    Source: as of `allocator_bytes`.
    Valid for: the same.
    Error: see there.
    """
    decisions = locals()
    held: float = call(gradient_bytes, workload, decisions) + call(gather_bytes, workload, decisions)
    return ENGINE_FRAGMENTS * held
