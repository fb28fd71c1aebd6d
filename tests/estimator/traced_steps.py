"""Traced training steps as workloads and decisions of the estimator."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from planner.catalog import load_catalog
from planner.catalog.stack import Precision, Stack
from planner.estimator.formula import call
from planner.estimator.memory import PHASES
from planner.estimator.workload import Workload

CSV = Path(__file__).parents[1] / "data" / "traced_steps.csv"
MODELS = {
    "gpt2": "openai-community/gpt2",
    "tinyllama-1.1b": "TinyLlama/TinyLlama_v1.1",
    "llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "llama-2-13b": "meta-llama/Llama-2-13b-hf",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B",
    "llama-3.2-1b": "meta-llama/Llama-3.2-1B",
    "llama-3.2-3b": "meta-llama/Llama-3.2-3B",
    "mistral-7b": "mistralai/Mistral-7B-v0.1",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B",
    "qwen2.5-1.5b": "Qwen/Qwen2.5-1.5B",
    "qwen2.5-7b": "Qwen/Qwen2.5-7B",
}
TARGETS = {"all": "all-linear", "qv": "q+v", "attn": "q+k+v+o", "mlp": "gate+up+down"}
OPTIMIZERS = {
    "adamw": "adamw",
    "adamw_fused": "adamw",
    "paged_adamw_8bit": "paged-adamw-8bit",
    "adamw_8bit": "adamw-8bit",
    "sgd": "sgd",
}
UNTRACED = ("context", "allocator")
"""Terms outside of live tensors, which a trace does not contain."""


@dataclass(frozen=True)
class TracedStep:
    """One row of the table."""

    row: dict[str, str]

    @property
    def group(self) -> tuple[str, str, str]:
        """Method, attention and checkpointing."""
        return self.row["method"], self.row["attn"], self.row["ckpt"]

    def bytes_of(self, column: str) -> int:
        """A column of bytes or FLOPs."""
        return int(self.row[column])

    @property
    def expressible(self) -> bool:
        """Whether decisions can say it.

        Not: padded batches (a mask makes torch choose another kernel), programs that keep the logits, DoRA, LoRA
        dropout and the AdamW that loops over tensors.
        """
        row = self.row
        flags = any(row[flag] == "True" for flag in ("padded", "keep_outputs", "dora"))
        return not flags and row["lora_dropout"] == "0.0" and row["optimizer"] in OPTIMIZERS

    @property
    def precision(self) -> Precision:
        """What is stored in which dtype, as the trace was made."""
        row, method = self.row, self.row["method"]
        autocast, trained = row["dtype"] == "amp", "fp32"
        if method == "full":
            trained = "bf16" if row["dtype"] == "bf16" else "fp32"
        elif row["adapter_dtype"] == "bf16":
            trained = "bf16"
        quantised = "nf4-double" if row["double_quant"] == "True" else "nf4"
        return Precision(
            method=method,
            base_dtype={"full": trained, "lora": "bf16", "qlora": quantised}[method],
            compute_dtypes=("fp32",) if row["dtype"] == "fp32" else ("bf16",),
            master_weights="fp32" if trained == "fp32" else "none",
            grad_dtype=trained,
            autocast=autocast,
            adapter_dtype="" if method == "full" else trained,
        )

    @property
    def stack(self) -> Stack:
        """The Hugging Face stack with just that precision; k-bit models are upcast where the trace was mixed."""
        changes: dict[str, Any] = {
            "precisions": (self.precision,),
            "kbit_upcast": self.row["method"] == "qlora" and self.row["dtype"] == "amp",
        }
        if self.row["optimizer"] == "adamw_fused":
            changes["optimizer_temporary_states"] = 0.0
        return load_catalog().stack("hf-trainer").model_copy(update=changes)

    @property
    def workload(self) -> Workload:
        """The job: one step of its micro-batches on one GPU."""
        row = self.row
        return Workload(
            architecture=load_catalog().model(MODELS[row["model"]]),
            sequence_length=int(row["seq"]),
            global_batch=int(row["mb"]) * int(row["accum"]),
            steps=1,
            lora_rank=int(row["rank"]),
            lora_targets=TARGETS[row["targets"]],
        )

    @property
    def decisions(self) -> dict[str, Any]:
        """The plan of one GPU."""
        row, precision = self.row, self.precision
        layers = load_catalog().model(MODELS[row["model"]]).layers
        parallel = ("tensor", "pipeline", "context", "expert", "data")
        return {
            **{f"{each}_parallel": 1 for each in parallel},
            "gpus_per_node": 1,
            "stack": self.stack,
            "method": precision.method,
            "base_dtype": precision.base_dtype,
            "compute_dtype": precision.compute_dtypes[0],
            "master_weights": precision.master_weights,
            "grad_dtype": precision.grad_dtype,
            "optimizer": OPTIMIZERS[row["optimizer"]],
            "sharding": "none",
            "offload": "none",
            "attention": row["attn"],
            "checkpointing": row["ckpt"],
            "checkpointed_layers": layers if row["ckpt"] == "full" else 0,
            "loss": "full",
            "loss_chunks": 1,
            "mlp_chunks": 1,
            "micro_batch": int(row["mb"]),
            "gradient_accumulation": int(row["accum"]),
        }

    def predicted_phases(self) -> dict[str, float]:
        """Phase -> bytes of live tensors, by the estimator's formulas."""
        workload, decisions = self.workload, self.decisions
        return {
            phase: sum(call(term, workload, decisions) for name, term in terms.items() if name not in UNTRACED)
            for phase, terms in PHASES.items()
        }

    def peak_error(self) -> float:
        """Predicted over traced peak, less one."""
        return max(self.predicted_phases().values()) / self.bytes_of("peak_bytes") - 1


@cache
def traced_steps() -> tuple[TracedStep, ...]:
    """All rows of the table."""
    with CSV.open(encoding="utf-8", newline="") as file:
        return tuple(TracedStep(row) for row in csv.DictReader(file))


@cache
def expressible_steps() -> tuple[TracedStep, ...]:
    """The rows that decisions can say."""
    return tuple(step for step in traced_steps() if step.expressible)
