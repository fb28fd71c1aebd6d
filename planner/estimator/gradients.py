"""Memory of gradients: all of them, and what exists of them at each point of a step."""

from __future__ import annotations

from planner.estimator.arrays import smaller
from planner.estimator.formula import call, formula
from planner.estimator.workload import DTYPE_BYTES, Workload, shard_ranks


@formula
def gradient_bytes(
    workload: Workload,
    *,
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
    if offload == "params+optimizer" or (offload == "optimizer" and sharding in ("zero2", "zero3", "fsdp")):
        return 0.0
    shards = shard_ranks(sharding, "gradients", data_parallel, context_parallel, tensor_parallel, gpus_per_node)
    trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    return trainable * DTYPE_BYTES[grad_dtype] / shards


@formula
def late_gradient_bytes(
    workload: Workload,
    *,
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
    """Bytes of gradients while the first block is differentiated: all but an untied embedding's, or accumulated ones.

    Source: order of events in a backward pass; a tied embedding has its head's gradient from the beginning.
    Valid for: all stacks.
    Error: with it the traced ends of checkpointed backward passes are within 1%.
    """
    everything: float = call(gradient_bytes, workload, locals())
    if method != "full" or workload.architecture.tied_embeddings:
        return everything
    stage = workload.stage_parameters(tensor_parallel, pipeline_parallel, expert_parallel)
    embedding = workload.embedding_parameters / tensor_parallel
    return everything * (1 - embedding / stage * (gradient_accumulation == 1))


@formula
def tied_gradient_bytes(workload: Workload, *, method: str, grad_dtype: str, tensor_parallel: int) -> float:
    """Bytes of the embedding's own gradient and of its sum with the head's, where both are one matrix.

    2 x V h x bytes(grad_dtype), when the backward pass reaches the embedding.
    Source: traced steps of GPT-2: the end of the backward pass holds all gradients and two more of the embedding.
    Valid for: full fine-tuning with tied embeddings; 0 otherwise.
    Error: 0 against the traced backward passes that peak there.
    """
    if method != "full" or not workload.architecture.tied_embeddings:
        return 0.0
    return 2.0 * workload.architecture.head.weights * DTYPE_BYTES[grad_dtype] / tensor_parallel


@formula
def accumulated_gradient_bytes(
    workload: Workload,
    *,
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

    `gradient_bytes` if gradient_accumulation > 1, else 0.
    Source: order of events in a step with accumulated gradients.
    Valid for: all stacks.
    Error: 0 against traced steps.
    """
    everything: float = call(gradient_bytes, workload, locals())
    return everything * (gradient_accumulation > 1)


@formula
def early_gradient_bytes(
    workload: Workload,
    *,
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

    Source: order of events in a backward pass.
    Valid for: all stacks.
    Error: not measured on its own.
    """
    everything: float = call(gradient_bytes, workload, locals())
    stage = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
    head = workload.architecture.head.weights / tensor_parallel if method == "full" else 0
    ends = workload.ends_parameters(pipeline_parallel, tensor_parallel) if method == "full" else 0
    block = (stage - ends) / workload.stage_layers(pipeline_parallel)
    early = smaller(everything, everything * (head + block) / stage)
    return early + (everything - early) * (gradient_accumulation > 1)
