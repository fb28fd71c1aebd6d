"""Memory of what the forward pass saves for the backward pass, and of the backward pass's own temporaries.

Everything is counted per token that a GPU holds (micro_batch x sequence / context_parallel) and per block, from what
autograd really keeps. T is such a token count, h hidden, q and kv the widths of queries and of keys or values, i the
MLP's width, e the bytes of the compute dtype.
"""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import larger, smaller
from planner.estimator.formula import call, formula
from planner.estimator.saved import (
    block_saved_bytes,
    local_tokens,
    mlp_saved_bytes,
    mlp_width,
    outer_saved_bytes,
    residual_bytes,
    selective_saved_bytes,
)
from planner.estimator.workload import DTYPE_BYTES, Workload


@formula
def activation_bytes(
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
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of all saved activations when the forward pass ends.

    T x (in_flight x ((layers - k) x block + k x kept) + outer), k checkpointed layers of a stage; outer is the final
    norm and the like. A fully checkpointed block keeps its input, h elements of the residual stream; a selectively
    checkpointed one about half of a block. On the first pipeline stage min(p, m) micro-batches are in flight (1F1B).
    Offloaded activations leave two blocks' inputs.
    Source: what autograd saves, operator by operator (see `block_saved_bytes`); 1F1B, arXiv 2104.04473.
    Valid for: decoder blocks of the catalog's families; dropout 0.
    Error: within 0.4% of traced forward passes without checkpointing and fused attention, 1.3% with eager attention.
    """
    precision = stack.precision(method, base_dtype, master_weights)
    element, residual = DTYPE_BYTES[compute_dtype], residual_bytes(stack, precision)
    whole = block_saved_bytes(workload, stack, precision, compute_dtype, attention, mlp_chunks, tensor_parallel)
    kept_input = residual * workload.architecture.hidden / tensor_parallel
    layers = workload.stage_layers(pipeline_parallel)
    chosen = smaller(checkpointed_layers, layers)
    kept = kept_input
    if checkpointing == "selective":
        kept = selective_saved_bytes(whole, workload, element, tensor_parallel)
    if offload == "activations":
        stored = 2 * kept_input + (layers - chosen) * whole
    else:
        stored = (layers - chosen) * whole + chosen * kept
    in_flight = smaller(pipeline_parallel, gradient_accumulation)
    outer = outer_saved_bytes(workload, precision, element, residual, attention) / tensor_parallel
    return local_tokens(workload, micro_batch, context_parallel) * (in_flight * stored + outer)


@formula
def recomputation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes that one checkpointed block recomputes and saves before its own backward pass.

    T x block, once, if any layer is checkpointed.
    Source: activation checkpointing, arXiv 1604.06174; traced steps.
    Valid for: one block per checkpointed segment.
    Error: not measured on its own.
    """
    if checkpointing == "none":
        return 0.0
    precision = stack.precision(method, base_dtype, master_weights)
    element = DTYPE_BYTES[compute_dtype]
    whole = block_saved_bytes(workload, stack, precision, compute_dtype, attention, mlp_chunks, tensor_parallel)
    if checkpointing == "selective":
        whole = whole - selective_saved_bytes(whole, workload, element, tensor_parallel)
    return local_tokens(workload, micro_batch, context_parallel) * whole * (checkpointed_layers > 0)


@formula
def block_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of one block's activations: what is left when the backward pass reaches the first block.

    Source: see `activation_bytes`.
    Valid for: the same.
    Error: not measured on its own.
    """
    precision = stack.precision(method, base_dtype, master_weights)
    whole = block_saved_bytes(workload, stack, precision, compute_dtype, attention, mlp_chunks, tensor_parallel)
    return local_tokens(workload, micro_batch, context_parallel) * whole


@formula
def backward_temporary_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of gradients of activations alive at once in one block's backward pass.

    T x max(MLP: e (h + 2 i / tiles), attention: e (h + q) + 4 q + 2 e q - what the MLP had saved): the flash backward
    accumulates the gradient of the queries in fp32 and expands those of keys and values to all query heads; eager
    attention holds two more score matrices, one in fp32. When attention's turn comes, the MLP's saved tensors, which
    `activation_bytes` or `recomputation_bytes` count, are free again.
    Source: autograd of the block; traced steps, whose eager runs peak in the softmax's backward.
    Valid for: decoder blocks of the catalog's families.
    Error: within 3% of the traced peaks of eager attention with checkpointing, always above.
    """
    precision = stack.precision(method, base_dtype, master_weights)
    architecture, element = workload.architecture, DTYPE_BYTES[compute_dtype]
    mlp = element * (architecture.hidden + 2 * mlp_width(architecture) / mlp_chunks) / tensor_parallel
    query = architecture.query_dim
    around = element * (architecture.hidden + query) + 4.0 * query + 2 * element * query
    if attention == "eager":
        around = around + architecture.heads * workload.sequence_length * (4.0 + element)
    freed = mlp_saved_bytes(workload, stack, precision, compute_dtype, mlp_chunks, tensor_parallel)
    return local_tokens(workload, micro_batch, context_parallel) * larger(mlp, around / tensor_parallel - freed)


@formula
def weight_cast_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    tensor_parallel: int,
    pipeline_parallel: int,
) -> float:
    """Bytes of 16-bit copies of fp32 weights that autocast makes in the forward pass and caches until it ends.

    2 x every fp32 matrix used in a multiplication: all linear layers and the head of an fp32 model, the adapters on a
    16-bit base, adapters and head of a k-bit model.
    Source: torch.autocast's weight cache; finding 3 of the traced steps.
    Valid for: stacks that autocast.
    Error: 0 against the traced wcast term.
    """
    precision = stack.precision(method, base_dtype, master_weights)
    if not precision.autocast or compute_dtype not in ("bf16", "fp16"):
        return 0.0
    head = workload.architecture.head.weights / tensor_parallel
    if method == "full":
        linear = (workload.linear_parameters + workload.expert_parameters) / tensor_parallel
        return 2.0 * (linear * workload.block_share(pipeline_parallel) + head)
    adapters = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel)
    return 2.0 * (adapters + (head if method == "qlora" and stack.kbit_upcast else 0.0))


@formula
def backward_weight_cast_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    checkpointing: str,
    checkpointed_layers: int,
    tensor_parallel: int,
    pipeline_parallel: int,
) -> float:
    """Bytes of autocast's weight copies that the backward pass still needs; checkpointed blocks cast theirs anew.

    Source: finding 3 of the traced steps.
    Valid for: stacks that autocast.
    Error: 0 against the traced wcast term.
    """
    everything: float = call(weight_cast_bytes, workload, locals())
    if checkpointing == "none":
        return everything
    head_is_cast = method == "full" or (method == "qlora" and stack.kbit_upcast)
    head = 2.0 * workload.architecture.head.weights / tensor_parallel if head_is_cast else 0.0
    head = smaller(head, everything)
    layers = workload.stage_layers(pipeline_parallel)
    return head + (everything - head) * (layers - smaller(checkpointed_layers, layers)) / layers
