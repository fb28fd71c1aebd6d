"""The JSON schema of a comparison's document. It mirrors `comparison_document`, and a test holds the two together."""

from __future__ import annotations

from planner.report.json_schema import DIALECT, Schema, closed, listing, nullable, of, one_of
from planner.report.portfolio.schema import portfolio_json_schema
from planner.report.schema import answer_json_schema

STATUSES = ("optimal", "feasible", "infeasible", "unknown")


def comparison_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner compare` and `planner what-if` print with `--format json`.

    >>> comparison_json_schema()["required"]
    ['kind', 'columns', 'rows']
    """
    answer = answer_json_schema()
    whole = closed(
        "Answers side by side.",
        kind=one_of("Whether each is to a single job, or to a file with jobs.", "scenario", "portfolio"),
        columns=listing("What is compared; of a change, the file as it is comes first.", _column(answer)),
        rows=listing("What is asked where it differs, then every fact of the answers.", _row()),
    )
    named = {name: answer["$defs"][name] for name in ("plan", "money", "memory", "shortfall")}
    return {"$schema": DIALECT, "title": "Answer of planner compare and what-if", **whole, "$defs": named}


def _column(answer: Schema) -> Schema:
    of_a_job = answer["properties"]["why"]["properties"]["conflict"]["anyOf"][0]
    of_a_portfolio = portfolio_json_schema()["properties"]["conflict"]["anyOf"][0]
    return closed(
        "One answer.",
        title=of("string", "What it is called."),
        file=of("string", "Where the scenario was read from."),
        set=listing("Changes of the file, as they were given.", of("string", "KEY=VALUE.")),
        status=one_of("What is known of the answer.", *STATUSES),
        currency=of("string", "ISO 4217 code of its amounts.", pattern="^[A-Z]{3}$"),
        sentence=of("string", "The answer in one sentence; empty without a plan."),
        conflict=nullable({"anyOf": [of_a_job, of_a_portfolio], "description": "Why there is no plan."}),
    )


def _row() -> Schema:
    value = {"type": ["string", "number", "null"], "description": "Null where there is none, or no plan."}
    units = "Of its numbers; money is in the currency of the column."
    return closed(
        "One fact.",
        section=one_of("asked: a key of the scenario, as it is written.", "asked", "outcome", "plan"),
        key=of("string", "What it is."),
        unit=one_of(units, "money", "hours", "seconds", "bytes", "share", "count", "text"),
        values=listing("One for each column.", value),
        differs=of("boolean", "Whether they are not all equal."),
    )
