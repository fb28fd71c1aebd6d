"""Which combinations of decisions are legal: one boolean function and one sentence each.

A rule is written like a formula: its keyword-only parameters are the decisions it needs, numbers may be arrays. The
solver drops the rows that break it; a refused plan is answered with its sentence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from planner.catalog.gpu import Gpu
from planner.catalog.offer import Offer
from planner.catalog.stack import Stack
from planner.estimator.formula import evaluate
from planner.estimator.workload import Workload


@dataclass(frozen=True)
class Rule:
    """A condition that every plan meets, and the sentence for one that does not."""

    sentence: str
    holds: Callable[..., Any]


def _batch(workload: Workload, *, micro_batch: int, gradient_accumulation: int, data_parallel: int) -> bool:
    return micro_batch * gradient_accumulation * data_parallel == workload.global_batch


def _gpus(
    workload: Workload,
    *,
    gpus: int,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> bool:
    del workload
    return data_parallel * tensor_parallel * pipeline_parallel * context_parallel == gpus


def _whole_nodes(workload: Workload, *, gpus: int, gpus_per_node: int) -> bool:
    del workload
    return gpus % gpus_per_node == 0


def _network(workload: Workload, *, offer: Offer, gpus: int, gpus_per_node: int) -> Any:
    del workload
    return (gpus == gpus_per_node) | (offer.inter_node_gbit_s is not None)


def _dtype(workload: Workload, *, gpu: Gpu, compute_dtype: str) -> bool:
    del workload
    return gpu.peak_flops(compute_dtype) is not None


def _base_dtype(workload: Workload, *, gpu: Gpu, base_dtype: str) -> bool:
    del workload
    return base_dtype != "bf16" or gpu.peak_flops("bf16") is not None


def _flash(workload: Workload, *, gpu: Gpu, attention: str) -> bool:
    """FlashAttention-2 needs compute capability 8.0 (or a CDNA GPU)."""
    del workload
    return attention != "flash" or gpu.vendor == "AMD" or _capability(gpu) >= 8.0


def _flash_dtype(workload: Workload, *, compute_dtype: str, attention: str) -> bool:
    del workload
    return attention != "flash" or compute_dtype in ("bf16", "fp16", "fp8")


def _fused_sdpa(workload: Workload, *, gpu: Gpu, attention: str) -> bool:
    """torch's own fused kernels exist for every GPU from compute capability 5.0 on, and on ROCm."""
    del workload
    return attention != "sdpa" or gpu.vendor in ("NVIDIA", "AMD")


def _capability(gpu: Gpu) -> float:
    try:
        return float(gpu.compute_capability)
    except ValueError:
        return 0.0


def _quantised(workload: Workload, *, gpu: Gpu, method: str) -> bool:
    """bitsandbytes kernels."""
    del workload
    return method != "qlora" or gpu.vendor in ("NVIDIA", "AMD")


def _one_rank(workload: Workload, *, sharding: str, data_parallel: int, context_parallel: int) -> Any:
    del workload
    return (sharding == "none") == (data_parallel * context_parallel == 1)


def _hybrid(workload: Workload, *, sharding: str, gpus: int, gpus_per_node: int, pipeline_parallel: int) -> Any:
    del workload
    return (sharding != "hsdp") | ((gpus > gpus_per_node) & (pipeline_parallel == 1))


def _tensor_parallel(workload: Workload, *, tensor_parallel: int, gpus_per_node: int) -> Any:
    architecture = workload.architecture
    fits = (architecture.heads % tensor_parallel == 0) & (tensor_parallel <= gpus_per_node)
    return fits & (gpus_per_node % tensor_parallel == 0)


def _pipeline(workload: Workload, *, pipeline_parallel: int, gradient_accumulation: int) -> Any:
    enough = (pipeline_parallel == 1) | (gradient_accumulation >= pipeline_parallel)
    return enough & (pipeline_parallel <= workload.architecture.layers)


def _interleaved(workload: Workload, *, pipeline_parallel: int, gradient_accumulation: int) -> Any:
    """Source: Megatron core, arguments.py and pipeline_parallel/schedules.py, which refuse anything else."""
    stages = workload.virtual_stages
    even = (workload.architecture.layers % (pipeline_parallel * stages) == 0) & (
        gradient_accumulation % pipeline_parallel == 0
    )
    return (pipeline_parallel == 1) | even | (stages == 1)


def _context(workload: Workload, *, context_parallel: int) -> Any:
    return (context_parallel == 1) | (workload.sequence_length % (2 * context_parallel) == 0)


def _experts(workload: Workload, *, expert_parallel: int, data_parallel: int, context_parallel: int) -> Any:
    architecture = workload.architecture
    if not architecture.is_moe:
        return expert_parallel == 1
    return (architecture.experts % expert_parallel == 0) & (data_parallel * context_parallel % expert_parallel == 0)


def _mixture_stack(workload: Workload, *, stack: Stack) -> bool:
    return stack.moe or not workload.architecture.is_moe


def _loss_chunks(workload: Workload, *, loss: str, loss_chunks: int) -> Any:
    del workload
    return (loss == "chunked") == (loss_chunks > 1)


def _checkpointing(workload: Workload, *, stack: Stack, checkpointing: str, checkpointed_layers: int) -> Any:
    if checkpointing == "none":
        return checkpointed_layers == 0
    layers = workload.architecture.layers
    whole = checkpointed_layers == layers
    if stack.partial_checkpointing and checkpointing == "full":
        return (checkpointed_layers > 0) & (checkpointed_layers <= layers)
    return whole


def _partial_pipeline(
    workload: Workload, *, checkpointing: str, checkpointed_layers: int, pipeline_parallel: int
) -> Any:
    """Partial checkpointing is counted per stage, so it is offered without a pipeline only."""
    whole = (checkpointed_layers == workload.architecture.layers) | (checkpointing == "none")
    return whole | (pipeline_parallel == 1)


def _offloaded_activations(workload: Workload, *, offload: str, checkpointing: str, checkpointed_layers: int) -> Any:
    if offload != "activations":
        return True
    return (checkpointing == "full") & (checkpointed_layers == workload.architecture.layers)


def _host_known(workload: Workload, *, offer: Offer, offload: str, optimizer: str) -> bool:
    del workload
    needs_host = offload != "none" or optimizer.startswith("paged")
    return not needs_host or offer.host_ram_gib_per_gpu is not None


def _positions(workload: Workload) -> bool:
    architecture = workload.architecture
    return architecture.position != "learned" or workload.sequence_length <= architecture.max_positions


def _eager_sharded(workload: Workload, *, attention: str, context_parallel: int) -> Any:
    del workload
    return (attention != "eager") | (context_parallel == 1)


def _tiles(workload: Workload, *, stack: Stack, mlp_chunks: int) -> Any:
    return (mlp_chunks == 1) | (stack.mlp_tiling & (not workload.architecture.is_moe))


def _precision(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    grad_dtype: str,
) -> bool:
    del workload
    wanted = (method, base_dtype, master_weights, grad_dtype)
    return any(
        (each.method, each.base_dtype, each.master_weights, each.grad_dtype) == wanted
        and compute_dtype in each.compute_dtypes
        for each in stack.precisions
    )


def _stack_optimizer(workload: Workload, *, stack: Stack, optimizer: str) -> bool:
    del workload
    return optimizer in stack.optimizers


def _stack_sharding(workload: Workload, *, stack: Stack, method: str, sharding: str, offload: str) -> bool:
    """One rank shards nothing, so every stack can run it without sharding where it has that choice."""
    del workload
    return any(
        each.name == sharding and method in each.methods and offload in each.offloads for each in stack.shardings
    )


def _stack_activations(workload: Workload, *, stack: Stack, attention: str, checkpointing: str, loss: str) -> bool:
    del workload
    return attention in stack.attentions and checkpointing in stack.checkpointings and loss in stack.losses


def _stack_parallelism(
    workload: Workload,
    *,
    stack: Stack,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
) -> Any:
    del workload
    degrees = {
        "tensor": tensor_parallel,
        "pipeline": pipeline_parallel,
        "context": context_parallel,
        "expert": expert_parallel,
    }
    result: Any = True
    for kind, degree in degrees.items():
        if kind not in stack.parallelisms:
            result = result & (degree == 1)
    return result


def _supply(workload: Workload, *, offer: Offer, gpus: int) -> Any:
    del workload
    whole = gpus % offer.gpus_per_node == 0
    part = (gpus < offer.gpus_per_node) & ((gpus & (gpus - 1)) == 0)
    return whole | (part & offer.divisible)


RULES = (
    Rule("the stack must train this method in these dtypes", _precision),
    Rule("the stack must have the optimizer", _stack_optimizer),
    Rule("the stack must have this sharding and offload for the method", _stack_sharding),
    Rule("the stack must have this attention, checkpointing and loss", _stack_activations),
    Rule("the stack must have these kinds of parallelism", _stack_parallelism),
    Rule("the offer must supply this number of GPUs", _supply),
    Rule("micro_batch x gradient_accumulation x data_parallel is the global batch", _batch),
    Rule("data x tensor x pipeline x context parallel is the number of GPUs", _gpus),
    Rule("several machines are used whole", _whole_nodes),
    Rule("several machines need an offer that states its network between machines (inter_node_gbit_s)", _network),
    Rule("the GPU must have a peak for the compute dtype", _dtype),
    Rule("bf16 weights need a GPU with bf16", _base_dtype),
    Rule("flash attention needs an NVIDIA GPU of compute capability 8.0 or an AMD GPU", _flash),
    Rule("flash attention computes in 16 bit", _flash_dtype),
    Rule("sdpa attention needs an NVIDIA or AMD GPU", _fused_sdpa),
    Rule("a quantised base needs an NVIDIA or AMD GPU (bitsandbytes)", _quantised),
    Rule("one data-parallel rank has nothing to shard (sharding none), several must say how", _one_rank),
    Rule("hsdp shards inside a machine and copies between machines: it needs several, and no pipeline", _hybrid),
    Rule("tensor_parallel divides the heads and stays inside a machine", _tensor_parallel),
    Rule("a pipeline needs as many micro-batches as stages, and a layer for each stage", _pipeline),
    Rule(
        "an interleaved pipeline cuts the layers into pipeline_parallel x virtual_stages equal pieces, and runs a "
        "multiple of pipeline_parallel micro-batches",
        _interleaved,
    ),
    Rule("context_parallel splits the sequence in 2 x context_parallel equal parts", _context),
    Rule("expert_parallel divides the experts and the data-parallel ranks", _experts),
    Rule("the stack must support mixtures of experts", _mixture_stack),
    Rule("loss_chunks is above 1 for a chunked loss and 1 otherwise", _loss_chunks),
    Rule("checkpointed_layers is 0 without checkpointing, else all layers; some stacks allow some", _checkpointing),
    Rule("checkpointing some of the layers is not combined with a pipeline", _partial_pipeline),
    Rule("offloading activations moves the inputs of fully checkpointed blocks", _offloaded_activations),
    Rule("offloading and paged optimizers need an offer that states its host memory", _host_known),
    Rule("learned positions end at the model's max_positions", _positions),
    Rule("eager attention is not split over context-parallel ranks", _eager_sharded),
    Rule("mlp_chunks needs a stack with a tiled MLP and a dense model", _tiles),
)


def broken_rules(workload: Workload, plan: Any) -> tuple[str, ...]:
    """The sentences of all rules that a plan breaks; none for a legal plan."""
    return tuple(rule.sentence for rule in RULES if not evaluate(rule.holds, workload, plan))
