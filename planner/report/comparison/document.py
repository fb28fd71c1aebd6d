"""Answers side by side as a document for programs, described by `comparison.schema`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.report.comparison.rows import Column, Document, Row, rows_of
from planner.report.portfolio.page import headline
from planner.report.text import sentence
from planner.solver.answer import Answer
from planner.solver.portfolio.answer import PortfolioAnswer


def comparison_document(columns: Sequence[Column]) -> dict[str, Any]:
    """The columns and the rows; every row has one value for each column. It is the same on every run."""
    is_portfolio = isinstance(columns[0].answer, PortfolioAnswer)
    return {
        "kind": "portfolio" if is_portfolio else "scenario",
        "columns": [_column(each) for each in columns],
        "rows": [_row(each) for each in rows_of(columns)],
    }


def _column(column: Column) -> dict[str, Any]:
    found = column.found
    return {
        "title": column.title,
        "file": column.file,
        "set": list(column.settings),
        "status": found["status"],
        "currency": column.currency,
        "sentence": _sentence(column.answer, found),
        "conflict": found["conflict"] if isinstance(column.answer, PortfolioAnswer) else found["why"]["conflict"],
    }


def _sentence(answer: Answer | PortfolioAnswer, found: Document) -> str:
    """The answer in one sentence; empty without a plan."""
    if isinstance(answer, PortfolioAnswer):
        return headline(found) if found["net_present_cost"] is not None else ""
    return sentence(answer.world, answer.best) if answer.best is not None else ""


def _row(row: Row) -> dict[str, Any]:
    return {
        "section": row.section,
        "key": row.key,
        "unit": row.unit,
        "values": list(row.values),
        "differs": row.differs,
    }
