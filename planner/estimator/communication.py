"""Time on links: collectives of data, tensor, context and expert parallelism, pipeline hops and the PCIe bus."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.offer import Offer
from planner.catalog.stack import Stack
from planner.estimator.activations import local_tokens, residual_bytes
from planner.estimator.arrays import larger, smaller
from planner.estimator.compute import pcie_bandwidth, recomputed_share
from planner.estimator.formula import formula
from planner.estimator.states import state_bytes_per_parameter, trained_dtype
from planner.estimator.workload import DTYPE_BYTES, Workload

LINK_EFFICIENCY = 0.8
"""Share of a link's rate that large ring collectives reach. Source: NCCL bus bandwidth on 8 x A100 and 8 x H100 nodes,
about 235 of 300 and 365 of 450 GB/s."""
HOST_HOP_FRACTION = 0.5
"""Without peer-to-peer copies every byte crosses PCIe twice, through host memory."""
HOST_MEMORY_BANDWIDTH = 200e9
"""Bytes per second of one host's memory in a CPU optimizer step. Derived from published runs: an optimizer offloaded
without overlap makes a 7B step of 4,096 tokens 2.2 to 3.3 times as long."""
ASSUMED_NETWORK_GBIT_S = 10.0
"""Ethernet between nodes where the offer does not say; such offers are not used for several nodes unless allowed."""


def node_link(gpu: Gpu, ranks: float) -> float:
    """Bytes per second and direction between GPUs of one node for a group of `ranks`.

    NVSwitch: half of the published two-way rate, to everyone. A bridge joins pairs only; larger groups use PCIe.
    """
    pcie = pcie_bandwidth(gpu) * (1.0 if gpu.peer_to_peer else HOST_HOP_FRACTION)
    fast = (gpu.nvlink_gbs or 0.0) * 1e9 / 2
    if gpu.link == "switch" and fast:
        return fast * LINK_EFFICIENCY
    if gpu.link == "bridge" and fast:
        return LINK_EFFICIENCY * (pcie + (fast - pcie) * (ranks <= 2))
    return pcie * LINK_EFFICIENCY


def network_link(offer: Offer) -> float:
    """Bytes per second of one node's network."""
    return (offer.inter_node_gbit_s or ASSUMED_NETWORK_GBIT_S) * 1e9 / 8 * LINK_EFFICIENCY


def ring_seconds(
    buffer_bytes: float, gpu: Gpu, offer: Offer, ranks: float, ranks_per_node: float, groups_per_node: float
) -> float:
    """Seconds to pass `buffer_bytes` once round a group: an all-gather or a reduce-scatter; an all-reduce is two.

    (n - 1) / n x bytes / link inside a node, and (m - 1) / m x bytes x groups / network between m nodes, where all
    groups of a node share its network; a hierarchical collective does both.
    Source: ring collectives (Patarasu and Yuan 2009); NCCL.

    >>> from planner.catalog import load_catalog
    >>> h100 = load_catalog().gpu("H100 SXM"); offer = load_catalog().offers_of("H100 SXM")[0]
    >>> round(ring_seconds(450e9 * 0.8, h100, offer, 8, 8, 1), 3)  # 7/8 of one second's worth
    0.875
    """
    inside = (ranks_per_node - 1) / ranks_per_node * buffer_bytes / node_link(gpu, ranks_per_node)
    nodes = larger(1, ranks / ranks_per_node)
    return inside + (nodes - 1) / nodes * buffer_bytes * groups_per_node / network_link(offer)


def data_ranks_per_node(
    gpus_per_node: int, data_parallel: int, tensor_parallel: int, context_parallel: int, pipeline_parallel: int
) -> float:
    """Data-parallel (and context) ranks of one group that share a node; pipeline stages are spread over nodes first."""
    stages_per_node = larger(
        1,
        gpus_per_node * pipeline_parallel // _gpus(data_parallel, tensor_parallel, context_parallel, pipeline_parallel),
    )
    local = gpus_per_node // (tensor_parallel * stages_per_node)
    return smaller(data_parallel * context_parallel, larger(1, local))


def _gpus(data_parallel: int, tensor_parallel: int, context_parallel: int, pipeline_parallel: int) -> int:
    return data_parallel * tensor_parallel * context_parallel * pipeline_parallel


def data_parallel_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    offer: Offer,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step of the data-parallel collectives, whether or not they overlap.

    Per step: DDP and ZeRO-1 pass the gradients round twice (all-reduce, or reduce-scatter and all-gather of weights).
    Per micro-batch: ZeRO-2 reduces gradients; ZeRO-3, FSDP and HSDP gather all weights twice and reduce gradients
    once, inside their shard group, HSDP then all-reduces its shards between groups once.
    """
    del stack
    ranks = data_parallel * context_parallel
    here = data_ranks_per_node(gpus_per_node, data_parallel, tensor_parallel, context_parallel, pipeline_parallel)
    groups = gpus_per_node / here
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    gradients = trainable * DTYPE_BYTES[grad_dtype]
    weights = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
    weights = weights * (0.55 if base_dtype.startswith("nf4") else DTYPE_BYTES[compute_dtype])
    together = ranks > 1
    if sharding in ("none", "ddp", "zero1"):
        return together * 2 * ring_seconds(gradients, gpu, offer, ranks, here, groups)
    if sharding == "zero2":
        reduce = ring_seconds(gradients, gpu, offer, ranks, here, groups)
        gather = ring_seconds(trainable * DTYPE_BYTES[compute_dtype], gpu, offer, ranks, here, groups)
        return together * (gradient_accumulation * reduce + gather)
    if sharding == "hsdp":
        inside = ring_seconds(2 * weights + gradients, gpu, offer, here, here, groups)
        between = 2 * (ring_seconds(gradients / here, gpu, offer, ranks / here, 1, gpus_per_node))
        return together * (gradient_accumulation * inside + between * (ranks > here))
    everything = ring_seconds(2 * weights + gradients, gpu, offer, ranks, here, groups)
    return together * gradient_accumulation * everything


@formula
def overlapped_collective_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    offer: Offer,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step of data-parallel collectives that run beside the computation.

    All of those that happen in every micro-batch; those that happen once a step only if there is one micro-batch.
    Source: ring collectives; overlap of DDP buckets, FSDP and ZeRO prefetching.
    Valid for: bandwidth-bound messages (latency is not counted).
    Error: not calibrated yet.
    """
    arguments = {name: value for name, value in locals().items() if name != "workload"}
    seconds = data_parallel_seconds(workload, **arguments)
    if sharding in ("zero2", "zero3", "fsdp", "hsdp"):
        return seconds
    return seconds * (gradient_accumulation == 1)


@formula
def exposed_collective_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    offer: Offer,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    grad_dtype: str,
    sharding: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step of data-parallel collectives that nothing hides: DDP and ZeRO-1 with accumulation.

    Their one pass can hide behind the last micro-batch only, which is neglected.
    Source: ring collectives.
    Valid for: see `overlapped_collective_seconds`.
    Error: too high by at most one micro-batch's backward pass.
    """
    arguments = {name: value for name, value in locals().items() if name != "workload"}
    if sharding in ("zero2", "zero3", "fsdp", "hsdp"):
        return 0.0
    return data_parallel_seconds(workload, **arguments) * (gradient_accumulation > 1)


@formula
def tensor_parallel_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    compute_dtype: str,
    checkpointing: str,
    checkpointed_layers: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step of tensor-parallel all-reduces: four per block, two more if it is recomputed.

    micro-batches x blocks x (4 + 2 k / L) x 2 passes x T h e; with sequence parallelism each is a gather and a
    scatter of the same volume.
    Source: Megatron-LM, arXiv 1909.08053 and 2205.05198.
    Valid for: groups inside one node; not overlapped.
    Error: not calibrated yet.
    """
    if "tensor" not in stack.parallelisms:
        return 0.0
    element = DTYPE_BYTES[compute_dtype]
    buffer = local_tokens(workload, micro_batch, context_parallel) * workload.architecture.hidden * element
    again = 2.0 * recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    once = (tensor_parallel - 1) / tensor_parallel * buffer / node_link(gpu, tensor_parallel)
    return gradient_accumulation * workload.stage_layers(pipeline_parallel) * (4.0 + again) * 2 * once


@formula
def context_parallel_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    offer: Offer,
    compute_dtype: str,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step to pass keys and values round the context ring, beside the attention itself.

    micro-batches x blocks x 3 (forward, backward and their gradients) x 2 T kv e x (c - 1).
    Source: ring attention, arXiv 2310.01889.
    Valid for: rings inside a node, or over the network where c x tensor_parallel exceeds it.
    Error: not calibrated yet.
    """
    if "context" not in stack.parallelisms:
        return 0.0
    kv = workload.architecture.kv_dim / smaller(tensor_parallel, workload.architecture.kv_heads)
    buffer = 2 * local_tokens(workload, micro_batch, context_parallel) * kv * DTYPE_BYTES[compute_dtype]
    local = context_parallel * tensor_parallel <= gpus_per_node
    inside = 1 / node_link(gpu, context_parallel)
    outside = gpus_per_node / network_link(offer)
    hop = buffer * (outside + (inside - outside) * local)
    blocks = workload.stage_layers(pipeline_parallel)
    return gradient_accumulation * blocks * 3 * hop * (context_parallel - 1)


@formula
def expert_parallel_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    offer: Offer,
    compute_dtype: str,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step of the all-to-alls that carry tokens to their experts and back.

    micro-batches x mixture blocks x 4 x T k h e (x - 1) / x, over the network once the group leaves the node.
    Source: GShard, arXiv 2006.16668, section 3.
    Valid for: balanced routing.
    Error: not calibrated yet.
    """
    architecture = workload.architecture
    if not architecture.is_moe or "expert" not in stack.parallelisms:
        return 0.0
    tokens = local_tokens(workload, micro_batch, context_parallel) / tensor_parallel
    buffer = tokens * architecture.experts_per_token * architecture.hidden * DTYPE_BYTES[compute_dtype]
    local = expert_parallel * tensor_parallel <= gpus_per_node
    inside = 1 / node_link(gpu, expert_parallel)
    outside = gpus_per_node / network_link(offer)
    passed = buffer * (expert_parallel - 1) / expert_parallel * (outside + (inside - outside) * local)
    blocks = architecture.moe_layers * workload.block_share(pipeline_parallel)
    return gradient_accumulation * blocks * 4 * passed


@formula
def pipeline_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    offer: Offer,
    compute_dtype: str,
    micro_batch: int,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step to hand activations and their gradients to the next pipeline stage.

    micro-batches x 2 x T h e / tensor_parallel, over the network if stages are on different nodes.
    Source: 1F1B pipeline, arXiv 2104.04473, section 4.1.
    Valid for: not overlapped.
    Error: not calibrated yet.
    """
    if "pipeline" not in stack.parallelisms:
        return 0.0
    tokens = local_tokens(workload, micro_batch, context_parallel)
    buffer = tokens * workload.architecture.hidden * DTYPE_BYTES[compute_dtype] / tensor_parallel
    gpus = _gpus(data_parallel, tensor_parallel, context_parallel, pipeline_parallel)
    outside = gpus_per_node / network_link(offer)
    inside = 1 / node_link(gpu, pipeline_parallel)
    hop = buffer * (inside + (outside - inside) * (gpus > gpus_per_node))
    return gradient_accumulation * 2 * hop * (pipeline_parallel > 1)


@formula
def offload_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    grad_dtype: str,
    optimizer: str,
    offload: str,
    gradient_accumulation: int,
    data_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Seconds per optimizer step of an optimizer on the host: gradients out, update, weights back.

    trainable / ranks x (gradient + 2) / PCIe, and all of the node's states once through host memory, read and written;
    offloaded parameters come in twice per micro-batch besides.
    Source: ZeRO-Offload, arXiv 2101.06840; the host's rate is derived from published slow-downs.
    Valid for: not overlapped.
    Error: not calibrated yet.
    """
    if offload not in ("optimizer", "params+optimizer"):
        return 0.0
    ranks = data_parallel * context_parallel
    trained = trained_dtype(stack, method, base_dtype, master_weights)
    trainable = workload.trainable_parameters(method)
    copies = trainable / ranks * (DTYPE_BYTES[grad_dtype] + DTYPE_BYTES[compute_dtype]) / pcie_bandwidth(gpu)
    touched = 2 * (state_bytes_per_parameter(optimizer, trained, workload) + DTYPE_BYTES[trained])
    update = trainable / ranks * gpus_per_node * (touched + DTYPE_BYTES[grad_dtype]) / HOST_MEMORY_BANDWIDTH
    streamed = 0.0
    if offload == "params+optimizer":
        element = 0.55 if base_dtype.startswith("nf4") else DTYPE_BYTES[compute_dtype]
        streamed = 2 * gradient_accumulation * workload.architecture.parameters * element / ranks / pcie_bandwidth(gpu)
    return copies + update + streamed


@formula
def activation_offload_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    offload: str,
    checkpointed_layers: int,
    micro_batch: int,
    gradient_accumulation: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step that checkpointed block inputs spend on PCIe, out and back, beside the computation.

    micro-batches x 2 x T h bytes x checkpointed layers / PCIe.
    Source: bytes moved.
    Valid for: copies on a stream of their own.
    Error: not calibrated yet.
    """
    if offload != "activations":
        return 0.0
    residual = residual_bytes(stack, stack.precision(method, base_dtype, master_weights))
    layers = smaller(checkpointed_layers, workload.architecture.layers)
    moved = local_tokens(workload, micro_batch, context_parallel) * workload.architecture.hidden * residual * layers
    return gradient_accumulation * 2 * moved / pcie_bandwidth(gpu)
