"""Memory that lives as long as the run: weights, adapters, master copies, optimizer states; and gradients."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.formula import formula
from planner.estimator.workload import DTYPE_BYTES, Workload, shard_ranks

NF4_BLOCK = 64
NF4_DOUBLE_BLOCK = 256
QUANTISED_BYTES = {
    "nf4": 0.5 + 4 / NF4_BLOCK,
    "nf4-double": 0.5 + 1 / NF4_BLOCK + 4 / (NF4_BLOCK * NF4_DOUBLE_BLOCK),
    "int8": 1.0,
}
"""Bytes per quantised weight with its constants: one fp32 absmax per 64 weights; doubly quantised, one byte per 64
weights and one fp32 per 256 of those; int8 rows keep one fp32 each, which is left out (below 0.1%).
Source: QLoRA, arXiv 2305.14314, section 3."""
EIGHT_BIT_BLOCK = 256
"""8-bit optimizers keep one fp32 absmax per 256 elements. Source: bitsandbytes optimizers, block-wise quantisation."""
PAGED_ELEMENTS = 100_000
"""Elements from which on a paged optimizer pages a tensor's states."""


@formula
def weight_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of the model's weights on the GPU that holds most.

    weights x bytes(base_dtype) / shards. In a quantised base only the blocks' linear layers are quantised: embeddings
    and head stay 16 bit (32 bit where the stack upcasts them), as do norms. Parameters offloaded to the host leave no
    copy behind (their gathered copies are in `gather_bytes`).
    Source: per-matrix counts; dtypes per stack in catalogs/stacks.yaml.
    Valid for: all methods, sharding and parallelism of the catalog.
    Error: 0 against the parameter bytes of 250 traced steps for one GPU.

    Llama-2-7B in bf16: 6,738,415,616 x 2 bytes = 12.55 GiB.
    """
    if offload == "params+optimizer":
        return 0.0
    shards = shard_ranks(sharding, "weights", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    if method != "qlora":
        held = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
        return held * DTYPE_BYTES[base_dtype] / shards
    plain = 4.0 if stack.kbit_upcast else 2.0
    # Experts kept as one three-dimensional tensor are not linear layers: bitsandbytes leaves them in 16 bit.
    expert_bytes = 2.0 if workload.architecture.fused_experts else QUANTISED_BYTES[base_dtype]
    experts = workload.expert_parameters / (tensor_parallel * expert_parallel) * expert_bytes
    linear = workload.linear_parameters / tensor_parallel * QUANTISED_BYTES[base_dtype] + experts
    blocks = (linear + workload.small_parameters * plain) * workload.block_share(pipeline_parallel)
    return (blocks + workload.ends_parameters(pipeline_parallel, tensor_parallel) * plain) / shards


@formula
def adapter_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    sharding: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of the LoRA matrices.

    rank x sum(inputs + outputs) x bytes(adapter dtype) / shards.
    Source: LoRA, arXiv 2106.09685; PEFT creates adapters on a 16-bit base in fp32 (autocast_adapter_dtype).
    Valid for: lora and qlora; 0 for full.
    Error: 0 against traced steps.
    """
    if method == "full":
        return 0.0
    dtype = stack.precision(method, base_dtype, master_weights).adapter_dtype
    shards = shard_ranks(sharding, "weights", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    return workload.trainable_parameters(method, tensor_parallel, pipeline_parallel) * DTYPE_BYTES[dtype] / shards


@formula
def master_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of the fp32 copy of 16-bit trainable parameters, kept by the sharded optimizer.

    4 x trainable / shards; 0 where the trainable parameters are fp32 themselves, or the copy is offloaded.
    Source: ZeRO, arXiv 1910.02054, section 3.1 (4 of the 12 bytes of optimizer states).
    Valid for: DeepSpeed and Megatron style optimizers.
    Error: not measured on its own.
    """
    precision = stack.precision(method, base_dtype, master_weights)
    stored = base_dtype if method == "full" else precision.adapter_dtype
    if master_weights == "none" or stored == "fp32" or offload in ("optimizer", "params+optimizer"):
        return 0.0
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    return 4.0 * workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel) / shards


def state_bytes_per_parameter(optimizer: str, trainable_dtype: str, workload: Workload) -> float:
    """Optimizer state of one trainable parameter, wherever it is kept.

    Adam keeps two moments in the dtype of the parameters it updates, Lion one; the 8-bit ones a byte and 1/64 byte of
    block constants each. Adafactor keeps one fp32 number per row and column of each matrix: 4 (r + c) / (r c).
    Source: bitsandbytes and PyTorch optimizers; Adafactor, arXiv 1804.04235, section 3.
    """
    moment = DTYPE_BYTES[trainable_dtype]
    eight_bit = 1 + 4 / EIGHT_BIT_BLOCK
    if optimizer == "adafactor":
        hidden = workload.architecture.hidden
        return 4.0 * 2 / hidden
    return {
        "adamw": 2 * moment,
        "adamw-8bit": 2 * eight_bit,
        "paged-adamw-8bit": 2 * eight_bit,
        "lion": moment,
        "sgd": 0.0,
    }[optimizer]


def resident_fraction(workload: Workload, method: str, optimizer: str) -> float:
    """Share of the trainable parameters whose states the GPU itself keeps; of a full model's all are paged.

    Source: bitsandbytes pages tensors of at least 100,000 elements only (`get_state_buffer`).
    """
    if optimizer != "paged-adamw-8bit":
        return 1.0
    if method == "full":
        return 0.0
    tensors = [(m.count, workload.lora_rank * width) for m in workload.adapted for width in (m.inputs, m.outputs)]
    resident = sum(count * elements for count, elements in tensors if elements < PAGED_ELEMENTS)
    return resident / workload.adapter_parameters


def trained_dtype(stack: Stack, method: str, base_dtype: str, master_weights: str) -> str:
    """The dtype of the parameters that the optimizer updates: fp32 if they have an fp32 master."""
    if master_weights == "fp32":
        return "fp32"
    return base_dtype if method == "full" else stack.precision(method, base_dtype, master_weights).adapter_dtype


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
    Valid for: all optimizers of the catalog; adafactor as for square matrices of the hidden size.
    Error: 0 for adamw against traced steps; below 0.5% for adamw-8bit (tensors under 4,096 elements stay fp32).
    """
    if offload in ("optimizer", "params+optimizer"):
        return 0.0
    each = state_bytes_per_parameter(optimizer, trained_dtype(stack, method, base_dtype, master_weights), workload)
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

    The foreach AdamW of PyTorch allocates the square roots of all second moments at once: one set of one state.
    Source: traced steps: full bf16 fine-tuning peaks at exactly 10 bytes per parameter, fp32 at 20.
    Valid for: adamw on stacks that use torch's foreach implementation; 0 for fused and 8-bit kernels.
    Error: 0 against traced steps.
    """
    if optimizer != "adamw" or offload in ("optimizer", "params+optimizer"):
        return 0.0
    each = DTYPE_BYTES[trained_dtype(stack, method, base_dtype, master_weights)] * stack.optimizer_temporary_states
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    return workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel) * each / shards
