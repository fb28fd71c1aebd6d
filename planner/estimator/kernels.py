"""Time of matrix multiplications and attention: work of each kind over the rate that a GPU keeps up with it."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.flops import ATTENTION, BLOCKS, EXPERTS, HEAD, TILES, kind_flops
from planner.estimator.formula import call, formula
from planner.estimator.rates import attention_rate, matmul_rate, plain_dtype
from planner.estimator.workload import Workload


@formula
def block_flops(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of matrix products of blocks in one optimizer step on the busiest GPU, without routed experts.

    The part of `step_flops` that is computed in the compute dtype; adapters are in it.
    Source: see `step_flops`.
    Valid for: the same.
    Error: that of `step_flops`.
    """
    flops: float = call(kind_flops, workload, locals())[BLOCKS]
    return flops


@formula
def expert_flops(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of matrix products of routed experts in one optimizer step on the busiest GPU.

    Of all experts together, as many as tokens meet; 0 without a mixture.
    Source: see `step_flops`.
    Valid for: the same.
    Error: that of `step_flops`.
    """
    flops: float = call(kind_flops, workload, locals())[EXPERTS]
    return flops


@formula
def head_flops(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of the output head in one optimizer step, shared among the stages of a pipeline.

    The stage that has the head gets fewer blocks in good layouts, so that its work is shared.
    Source: see `step_flops`.
    Valid for: the same.
    Error: that of `step_flops`.
    """
    flops: float = call(kind_flops, workload, locals())[HEAD]
    return flops


@formula
def tile_flops(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs per optimizer step of one element more in every sum of blocks' matrix products.

    A tile of a result starts and ends once, however long the sums of its elements are, which costs as much as some more
    elements would: 2 T x outputs for forward passes, 2 T x inputs for gradients of inputs, 2 x weights for those of
    weights.
    Source: tiled multiplication: start-up and end of a thread block's main loop.
    Valid for: multiplications of many tiles.
    Error: see `multiplication_seconds`.
    """
    flops: float = call(kind_flops, workload, locals())[TILES]
    return flops


@formula
def attention_flops(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of attention itself in one optimizer step on the busiest GPU.

    Scores and weighted sums that the kernel computes: fused ones skip what a causal mask hides and compute scores
    again in the backward pass.
    Source: see `step_flops`.
    Valid for: the same.
    Error: that of `step_flops`.
    """
    flops: float = call(kind_flops, workload, locals())[ATTENTION]
    return flops


@formula
def multiplication_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of matrix multiplications: FLOPs over the best rate measured, kept up in training.

    Blocks at the rate of the compute dtype, routed experts at their share of it, the head and what tiles cost besides
    (`tile_flops` x elements) at the 16-bit rate. A rate is peak x best share measured x the share kept up in training.
    Source: best measured multiplications of each GPU and fitted shares (catalogs/efficiency.yaml).
    Valid for: layers of some hundreds of elements and more.
    Error: see docs/accuracy.md.
    """
    flops = call(kind_flops, workload, locals())
    blocks, plain = matmul_rate(gpu, compute_dtype), matmul_rate(gpu, plain_dtype(compute_dtype))
    seconds: float = (flops[HEAD] + gpu.speed.tile_elements * flops[TILES]) / plain + flops[BLOCKS] / blocks
    if workload.architecture.is_moe:
        seconds = seconds + flops[EXPERTS] / (blocks * gpu.speed.expert_fraction)
    return seconds


@formula
def attention_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of attention: `attention_flops` over the rate of the stack's kernel.

    rate = matrix rate x share of the kernel on this GPU x s / (s + ramp): short sequences fill few tiles. Eager
    attention's batched products are taken to reach no more; what its scores move is in `elementwise_seconds`.
    Source: published speeds of FlashAttention 1 to 3, fitted (catalogs/efficiency.yaml).
    Valid for: head sizes of 64 to 128.
    Error: see docs/accuracy.md.
    """
    flops: float = call(kind_flops, workload, locals())[ATTENTION]
    return flops / attention_rate(workload, gpu, stack, compute_dtype)
