"""Time of matrix multiplications and attention: work over the rate that a GPU keeps up, and what every kernel costs."""

from __future__ import annotations

from planner.catalog.architecture import Architecture
from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.block import mlp_width
from planner.estimator.compute import active_share, adapted_weights, dora_weight_flops, recomputed_share
from planner.estimator.formula import call, formula
from planner.estimator.saved import local_tokens
from planner.estimator.workload import Workload

FLASH_PASSES = 3.5
"""Forward and backward pass of a fused attention kernel, in forward passes: its backward pass multiplies five instead
of two times. Source: FlashAttention, arXiv 2205.14135, algorithm 4."""
EAGER_PASSES = 3.0


@formula
def block_flops(
    workload: Workload,
    *,
    method: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of all matrix multiplications of blocks in one optimizer step on the busiest GPU, attention left out.

    Per token (2 + 4) x weights for full fine-tuning, (2 + 2) x frozen weights + 6 x adapters otherwise; 2 x what is
    computed again; DoRA as in `step_flops`. Weights of experts count as if each took as long as a dense layer at the
    experts' share of its rate.
    Source: as `step_flops`.
    Valid for: the same.
    Error: the same.
    """
    architecture = workload.architecture
    tokens = local_tokens(workload, micro_batch, context_parallel) * gradient_accumulation
    share = workload.block_share(pipeline_parallel)
    blocks = rated_weights(architecture)
    again = recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    tile = 3 if architecture.gated_mlp else 2
    tiles = tile * mlp_width(architecture) * architecture.hidden * architecture.layers
    per_token = (6.0 if method == "full" else 4.0) * blocks + 2.0 * blocks * again + 2.0 * tiles * (mlp_chunks > 1)
    if method != "full":
        adapters = workload.adapter_weights * active_share(architecture)
        per_token = per_token + (6.0 + 2.0 * again) * adapters
        if workload.dora and workload.lora_dropout > 0:
            per_token = per_token + (4.0 + 2.0 * again) * adapted_weights(workload)
    flops = tokens * per_token
    if method != "full" and workload.dora:
        flops = flops + gradient_accumulation * (1 + again) * dora_weight_flops(workload)
    return flops * share / tensor_parallel


def rated_weights(architecture: Architecture) -> float:
    """Weights of all blocks that multiply one token; those of routed experts are counted apart."""
    matrices = architecture.matrices()
    return float(sum(each.weights for each in matrices if each.kind in ("linear", "router"))) + expert_weights(
        architecture
    )


def expert_weights(architecture: Architecture) -> float:
    """Weights of routed experts that multiply one token, in all blocks."""
    if not architecture.is_moe:
        return 0.0
    every = sum(each.weights for each in architecture.matrices() if each.kind == "expert")
    return every * architecture.experts_per_token / architecture.experts


@formula
def head_flops(
    workload: Workload,
    *,
    method: str,
    loss: str,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of the output head in one optimizer step, shared among the stages of a pipeline.

    Per token (2 + 4) x weights for full fine-tuning, (2 + 2) x otherwise; a chunked loss computes its logits twice. The
    stage that has the head gets fewer blocks in good layouts, so that its work is shared.
    Source: as `step_flops`.
    Valid for: the same.
    Error: 0 by count.
    """
    tokens = local_tokens(workload, micro_batch, context_parallel) * gradient_accumulation
    passes = (6.0 if method == "full" else 4.0) + (2.0 if loss == "chunked" else 0.0)
    return tokens * passes * workload.architecture.head.weights / tensor_parallel / pipeline_parallel


def core_flops(architecture: Architecture, sequence_length: int, attention: str) -> float:
    """Forward FLOPs per token of all attention cores; fused kernels skip the masked half."""
    widths = architecture.query_dim + (architecture.value_dim if architecture.kv_lora_rank else architecture.query_dim)
    window = min(architecture.sliding_window or sequence_length, sequence_length)
    whole = (architecture.layers - architecture.windowed_layers) * sequence_length
    seen = whole + architecture.windowed_layers * window
    return 2.0 * widths * seen * (1.0 if attention == "eager" else 0.5)


@formula
def attention_flops(
    workload: Workload,
    *,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of attention itself in one optimizer step on the busiest GPU.

    tokens x forward FLOPs per token x (3.5 fused, 3 eager, + k / L where blocks are computed again).
    Source: FlashAttention, arXiv 2205.14135.
    Valid for: causal attention, of which fused kernels skip half; eager attention computes all of it.
    Error: 0 by count.
    """
    tokens = local_tokens(workload, micro_batch, context_parallel) * gradient_accumulation
    passes = EAGER_PASSES if attention == "eager" else FLASH_PASSES
    if checkpointing == "full":
        passes = passes + recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    each = core_flops(workload.architecture, workload.sequence_length, attention)
    return tokens * each * passes * workload.block_share(pipeline_parallel) / tensor_parallel


@formula
def tile_flops(
    workload: Workload,
    *,
    method: str,
    checkpointing: str,
    checkpointed_layers: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs per element of inner dimension that all tiles of all blocks' multiplications could do meanwhile, per step.

    A tile of a result starts and ends once, however long the sums of its elements are, which costs as much as some more
    elements would. 2 T x outputs for forward passes, 2 T x inputs for gradients of inputs, 2 x weights for those of
    weights.
    Source: tiled multiplication: start-up and end of a thread block's main loop.
    Valid for: multiplications of many tiles.
    Error: see `multiplication_seconds`.
    """
    matrices = [each for each in workload.architecture.matrices() if each.kind in ("linear", "expert")]
    met = _met(workload.architecture)
    outputs = sum(each.outputs * each.count * met[each.kind] for each in matrices)
    inputs = sum(each.inputs * each.count * met[each.kind] for each in matrices)
    again = recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    tokens = local_tokens(workload, micro_batch, context_parallel)
    flops = 2.0 * tokens * (outputs * (1.0 + again) + inputs)
    if method == "full":
        flops = flops + 2.0 * sum(each.weights for each in matrices)
    else:
        adapters = sum(each.count * (each.outputs + each.inputs) * met[each.kind] for each in workload.adapted)
        flops = flops + 2.0 * tokens * (2.0 + again) * adapters
    return gradient_accumulation * flops * workload.block_share(pipeline_parallel) / tensor_parallel


def _met(architecture: Architecture) -> dict[str, float]:
    """The fraction of its matrices that one token meets, by their kind."""
    routed = architecture.experts_per_token / architecture.experts if architecture.is_moe else 0.0
    return {"linear": 1.0, "head": 1.0, "expert": routed}


def matmul_rate(gpu: Gpu, compute_dtype: str) -> float:
    """FLOP/s that matrix multiplications of this dtype keep up in training."""
    speed = gpu.speed
    peak = gpu.peak_flops(compute_dtype) or 0.0
    best = speed.fp8_fraction if compute_dtype == "fp8" else speed.matmul_fraction
    return peak * best * speed.correction * speed.sustained_fraction


def plain_dtype(compute_dtype: str) -> str:
    """The dtype of what is not computed in fp8: head and attention."""
    return "bf16" if compute_dtype == "fp8" else compute_dtype


@formula
def multiplication_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    method: str,
    compute_dtype: str,
    checkpointing: str,
    checkpointed_layers: int,
    loss: str,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of matrix multiplications: FLOPs over the best rate measured, kept up in training.

    `block_flops` and the head's over peak x measured share x sustained share; fp8 in blocks only; experts' at the
    experts' share of the rate; and what tiles cost besides (`tile_flops`).
    Source: best measured multiplications of each GPU and fitted shares (catalogs/efficiency.yaml).
    Valid for: layers of some hundreds of elements and more.
    Error: see docs/accuracy.md.
    """
    decisions = locals()
    flops = call(block_flops, workload, decisions)
    rated = rated_weights(workload.architecture)
    routed = expert_weights(workload.architecture) / rated
    slower = 1.0 + routed * (1.0 / gpu.speed.expert_fraction - 1.0)
    head = call(head_flops, workload, decisions)
    seconds = flops * slower / matmul_rate(gpu, compute_dtype) + head / matmul_rate(gpu, plain_dtype(compute_dtype))
    tiles = gpu.speed.tile_elements * call(tile_flops, workload, decisions)
    total: float = seconds + tiles / matmul_rate(gpu, plain_dtype(compute_dtype))
    return total


@formula
def attention_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    compute_dtype: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of attention: `attention_flops` over the rate of the stack's kernel.

    rate = matrix rate x share of the kernel on this GPU x s / (s + ramp): short sequences fill few tiles. Eager
    attention multiplies at the matrix rate; what its scores move is in `elementwise_seconds`.
    Source: published speeds of FlashAttention 1 to 3, fitted (catalogs/efficiency.yaml).
    Valid for: head sizes of 64 to 128.
    Error: see docs/accuracy.md.
    """
    flops: float = call(attention_flops, workload, locals())
    return flops / attention_rate(workload, gpu, stack, compute_dtype, attention)


def attention_rate(workload: Workload, gpu: Gpu, stack: Stack, compute_dtype: str, attention: str) -> float:
    """FLOP/s of attention with the stack's kernel, or written out."""
    rate = matmul_rate(gpu, plain_dtype(compute_dtype))
    if attention == "eager":
        return rate
    seen = min(workload.sequence_length, workload.architecture.sliding_window or workload.sequence_length)
    return rate * gpu.speed.attention[stack.attention_kernel] * seen / (seen + gpu.speed.attention_ramp_tokens)
