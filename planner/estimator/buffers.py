"""Memory of buffers: logits and loss, dequantised weights, collectives, the allocator's own and the framework's."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.activations import activation_bytes, backward_temporary_bytes, recomputation_bytes
from planner.estimator.arrays import ceil_div, smaller
from planner.estimator.formula import call, formula
from planner.estimator.saved import local_tokens
from planner.estimator.workload import DTYPE_BYTES, Workload

FUSED_LOGIT_BYTES = 6.0
"""A fused loss makes 16-bit logits of a chunk and their fp32 copy, in place afterwards. Source: Liger kernel."""
ALLOCATOR_FRACTION = 0.075
"""Reserved over live memory of blocks that come and go. Source: median of 250 simulated allocator runs, 1.075."""
NCCL_BYTES = 420 * 2**20
"""Buffers of the communicators of one process group. Source: NCCL's default 4 MiB buffers over its channels and peers,
as seen with torch FSDP on one node; not measured per GPU type."""
CONTEXT_BYTES = {"7.5": 0.14 * 2**30, "7.0": 1.1e9}
"""CUDA context by compute capability, where published (T4, V100)."""
DEFAULT_CONTEXT_BYTES = 0.6 * 2**30
"""CUDA context with lazily loaded kernels, 0.3 to 0.6 GiB on recent drivers; the upper end, for cuBLAS's workspace."""


@formula
def logit_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    loss: str,
    loss_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of logits and of the loss's temporaries in the backward pass of the loss, where they are largest.

    Full: 12 T V on Hugging Face style code (three fp32 copies). Chunked: the same for T / chunks positions, plus the
    hidden states' gradient. Fused: chunks of 2^ceil(log2(T h / V)) positions of 6 bytes per logit, the gradient
    of the hidden states and, if the head is trained, of its weights.
    Source: finding 1 of the traced steps; Liger kernel's fused linear cross entropy (chunk size rule).
    Valid for: vocabulary split over tensor-parallel ranks; logits of the last pipeline stage counted on the fullest.
    Error: 0 for full against the traced logits term.
    """
    architecture = workload.architecture
    tokens = local_tokens(workload, micro_batch, context_parallel)
    vocabulary = architecture.vocab / tensor_parallel
    hidden_gradient = tokens * architecture.hidden * 2.0
    if loss == "fused":
        chunk = tokens / ceil_div(architecture.vocab, architecture.hidden)
        trained_head = 2.0 * architecture.head.weights / tensor_parallel if method == "full" else 0.0
        return 2 * chunk * vocabulary * FUSED_LOGIT_BYTES + hidden_gradient + trained_head
    if loss == "chunked":
        return tokens * vocabulary * stack.logit_backward_bytes / loss_chunks + hidden_gradient
    return tokens * vocabulary * stack.logit_backward_bytes


@formula
def forward_logit_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    loss: str,
    loss_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of logits and of the loss's temporaries at the end of the forward pass.

    Full: 10 T V (16-bit logits, fp32 copy, log-softmax); chunked and fused as in the backward pass.
    Source: finding 1 of the traced steps.
    Valid for: see `logit_bytes`.
    Error: 0 for full against the traced forward peak.
    """
    backward: float = call(logit_bytes, workload, locals())
    return backward * (stack.logit_forward_bytes / stack.logit_backward_bytes) if loss == "full" else backward


@formula
def dequantised_bytes(workload: Workload, *, method: str, compute_dtype: str, tensor_parallel: int) -> float:
    """Bytes of the largest matrix of a quantised base, dequantised for one multiplication.

    Source: bitsandbytes dequantises one layer at a time into the compute dtype.
    Valid for: qlora; 0 otherwise.
    Error: not measured on its own.
    """
    if method != "qlora":
        return 0.0
    return workload.largest_matrix * DTYPE_BYTES[compute_dtype] / tensor_parallel


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
    """Bytes of buffers of the data-parallel engine: gathered weights, flat gradient buffers, buckets.

    Sharded weights: two blocks (one in use, one prefetched) and embedding and head gathered in the compute dtype (a
    quantised base is gathered quantised), and one block's unsharded gradients in the reduction's dtype. ZeRO: the
    engine's bucket, at most the trainable parameters. DDP: a copy of all gradients in its buckets. 0 on one rank.
    Source: PyTorch FSDP, arXiv 2304.11277; DeepSpeed's documented defaults; DDP without gradient_as_bucket_view.
    Valid for: default prefetching and bucket sizes.
    Error: not measured on its own.
    """
    ranks = data_parallel * context_parallel
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    grad = DTYPE_BYTES[grad_dtype]
    if sharding == "none":
        return 0.0 * ranks
    if sharding == "ddp":
        return stack.ddp_bucket_copies * trainable * grad * (ranks > 1)
    bucket = smaller(stack.communication_bucket_bytes, 2.0 * trainable)
    if sharding in ("zero1", "zero2"):
        return bucket * (ranks > 1)
    stage = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel)
    layers = workload.stage_layers(pipeline_parallel)
    block = (stage - ends) / layers
    block_trainable = (trainable - (ends if method == "full" else 0.0)) / layers
    element = 0.55 if method == "qlora" and base_dtype.startswith("nf4") else DTYPE_BYTES[compute_dtype]
    gathered = 2 * block * element + ends * DTYPE_BYTES[compute_dtype] + block_trainable * grad
    return (gathered + bucket) * (ranks > 1)


@formula
def allocator_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    offload: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    loss: str,
    loss_chunks: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes that the caching allocator holds beyond live tensors: free blocks and fragments.

    0.075 x (activations + recomputation + temporaries + logits); long-lived tensors do not fragment.
    Source: reserved over live memory in 250 simulated allocator runs: median 1.075, 90th percentile 1.23.
    Valid for: sequences of one length; varying lengths inflate it by up to half again.
    Error: the spread of that ratio is the largest single uncertainty of a peak.
    """
    decisions = locals()
    parts = (activation_bytes, recomputation_bytes, backward_temporary_bytes, logit_bytes)
    return ALLOCATOR_FRACTION * sum((call(part, workload, decisions) for part in parts), 0.0)


@formula
def context_bytes(workload: Workload, *, gpu: Gpu, gpus: int) -> float:
    """Bytes outside the allocator: the CUDA (or ROCm) context, library workspaces and communicators.

    context(GPU) + 420 MiB if more than one GPU takes part.
    Source: see the constants.
    Valid for: lazily loaded kernels (CUDA 12 and later).
    Error: process memory of published A100 runs implies 1.2 to 1.5 GiB with older drivers.
    """
    del workload
    context = CONTEXT_BYTES.get(gpu.compute_capability, DEFAULT_CONTEXT_BYTES)
    return context + NCCL_BYTES * (gpus > 1)
