"""Memory of the parameters, which lives as long as the run: weights, adapters, master copies."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.formula import formula
from planner.estimator.workload import DTYPE_BYTES, STORED_BYTES, Workload, shard_ranks

NF4_BLOCK = 64
NF4_DOUBLE_BLOCK = 256
QUANTISED_BYTES = {
    "nf4": 0.5 + 4 / NF4_BLOCK,
    "nf4-double": 0.5 + 1 / NF4_BLOCK + 4 / (NF4_BLOCK * NF4_DOUBLE_BLOCK),
    "int8": 1.0,
    "fp4": 0.5 + 4 / NF4_BLOCK,
    "int4-gptq": 0.5 + 2 / 128 + 0.5 / 128,
}
"""Bytes per quantised weight with its constants: one fp32 absmax per 64 weights; doubly quantised, one byte per 64
weights and one fp32 per 256 of those; int8 rows keep one fp32 each, which is left out (below 0.1%). GPTQ keeps a 16-bit
scale and a 4-bit zero point per 128 weights. Source: QLoRA, arXiv 2305.14314, section 3; GPTQ, arXiv 2210.17323."""


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
    if offload in ("params+optimizer", "all"):
        return 0.0
    shards = shard_ranks(sharding, "weights", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    if method != "qlora":
        held = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
        return held * STORED_BYTES[base_dtype] / shards
    plain = 4.0 if stack.kbit_upcast else 2.0
    # Experts kept as one three-dimensional tensor are not linear layers: bitsandbytes leaves them in 16 bit.
    expert_bytes = 2.0 if workload.architecture.fused_experts else QUANTISED_BYTES[base_dtype]
    experts = workload.expert_parameters / (tensor_parallel * expert_parallel) * expert_bytes
    linear = workload.linear_parameters / tensor_parallel * QUANTISED_BYTES[base_dtype] + experts
    blocks = (linear + workload.small_parameters * plain) * workload.block_share(pipeline_parallel)
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel) * plain
    if stack.quantises_head:
        head = workload.head_parameters / tensor_parallel * (plain - QUANTISED_BYTES[base_dtype])
        ends = ends - head * (pipeline_parallel == 1)
    return (blocks + ends) / shards


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
    if master_weights == "none" or stored == "fp32" or offload in ("optimizer", "params+optimizer", "all"):
        return 0.0
    shards = shard_ranks(sharding, "states", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    return 4.0 * workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel) / shards
