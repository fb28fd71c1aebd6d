"""The frontier as a page with a plot, and as a document with its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from answers import estimate, feasible
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from planner.report.frontier import advice, frontier_report
from planner.report.frontier_document import frontier_document
from planner.report.frontier_schema import frontier_json_schema
from planner.report.plot import MARK, scatter
from planner.solver.candidate import Candidate, Resolution
from planner.solver.frontier import Frontier, Point, frontier
from planner.solver.search import Proof

SCHEMA = frontier_json_schema()
AMOUNTS = (("2.500000", 10.0), ("2.504000", 9.0), ("3.000000", 2.0), ("40.000000", 1.5))
WITH_POINTS = ("8b-fine-tune", "7b-qlora-cny", "8b-full-8-h100")


def by_hand(*amounts: tuple[str, float], **changes: Any) -> Frontier:
    """Points with these costs and hours, all with the same plan but for the micro-batch of the last."""
    answer = feasible()
    assert answer.best is not None
    plan = answer.best.plan
    points = [
        Point(Candidate(plan, estimate(hours=hours, cost=cost), ()), float("inf"), Resolution(0.001, 10.0))
        for cost, hours in amounts
    ]
    last = replace(points[-1].candidate, plan=replace(plan, micro_batch=4, gradient_accumulation=16))
    points[-1] = replace(points[-1], candidate=last)
    values: dict[str, Any] = {
        "world": answer.world,
        "status": "optimal",
        "points": tuple(points),
        "complete": True,
        "proof": Proof(keys=9, rows=99, models=3, branches=12, seconds=0.5),
        "raw_combinations": 1000,
    }
    return Frontier(**values | changes)


def shown(found: Frontier, width: int = 80) -> str:
    """The page."""
    return frontier_report(found, width=width).plain()


def test_the_page_is_as_agreed(check_golden: Callable[[str, str], None]) -> None:
    """A sentence, a plot, a table, what else differs, the proof."""
    check_golden("frontier.txt", shown(by_hand(*AMOUNTS)))


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_page_fits(width: int, frontier_of: Callable[[str], Frontier]) -> None:
    """No line is wider, and the plot no wider than 80 columns."""
    text = shown(frontier_of("8b-fine-tune"), width)
    assert all(len(line) <= width for line in text.splitlines())
    plot = text.partition("in logarithms\n")[2].partition("\n\n")[0]
    assert all(len(line) <= 80 for line in plot.splitlines())


def test_equal_numbers_are_told_apart() -> None:
    """As many decimals as it takes: 2.500 and 2.504, not 2.50 twice."""
    table = shown(by_hand(*AMOUNTS)).partition("\nPoints")[2]
    assert [line.split()[1] for line in table.splitlines()[2:6]] == ["2.500", "2.504", "3.000", "40.000"]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (by_hand(*AMOUNTS), "up to point 3, 1 x H100 SXM: 20% more for 5.0 times the speed."),
        (by_hand(*AMOUNTS[:3]), "best all the way, 20% more for 5.0 times the speed."),
        (by_hand(AMOUNTS[0], AMOUNTS[3]), "buys little: cost grows by more than time shrinks."),
        (by_hand(AMOUNTS[0]), "The cheapest plan is also the fastest: $2.50 in 10.0 h on 1 x H100 SXM."),
        (by_hand(AMOUNTS[0], complete=None, status="feasible"), "Not finished; the cheapest so far: $2.50 in"),
        (by_hand(*AMOUNTS[:3], complete=None, status="feasible"), "Not finished; so far, cheapest: $2.50 in"),
    ],
    ids=["knee", "to the end", "nowhere", "one", "one so far", "some so far"],
)
def test_advice(found: Frontier, says: str) -> None:
    """One sentence: the cheapest, the fastest, and up to where paying more pays."""
    sentence = advice(found)
    assert says in sentence
    assert len(re.findall(r"\.(?=\s|$)", sentence)) == 1


@pytest.mark.parametrize(
    ("complete", "says"),
    [(True, "Points: all 4;"), (False, "Points: 4 of more, spread"), (None, "Points: 4, perhaps of more: time ran")],
)
def test_whether_there_are_more_points_is_said(complete: bool | None, says: str) -> None:
    """All of them, some of them, or not known."""
    assert says in shown(by_hand(*AMOUNTS, complete=complete))


def test_what_is_not_proved_is_said() -> None:
    """The points that time did not suffice for."""
    found = by_hand(*AMOUNTS, complete=None, status="feasible")
    points = (*found.points[:-1], replace(found.points[-1], proved=False))
    text = shown(replace(found, points=points))
    assert "Proof: not finished; there may be more points" in text
    assert "that nothing beats point 4" in text


@pytest.mark.parametrize("name", [*WITH_POINTS, "7b-full-two-4090"])
def test_documents_follow_the_schema(name: str, frontier_of: Callable[[str], Frontier]) -> None:
    """With many points, in another currency, with one point, and without any."""
    Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(json.dumps(frontier_document(frontier_of(name)), allow_nan=False))
    Draft202012Validator(SCHEMA).validate(document)
    assert list(document) == SCHEMA["required"]
    assert (document["conflict"] is None) == (name in WITH_POINTS)


def test_the_schema_refuses_what_is_no_document(frontier_of: Callable[[str], Frontier]) -> None:
    """A key that does not exist, a key that is missing, a number that is none."""
    good = frontier_document(frontier_of("8b-fine-tune"))
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid(good)
    assert not validator.is_valid(good | {"more": 1})
    assert not validator.is_valid({key: value for key, value in good.items() if key != "points"})
    assert not validator.is_valid(good | {"knee": 0})


def test_points_name_what_they_prove(frontier_of: Callable[[str], Frontier]) -> None:
    """Numbered from 1, the cheapest first; each within a time and in steps of its own amounts."""
    found = frontier_of("8b-fine-tune")
    document = frontier_document(found)
    points = document["points"]
    assert [each["number"] for each in points] == list(range(1, len(points) + 1))
    assert (document["cheapest"], document["fastest"]) == (1, len(points))
    assert document["advice"] == advice(found)
    for each in points:
        assert each["proof"]["status"] == "optimal"
        assert each["hours"] <= each["proof"]["within_hours"] * (1 + 1e-9) <= 48 * (1 + 1e-9)
        assert each["proof"]["hours_step"] <= each["hours"] / 1000 * (1 + 1e-9)
        assert each["proof"]["cost_step"] <= each["cost"]["amount"] / 1000 * (1 + 1e-9)


def test_the_document_is_the_same_on_every_run(frontier_of: Callable[[str], Frontier]) -> None:
    """All but the seconds of the search."""
    found = frontier_of("70b-qlora")
    documents = [frontier_document(each) for each in (found, frontier(found.world))]
    for each in documents:
        each["proof"]["seconds"] = 0
    assert json.dumps(documents[0]) == json.dumps(documents[1])


AXIS = st.floats(0.01, 10_000.0)


@given(st.lists(st.tuples(AXIS, AXIS), min_size=1, max_size=20), st.integers(30, 80))
def test_plots_hold_every_point(points: list[tuple[float, float]], width: int) -> None:
    """Whatever the points: no line is wider than asked, one mark for all points of a cell, numbers without repeats."""
    lines = scatter(points, width=width, height=12, x_title="hours", x_text="{:g}".format, y_text="{:,.4g}".format)
    assert len(lines) == 12 + 3
    assert all(len(line.rstrip()) <= width for line in lines)
    field = [line.partition("|")[2] for line in lines[:12]]
    marks = sum(line.count(MARK) for line in field)
    assert 1 <= marks <= len(set(points))
    numbers = [number for line in field for number in re.findall(r"\d+", line)]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= {str(number) for number in range(1, len(points) + 1)}


def test_twenty_points_are_all_numbered() -> None:
    """A frontier as long as one can be: a mark and a number for each, dearer above, slower to the right."""
    points = [(10.0 * 0.8**number, 2.0 * 1.25**number) for number in range(20)]
    lines = scatter(points, width=80, height=16, x_title="hours", x_text="{:g}".format, y_text="{:g}".format)
    field = [line.partition("|")[2] for line in lines[:16]]
    assert sum(line.count(MARK) for line in field) == 20
    places = {number: (row, line.index(f"{MARK}{number}")) for number in ("1", "20") for row, line in
              enumerate(field) if re.search(rf"\{MARK}{number}\b", line)}  # fmt: skip
    assert places["20"][0] < places["1"][0]
    assert places["20"][1] < places["1"][1]
    assert {int(number) for line in field for number in re.findall(r"\d+", line)} == set(range(1, 21))
