"""Memory of gradients: all of them, and what exists of them at each point of a step."""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import smaller
from planner.estimator.formula import call, formula
from planner.estimator.workload import DTYPE_BYTES, Workload, shard_ranks

UNSHARDED = ("none", "ddp")
"""Ways of data parallelism in which every rank keeps all gradients."""


def accumulating(stack: Stack, gradient_accumulation: int) -> bool:
    """Whether all gradients exist, or have room, before a backward pass begins; an array for an array."""
    return (gradient_accumulation > 1) | stack.main_gradients


@formula
def gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of all gradients, as they are at the end of the backward pass and until the optimizer step.

    trainable x bytes(grad_dtype) / shards; with offloaded optimizer and ZeRO-2/3 they are moved to the host at once.
    Source: ZeRO, arXiv 1910.02054; traced steps.
    Valid for: gradients freed after the step (zero_grad(set_to_none=True)).
    Error: 0 against traced steps.
    """
    if offload in ("params+optimizer", "all") or (offload == "optimizer" and sharding in ("zero2", "zero3", "fsdp")):
        return 0.0
    if stack.steps_in_backward and method == "full":
        return 0.0
    shards = shard_ranks(sharding, "gradients", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    return trainable * DTYPE_BYTES[grad_dtype] / shards


@formula
def inner_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of gradients when the backward pass reaches the embedding: all but its own, or accumulated ones.

    Source: order of events in a backward pass; a tied embedding's gradient waits for its second part.
    Valid for: all stacks.
    Error: 0 against the traced backward passes that peak there.
    """
    everything: float = call(gradient_bytes, workload, locals())
    if method != "full":
        return everything
    stage = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
    embedding = workload.embedding_parameters / tensor_parallel
    return everything * (1 - embedding / stage * (1 - accumulating(stack, gradient_accumulation)))


@formula
def late_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of gradients while the first block is differentiated: `inner_gradient_bytes` less most of its own.

    Of the block's own only those of its MLP's last weights exist. Where gradients are sharded, its unsharded ones are
    in `gather_bytes`, and nothing is taken off here.
    Source: order of events in a backward pass, whose peak lies in the MLP (what else of the block's gradients exists at
    its peak is in `block_gradient_bytes`).
    Valid for: all stacks.
    Error: 0 against the traced backward passes that peak there.
    """
    decisions = locals()
    inner: float = call(inner_gradient_bytes, workload, decisions)
    inner = inner + waiting_gradient_bytes(workload, method, grad_dtype, tensor_parallel)
    if method != "full" or sharding not in UNSHARDED or stack.steps_in_backward:
        return inner
    everything: float = call(gradient_bytes, workload, decisions)
    stage = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel)
    block = (stage - ends) / workload.stage_layers(pipeline_parallel)
    missing = everything * block * (1 - last_share(workload)) / stage
    return inner - missing * (1 - accumulating(stack, gradient_accumulation))


def last_weights(workload: Workload) -> float:
    """Weights of one block's down-projections, the first of its weights to have gradients."""
    matrices = workload.architecture.matrices()
    return sum(matrix.weights for matrix in matrices if matrix.module == "down") / workload.architecture.layers


def last_share(workload: Workload) -> float:
    """Share of a block's weights that are its down-projections'."""
    weights = workload.linear_parameters + workload.expert_parameters
    return last_weights(workload) * workload.architecture.layers / weights


@formula
def embedding_gradient_bytes(
    workload: Workload, *, stack: Stack, method: str, base_dtype: str, grad_dtype: str, tensor_parallel: int
) -> float:
    """Bytes of new gradients when the backward pass ends at the embedding.

    V h x bytes(grad_dtype), or bytes(base_dtype) where it is added to a buffer; where head and embedding are one matrix
    three times that: the head's gradient, the embedding's own and their sum.
    Source: traced steps: the backward pass of a tied model ends with all gradients and two more of the embedding.
    Valid for: full fine-tuning; 0 otherwise.
    Error: 0 against the traced backward passes that peak there.
    """
    if method != "full":
        return 0.0
    dtype = base_dtype if stack.main_gradients else grad_dtype
    twice = 2 * waiting_gradient_bytes(workload, method, dtype, tensor_parallel)
    return twice + workload.embedding_parameters * DTYPE_BYTES[dtype] / tensor_parallel


def waiting_gradient_bytes(workload: Workload, method: str, grad_dtype: str, tensor_parallel: int) -> float:
    """Bytes of a tied head's gradient while it waits for the embedding's."""
    if method != "full" or not workload.architecture.tied_embeddings:
        return 0.0
    return workload.architecture.head.weights * DTYPE_BYTES[grad_dtype] / tensor_parallel


@formula
def accumulated_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of gradients that already exist during a forward pass: all of them from the second micro-batch on.

    `gradient_bytes` if gradient_accumulation > 1 or the stack has buffers for them, else 0.
    Source: order of events in a step with accumulated gradients.
    Valid for: all stacks.
    Error: 0 against traced steps.
    """
    everything: float = call(gradient_bytes, workload, locals())
    return everything * accumulating(stack, gradient_accumulation)


@formula
def early_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    grad_dtype: str,
    sharding: str,
    offload: str,
    gradient_accumulation: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of gradients while the last block is differentiated: those of the head and one block, or accumulated ones.

    Of the block only those of its MLP's last weights, unless gradients are sharded (see `late_gradient_bytes`).
    Source: order of events in a backward pass.
    Valid for: all stacks.
    Error: not measured on its own.
    """
    everything: float = call(gradient_bytes, workload, locals())
    stage = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    head = workload.architecture.head.weights / tensor_parallel if method == "full" else 0
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel) if method == "full" else 0
    block = (stage - ends) / workload.stage_layers(pipeline_parallel)
    if method == "full" and sharding in UNSHARDED:
        block = block * last_share(workload)
    early = smaller(everything, everything * (head + block) / stage)
    waiting = waiting_gradient_bytes(workload, method, grad_dtype, tensor_parallel)
    return early + (everything - early + waiting) * accumulating(stack, gradient_accumulation)
