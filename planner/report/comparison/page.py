"""Answers side by side on a page for a terminal, made of the comparison's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.report.alternatives import difference
from planner.report.comparison.rows import Column
from planner.report.infeasible import infeasible_report
from planner.report.page import GAP_CELLS, INDENT, Page, padded, wrap
from planner.report.portfolio.conflict_sections import no_plan
from planner.report.words import money
from planner.solver.portfolio.answer import PortfolioAnswer
from planner.units import format_bytes, format_seconds, format_share

Document = Mapping[str, Any]
MARK = "*"
NOTHING = "-"
LABEL_CELLS = 22
LEAST_COLUMN_CELLS = 15
HEADINGS = {"asked": "Asked", "outcome": "Outcome", "plan": "Plan"}
LABELS = {
    "counted_hours": "time for the deadline",
    "hours": "time",
    "step_seconds": "step",
    "tokens_per_second": "tokens/s",
    "peak_bytes": "GPU memory",
    "capacity_bytes": "of",
    "fit_probability": "fits with",
    "net_present_cost": "net present cost",
}
ALWAYS = ("status", "cost", "hours", "peak_bytes", "fit_probability", "net_present_cost")
"""Rows that are shown even where they are all equal."""
WITH_CHANGES = ("money", "hours", "seconds", "count")
"""Units of numbers whose changes against the first column are shown in the outcome."""


def comparison_report(
    document: Document, columns: Sequence[Column], *, width: int = 80, ascii_only: bool = True
) -> Page:
    """The document on a page; behind it why there is no plan, for each of the columns that has none."""
    page = Page(width, ascii_only=ascii_only)
    _sentences(page, document)
    for section, heading in HEADINGS.items():
        rows = [each for each in document["rows"] if each["section"] == section]
        shown = [each for each in rows if each["key"] in ALWAYS or _differs(each)]
        same = [each for each in rows if each not in shown]
        if not rows:
            continue
        page.heading(heading, "" if shown else "the same everywhere")
        if shown:
            _side_by_side(page, document["columns"], shown)
        if section == "plan" and (known := _same(same, document["columns"][0])):
            page.labelled("the same" if len(_planned(document)) > 1 else "plan", known)
    for column, described in zip(columns, document["columns"], strict=True):
        if not described["sentence"]:
            page.blank()
            page.line(f"=== {column.title}", "bold")
            _explain(page, column)
    return page


def _explain(page: Page, column: Column) -> None:
    """Why there is no plan."""
    if isinstance(column.answer, PortfolioAnswer):
        no_plan(page, column.found)
    else:
        infeasible_report(page, column.answer, details=False)


def _sentences(page: Page, document: Document) -> None:
    """Each answer in one sentence, under its title."""
    for each in document["columns"]:
        page.line(each["title"], "bold")
        page.paragraph(each["sentence"] or _no_plan(each["status"]), indent=INDENT)


def _no_plan(status: str) -> str:
    return "No plan exists: see below." if status == "infeasible" else "Undecided in the time given: see below."


def _differs(row: Document) -> bool:
    """Whether a row tells answers apart; decisions do so among plans that exist."""
    values = [each for each in row["values"] if each is not None or row["section"] != "plan"]
    return any(each != values[0] for each in values)


def _planned(document: Document) -> list[Document]:
    """The columns that have a plan."""
    return [each for each in document["columns"] if each["sentence"]]


def _same(rows: Sequence[Document], column: Document) -> str:
    """What is equal wherever there is a plan, without what nobody would miss."""
    known = [(each, next((value for value in each["values"] if value is not None), None)) for each in rows]
    shown = [(each["key"], _text(each, value, column)) for each, value in known]
    return ", ".join(f"{key} {text}" for key, text in shown if text not in (NOTHING, "none", "1"))


def _side_by_side(page: Page, columns: Sequence[Document], rows: Sequence[Document]) -> None:
    """A table of rows; where the page is too narrow for all columns, several tables that begin with the first one."""
    room = page.width - len(INDENT) - len(MARK) - 1 - LABEL_CELLS - GAP_CELLS
    most = max(2, (room + GAP_CELLS) // (LEAST_COLUMN_CELLS + GAP_CELLS))
    others = list(range(1, len(columns)))
    blocks = [others[start : start + most - 1] for start in range(0, len(others), most - 1)] or [[]]
    for number, block in enumerate(blocks):
        if number:
            page.blank()
        places = [0, *block]
        cells = (room + GAP_CELLS) // len(places) - GAP_CELLS
        _line(page, " ", "", [_title(columns[place], cells) for place in places], cells, "dim")
        for row in rows:
            texts = [_cell(row, place, columns) for place in places]
            differs = len(set(texts)) > 1
            _line(page, MARK if differs else " ", _label(row), texts, cells, "bold" if differs else "")


def _title(column: Document, cells: int) -> str:
    """What a column is called; a long change breaks behind its key."""
    title = str(column["title"])
    return title if len(title) <= cells else title.replace("=", "= ", 1)


def _line(page: Page, mark: str, label: str, texts: Sequence[str], cells: int, style: str) -> None:
    """One row over as many lines as its longest cell needs."""
    parts = [wrap(label, LABEL_CELLS), *(wrap(text, max(8, cells)) for text in texts)]
    gap = " " * GAP_CELLS
    for number in range(max(map(len, parts))):
        first, *rest = [each[number] if number < len(each) else "" for each in parts]
        line = f"{INDENT}{mark if not number else ' '} {padded(first, LABEL_CELLS)}"
        page.line((line + "".join(gap + padded(each, max(8, cells)) for each in rest)).rstrip(), style)


def _label(row: Document) -> str:
    return LABELS.get(row["key"], str(row["key"])) if row["section"] == "outcome" else str(row["key"])


def _cell(row: Document, place: int, columns: Sequence[Document]) -> str:
    """A value, with its change against the first column where both are amounts of one unit."""
    value, first = row["values"][place], row["values"][0]
    text = _text(row, value, columns[place])
    is_amount = row["section"] == "outcome" and row["unit"] in WITH_CHANGES
    if not place or not is_amount or value == first or not value or not first or min(value, first) <= 0:
        return text
    if row["unit"] == "money" and columns[place]["currency"] != columns[0]["currency"]:
        return text
    return f"{text} ({difference(value, first)})"


def _text(row: Document, value: Any, column: Document) -> str:
    """A value in its unit."""
    if value is None:
        return NOTHING
    match row["unit"]:
        case "money":
            return money(value, column["currency"])
        case "hours":
            return format_seconds(value * 3600)
        case "seconds":
            return format_seconds(value)
        case "bytes":
            return format_bytes(value)
        case "share":
            return format_share(value)
        case "count":
            return f"{value:,.0f}"
    return str(value)
