"""What two or more answers are compared by: one row a fact, one value an answer.

Values come from the documents that `planner solve --format json` prints, and from the scenarios as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner.report.document import document
from planner.report.portfolio.document import portfolio_document
from planner.report.words import short_values
from planner.scenario.yaml_lines import KeyPath, path_text
from planner.solver.answer import Answer
from planner.solver.portfolio.answer import PortfolioAnswer

Value = str | int | float | bool | None
Document = Mapping[str, Any]
ESTIMATED = {
    "hours": "hours",
    "counted_hours": "hours",
    "step_seconds": "seconds",
    "tokens_per_second": "count",
    "peak_bytes": "bytes",
    "capacity_bytes": "bytes",
    "fit_probability": "share",
}
"""What is compared of an estimate beside the cost, with units."""


@dataclass(frozen=True)
class Column:
    """One answer: what it is called, what was asked, and what was found."""

    title: str
    settings: tuple[str, ...]
    """The changes of the file, as they were written."""
    asked: Mapping[str, Any]
    """The scenario as it is written, with the changes."""
    answer: Answer | PortfolioAnswer

    @property
    def file(self) -> str:
        """Where the scenario was read from."""
        answer = self.answer
        return answer.portfolio.file if isinstance(answer, PortfolioAnswer) else answer.world.scenario.file

    @property
    def currency(self) -> str:
        """Of all its amounts."""
        answer = self.answer
        return answer.portfolio.currency if isinstance(answer, PortfolioAnswer) else answer.world.scenario.currency

    @cached_property
    def found(self) -> Document:
        """The answer's own document."""
        answer = self.answer
        return portfolio_document(answer) if isinstance(answer, PortfolioAnswer) else document(answer)


@dataclass(frozen=True)
class Row:
    """One fact of every answer; `unit` is money (of the answer's currency), hours, bytes, share, count or text."""

    section: str
    key: str
    unit: str
    values: tuple[Value, ...]

    @property
    def differs(self) -> bool:
        """Whether the answers differ in it."""
        return any(each != self.values[0] for each in self.values)


def rows_of(columns: Sequence[Column]) -> list[Row]:
    """All rows: what is asked where it differs, then what comes out, then the plan, or the decision."""
    found = [each.found for each in columns]
    outcome = _portfolio_rows if isinstance(columns[0].answer, PortfolioAnswer) else _job_rows
    return [*_asked_rows([each.asked for each in columns]), *outcome(found)]


def _asked_rows(asked: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """Every key in which the scenarios differ, in the order in which they are written."""
    flat = [dict(_leaves(each, ())) for each in asked]
    for path in dict.fromkeys(path for each in flat for path in each):
        row = Row("asked", path_text(path), "text", tuple(each.get(path) for each in flat))
        if row.differs:
            yield row


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Everything written in a value, lists of plain values as one; keys without a value are left out."""
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        inner = enumerate(value)
    elif value is not None:
        yield path, _text(value)
    for key, each in inner:
        yield from _leaves(each, (*path, key))


def _text(value: Any) -> str:
    """A plain value, or a list of plain values, as in YAML.

    >>> _text(["lora", 8]), _text(True), _text("48h")
    ('[lora, 8]', 'true', '48h')
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(section: str, key: str, unit: str, values: Iterable[Value]) -> Row:
    return Row(section, key, unit, tuple(values))


def _status(found: Sequence[Document]) -> Row:
    return _row("outcome", "status", "text", (each["status"] for each in found))


def _job_rows(found: Sequence[Document]) -> Iterator[Row]:
    """Of answers to single jobs: what a plan costs, takes and needs, and every decision."""
    yield _status(found)
    estimates = [each["estimate"] or {} for each in found]
    yield _row("outcome", "cost", "money", (each["cost"]["amount"] if each else None for each in estimates))
    for key, unit in ESTIMATED.items():
        yield _row("outcome", key, unit, (each.get(key) for each in estimates))
    plans = [each["plan"] or {} for each in found]
    for name in dict.fromkeys(name for plan in plans for name in plan):
        values = [plan.get(name) for plan in plans]
        yield _row("plan", name, "count" if any(isinstance(each, int) for each in values) else "text", values)


def _portfolio_rows(found: Sequence[Document]) -> Iterator[Row]:
    """Of answers to portfolios: what the decision costs, what is bought, and where every job runs."""
    yield _status(found)
    yield _row("outcome", "net_present_cost", "money", map(_net_present_cost, found))
    totals = [each["totals"] or {} for each in found]
    for kind in dict.fromkeys(kind for each in totals for kind in each):
        row = _row("outcome", kind, "money", (each.get(kind) for each in totals))
        if any(row.values):
            yield row
    for name in dict.fromkeys(each["name"] for one in found for each in one["strategies"]):
        yield _row("outcome", name, "money", (_strategy_cost(each, name) for each in found))
    machines = dict.fromkeys((each["kind"], each["machine"]) for one in found for each in one["purchases"])
    for kind, machine in machines:
        yield _row("plan", f"{kind} {machine}", "count", (_held(each, kind, machine) for each in found))
    for job in dict.fromkeys(each["job"] for one in found for each in one["schedule"]):
        yield _row("plan", job, "text", (_where(each, job) for each in found))


def _net_present_cost(found: Document) -> Value:
    cost = found["net_present_cost"]
    return None if cost is None else cost["amount"]


def _strategy_cost(found: Document, name: str) -> Value:
    return next((each["cost"] for each in found["strategies"] if each["name"] == name), None)


def _held(found: Document, kind: str, machine: str) -> int | None:
    """Machines of a kind, all times together; None without any answer."""
    if found["net_present_cost"] is None:
        return None
    alike = [each for each in found["purchases"] if (each["kind"], each["machine"]) == (kind, machine)]
    return sum(int(each["count"]) for each in alike)


def _where(found: Document, job: str) -> str | None:
    """Where the runs of a job are done and with which plans: `12 rented: 2 x L40S, LoRA, ddp`."""
    counts: dict[str, int] = {}
    for each in found["schedule"]:
        if each["job"] == job:
            place = f"{each['on']}: {short_values(each['plan'])}"
            counts[place] = counts.get(place, 0) + 1
    return "; ".join(f"{count} {place}" for place, count in counts.items()) or None
