"""What would change an answer: the sentences, the document with its schema, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from answers import FULL, estimate, feasible, infeasible, undecided
from jsonschema import Draft202012Validator

from planner.report.sensitivity.document import sensitivity_document
from planner.report.sensitivity.page import sensitivity_report
from planner.report.sensitivity.schema import sensitivity_json_schema
from planner.report.sensitivity.sentences import limit_sentences, price_sentence, reach_sentence
from planner.solver.candidate import Candidate
from planner.solver.search import Proof
from planner.solver.sensitivity.answer import Level, LimitEffect, PriceChange, PriceEffect, Reach, Sensitivity
from planner.units import GIB

SCHEMA = sensitivity_json_schema()
ANSWER = feasible()


def other(hours: float, cost: str, **changes: Any) -> Candidate:
    """A plan that differs from the best one."""
    assert ANSWER.best is not None
    return Candidate(replace(ANSWER.best.plan, **changes), estimate(hours=hours, cost=cost), ())


def effect(limit: Any, held: float, **changes: Any) -> LimitEffect:
    """What a limit does; nothing but the plan is known."""
    assert ANSWER.best is not None
    values: dict[str, Any] = {
        "current": None,
        "looser": (),
        "tighter": (),
        "gap_looser": False,
        "gap_tighter": False,
        "unit": 1.0,
        "one_more": None,
    }
    return LimitEffect(limit=limit, held=Level(held, ANSWER.best), **values | changes)


FOUR = other(0.9, "8.60", gpus=4, data_parallel=4, sharding="zero1", gradient_accumulation=8)
FULL_FOUR = other(0.7, "21.3", gpus=4, data_parallel=4, sharding="fsdp", **FULL)
SLOW = other(9.0, "6.10", micro_batch=1)
SLOWER = other(80.0, "4.90", optimizer="sgd")
LIMITS = (
    effect(
        "deadline",
        3.4 * 3600,
        current=48 * 3600.0,
        unit=3600.0,
        one_more=SLOW,
        looser=(Level(48.5 * 3600, SLOW), Level(80 * 3600.0, SLOWER)),
        tighter=(Level(3500.0, FOUR), Level(2400.0, FULL_FOUR)),
        gap_tighter=True,
    ),
    effect("budget", 7.52, current=200.0, unit=20.0),
    effect("max_gpus", 1.0, current=8.0, searched=1024.0, floor=1.0),
    effect(
        "gpu_memory",
        -2.5 * GIB,
        current=0.0,
        unit=float(GIB),
        searched=64.0 * GIB,
        looser=(Level(3.0 * GIB, SLOW), Level(20.0 * GIB, SLOWER)),
        gap_looser=True,
        tighter=(Level(-9.0 * GIB, FOUR),),
    ),
    effect("oom_risk", 0.004, current=0.01, unit=0.01, searched=0.5, floor=1e-6, tighter=(Level(1e-6, FOUR),)),
)
PRICES = (
    PriceEffect(
        "offer", "hopper spot", "H100 SXM", 2.4, "USD/GPU-h", True, 0.0751502,
        lower=PriceChange(0.6), higher=PriceChange(9.6, 2.7501, FOUR, "better"),
    ),
    PriceEffect("tax", "", "", 0.19, "share", True, 0.01, lower=PriceChange(0.0475), higher=PriceChange(0.76)),
    PriceEffect(
        "offer", "ada on-demand", "RTX 4090", 0.3475, "USD/GPU-h", False, 0.0,
        lower=PriceChange(0.0869, 0.2, SLOW, "better"), higher=None,
    ),
)  # fmt: skip
REACHES = (
    Reach("micro_batch", 2, 5, "gpu_memory", other(3.0, "7.4", micro_batch=5), 4),
    Reach("sequence_length", 4096, 150_000, "gpu_memory", other(3.3, "7.9")),
)
FOUND = Sensitivity(
    ANSWER.world, ANSWER, Proof(keys=9, rows=2099, models=31, branches=120, seconds=1.5), LIMITS, PRICES, REACHES
)


def shown(found: Sensitivity, width: int = 80) -> str:
    """The page."""
    return sensitivity_report(sensitivity_document(found), found, width=width).plain()


def test_the_page_is_as_agreed(check_golden: Callable[[str, str], None]) -> None:
    """Limits with their levels, prices, reaches, proof."""
    check_golden("sensitivity.txt", shown(FOUND))


def test_the_page_of_a_fast_plan_is_as_agreed(check_golden: Callable[[str, str], None]) -> None:
    """Hours instead of money, unproved, with what there was no time for."""
    world = ANSWER.world.relaxed(prefer="time", deadline_seconds=None)
    fast = effect(
        "budget", 7.52, current=8.0, unit=0.8, one_more=FOUR, looser=(Level(8.6, FOUR),), tighter=(Level(6.1, SLOW),)
    )
    memory = replace(LIMITS[3], looser=(Level(3.0 * GIB, FOUR),), gap_looser=False, tighter=(Level(-9.0 * GIB, SLOW),))
    prices = (
        replace(
            PRICES[0],
            lower=PriceChange(0.6, 2.1, FOUR, "affordable"),
            higher=PriceChange(9.6, 2.55, None, "over_budget", proved=False),
        ),
        replace(PRICES[0], higher=PriceChange(9.6, 2.55, SLOW, "over_budget")),
    )
    unproved = replace(effect("deadline", 3.4 * 3600, unit=3600.0), proved=False)
    found = Sensitivity(
        world,
        ANSWER,
        Proof(proved=False),
        (fast, unproved, replace(LIMITS[1], proved=False), replace(memory, proved=False)),
        prices,
        REACHES[:1],
        ("gpu_memory", "offer", "tax", "price of ada on-demand"),
    )
    check_golden("sensitivity_time.txt", shown(found))


@pytest.mark.parametrize("answer", [infeasible(), undecided()], ids=["infeasible", "undecided"])
def test_without_a_plan_the_page_says_why(answer: Any) -> None:
    """As `planner solve` does, and nothing else."""
    found = Sensitivity(answer.world, answer, answer.proof)
    text = shown(found)
    assert text.startswith("No plan fits" if answer.status == "infeasible" else "Undecided")
    assert "Prices" not in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_page_fits(width: int) -> None:
    """No line is wider."""
    assert all(len(line) <= width for line in shown(FOUND, width).splitlines())


def test_documents_follow_the_schema() -> None:
    """With a plan and without; what is told is the sentence of the facts beside it."""
    Draft202012Validator.check_schema(SCHEMA)
    for found in (FOUND, *(Sensitivity(each.world, each, each.proof) for each in (infeasible(), undecided()))):
        document = json.loads(json.dumps(sensitivity_document(found), allow_nan=False))
        Draft202012Validator(SCHEMA).validate(document)
        assert list(document) == SCHEMA["required"]
        for limit in document["limits"]:
            assert limit["sentences"] == limit_sentences(limit, document["objective"], document["currency"])
        for price in document["prices"]:
            assert price["sentence"] == price_sentence(price, document["currency"])
        for reach in document["reaches"]:
            assert reach["sentence"] == reach_sentence(reach, document["currency"])
    validator = Draft202012Validator(SCHEMA)
    assert not validator.is_valid(document | {"more": 1})
    assert not validator.is_valid({key: value for key, value in document.items() if key != "limits"})


def test_amounts_are_those_of_the_plans() -> None:
    """Hours of a deadline, bytes of memory; a gain is what a plan costs less."""
    document = sensitivity_document(FOUND)
    deadline = document["limits"][0]
    assert (deadline["current"], deadline["needed"], deadline["least"]) == (48.0, 3.4, round(2400 / 3600, 9))
    assert [each["gain"] for each in deadline["looser"]] == pytest.approx([7.515004 - 6.1, 7.515004 - 4.9])
    assert deadline["one_more"]["amount"] == 1.0
    assert document["limits"][3]["needed"] == -2.5 * GIB
    assert document["limits"][4]["floor"] == 1e-6


REACH = {
    "decision": "sequence_length",
    "current": 4096,
    "most": 8192,
    "limit": "host_memory",
    "of_batch": None,
    "max_positions": 8192,
    "cost": 3.0,
    "hours": 2.0,
}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "The longest sequence that fits is 8,192 tokens instead of 4,096, for 2.00 h and $3.00: "),
        ({}, ": the next larger one exceeds the host memory."),
        ({"limit": ""}, "instead of 4,096, for 2.00 h and $3.00: nothing larger was looked at."),
        ({"limit": "positions end"}, ": for larger ones, positions end."),
        ({"max_positions": 4096}, "although the model knows 4,096 positions: "),
        ({"most": 4096}, "The longest sequence that fits is 4,096 tokens, as it is: "),
        (
            {"decision": "micro_batch", "current": 2, "most": 5, "of_batch": 4, "limit": "gpu_memory"},
            "The largest micro-batch that fits is 5 instead of 2, and 4 of those that divide the batch: the next",
        ),
    ],
)
def test_reaches_in_words(changes: dict[str, Any], says: str) -> None:
    """What is the largest, what it takes, and what ends it."""
    assert says in reach_sentence(REACH | changes, "USD")
