"""What users train with: every way of the field is expressible as a plan, and costs memory in the known order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from cli_runs import run

from planner.catalog import load_catalog
from planner.decisions import OPTIMIZERS, SHARDINGS
from planner.errors import ExitCode

JOB = {
    "model": "meta-llama/Llama-3.1-8B",
    "data": {"tokens": "120M"},
    "sequence_length": 4096,
    "global_batch": 64,
}
EIGHT = {
    "gpu": "H200 SXM", "gpus": 8, "stack": "hf-fsdp", "method": "full", "base_dtype": "bf16", "compute_dtype": "bf16",
    "optimizer": "adamw", "sharding": "fsdp", "attention": "sdpa", "checkpointing": "full", "loss": "full",
    "micro_batch": 2,
}  # fmt: skip
ONE = {**EIGHT, "gpus": 1, "sharding": "none", "stack": "hf-trainer", "method": "lora", "micro_batch": 1}
ZERO = {**EIGHT, "stack": "deepspeed"}
TITAN = {**EIGHT, "stack": "torchtitan", "base_dtype": "fp32"}
MEGATRON = {**EIGHT, "stack": "megatron", "sharding": "zero1", "gpus": 16, "attention": "flash", "micro_batch": 1}
STAGES = {**MEGATRON, "pipeline_parallel": 4, "tensor_parallel": 2, "checkpointing": "none"}
MIXTURE = "mistralai/Mixtral-8x7B-v0.1"


def estimated(plan: Mapping[str, Any], job: Mapping[str, Any] = JOB) -> dict[str, Any]:
    """The estimate of a plan, as `planner estimate --format json` prints it, whether the plan fits or not."""
    code, document = _answered(yaml.safe_dump({"as_of": "2026-11-23", "job": dict(job), "plan": dict(plan)}))
    assert code in (ExitCode.PLAN, ExitCode.INFEASIBLE), document
    found: dict[str, Any] = json.loads(document)["estimate"]
    return found


@cache
def _answered(scenario: str) -> tuple[int, str]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "plan.yaml")
        path.write_text(scenario, encoding="utf-8")
        result = run("estimate", str(path), "--format", "json")
        return result.exit_code, result.stdout or result.stderr


def rising(*peaks: float) -> bool:
    """Whether each peak is above the one before."""
    return all(less < more for less, more in pairwise(peaks))


def peak(plan: Mapping[str, Any], job: Mapping[str, Any] = JOB, **changes: Any) -> float:
    """Peak of a changed plan, bytes."""
    return float(estimated({**plan, **changes}, job)["peak_bytes"])


def test_bases_of_adapters() -> None:
    quantised = [peak(ONE, method="qlora", base_dtype=each) for each in ("nf4-double", "nf4", "int8")]
    assert rising(*quantised, peak(ONE))


def test_adapters() -> None:
    few, all_of_them = ({"rank": 64, "targets": each} for each in ("q+v", "all-linear"))
    plain, decomposed = ({"rank": 64, "dora": each} for each in (False, True))
    assert rising(peak(ONE, lora=few), peak(ONE, lora=all_of_them))
    assert rising(peak(ONE, lora=plain), peak(ONE, lora=decomposed))
    assert rising(peak(ONE, lora={"rank": 8}), peak(ONE, lora={"rank": 256}))


def test_every_optimizer_has_a_stack() -> None:
    offered = {name for stack in load_catalog().stacks for name in stack.optimizers}
    assert offered == set(OPTIMIZERS)


def test_optimizers() -> None:
    trainer = {**ONE, "method": "full", "stack": "llama-factory"}
    states = [peak(trainer, optimizer=each) for each in ("sgd", "adamw-8bit", "muon", "adamw")]
    assert rising(*states)
    assert peak(trainer, optimizer="lion") <= states[-1]
    paged = peak(trainer, optimizer="paged-adamw-8bit"), peak(trainer, optimizer="paged-adamw")
    assert max(paged) < peak(trainer, optimizer="adamw")
    assert peak(trainer, optimizer="adafactor") < peak(trainer, optimizer="adamw-8bit")


def test_padding() -> None:
    varying = {"samples": "50k", "tokens_per_sample": 800, "tokens_per_sample_deviation": 400, "packing": False}
    padded = estimated(ONE, {**JOB, "data": varying})
    assert padded["hours"] > 0
    assert padded["peak_bytes"] > peak(ONE)


def test_attention() -> None:
    assert peak(ONE, attention="flash") <= peak(ONE, attention="sdpa") < peak(ONE, attention="eager")


def test_checkpointing() -> None:
    layers = [peak(TITAN, checkpointing="full", checkpointed_layers=each) for each in (32, 24, 16)]
    assert rising(*layers, peak(TITAN, checkpointing="none"))
    assert rising(layers[0], peak(TITAN, checkpointing="selective"), peak(TITAN, checkpointing="none"))


def test_losses_and_tiles() -> None:
    axolotl = {**ONE, "stack": "axolotl"}
    chunked = [peak(axolotl, loss="chunked", loss_chunks=each) for each in (16, 4)]
    assert peak(axolotl, loss="fused") <= chunked[0]
    assert rising(*chunked, peak(axolotl, loss="full"))
    long = {**JOB, "sequence_length": 131072, "global_batch": 8}
    tiled = {**ZERO, "micro_batch": 1, "sharding": "zero3", "loss": "fused"}
    assert rising(peak(tiled, long, mlp_chunks=8), peak(tiled, long, mlp_chunks=1))


def test_sharding() -> None:
    assert rising(*(peak(ZERO, sharding=each) for each in ("zero3", "zero2", "zero1")))
    assert rising(peak(EIGHT, sharding="fsdp"), peak(EIGHT, sharding="zero2"))
    two_machines = {**EIGHT, "gpus": 16}
    assert rising(peak(two_machines, sharding="fsdp"), peak(two_machines, sharding="hsdp"))
    quantised = {**ZERO, "method": "qlora", "base_dtype": "nf4"}
    assert rising(*(peak(quantised, sharding=each) for each in ("zero3", "zero2")))


@pytest.mark.parametrize("offload", ["optimizer", "params+optimizer", "activations"])
def test_offload(offload: str) -> None:
    zero3 = {**ZERO, "sharding": "zero3"}
    kept, offloaded = estimated(zero3), estimated({**zero3, "offload": offload})
    assert offloaded["peak_bytes"] < kept["peak_bytes"]
    assert offloaded["step_seconds"] >= kept["step_seconds"]
    assert sum(offloaded["host_memory"].values()) > sum(kept["host_memory"].values())


def test_parallelism() -> None:
    whole = {**MEGATRON, "checkpointing": "none"}
    assert rising(*(peak(whole, tensor_parallel=each) for each in (4, 2, 1)))
    assert rising(*(peak(whole, context_parallel=each) for each in (4, 2, 1)))
    assert rising(*(peak(STAGES, pipeline_parallel=each, tensor_parallel=1) for each in (8, 4, 2)))
    mixture = {**MEGATRON, "gpus": 64, "tensor_parallel": 2}
    experts = [peak(mixture, {**JOB, "model": MIXTURE}, expert_parallel=each) for each in (8, 4, 2)]
    assert rising(*experts)


def test_an_interleaved_pipeline_holds_more_and_waits_less() -> None:
    """Its first stage holds p + (p - 1) / v micro-batches instead of p, and idles 1 / v of the time."""
    plain, interleaved = estimated(STAGES), estimated({**STAGES, "virtual_stages": 2})
    assert interleaved["peak_bytes"] > plain["peak_bytes"]
    assert interleaved["step_seconds"] < plain["step_seconds"]
    assert peak(STAGES, virtual_stages=8) < interleaved["peak_bytes"]


@pytest.mark.parametrize("phase", ["loading", "evaluation", "saving"])
def test_phases_around_the_steps(phase: str) -> None:
    assert sum(estimated(EIGHT)["memory"][phase].values()) > 0


@pytest.mark.parametrize("trainer", ["llama-factory", "axolotl", "ms-swift"])
@pytest.mark.parametrize(("sharding", "engine"), [("zero2", "deepspeed"), ("zero3", "deepspeed"), ("fsdp", "fsdp")])
def test_trainers_run_on_their_engines(trainer: str, sharding: str, engine: str) -> None:
    """A plan names the trainer; its sharding says which engine shards."""
    own = peak(EIGHT, method="lora", stack=trainer, sharding=sharding)
    assert own == peak(EIGHT, method="lora", stack=f"{trainer}-{engine}", sharding=sharding)
    engines = {"deepspeed": "deepspeed", "fsdp": "hf-fsdp"}
    assert own == pytest.approx(peak(EIGHT, method="lora", stack=engines[engine], sharding=sharding), rel=0.05)


def test_every_family_has_a_head_with_other_shardings() -> None:
    catalog = load_catalog()
    for member in (stack for stack in catalog.stacks if stack.family):
        assert catalog.stack(member.family).family == ""
        assert any(catalog.engine(member.family, each.name) == member for each in member.shardings), member.name
    assert all(catalog.engine("hf-trainer", each).name == "hf-trainer" for each in SHARDINGS)
