"""The answer for programs, and its schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from answers import feasible, in_yuan, infeasible, scenario, undecided, unproved
from jsonschema import Draft202012Validator

from planner.catalog import load_catalog
from planner.decisions import DECISION_NAMES
from planner.report.document import document
from planner.report.schema import answer_json_schema
from planner.solver.answer import Answer
from planner.solver.solve import solve
from planner.solver.world import World

SCHEMA = answer_json_schema()
SOLVED = """\
as_of: 2026-06-30
job: {model: Qwen/Qwen2.5-0.5B, data: {tokens: 10M}, sequence_length: 1024, global_batch: 16}
offers: {gpu: RTX 4090, price: 0.40 EUR/h, observed: 2026-06-01, gpus_per_node: 2}
catalog_offers: false
search: {stack: hf-trainer, method: METHOD, compute_dtype: bf16, optimizer: adamw, gpu: RTX 4090, max_gpus: 2,
  attention: sdpa, loss: full, checkpointing: none, offload: none, micro_batch: [1, 2]}
limits: {deadline: 48h, budget: 200 USD, gpu_memory_reserve: RESERVE}
"""


@cache
def solved(method: str, reserve: str = "0") -> Answer:
    """The solver's own answer to a small scenario."""
    text = SOLVED.replace("METHOD", method).replace("RESERVE", reserve)
    return solve(World(scenario(text), load_catalog()))


ANSWERS: dict[str, Callable[[], Answer]] = {
    "feasible": feasible,
    "infeasible": infeasible,
    "cny": in_yuan,
    "undecided": undecided,
    "unproved": unproved,
    "solved": lambda: solved("[full, lora]"),
    "solved infeasible": lambda: solved("full", "22 GiB"),
}
WITH_PLAN = ("feasible", "cny", "unproved", "solved")


def documented(name: str) -> Any:
    """The document as a program reads it."""
    return json.loads(json.dumps(document(ANSWERS[name]()), allow_nan=False))


def decimal(value: float) -> Decimal:
    """The printed digits of a number."""
    return Decimal(json.dumps(value))


@pytest.mark.parametrize("name", ANSWERS)
def test_every_document_follows_the_schema(name: str) -> None:
    """With and without a plan, made by hand and by the solver."""
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(documented(name))


@pytest.mark.parametrize("name", ANSWERS)
def test_the_top_level_is_always_the_same(name: str) -> None:
    """Six keys, in this order, whatever the answer is."""
    assert list(documented(name)) == ["status", "plan", "estimate", "proof", "why", "alternatives"]


def test_the_schema_describes_every_value_and_closes_every_map() -> None:
    """Programs can rely on the keys, people can read what they mean."""

    def check(part: Any, place: str) -> None:
        if not isinstance(part, dict):
            return
        if "properties" in part:
            assert part["additionalProperties"] is False, place
            assert part["required"] == list(part["properties"]), place
            for key, each in part["properties"].items():
                inner = each["anyOf"][0] if "anyOf" in each else each
                assert {"description", "$ref"} & {*inner, *each} or "type" in inner, f"{place}.{key}"
        for key, each in part.items():
            check(each, f"{place}.{key}")

    check(SCHEMA, "answer")


def test_the_schema_refuses_what_is_no_answer() -> None:
    """A missing key, an unknown key, a wrong word and a negative size are all refused."""
    validator = Draft202012Validator(SCHEMA)
    good = documented("feasible")
    for path, value in (
        (("status",), "maybe"),
        (("estimate", "peak_bytes"), -1),
        (("plan", "method"), "prompt"),
        (("extra",), 1),
        (("proof", "bound"), {"amount": 1}),
    ):
        bad = json.loads(json.dumps(good))
        inner = bad
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        assert not validator.is_valid(bad), path
    assert not validator.is_valid({key: value for key, value in good.items() if key != "why"})


@pytest.mark.parametrize("name", WITH_PLAN)
def test_the_plan_has_one_value_of_every_decision(name: str) -> None:
    """And the number of machines."""
    plan = documented(name)["plan"]
    assert set(plan) == {*DECISION_NAMES, "lora_rank", "lora_targets", "nodes"}
    assert all(plan[decision] is not None for decision in DECISION_NAMES)


@pytest.mark.parametrize("name", WITH_PLAN)
def test_the_largest_phase_is_the_peak(name: str) -> None:
    """The terms of each phase add up, and `peak_bytes` is the largest sum."""
    estimate = documented(name)["estimate"]
    totals = {phase: sum(terms.values()) for phase, terms in estimate["memory"].items()}
    assert max(totals.values()) == estimate["peak_bytes"] == totals[estimate["peak_phase"]]


@pytest.mark.parametrize("name", WITH_PLAN)
def test_the_parts_of_cost_add_up_to_the_last_digit(name: str) -> None:
    """As printed, not as floating-point numbers."""
    estimate = documented(name)["estimate"]
    parts = estimate["cost_parts"].values()
    assert sum(map(decimal, parts)) == decimal(estimate["cost"]["amount"])


@pytest.mark.parametrize("name", WITH_PLAN)
def test_the_parts_of_time_add_up(name: str) -> None:
    """Hours of start-up, training and losses; a step is its busiest resource plus what is serial."""
    estimate = documented(name)["estimate"]
    parts = sum(estimate[f"{part}_hours"] for part in ("startup", "training", "lost"))
    assert parts == pytest.approx(estimate["hours"], rel=1e-9)
    resources = {resource: sum(terms.values()) for resource, terms in estimate["step"].items()}
    serial = resources.pop("serial")
    assert max(resources.values()) + serial == pytest.approx(estimate["step_seconds"], rel=1e-9)


@pytest.mark.parametrize("name", WITH_PLAN)
def test_limits_state_their_share(name: str) -> None:
    """Used over available; of the GPU's memory is used what suffices at the accepted risk."""
    answer = documented(name)
    for binding in answer["why"]["bindings"]:
        assert binding["fraction"] == pytest.approx(binding["used"] / binding["available"])
    assert answer["why"]["bindings"][0]["used"] == answer["estimate"]["required_bytes"]


def test_a_document_without_a_plan_is_empty_where_it_must_be() -> None:
    """Null for plan, estimate and bound; empty lists of alternatives; the conflict says the rest."""
    answer = documented("solved infeasible")
    assert answer["status"] == answer["proof"]["status"] == "infeasible"
    assert answer["plan"] is answer["estimate"] is answer["proof"]["bound"] is None
    assert answer["alternatives"] == {"gpus": [], "methods": [], "changes": []}
    limits = {each["limit"]: each for each in answer["why"]["conflict"]["limits"]}
    assert "gpu_memory" in limits
    assert limits["gpu_memory"]["nearest"] > limits["gpu_memory"]["current"]


def test_gpus_without_an_offer_are_listed_with_the_reason() -> None:
    """A GPU that the search names and nobody offers is an alternative that cannot be had."""
    gpus = {each["value"]: each for each in documented("feasible")["alternatives"]["gpus"]}
    assert not gpus["H800 SXM"]["feasible"]
    assert "price" in gpus["H800 SXM"]["reason"]
    assert gpus["RTX 4090"]["feasible"]


def test_changes_say_what_they_break() -> None:
    """By how much memory is exceeded, which rule forbids it, whether the search allows it."""
    changes = {each["decision"]: each for each in documented("feasible")["alternatives"]["changes"]}
    assert changes["micro_batch"]["broken"][0]["needed"] > changes["micro_batch"]["broken"][0]["available"]
    assert changes["sharding"]["rules"]
    assert changes["sharding"]["cost"] is None
    assert {name for name, each in changes.items() if each["feasible"]} == {"optimizer", "attention", "checkpointing"}
    assert {name for name, each in changes.items() if not each["allowed"]} == {"optimizer"}


def test_the_document_is_the_same_on_every_run() -> None:
    """All but the seconds of the search."""
    documents = []
    for _ in range(2):
        solved.cache_clear()
        answer = documented("solved")
        answer["proof"] |= {"seconds": 0, "seconds_to_best": 0}
        documents.append(json.dumps(answer))
    assert documents[0] == documents[1]


def test_exchange_rates_are_named_as_sources() -> None:
    """A price in one currency and an answer in another rest on a dated rate."""
    sources = documented("cny")["why"]["price_sources"]
    assert [each["name"] for each in sources if each["kind"] == "rate"] == ["1 CNY"]
    assert all(each["age_days"] >= 0 and each["source"] for each in sources)
