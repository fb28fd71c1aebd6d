"""Memory and disk of the machine that hosts the GPUs."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import smaller
from planner.estimator.formula import formula
from planner.estimator.optimizers import state_bytes_per_parameter, state_dtype, trained_dtype
from planner.estimator.saved import local_tokens
from planner.estimator.setting import residual_bytes
from planner.estimator.workload import DTYPE_BYTES, Workload

CHECKPOINT_WEIGHT_BYTES = 2.0
"""Models are published in 16 bit."""
KEPT_CHECKPOINTS = 2
"""The last one and the one being written."""
DATA_BYTES_PER_TOKEN = 4.0
"""A token as a 32-bit number. An assumption of the planner."""
SYSTEM_BYTES = 8 * 2**30
"""Operating system, Python and data loaders. An assumption of the planner."""


@formula
def offloaded_state_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    grad_dtype: str,
    optimizer: str,
    offload: str,
    data_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes per node of optimizer states, master weights, gradients and parameters kept in host memory.

    trainable x (states + master + gradient) / ranks x GPUs per node, and with offloaded parameters the base weights
    likewise; paged states are counted as if all were evicted.
    Source: ZeRO-Offload, arXiv 2101.06840; CUDA managed memory for paged optimizers.
    Valid for: sharded optimizers; no tensor or pipeline parallelism.
    Error: not measured.
    """
    paged = optimizer.startswith("paged")
    if offload not in ("optimizer", "params+optimizer", "all") and not paged:
        return 0.0
    dtype = state_dtype(stack, method, base_dtype, master_weights)
    each = state_bytes_per_parameter(optimizer, dtype, workload, method)
    trainable = workload.trainable_parameters(method)
    if paged:
        return trainable * each * gpus_per_node
    master = 4.0 if trained_dtype(stack, method, base_dtype, master_weights) == "fp32" else 0.0
    total = trainable * (each + master + DTYPE_BYTES[grad_dtype])
    if offload in ("params+optimizer", "all"):
        element = DTYPE_BYTES.get(base_dtype, 0.55)
        total += workload.architecture.parameters * element
    return total / (data_parallel * context_parallel) * gpus_per_node


@formula
def offloaded_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    offload: str,
    checkpointed_layers: int,
    micro_batch: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes per node of checkpointed block inputs kept in host memory.

    T x h x bytes x checkpointed layers x GPUs per node.
    Source: activation offloading as in torchtune and DeepSpeed: saved tensors are copied out after each block.
    Valid for: fully checkpointed blocks.
    Error: not measured.
    """
    if offload not in ("activations", "all"):
        return 0.0
    residual = residual_bytes(stack, stack.precision(method, base_dtype, master_weights))
    layers = smaller(checkpointed_layers, workload.architecture.layers)
    tokens = local_tokens(workload, micro_batch, context_parallel)
    return tokens * residual * workload.architecture.hidden * layers * gpus_per_node


@formula
def loading_bytes(workload: Workload, *, gpus_per_node: int) -> float:
    """Bytes per node while the model is loaded: the operating system and the largest shard of the published weights.

    8 GiB + min(2 P, 5 GB per GPU): safetensors files are memory-mapped and copied shard by shard, one per process.
    Source: Hugging Face shards of at most 5 GB; the 8 GiB are an assumption.
    Valid for: low_cpu_mem_usage loading (the default).
    Error: not measured.
    """
    published = CHECKPOINT_WEIGHT_BYTES * workload.architecture.parameters
    return SYSTEM_BYTES + smaller(published, 5e9) * gpus_per_node


@formula
def disk_bytes(workload: Workload, *, method: str) -> float:
    """Bytes of disk of the node that saves: published weights, two training checkpoints and the data.

    2 P + 2 x saved + 4 x tokens of the data set, see `saved_bytes`.
    Source: file sizes; tokens as 32-bit numbers, which is also about what their text takes in English.
    Valid for: one shared or first node writes.
    Error: not measured.
    """
    published = CHECKPOINT_WEIGHT_BYTES * workload.architecture.parameters
    data = DATA_BYTES_PER_TOKEN * workload.data_tokens
    return published + KEPT_CHECKPOINTS * saved_bytes(workload, method) + data


@formula
def result_bytes(workload: Workload, *, method: str) -> float:
    """Bytes of what is downloaded at the end: the trained parameters in 16 bit, or a whole training checkpoint.

    2 x trained parameters; with `download: checkpoint` 14 x trained parameters; with `download: nothing` 0.
    Source: file sizes.
    Valid for: adapters or all weights, saved once.
    Error: not measured.
    """
    if workload.download == "nothing":
        return 0.0
    if workload.download == "checkpoint":
        return saved_bytes(workload, method)
    return workload.trainable_parameters(method) * CHECKPOINT_WEIGHT_BYTES


def saved_bytes(workload: Workload, method: str) -> float:
    """Bytes of one training checkpoint, 14 per trained parameter: 16-bit weights, fp32 master copy, two moments."""
    return workload.trainable_parameters(method) * 14.0
