"""Traced training steps as workloads and decisions of the estimator."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from planner.catalog import load_catalog
from planner.catalog.architecture import Architecture
from planner.catalog.hf_config import read_hf_config
from planner.catalog.stack import Precision, Stack
from planner.estimator.formula import call
from planner.estimator.memory import PHASES
from planner.estimator.workload import Workload

DATA = Path(__file__).parents[1] / "data"
FILES = ("traced_steps.csv", "more_traced_steps.csv")
MODELS = {
    "gpt2": "openai-community/gpt2",
    "gpt2-xl": "openai-community/gpt2-xl",
    "gemma2-2b": "google/gemma-2-2b",
    "phi-2": "microsoft/phi-2",
    "qwen3-1.7b": "Qwen/Qwen3-1.7B-Base",
    "llama-3.1-70b": "meta-llama/Llama-3.1-70B",
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
UNWINDOWED = ("mistral-7b",)
"""Models that were traced without the sliding window of their catalog entry."""
TARGETS = {"all": "all-linear", "qv": "q+v", "attn": "q+k+v+o", "mlp": "gate+up+down"}
GPT2_TARGETS = {"all": "all-linear", "qv": "q+v", "attn": "q+o+down", "mlp": "up"}
"""What the trace tool calls by these names: GPT-2's attention and MLP both have a `c_proj`."""
MODULES = {
    "q_proj": "q", "k_proj": "k", "v_proj": "v", "o_proj": "o", "dense": "o", "qkv_proj": "q", "gate_proj": "gate",
    "up_proj": "up", "fc1": "up", "gate_up_proj": "up", "down_proj": "down", "fc2": "down", "lm_head": "lm_head",
}  # fmt: skip
OPTIMIZERS = {
    "adamw": "adamw",
    "adamw_loop": "adamw",
    "adamw_fused": "adamw",
    "paged_adamw_8bit": "paged-adamw-8bit",
    "adamw_8bit": "adamw-8bit",
    "sgd": "sgd",
}
TRACED_TERMS = {
    "weights": ("pk_param",),
    "adapters": ("pk_param",),
    "optimizer_states": ("pk_optim",),
    "gradients": ("pk_grad",),
    "block_gradients": ("pk_grad",),
    "activations": ("pk_act",),
    "logits": ("pk_logits",),
    "weight_casts": ("pk_wcast",),
    "recomputation": ("pk_bwd_tmp", "pk_kernel_ws"),
    "temporaries": ("pk_bwd_tmp", "pk_kernel_ws"),
    "dequantised": ("pk_bwd_tmp", "pk_kernel_ws"),
    "embedding_gradients": ("pk_bwd_tmp", "pk_kernel_ws"),
    "optimizer_temporaries": ("pk_opt_tmp",),
}
"""Terms and the columns that they are in. A trace has no CUDA context, allocator or communication, and does not load,
evaluate or save."""
TRACED_PHASES = ("forward", "loss", "backward_start", "backward_end", "embedding", "optimizer")


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
    def precision(self) -> Precision:
        """What is stored in which dtype, as the trace was made."""
        row, method = self.row, self.row["method"]
        autocast = row["dtype"] in ("amp", "amp16")
        plain = {"amp": "fp32", "amp16": "fp32"}.get(row["dtype"], row["dtype"])
        trained = plain if method == "full" else "fp32"
        if method != "full" and row["adapter_dtype"] == "bf16":
            trained = "bf16"
        base = {
            "full": trained,
            "lora": "bf16" if autocast else plain,
            "qlora": "nf4-double" if row["double_quant"] == "True" else "nf4",
        }[method]
        return Precision(
            method=method,
            base_dtype=row.get("base_dtype") or base,
            compute_dtypes=({"amp": "bf16", "amp16": "fp16"}.get(row["dtype"], row["dtype"]),),
            master_weights="fp32" if trained == "fp32" else "none",
            grad_dtype=trained,
            autocast=autocast,
            adapter_dtype="" if method == "full" else trained,
        )

    @property
    def stack(self) -> Stack:
        """The Hugging Face stack with just that precision; k-bit models are upcast where the trace was mixed."""
        changes: dict[str, Any] = {
            "keeps_graph": True,
            "kernel_work": False,
            "precisions": (self.precision,),
            "kbit_upcast": self.row["method"] == "qlora" and self.precision.autocast,
            "keeps_logits": self.row["keep_outputs"] == "True",
            "kbit_keeps_inputs": self.row.get("old_bnb") == "True",
            "reentrant_checkpointing": self.row["reentrant"] == "True",
            "optimizer_loops": self.row["optimizer"] == "adamw_loop",
            "optimizer_temporary_states": 1.0 if self.row["optimizer"] == "adamw" else 0.0,
        }
        return load_catalog().stack("hf-trainer").model_copy(update=changes)

    @property
    def architecture(self) -> Architecture:
        """The model, with as many layers as were traced."""
        name = self.row["model"]
        model = load_catalog().model(MODELS[name]) if name in MODELS else read_hf_config(DATA / f"{name}.json")
        layers = int(self.row.get("layers") or model.layers)
        changes: dict[str, Any] = {"layers": layers, "windowed_layers": model.windowed_layers * layers // model.layers}
        if name in UNWINDOWED:
            changes |= {"sliding_window": None, "windowed_layers": 0}
        return Architecture.model_validate(model.model_dump() | changes)

    @property
    def workload(self) -> Workload:
        """The job: one step of its micro-batches on one GPU."""
        row = self.row
        targets = GPT2_TARGETS if row["model"].startswith("gpt2") else TARGETS
        named = "+".join(MODULES[name] for name in row["targets"].split(",")) if row["targets"] not in targets else ""
        return Workload(
            architecture=self.architecture,
            sequence_length=int(row["seq"]),
            global_batch=int(row["mb"]) * int(row["accum"]),
            steps=1,
            lora_rank=int(row["rank"]),
            lora_targets=named or targets[row["targets"]],
            padded=row["padded"] == "True",
            dora=row["dora"] == "True",
            lora_dropout=float(row["lora_dropout"]),
        )

    @property
    def decisions(self) -> dict[str, Any]:
        """The plan of one GPU."""
        row, precision = self.row, self.precision
        layers = self.architecture.layers
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
        return {phase: sum(self.predicted_terms(phase).values()) for phase in TRACED_PHASES}

    def predicted_terms(self, phase: str) -> dict[str, float]:
        """Term -> bytes in one phase, by the estimator's formulas."""
        workload, decisions = self.workload, self.decisions
        return {name: call(term, workload, decisions) for name, term in PHASES[phase].items() if name in TRACED_TERMS}

    def peak_error_bytes(self) -> float:
        """Predicted less traced peak."""
        return max(self.predicted_phases().values()) - self.bytes_of("peak_bytes")

    def peak_error(self) -> float:
        """Predicted over traced peak, less one."""
        return self.peak_error_bytes() / self.bytes_of("peak_bytes")

    def term_errors(self) -> dict[str, tuple[float, int]]:
        """Traced term -> predicted less traced bytes, and traced bytes, at the peak of each."""
        phases = self.predicted_phases()
        predicted = self.predicted_terms(max(phases, key=lambda phase: phases[phase]))
        errors = {}
        for columns in dict.fromkeys(TRACED_TERMS.values()):
            traced = sum(self.bytes_of(column) for column in columns)
            own = sum(size for name, size in predicted.items() if TRACED_TERMS[name] == columns)
            errors["+".join(columns)] = (own - traced, traced)
        return errors


@cache
def traced_steps(file: str = FILES[0]) -> tuple[TracedStep, ...]:
    """All rows of a table."""
    with (DATA / file).open(encoding="utf-8", newline="") as rows:
        return tuple(TracedStep(row) for row in csv.DictReader(rows))


def all_steps() -> tuple[TracedStep, ...]:
    """The rows of all tables."""
    return tuple(step for file in FILES for step in traced_steps(file))
