"""One row of a measurements file: the plan of a real run and what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MeasuredRow:
    """The columns of the measurements format. A blank text or None means "not stated" or "does not apply"."""

    line: int
    """Line of the file, from 1; the header is line 1."""
    id: str
    source: str
    source_ref: str
    model: str
    gpu: str
    gpus: int
    gpus_per_node: int
    method: str
    lora_rank: int | None
    lora_targets: str
    base_dtype: str
    compute_dtype: str
    master_weights: str
    grad_dtype: str
    optimizer: str
    optimizer_state_dtype: str
    sequence_length: int
    micro_batch: int
    gradient_accumulation: int | None
    global_batch: int | None
    checkpointing: str
    attention: str
    loss: str
    mlp_chunks: int | None
    sharding: str
    data_parallel: int
    tensor_parallel: int
    pipeline_parallel: int
    context_parallel: int
    expert_parallel: int
    offload: str
    compile: str
    fused_kernels: str
    stack: str
    interconnect: str
    peak_allocated_gib: float | None
    peak_reserved_gib: float | None
    peak_process_gib: float | None
    outcome: str
    tokens_per_second_per_gpu: float | None
    step_seconds: float | None
    software: str
    date: str
    assumed: tuple[str, ...]
    notes: str
