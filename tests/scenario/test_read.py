"""What a correct scenario means."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from scenario_texts import EXAMPLE, JOB, TODAY, problems, read

from planner.catalog import load_catalog
from planner.scenario.model import Assumptions, Job, Limits, Lora, Search
from planner.units import Money

GPT2_CONFIG = {
    "model_type": "gpt2",
    "n_layer": 12,
    "n_head": 12,
    "n_embd": 768,
    "n_positions": 1024,
    "vocab_size": 50257,
    "activation_function": "gelu_new",
}


def job_text(data: str, sequence_length: int = 4096, global_batch: int = 64, model: str = "Llama-3.1-8B") -> str:
    """A scenario of a job only."""
    return f"job: {{model: {model}, data: {data}, sequence_length: {sequence_length}, global_batch: {global_batch}}}\n"


def test_the_documented_example_is_read() -> None:
    """The example of the documentation gives the values that it shows, names spelled as in the catalog."""
    scenario = read(EXAMPLE)
    assert scenario.job.architecture == load_catalog().model("meta-llama/Llama-3.1-8B")
    assert (scenario.job.tokens, scenario.job.sequences, scenario.job.steps) == (120_000_000, 29297, 458)
    assert scenario.search == Search(
        method=("full", "lora", "qlora"),
        compute_dtype=("bf16",),
        optimizer=("adamw", "adamw-8bit"),
        gpu=("RTX 4090", "A100 80GB SXM", "H100 SXM", "H800 SXM"),
    )
    assert scenario.limits == Limits(deadline_seconds=172_800.0, budget=Money(Decimal(200), "USD"))
    assert (scenario.prefer, scenario.currency, scenario.as_of, scenario.name) == ("cost", "USD", TODAY, "s")


def test_defaults_allow_everything() -> None:
    """Without search and limits nothing is forbidden but reserved prices and more than 64 GPUs."""
    scenario = read(JOB)
    assert scenario.search == Search()
    assert scenario.limits == Limits()
    assert scenario.assumptions == Assumptions()
    assert (scenario.prefer, scenario.currency, scenario.offers, scenario.catalog_offers) == ("cost", "USD", (), True)
    assert scenario.notes == ()


@pytest.mark.parametrize(
    ("data", "tokens", "sequences", "steps"),
    [
        ("{tokens: 1}", 1, 1, 1),
        ("{tokens: 4096}", 4096, 1, 1),
        ("{tokens: 262_145}", 262_145, 65, 2),
        ("{tokens: 1M, epochs: 3}", 3_000_000, 733, 12),
        ("{samples: 50k, tokens_per_sample: 800, epochs: 3}", 120_000_000, 29297, 458),
        ("{samples: 50k, tokens_per_sample: 800, epochs: 3, packing: false}", 120_000_000, 150_000, 2344),
    ],
)
def test_steps_follow_from_the_data(data: str, tokens: int, sequences: int, steps: int) -> None:
    """Packed data fill whole sequences; without packing every sample is one sequence; steps are rounded up."""
    job = read(job_text(data)).job
    assert (job.tokens, job.sequences, job.steps) == (tokens, sequences, steps)


def test_one_value_is_a_list_of_one_and_null_is_left_out() -> None:
    """`gpu: H100` means `gpu: [H100]`; a key without a value is as good as none."""
    search = read(JOB + "search: {gpu: h100, micro_batch: 4, method: ~, max_gpus: null, pricing: }\n").search
    assert (search.gpu, search.micro_batch, search.method, search.max_gpus) == (("H100 SXM",), (4,), None, 64)
    assert search.pricing == ("on-demand", "spot")


def test_lora_targets_have_one_spelling() -> None:
    """A list and joined names mean the same modules, in one order."""
    joined = read(JOB + "search: {lora: {rank: 8, targets: v+q}}\n").search.lora
    assert joined == read(JOB + "search: {lora: {rank: 8, targets: [q, v]}}\n").search.lora
    assert joined == Lora(8, "q+v")


def test_own_prices_become_offers() -> None:
    """A price of the user's own is an exact offer in its currency, dated on the day of the question."""
    text = "as_of: 2026-10-01\n" + JOB + "offers: {gpu: H800, price: 15.30 CNY/h, provider: Quote 7}\n"
    scenario = read(text + "search: {provider: quote-7, gpu: H800}\nlimits: {budget: 900 CNY}\n")
    (offer,) = scenario.offers
    assert (offer.gpu, offer.price_per_gpu_hour, offer.currency) == ("H800 SXM", Decimal("15.30"), "CNY")
    assert (offer.observed, offer.gpus_per_node, offer.divisible, offer.kind) == (
        date(2026, 10, 1),
        8,
        True,
        "on-demand",
    )
    assert (scenario.search.provider, scenario.currency) == (("Quote 7",), "CNY")
    assert scenario.usable_offers(load_catalog().offers) == (offer,)


def test_catalog_offers_can_be_left_out() -> None:
    """With `catalog_offers: false` only the user's own prices count."""
    text = JOB + "offers: {gpu: H100, price: 2 USD/h}\n"
    only = read(text + "catalog_offers: false\n")
    assert only.usable_offers(load_catalog().offers) == only.offers
    assert len(read(text).usable_offers(load_catalog().offers)) > 100


def test_a_config_json_is_a_model(tmp_path: Path) -> None:
    """A model may be a config.json or the folder of one, relative to the scenario."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(GPT2_CONFIG))
    for model in ("mine/config.json", "mine"):
        scenario = read(job_text("{tokens: 1M}", 1024, 8, model), tmp_path)
        assert scenario.job.architecture.parameters == 124_439_808


def test_problems_of_a_config_json_are_problems_of_the_scenario(tmp_path: Path) -> None:
    """Each problem of the model's file is reported where the scenario names the file."""
    (tmp_path / "config.json").write_text(json.dumps(GPT2_CONFIG | {"model_type": "t5"}))
    (message,) = problems(job_text("{tokens: 1M}", 1024, 8, "config.json"), tmp_path)
    assert message.startswith('1:14 job.model: "config.json" cannot be used: ')
    assert "t5" in message


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (JOB + "search: {gpu: H800}\n", "No offer of H800 SXM is known"),
        (JOB + "search: {method: full, lora: {rank: 8}}\n", "search.lora has no effect"),
        (JOB + "offers: {gpu: H100, price: 2 USD/h, kind: reserved}\n", "Your own price of H100 SXM"),
        (job_text("{tokens: 1k}"), "The data fill only 1 of the 64 sequences"),
        (job_text("{tokens: 1G}".replace("G", "B"), 262_144, 1), "more than the 131072 positions"),
    ],
)
def test_notes_say_what_is_unusual(text: str, part: str) -> None:
    """What is possible but probably not meant becomes one sentence of the scenario's notes."""
    (note,) = read(text).notes
    assert part in note


def test_replace_changes_fields_of_every_part() -> None:
    """A what-if copy changes only what is named; unknown names are refused."""
    scenario = read(EXAMPLE)
    other = scenario.replace(prefer="time", gpu=("H100 SXM",), deadline_seconds=7200.0, global_batch=32)
    assert (other.prefer, other.search.gpu, other.limits.deadline_seconds) == ("time", ("H100 SXM",), 7200.0)
    assert (other.job.global_batch, other.job.steps) == (32, 916)
    assert (
        other.replace(prefer="cost", gpu=scenario.search.gpu, deadline_seconds=172_800.0, global_batch=64) == scenario
    )
    with pytest.raises(TypeError):
        scenario.replace(gpux=1)


def test_field_names_of_the_parts_are_distinct() -> None:
    """`Scenario.replace` finds every field by its name alone."""
    names = [field.name for part in (Job, Search, Limits, Assumptions) for field in fields(part)]
    assert len(names) == len(set(names))


def test_scenarios_are_frozen() -> None:
    """Nothing can be changed in place."""
    scenario = read(JOB)
    for part in (scenario, scenario.job, scenario.search, scenario.limits):
        for field in fields(part):
            with pytest.raises(FrozenInstanceError):
                setattr(part, field.name, None)
