"""A measured row as the estimator sees it: a workload and a plan, every decision taken from the row's columns."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from planner.catalog import Architecture, Catalog, Gpu, Offer, Stack
from planner.catalog.software import Software
from planner.catalog.stack import Precision
from planner.decisions import Plan
from planner.errors import PlannerError
from planner.estimator.states import QUANTISED_BYTES
from planner.estimator.workload import Workload
from planner.measured.batches import accumulation
from planner.measured.row import MeasuredRow

OWN_LOSS_FAMILIES = ("gpt_bigcode",)
"""Families whose model code takes the loss itself, from shifted logits without making them fp32, as transformers 4 had
it for older models. Source: modeling_gpt_bigcode.py of transformers 4.48; traced steps."""
IN_PLACE_LOSS = ("foak", "unsloth", "liger")
"""Kernels whose cross-entropy writes the gradient in place of the logits."""

REFERENCE_GBIT_S = {"Ampere": 200.0, "Hopper": 400.0, "Blackwell": 400.0}
"""Network of one GPU in NVIDIA's reference systems: eight adapters of 200 Gbit/s in DGX A100, of 400 Gbit/s in DGX H100
and B200. Source: their data sheets."""
OTHER_GBIT_S = 100.0


class InexpressibleError(PlannerError):
    """The row says something that no decision can say; the message is the reason."""


def measured_plan(
    row: MeasuredRow, catalog: Catalog, architectures: Mapping[str, Architecture]
) -> tuple[Workload, Plan]:
    """The job and the plan of a measured run. InexpressibleError if the row names what the planner does not model."""
    architecture = architectures.get(row.model)
    if architecture is None:
        raise InexpressibleError(f"the shape of {row.model} is not known")
    _check(row)
    gpu = _gpu(row, catalog)
    stated = catalog.measured_source(row.source)
    accumulated = accumulation(row)
    workload = Workload(
        architecture=architecture,
        sequence_length=row.sequence_length,
        global_batch=row.micro_batch * accumulated * row.data_parallel,
        steps=1,
        lora_rank=row.lora_rank or 16,
        lora_targets=row.lora_targets or "all-linear",
        virtual_stages=_virtual_stages(row),
        sample_lengths=stated.sample_lengths if stated else None,
    )
    return workload, _plan(row, gpu, _stack(row, catalog, architecture), architecture, accumulated)


def configuration(workload: Workload, plan: Plan) -> Hashable:
    """What runs that only repeat each other have in common: job and plan, whoever rents out the machine."""
    decisions = tuple((name, value) for name, value in plan.as_dict().items() if name != "offer")
    job = workload.architecture.name, workload.sequence_length, workload.global_batch, workload.virtual_stages
    return job, decisions


def _virtual_stages(row: MeasuredRow) -> int:
    """Pieces of layers per GPU of an interleaved pipeline, which only the notes name."""
    stated = re.search(r"interleaved pipeline, (\d+) chunks", row.notes)
    return int(stated.group(1)) if stated else 1


def _check(row: MeasuredRow) -> None:
    """Refuse what contradicts itself or names nothing. Error: InexpressibleError."""
    quantised = row.base_dtype in QUANTISED_BYTES
    if quantised != (row.method == "qlora"):
        raise InexpressibleError(f"method {row.method} and base_dtype {row.base_dtype} contradict each other")
    if row.optimizer == "other":
        raise InexpressibleError("the optimizer is not named")


def _gpu(row: MeasuredRow, catalog: Catalog) -> Gpu:
    """The GPU; what it has no units for is taken to run as slowly as fp32, and notes may name another memory."""
    try:
        gpu = catalog.gpu(row.gpu)
    except LookupError as error:
        raise InexpressibleError(f"the GPU {row.gpu} is not in the catalog") from error
    if variant := re.search(r"variant with (\d+) GB", row.notes):
        gpu = _with_memory(gpu, int(variant.group(1)))
    if "no NVLink" in row.interconnect and gpu.link == "bridge":
        gpu = gpu.model_copy(update={"link": "none", "nvlink_gbs": None})
    if gpu.peak_flops(row.compute_dtype) is None:
        return gpu.model_copy(update={f"{row.compute_dtype}_tflops": gpu.fp32_tflops})
    return gpu


def _with_memory(gpu: Gpu, nominal_gib: int) -> Gpu:
    """A variant of a GPU with another nominal memory, of which the same share can be used."""
    share = nominal_gib / gpu.memory_nominal_gib
    usable = None if gpu.usable_mib is None else int(gpu.usable_mib * share)
    changes = {"memory_nominal_gib": nominal_gib, "memory_mib": int(gpu.memory_mib * share), "usable_mib": usable}
    return gpu.model_copy(update=changes)


def _stack(row: MeasuredRow, catalog: Catalog, architecture: Architecture) -> Stack:
    try:
        stack = catalog.engine(row.stack, row.sharding)
    except LookupError as error:
        raise InexpressibleError(f"the stack {row.stack} is not in the catalog") from error
    stack = stack.as_of(Software(row.software, _day(row.date)))
    nearest = stack.nearest_precision(row.method, row.base_dtype, row.master_weights, row.grad_dtype)
    changes: dict[str, Any] = {
        "precisions": (_precision(row, stack, nearest),),
        "parallelisms": tuple({**dict.fromkeys(stack.parallelisms), **dict.fromkeys(_parallelisms(row))}),
        "compiled": stack.compiled if row.compile == "" else row.compile == "yes",
        "fused_kernels": row.fused_kernels,
        "steps_in_backward": "optimizer step fused into backward" in row.notes,
    }
    if row.base_dtype == "int4-gptq":
        # prepare_model_for_kbit_training of PEFT casts nothing of a GPTQ model (utils/other.py).
        changes["kbit_upcast"] = False
    if row.loss != "fused":
        changes |= _loss(row, stack, architecture)
    return stack.model_copy(update=changes)


def _parallelisms(row: MeasuredRow) -> list[str]:
    """What the run splits besides data."""
    kinds = ("tensor", "pipeline", "context", "expert")
    return [kind for kind in kinds if getattr(row, f"{kind}_parallel") > 1]


def _loss(row: MeasuredRow, stack: Stack, architecture: Architecture) -> dict[str, float]:
    """Bytes per logit of a full loss, where the model or its kernels have a loss of their own."""
    forward, backward, element = stack.logit_forward_bytes, stack.logit_backward_bytes, 4.0
    if architecture.family in OWN_LOSS_FAMILIES:
        mixed = row.master_weights == "fp32"
        element = 4.0 if mixed else 2.0
        forward, backward = 4.0 + 2 * element * mixed + 2 * (not mixed), 3 * element
        # What the model returned stays alive: its logits, and what accelerate made fp32 of them in mixed precision.
        kept = 6.0 if mixed else 2.0
        forward, backward = forward + kept - 2, backward + kept
    if row.fused_kernels in IN_PLACE_LOSS and stack.fused_kernels not in IN_PLACE_LOSS:
        forward, backward = forward - element, backward - element
    return {"logit_forward_bytes": forward, "logit_backward_bytes": backward}


def _precision(row: MeasuredRow, stack: Stack, nearest: Precision) -> Precision:
    """What the row stores in which dtype; what no column says is as in the stack's most similar precision."""
    adapters = nearest.adapter_dtype
    if row.method != "full" and (adapters in ("fp32", "") or row.master_weights == "none"):
        adapters = row.grad_dtype
    plain = row.method == "full" and row.base_dtype in ("bf16", "fp16")
    return nearest.model_copy(
        update={
            "method": row.method,
            "base_dtype": row.base_dtype,
            "compute_dtypes": (row.compute_dtype,),
            "master_weights": row.master_weights,
            "grad_dtype": row.grad_dtype,
            "autocast": nearest.autocast and stack.autocasts and not plain,
            "adapter_dtype": adapters,
            "state_dtype": row.optimizer_state_dtype,
        }
    )


def _day(text: str) -> date | None:
    """The first day that a date of the format (YYYY, YYYY-MM or YYYY-MM-DD) may mean."""
    parts = [int(part) for part in text.split("-")] if text else []
    return date(*parts, *([1] * (3 - len(parts)))) if parts else None


def _chunks(row: MeasuredRow, stack: Stack) -> int:
    """Chunks of a chunked loss."""
    if stack.loss_chunk_tokens:
        return -(-row.sequence_length // stack.loss_chunk_tokens)
    return stack.loss_chunks


def _reference_gbit_s(gpu: Gpu) -> float:
    """Network of one GPU where the row does not say."""
    return REFERENCE_GBIT_S.get(gpu.generation, OTHER_GBIT_S) if gpu.link == "switch" else OTHER_GBIT_S


def _offer(row: MeasuredRow, gpu: Gpu) -> Offer:
    """The machine that the run was measured on; its price plays no part."""
    network = re.search(r"(\d+) ?(?:x ?(\d+) )?Gb(?:it)?/s", row.interconnect)
    gbit_s = (
        float(network.group(1)) * float(network.group(2) or 1)
        if network
        else _reference_gbit_s(gpu) * row.gpus_per_node
    )
    return Offer(
        provider="measured",
        instance=row.id,
        gpu=gpu.name,
        gpus_per_node=row.gpus_per_node,
        kind="on-demand",
        price_per_gpu_hour=Decimal(1),
        currency="USD",
        host_ram_gib_per_gpu=1024.0,
        inter_node_gbit_s=gbit_s,
        observed=date(2000, 1, 1),
        quality="not a price",
        source=row.source_ref or row.source,
        retrieved=date(2000, 1, 1),
    )


def _plan(row: MeasuredRow, gpu: Gpu, stack: Stack, architecture: Architecture, accumulated: int) -> Plan:
    one_rank = row.data_parallel * row.context_parallel == 1
    return Plan(
        gpu=gpu,
        offer=_offer(row, gpu),
        gpus=row.gpus,
        stack=stack,
        method=row.method,
        lora_rank=row.lora_rank,
        lora_targets=row.lora_targets or None,
        base_dtype=row.base_dtype,
        compute_dtype=row.compute_dtype,
        master_weights=row.master_weights,
        grad_dtype=row.grad_dtype,
        optimizer=row.optimizer,
        sharding="none" if one_rank and row.sharding == "ddp" else row.sharding,
        offload=row.offload,
        tensor_parallel=row.tensor_parallel,
        pipeline_parallel=row.pipeline_parallel,
        context_parallel=row.context_parallel,
        expert_parallel=row.expert_parallel,
        data_parallel=row.data_parallel,
        attention=row.attention,
        checkpointing=row.checkpointing,
        checkpointed_layers=0 if row.checkpointing == "none" else architecture.layers,
        loss=row.loss or "full",
        loss_chunks=_chunks(row, stack) if row.loss == "chunked" else 1,
        mlp_chunks=row.mlp_chunks or 1,
        micro_batch=row.micro_batch,
        gradient_accumulation=accumulated,
    )
