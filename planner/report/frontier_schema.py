"""The JSON schema of the frontier's document. It mirrors `frontier_document`, and a test holds the two together."""

from __future__ import annotations

from planner.report.json_schema import (
    DIALECT,
    Schema,
    amount,
    closed,
    count,
    listing,
    nullable,
    of,
    one_of,
    reference,
    share,
)
from planner.report.schema import answer_json_schema

NUMBER = {"type": "integer", "minimum": 1}


def frontier_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner frontier --format json` prints.

    >>> frontier_json_schema()["required"][:3]
    ['status', 'complete', 'points']
    """
    answer = answer_json_schema()
    why = answer["properties"]["why"]["properties"]
    status = "optimal: all that was asked for is proved; feasible: time ran out before; else as for planner solve."
    whole = closed(
        "The plans of one scenario that nothing beats in both cost and time.",
        status=one_of(status, "optimal", "feasible", "infeasible", "unknown"),
        complete=nullable(of("boolean", "Whether there are no other points; null if there was no time to tell.")),
        points=listing("The cheapest first, the fastest last.", _point()),
        cheapest=_number("The cheapest point."),
        fastest=_number("The fastest point."),
        knee=_number("The point with the least cost x hours: beyond it cost grows by more than time shrinks."),
        advice=of("string", "One sentence on these three; empty without points."),
        proof=_proof(answer["properties"]["proof"]["properties"]),
        conflict=why["conflict"],
        notes=why["notes"],
        price_sources=why["price_sources"],
    )
    named = {name: answer["$defs"][name] for name in ("plan", "money", "memory")}
    return {"$schema": DIALECT, "title": "Answer of planner frontier", **whole, "$defs": named}


def _number(description: str) -> Schema:
    return nullable(NUMBER | {"description": f"{description} By its number; null without points."})


def _point() -> Schema:
    proof = closed(
        "How the point is known.",
        status=one_of("feasible if time ran out before it was proved.", "optimal", "feasible"),
        within_hours=nullable(amount("No plan that takes at most this long is cheaper by a step; null: none at all.")),
        cost_step=amount("Money within which plans are equally good."),
        hours_step=amount("Hours within which plans of equal cost are equally good, and the simpler one is shown."),
    )
    return closed(
        "One plan of the frontier.",
        number=NUMBER | {"description": "Its place in this list, from 1."},
        cost=reference("money"),
        hours=amount("Of the whole job."),
        peak_bytes=count("Bytes of the largest phase, as expected: what the process needs."),
        fit_probability=share("Probability that what the process needs fits the capacity."),
        plan=reference("plan"),
        proof=proof,
    )


def _proof(of_an_answer: dict[str, Schema]) -> Schema:
    """The work of all searches together, in the words of an answer's proof."""
    names = ("raw_combinations", "keys", "rows", "models", "branches", "seconds", "dropped_offers")
    return closed("The work of all searches together.", **{name: of_an_answer[name] for name in names})
