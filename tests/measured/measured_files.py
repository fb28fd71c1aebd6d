"""Small measurements files, and predictions that a test can check by hand."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from planner.catalog import Architecture, Catalog, load_catalog
from planner.measured.columns import ARCHITECTURE_COLUMNS, COLUMNS
from planner.measured.row import MeasuredRow
from planner.measured.validate import Interval, Prediction, Validation, validate_files

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "measurements" / "published"
PUBLISHED_FILES = [Path("measurements/published/memory.csv"), Path("measurements/published/throughput.csv")]
GIB = 2**30
RUN = {
    "id": "run-1-mem", "source": "somewhere", "source_ref": "its table", "model": "meta-llama/Llama-2-7b-hf",
    "gpu": "A100 80GB SXM", "gpus": "2", "gpus_per_node": "2", "method": "lora", "lora_rank": "16",
    "lora_targets": "q+v", "base_dtype": "bf16", "compute_dtype": "bf16", "master_weights": "none",
    "grad_dtype": "bf16", "optimizer": "adamw", "optimizer_state_dtype": "bf16", "sequence_length": "512",
    "micro_batch": "4", "gradient_accumulation": "3", "global_batch": "24", "checkpointing": "full",
    "attention": "flash", "loss": "full", "mlp_chunks": "", "sharding": "ddp", "data_parallel": "2",
    "tensor_parallel": "1", "pipeline_parallel": "1", "context_parallel": "1", "expert_parallel": "1",
    "offload": "none", "compile": "no", "fused_kernels": "none", "stack": "hf-trainer", "interconnect": "NVLink",
    "peak_allocated_gib": "10", "peak_reserved_gib": "", "peak_process_gib": "", "outcome": "ok",
    "tokens_per_second_per_gpu": "", "step_seconds": "", "software": "torch2.4", "date": "2025-01",
    "assumed": "gpu", "notes": "dummy data, of equal length",
}  # fmt: skip
SHAPE = {
    "model": "own/model", "layers": "2", "hidden": "64", "intermediate": "128", "heads": "4", "kv_heads": "2",
    "head_dim": "16", "vocab": "1000", "tied_embeddings": "true", "gated_mlp": "true", "attention_type": "GQA",
    "experts": "", "experts_per_token": "", "moe_intermediate": "", "shared_experts": "", "max_positions": "512",
    "qkv_bias": "false", "o_bias": "false", "mlp_bias": "false", "norm": "RMSNorm", "position_embedding": "rope",
    "source": "a table",
}  # fmt: skip


def write_runs(path: Path, *changes: Mapping[str, str]) -> Path:
    """A measurements file with one row for each set of changes to RUN."""
    names = [column.name for column in COLUMNS]
    return _write(path, names, [{**RUN, "id": f"run-{n}-mem", **each} for n, each in enumerate(changes, start=1)])


def write_shapes(path: Path, *changes: Mapping[str, str]) -> Path:
    """An architectures file with one row for each set of changes to SHAPE."""
    return _write(path, [column.name for column in ARCHITECTURE_COLUMNS], [{**SHAPE, **each} for each in changes])


def _write(path: Path, names: list[str], rows: Iterable[Mapping[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def predict_by_batch(row: MeasuredRow, _: Catalog, models: Mapping[str, Architecture]) -> Prediction:
    """10 GiB allocated for 4 samples, in proportion; the interval is 10% wide on each side; fits up to 10 GiB."""
    assert row.model in models
    size = 2.5 * row.micro_batch
    bytes_of = round(size * GIB)
    levels = {"peak_allocated_gib": size, "peak_reserved_gib": 1.1 * size, "peak_process_gib": 1.2 * size}
    return Prediction(
        quantities={
            **{name: Interval(value, 0.9 * value, 1.1 * value) for name, value in levels.items()},
            "tokens_per_second_per_gpu": Interval(100.0 * row.micro_batch),
        },
        fit_probability=1.0 if size <= 10 else 0.0,
        fits=size <= 10,
        memory={"forward": {"weights": bytes_of // 4, "activations": bytes_of - bytes_of // 4}},
        outside={"allocator": round(0.1 * bytes_of), "context": GIB},
        step={"compute": {"linear": 2.0}, "serial": {"launch": 0.5}},
    )


@cache
def published_runs() -> Validation:
    """The comparison with the published peaks and speeds, made once, by the paths that a checkout has."""
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return validate_files(PUBLISHED_FILES, load_catalog())
    finally:
        os.chdir(before)
