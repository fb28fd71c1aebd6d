"""What own runs say of GPUs and stacks for programs: the JSON document and its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.report.json_schema import DIALECT, Schema, closed, count, listing, of
from planner.report.validation_document import errors_document, errors_schema

if TYPE_CHECKING:
    from planner.measured.calibrate import Calibrated, OwnCalibration
    from planner.measured.own_runs import OwnRuns

Document = dict[str, Any]


def calibration_document(read: OwnRuns, found: OwnCalibration) -> Document:
    """GPU types and stacks in the order of the files, all runs together, and skipped rows."""
    return {
        "files": list(read.files),
        "runs": len(read.runs),
        "groups": [_group(each) for each in found.groups],
        "before": errors_document(found.before),
        "after": errors_document(found.after),
        "skipped": [{"id": each.id, "reason": each.reason} for each in read.skipped],
    }


def _group(each: Calibrated) -> Document:
    return {
        "gpu": each.observed.gpu,
        "stack": each.observed.stack,
        "runs": each.runs,
        "configurations": each.observed.configurations,
        "log_residual": each.observed.log_residual,
        "seconds_factor": each.own.seconds_factor,
        "spread_before": each.published_spread,
        "spread_after": each.own.spread,
        "before": errors_document(each.before),
        "after": errors_document(each.after),
    }


def calibration_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner calibrate --format json` prints.

    >>> calibration_json_schema()["required"]
    ['files', 'runs', 'groups', 'before', 'after', 'skipped']
    """
    errors = errors_schema("Errors of speed, as fractions of the measured values.")
    spread = of("number", "Scale of a Student t distribution with four degrees of freedom.", exclusiveMinimum=0)
    group = closed(
        "One GPU type with one stack.",
        gpu=of("string", "Name of the catalog."),
        stack=of("string", "Name of the catalog."),
        runs=count("Runs with a speed."),
        configurations=count("Different ones among them."),
        log_residual=of("number", "Mean logarithm of measured over predicted seconds, over configurations."),
        seconds_factor=of("number", "What the profile multiplies predicted seconds by.", exclusiveMinimum=0),
        spread_before={**spread, "description": "Log-scale spread of speed without a profile."},
        spread_after={**spread, "description": "The same with the profile."},
        before=errors,
        after=errors,
    )
    skipped = closed("One of them.", id=of("string", "Id of the row."), reason=of("string", "Why."))
    whole = closed(
        "What own runs say. Errors before are those without a profile; errors after are those of each run by what the "
        "runs of all other configurations say.",
        files=listing("As given.", of("string", "One file.")),
        runs=count("Runs with a speed."),
        groups=listing("What the profile says.", group),
        before=errors,
        after=errors,
        skipped=listing("Rows that could not be used.", skipped),
    )
    return {"$schema": DIALECT, "title": "Calibration of planner calibrate", **whole}
