"""Predictions beside measurements for programs: the JSON document and its schema."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from planner.measured.summary import GROUPINGS, Errors, confusion, quantity_errors
from planner.measured.validate import QUANTITIES, Comparison, Run, Validation
from planner.report.json_schema import DIALECT, Schema, amount, closed, count, listing, nullable, of, one_of

Document = dict[str, Any]
FRACTION = {"minimum": 0, "maximum": 1}


def validation_document(validation: Validation) -> Document:
    """Rows, verdicts and skipped rows in the order of the files, and the summary."""
    return {
        "rows": [_row(each) for each in validation.comparisons],
        "verdicts": [_verdict(run) for run in validation.verdicts],
        "skipped": [{"id": each.id, "reason": each.reason} for each in validation.skipped],
        "summary": _summary(validation),
    }


def _row(each: Comparison) -> Document:
    return {
        "id": each.row.id,
        "quantity": each.quantity,
        "measured": each.measured,
        "predicted": each.predicted.value,
        "low": each.predicted.low,
        "high": each.predicted.high,
        "error_fraction": each.error_fraction,
    }


def _verdict(run: Run) -> Document:
    return {
        "id": run.row.id,
        "outcome": run.row.outcome,
        "fits": run.prediction.fits,
        "probability": run.prediction.fit_probability,
    }


def _summary(validation: Validation) -> Document:
    return {
        "files": list(validation.files),
        "runs": len(validation.runs),
        "skipped": len(validation.skipped),
        "quantities": {
            each.quantity: {
                "overall": errors_document(each.overall),
                "ordering": {
                    "pairs": each.ordering.pairs,
                    "right": each.ordering.right,
                    "right_fraction": each.ordering.fraction,
                },
                **{
                    f"by_{name}": {group: errors_document(errors) for group, errors in groups.items()}
                    for name, groups in each.groups.items()
                },
            }
            for each in quantity_errors(validation)
        },
        "verdicts": asdict(confusion(validation.verdicts)),
    }


def errors_document(errors: Errors) -> Document:
    """Statistics of errors."""
    return {
        "rows": errors.rows,
        "median_error_fraction": errors.median,
        "mean_error_fraction": errors.mean,
        "p90_error_fraction": errors.p90,
        "worst_error_fraction": errors.worst,
        "bias_fraction": errors.bias,
        "inside_interval_fraction": errors.inside,
        "median_interval_factor": errors.reach,
    }


def validation_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner validate --format json` prints.

    >>> validation_json_schema()["required"]
    ['rows', 'verdicts', 'skipped', 'summary']
    """
    identifier = of("string", "Id of the row; `line N` if it has none.")
    row = closed(
        "One measured quantity of one run.",
        id=identifier,
        quantity=one_of("Column of the measurements format, whose unit the values have.", *QUANTITIES),
        measured=amount("As the file says."),
        predicted=amount("The planner's value."),
        low=nullable(amount("Lower end of the 90% interval; null if none is known.")),
        high=nullable(amount("Upper end.")),
        error_fraction=of("number", "(predicted - measured) / measured."),
    )
    verdict = closed(
        "Whether one run fits its GPU.",
        id=identifier,
        outcome=one_of("What happened.", "ok", "oom"),
        fits=of("boolean", "Whether the plan fits at the usual risk."),
        probability=of("number", "Probability that it fits.", **FRACTION),
    )
    whole = closed(
        "Predictions beside measurements.",
        rows=listing("Every measured quantity, in the order of the files.", row),
        verdicts=listing("Every run that says something of memory.", verdict),
        skipped=listing(
            "Rows without a prediction.", closed("One of them.", id=identifier, reason=of("string", "Why."))
        ),
        summary=_summary_schema(),
    )
    return {"$schema": DIALECT, "title": "Comparison of planner validate", **whole}


def errors_schema(description: str) -> Schema:
    """Of `errors_document`."""
    return closed(
        description,
        rows=count("Number of rows."),
        median_error_fraction=amount("Of absolute errors."),
        mean_error_fraction=amount("Of absolute errors."),
        p90_error_fraction=amount("90% of the absolute errors are smaller."),
        worst_error_fraction=amount("Largest absolute error."),
        bias_fraction=of("number", "Median of the signed errors."),
        inside_interval_fraction=nullable(of("number", "Share of rows inside the 90% interval.", **FRACTION)),
        median_interval_factor=nullable(
            of("number", "Median factor from the middle of the 90% interval to its ends.", minimum=1)
        ),
    )


def _summary_schema() -> Schema:
    ordering = closed(
        "Pairs of runs of one source whose measured values differ by more than 10%.",
        pairs=count("Number of pairs."),
        right=count("Those predicted in the measured order."),
        right_fraction=nullable(of("number", "Their share; null without pairs.", **FRACTION)),
    )
    errors = errors_schema("Errors of some rows, as fractions of the measured values.")
    groups = {"type": "object", "description": "Group -> errors.", "additionalProperties": errors}
    quantity = closed(
        "Errors of one quantity.", overall=errors, ordering=ordering, **{f"by_{name}": groups for name in GROUPINGS}
    )
    return closed(
        "Figures.",
        files=listing("The files that could be read.", of("string", "As given.")),
        runs=count("Rows with a prediction."),
        skipped=count("Rows without."),
        quantities={
            "type": "object",
            "description": "Quantity -> errors, for quantities that were measured.",
            "propertyNames": {"enum": list(QUANTITIES)},
            "additionalProperties": quantity,
        },
        verdicts=closed(
            "Outcomes against verdicts.",
            ok_fits=count("Ran, said to fit."),
            ok_not=count("Ran, said not to fit."),
            oom_fits=count("Out of memory, said to fit."),
            oom_not=count("Out of memory, said not to fit."),
        ),
    )
