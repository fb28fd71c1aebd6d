"""Logs of the Hugging Face Trainer as it writes them, and the scenario of their run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCENARIO = """\
as_of: 2026-11-23
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 10M}, sequence_length: 512, global_batch: 16}
plan: {gpu: A100 80GB SXM, gpus: 2, stack: hf-trainer, method: lora, base_dtype: bf16, optimizer: adamw, sharding: ddp,
  attention: sdpa, checkpointing: full, loss: full, micro_batch: 4}
"""
RESULTS = {
    "epoch": 1.0,
    "total_flos": 1.01e17,
    "train_loss": 0.11,
    "train_runtime": 200.0,
    "train_samples_per_second": 8.0,
    "train_steps_per_second": 0.5,
}
"""Steps of 16 sequences in 2 s."""


def write_scenario(path: Path, text: str = SCENARIO) -> Path:
    """The scenario of the run."""
    path.write_text(text, encoding="utf-8")
    return path


def write_results(path: Path, **changes: Any) -> Path:
    """train_results.json with some keys changed; None leaves one out."""
    values = {key: value for key, value in {**RESULTS, **changes}.items() if value is not None}
    path.write_text(json.dumps(values), encoding="utf-8")
    return path


def write_state(path: Path, *entries: dict[str, Any], **more: Any) -> Path:
    """trainer_state.json with this history."""
    steps = max((entry.get("step", 0) for entry in entries), default=0)
    state = {"global_step": steps, "log_history": list(entries), "num_input_tokens_seen": 0, **more}
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def logged(step: int, seconds: float | None = None, **more: Any) -> dict[str, Any]:
    """An entry of the history, with the time since the start if it is logged."""
    return {"loss": 1.0, "step": step, **({} if seconds is None else {"train_runtime": seconds}), **more}
