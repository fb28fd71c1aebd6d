"""Memory of the optimizer: its states, the temporaries of its step, and gradients converted for it."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import smaller
from planner.estimator.formula import formula
from planner.estimator.workload import DTYPE_BYTES, Workload, shard_ranks

EIGHT_BIT_BLOCK = 256
"""8-bit optimizers keep one fp32 absmax per 256 elements. Source: bitsandbytes optimizers, block-wise quantisation."""
PAGED_ELEMENTS = 100_000
"""Elements from which on a paged optimizer pages a tensor's states."""
BITSANDBYTES_32BIT = ("paged-adamw", "lion")
"""Optimizers whose states are fp32 whatever the parameters are: bitsandbytes' 32-bit ones."""
ADAFACTOR_COPIES_BYTES = 12.0
"""Per element of the matrix that is being updated: gradient, parameter and update in fp32, one matrix after another.
Source: Adafactor.step of transformers."""
MUON_COPIES_BYTES = 8.0
"""Per element of the matrix that is being orthogonalised: momentum's update and three 16-bit iterates.
Source: Newton-Schulz iteration of torch.optim.Muon."""


def trained_dtype(stack: Stack, method: str, base_dtype: str, master_weights: str) -> str:
    """The dtype of the parameters that the optimizer updates: fp32 if they have an fp32 master."""
    if master_weights == "fp32":
        return "fp32"
    return base_dtype if method == "full" else stack.precision(method, base_dtype, master_weights).adapter_dtype


def state_dtype(stack: Stack, method: str, base_dtype: str, master_weights: str) -> str:
    """Dtype of one optimizer state: as stated, else that of the parameters that are updated."""
    stated = stack.precision(method, base_dtype, master_weights).state_dtype
    return stated or trained_dtype(stack, method, base_dtype, master_weights)


def state_bytes_per_parameter(optimizer: str, dtype: str, workload: Workload, method: str) -> float:
    """Optimizer state of one trainable parameter on average, wherever it is kept.

    Adam keeps two moments, Lion one, SGD none (without momentum); 8-bit ones a byte and 1/64 byte of block constants
    each. Adafactor keeps one fp32 number per row and column of each matrix. Muon keeps one moment of the blocks'
    matrices and AdamW's two of all else.
    Source: torch.optim and bitsandbytes; Adafactor, arXiv 1804.04235, section 3; Muon as in torch.optim.Muon.
    """
    moment = 4.0 if optimizer in BITSANDBYTES_32BIT else DTYPE_BYTES.get(dtype, 4.0)
    eight_bit = 1 + 4 / EIGHT_BIT_BLOCK
    if optimizer == "adafactor":
        return 4.0 * _rows_and_columns(workload, method) / workload.trainable_parameters(method)
    if optimizer == "muon":
        return moment * (2.0 - _matrix_share(workload, method))
    return {
        "adamw": 2 * moment,
        "adamw-8bit": 2 * eight_bit,
        "paged-adamw-8bit": 2 * eight_bit,
        "paged-adamw": 2 * moment,
        "lion": moment,
        "sgd": 0.0,
    }[optimizer]


def _rows_and_columns(workload: Workload, method: str) -> float:
    """Rows and columns of all trained matrices together; each element of a vector counts as a row."""
    if method == "full":
        return sum(m.count * (m.inputs * (m.inputs > 1) + m.outputs) for m in workload.architecture.matrices())
    return sum(m.count * (2 * workload.lora_rank + m.inputs + m.outputs) for m in workload.adapted)


def _matrix_share(workload: Workload, method: str) -> float:
    """Share of the trained parameters that are matrices of blocks."""
    if method != "full":
        return 1.0
    matrices = workload.linear_parameters + workload.expert_parameters
    return matrices / workload.architecture.parameters


def resident_fraction(workload: Workload, method: str, optimizer: str) -> float:
    """Share of the trainable parameters whose states the GPU itself keeps; of a full model's all are paged.

    Source: bitsandbytes pages tensors of at least 100,000 elements only (`get_state_buffer`).
    """
    if not optimizer.startswith("paged"):
        return 1.0
    if method == "full":
        return 0.0
    tensors = [(m.count, workload.lora_rank * width) for m in workload.adapted for width in (m.inputs, m.outputs)]
    resident = sum(count * elements for count, elements in tensors if elements < PAGED_ELEMENTS)
    return resident / workload.adapter_parameters


@formula
def optimizer_state_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
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
    """Bytes of the optimizer's states on the GPU.

    trainable x state bytes / shards. Paged states live in managed memory outside the GPU's allocator, offloaded ones
    on the host: 0 here. Small tensors, such as most adapters, are not paged: see `resident_fraction`.
    Source: see `state_bytes_per_parameter`.
    Valid for: all optimizers of the catalog; sgd without momentum.
    Error: 0 for adamw against traced steps; below 0.5% for adamw-8bit (tensors under 4,096 elements stay fp32).
    """
    if offload in ("optimizer", "params+optimizer", "all"):
        return 0.0
    dtype = state_dtype(stack, method, base_dtype, master_weights)
    each = state_bytes_per_parameter(optimizer, dtype, workload, method)
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    return trainable * resident_fraction(workload, method, optimizer) * each / shards


@formula
def optimizer_temporary_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
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
    """Bytes of temporaries inside optimizer.step().

    A foreach AdamW allocates the square roots of all second moments at once: one set of one state; a fused one nothing;
    one that loops over tensors two copies of the largest.
    Engines that convert 16-bit gradients for fp32 masters hold a flat copy and its fp32 version: 2 + 4 bytes per
    parameter of the shard. Adafactor and Muon hold copies of the largest matrix only.
    Source: traced steps (full bf16 fine-tuning with foreach peaks at exactly 10 bytes per parameter, fp32 at 20);
    DeepSpeed's stage_1_and_2.py (flatten, then to fp32); see the constants.
    Valid for: the stacks' default implementations; 0 for 8-bit kernels.
    Error: 0 against traced steps.
    """
    if offload in ("optimizer", "params+optimizer", "all"):
        return 0.0
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel) / shards
    converted = stack.gradient_conversion_bytes * trainable
    largest = smaller(trainable, workload.largest_trained(method) / tensor_parallel)
    if optimizer == "adafactor":
        return converted + ADAFACTOR_COPIES_BYTES * largest
    if optimizer == "muon":
        return converted + MUON_COPIES_BYTES * largest
    if optimizer != "adamw":
        return converted
    state = DTYPE_BYTES.get(state_dtype(stack, method, base_dtype, master_weights), 4.0)
    if stack.optimizer_loops:
        return converted + 2 * state * largest
    return converted + state * stack.optimizer_temporary_states * trainable
