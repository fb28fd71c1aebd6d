"""The JSON schemas that `planner schema` prints; each is made only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from importlib import import_module
from typing import Any


class Described(StrEnum):
    """What a JSON schema is printed of."""

    scenario = "scenario"
    answer = "answer"
    frontier = "frontier"
    sensitivity = "sensitivity"
    comparison = "comparison"
    portfolio = "portfolio"
    estimate = "estimate"
    validation = "validation"
    calibration = "calibration"


MODULES = {
    Described.scenario: "planner.scenario.schema",
    Described.answer: "planner.report.schema",
    Described.frontier: "planner.report.frontier_schema",
    Described.sensitivity: "planner.report.sensitivity.schema",
    Described.comparison: "planner.report.comparison.schema",
    Described.portfolio: "planner.report.portfolio.schema",
    Described.estimate: "planner.report.schema",
    Described.validation: "planner.report.validation_document",
    Described.calibration: "planner.report.calibration_document",
}
"""Where the function `<name>_json_schema` of each lies."""


def schema_of(what: Described) -> dict[str, Any]:
    """The JSON schema (2020-12) of a file or a document."""
    make: Callable[[], dict[str, Any]] = getattr(import_module(MODULES[what]), f"{what.value}_json_schema")
    return make()
