"""Time on the GPU itself: matrix multiplications, attention, memory-bound work and kernel launches."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.arrays import smaller
from planner.estimator.flops import recomputed_share, step_flops
from planner.estimator.formula import call, formula
from planner.estimator.optimizers import state_bytes_per_parameter, state_dtype, trained_dtype
from planner.estimator.saved import local_tokens
from planner.estimator.states import QUANTISED_BYTES
from planner.estimator.workload import DTYPE_BYTES, Workload, shard_ranks

FP8_SPEEDUP = 1.4
"""fp8 over bf16 in whole steps; published 1.2 to 1.6, never 2 (catalogs/efficiency.yaml)."""
SMALL_MODEL_PARAMETERS = 350e6
SMALL_MODEL_FACTOR = 0.7
"""Models of at most 350M parameters reach 0.7 of the seed efficiency. Source: rules from published runs."""
MOE_FACTOR = 0.475
"""Mixtures of experts reach 0.35 to 0.6 of the seed efficiency; the middle. Source: rules from published runs."""
SATURATION_TOKENS = 512.0
"""Tokens per micro-step at which half of the speed is reached. An assumption of the planner, in line with the published
rule that the micro-batch matters until about 8k tokens: there 94% of the limit is reached."""
SEED_TOKENS = 8192.0
OPERATIONS_PER_BLOCK = {True: 246.0, False: 150.0}
"""Operators of one block, forward and backward, with and without a gated MLP. Source: operator counts of traced steps
of Llama-2-7B (246 a block) and GPT-2 (150)."""
OPERATIONS_PER_ADAPTER = 38.6
"""Operators that one adapted layer adds. Source: Llama-2-7B with adapters on 7 layers of a block, 516 against 246."""
OPERATIONS_PER_DORA = 37.4
"""Operators that DoRA adds to one adapted layer. Source: traced steps of Llama-3.1-8B with and without it."""
RECOMPUTED_OPERATIONS_FRACTION = 0.5
"""What a recomputed block adds. Source: traced steps with full checkpointing: 378 against 246, 751 against 516."""
OPERATIONS_PER_TILE = 12.0
"""Operators that one more tile of an MLP adds: three multiplications, activation and product, forward and backward."""
OPERATION_SECONDS = 8e-6
"""CPU time of one operator in eager PyTorch, 5 to 25 microseconds; the lower half, as most are small."""


def matmul_flops_per_second(
    workload: Workload, gpu: Gpu, stack: Stack, compute_dtype: str, micro_batch: int, context_parallel: int
) -> float:
    """FLOP/s that one GPU reaches in a training step.

    peak(dtype) x seed efficiency(GPU) x stack x min(1, saturation(tokens) / saturation(8,192)) x model factors, with
    saturation(t) = t / (t + 512).
    """
    sixteen_bit = gpu.peak_flops("bf16") or gpu.peak_flops("fp16") or 0.0
    peak = sixteen_bit * FP8_SPEEDUP if compute_dtype == "fp8" else gpu.peak_flops(compute_dtype) or 0.0
    tokens = local_tokens(workload, micro_batch, context_parallel)
    seed = SEED_TOKENS / (SEED_TOKENS + SATURATION_TOKENS)
    saturation = smaller(1.0, tokens / (tokens + SATURATION_TOKENS) / seed)
    factor = MOE_FACTOR if workload.architecture.is_moe else 1.0
    if workload.architecture.parameters <= SMALL_MODEL_PARAMETERS:
        factor *= SMALL_MODEL_FACTOR
    return peak * gpu.efficiency_fraction * stack.kernel_efficiency_fraction * factor * saturation


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
    loss: str,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of matrix multiplications and attention, without waiting for anything.

    `step_flops` / `matmul_flops_per_second`. The efficiency is that of whole steps of published runs, so memory-bound
    norms and activations are inside it.
    Source: catalogs/efficiency.yaml.
    Valid for: models above 350M parameters on the GPUs with published runs; others by analogy.
    Error: the published range of each GPU is about +-20%; not calibrated yet.
    """
    flops: float = call(step_flops, workload, locals())
    return flops / matmul_flops_per_second(workload, gpu, stack, compute_dtype, micro_batch, context_parallel)


@formula
def bubble_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    compute_dtype: str,
    attention: str,
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
    """Seconds per optimizer step in which a pipeline stage waits: multiplications x (p - 1) / (m v), v virtual stages.

    Source: 1F1B pipeline and its interleaved schedule, arXiv 2104.04473, section 2.2.
    Valid for: stages of equal length.
    Error: not measured.
    """
    if "pipeline" not in stack.parallelisms:
        return 0.0
    busy: float = call(multiplication_seconds, workload, locals())
    return busy * (pipeline_parallel - 1) / (gradient_accumulation * workload.virtual_stages)


@formula
def dequantisation_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    method: str,
    base_dtype: str,
    checkpointing: str,
    checkpointed_layers: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
) -> float:
    """Seconds per optimizer step to dequantise the base: twice per micro-batch, again for recomputed blocks.

    micro-batches x (2 + k / L) x weights x (quantised + 2 x 2 bytes) / memory bandwidth: written once, read once.
    Source: bitsandbytes dequantises before each multiplication.
    Valid for: qlora; 0 otherwise.
    Error: not calibrated yet.
    """
    if method != "qlora":
        return 0.0
    weights = workload.linear_parameters + (0 if workload.architecture.fused_experts else workload.expert_parameters)
    moved = weights * workload.block_share(pipeline_parallel) / tensor_parallel * (QUANTISED_BYTES[base_dtype] + 4.0)
    passes = 2.0 + recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    return gradient_accumulation * passes * moved / bandwidth(gpu)


@formula
def optimizer_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    grad_dtype: str,
    optimizer: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds of the optimizer step on the GPU: every state is read and written once.

    trainable / shards x (gradient + 2 (parameter + states) + 4 x temporaries) / memory bandwidth; paged states cross
    PCIe both ways. 0 if the host does it.
    Source: bytes that the update must move.
    Valid for: memory-bound updates.
    Error: not calibrated yet.
    """
    if offload in ("optimizer", "params+optimizer", "all"):
        return 0.0
    trained = trained_dtype(stack, method, base_dtype, master_weights)
    dtype = state_dtype(stack, method, base_dtype, master_weights)
    states = state_bytes_per_parameter(optimizer, dtype, workload, method)
    temporaries = 4.0 * stack.optimizer_temporary_states * DTYPE_BYTES[trained] * (optimizer == "adamw")
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    updated = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel) / shards
    moved = DTYPE_BYTES[grad_dtype] + 2 * (DTYPE_BYTES[trained] + states) + temporaries
    paging = 2 * states / pcie_bandwidth(gpu) if optimizer.startswith("paged") else 0.0
    return updated * (moved / bandwidth(gpu) + paging)


@formula
def launch_seconds(
    workload: Workload,
    *,
    method: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    gradient_accumulation: int,
    pipeline_parallel: int,
) -> float:
    """Seconds per optimizer step that the CPU needs to launch all kernels; small models and batches wait for it.

    micro-batches x blocks x (246, or 150 without a gated MLP, + 38.6 per adapted layer, or 76 with DoRA, + 12 per
    further tile) x
    (1 + k / 2 L) x 8 microseconds, k of L layers checkpointed.
    Source: operator counts of traced steps; 5 to 25 microseconds of CPU work for one eager operator.
    Valid for: eager PyTorch without CUDA graphs.
    Error: operators within 31% of those traced, half within 6%; their time is not calibrated yet.
    """
    architecture = workload.architecture
    adapted = 0.0 if method == "full" else sum(matrix.count for matrix in workload.adapted) / architecture.layers
    each = OPERATIONS_PER_ADAPTER + OPERATIONS_PER_DORA * workload.dora
    operations = OPERATIONS_PER_BLOCK[architecture.gated_mlp] + each * adapted
    operations = operations + OPERATIONS_PER_TILE * (mlp_chunks - 1)
    again = recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    repeated = operations * (1 + RECOMPUTED_OPERATIONS_FRACTION * again)
    return gradient_accumulation * workload.stage_layers(pipeline_parallel) * repeated * OPERATION_SECONDS


def bandwidth(gpu: Gpu) -> float:
    """Memory bandwidth of the GPU, bytes per second; that of the slowest GPU in the catalog if unpublished."""
    return (gpu.memory_bandwidth_gbs or 300.0) * 1e9


def pcie_bandwidth(gpu: Gpu) -> float:
    """Bytes per second and direction between GPU and host; PCIe 3.0 x16 if unpublished."""
    return (gpu.pcie_gbs or 15.75) * 1e9
