"""Answers side by side: the rows, the document with its schema, and the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from answers import estimate, feasible, in_yuan, infeasible, undecided
from jsonschema import Draft202012Validator
from portfolios import answered as portfolio_answer

from planner.report.comparison.document import comparison_document
from planner.report.comparison.page import comparison_report
from planner.report.comparison.rows import Column, rows_of
from planner.report.comparison.schema import comparison_json_schema
from planner.solver.answer import Answer
from planner.solver.candidate import Candidate

ASKED: dict[str, Any] = {"job": {"model": "m", "global_batch": 64}, "limits": {"deadline": "48h"}}


def faster() -> Answer:
    """The same plan with another micro-batch, dearer and faster."""
    answer = feasible()
    assert answer.best is not None
    plan = replace(answer.best.plan, micro_batch=4, gradient_accumulation=16)
    return replace(answer, best=Candidate(plan, estimate(hours=1.5, cost="9.04"), ()))


def column(title: str, answer: Any, **asked: Any) -> Column:
    """One answer under a title."""
    return Column(title, (title,) if asked else (), ASKED | asked, answer)


TWO = [column("as it is", feasible()), column("limits.deadline=2h", faster(), limits={"deadline": "2h"})]
MANY = [*TWO, column("search.method=full", infeasible(), search={"method": "full"}), column("later", undecided())]


def shown(columns: list[Column], width: int = 80) -> str:
    """The page."""
    return comparison_report(comparison_document(columns), columns, width=width).plain()


@pytest.mark.parametrize(("name", "columns"), [("comparison_two", TWO), ("comparison_many", MANY)])
def test_the_page_is_as_agreed(name: str, columns: list[Column], check_golden: Callable[[str, str], None]) -> None:
    """Sentences, what is asked, what comes out, the plans, and why there is none."""
    check_golden(f"{name}.txt", shown(columns))


def test_the_page_of_portfolios_is_as_agreed(check_golden: Callable[[str, str], None]) -> None:
    """What is bought and where the jobs run, and a portfolio that is impossible."""
    columns = [column(name, portfolio_answer(name), name=name) for name in ("rents", "buys", "too dear")]
    check_golden("comparison_portfolios.txt", shown(columns))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_page_fits(width: int) -> None:
    """No line is wider."""
    assert all(len(line) <= width for line in shown(MANY, width).splitlines())


def test_documents_follow_the_schema() -> None:
    """Of jobs, of jobs without plans, of portfolios with and without an answer."""
    schema = comparison_json_schema()
    Draft202012Validator.check_schema(schema)
    portfolios = [column(name, portfolio_answer(name)) for name in ("rents", "too dear", "in yuan")]
    for columns in (TWO, MANY, portfolios):
        document = json.loads(json.dumps(comparison_document(columns), allow_nan=False))
        Draft202012Validator(schema).validate(document)
        assert list(document) == schema["required"]
        assert all(len(each["values"]) == len(columns) for each in document["rows"])
    validator = Draft202012Validator(schema)
    assert not validator.is_valid(document | {"more": 1})
    assert not validator.is_valid(document | {"kind": "else"})


def test_rows_are_those_of_the_answers() -> None:
    """Every decision of the plan, and the amounts of the answer's own document."""
    rows = {each.key: each for each in rows_of(TWO)}
    found = [each.found for each in TWO]
    assert rows["cost"].values == tuple(each["estimate"]["cost"]["amount"] for each in found)
    for name, value in found[1]["plan"].items():
        assert rows[name].values[1] == value
    assert {each.key for each in rows_of(TWO) if each.differs} == {
        "limits.deadline", "cost", "hours", "counted_hours", "micro_batch", "gradient_accumulation",
    }  # fmt: skip


def test_what_is_asked_is_told_as_it_is_written() -> None:
    """Lists of values as one, lists of maps entry by entry, nothing that is equal or left out."""
    first = column("a", feasible(), offers=[{"gpu": "A10", "price": "1 USD/h"}], search={"method": ["full", "lora"]})
    other = column("b", feasible(), offers=[{"gpu": "A10", "price": "2 USD/h"}], search={"method": None})
    asked = {each.key: each.values for each in rows_of([first, other]) if each.section == "asked"}
    assert asked == {"offers.0.price": ("1 USD/h", "2 USD/h"), "search.method": ("[full, lora]", None)}


def test_amounts_of_two_currencies_have_no_difference() -> None:
    """Dollars and yuan are shown as they are."""
    text = shown([column("a", feasible()), column("b", in_yuan())])
    line = next(line for line in text.splitlines() if " cost " in line)
    assert line.split() == ["*", "cost", "$7.52", "7.52", "CNY"]


def test_without_any_difference_that_is_said() -> None:
    """The same plan twice."""
    assert "Plan: the same everywhere" in shown([TWO[0], TWO[0]])
