"""The JSON schema of a sensitivity's document. It mirrors `sensitivity_document`, and a test holds them together."""

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

LIMITS = ("deadline", "budget", "max_gpus", "gpu_memory", "oom_risk")
VALUE = "In the unit of the limit; of gpu_memory, bytes more than every GPU has."


def sensitivity_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner sensitivity --format json` prints.

    >>> sensitivity_json_schema()["required"][:3]
    ['status', 'complete', 'objective']
    """
    answer = answer_json_schema()
    why = answer["properties"]["why"]["properties"]
    of_proof = answer["properties"]["proof"]["properties"]
    proof = {name: of_proof[name] for name in ("keys", "rows", "models", "branches", "seconds")}
    whole = closed(
        "How the best plan of a scenario depends on its limits and prices.",
        status=one_of("What is known of the plan.", "optimal", "feasible", "infeasible", "unknown"),
        complete=of("boolean", "Whether the plan and everything said of it are proved."),
        objective=one_of("What is minimised.", "cost", "time"),
        currency=of("string", "ISO 4217 code of all amounts of money, except prices.", pattern="^[A-Z]{3}$"),
        deadline_confidence=share("Probability with which plans end within a deadline."),
        sentence=of("string", "The plan in one sentence; empty without one."),
        best=nullable(closed("The plan.", **_outcome())),
        limits=listing("What each limit does to it.", _limit()),
        prices=listing(
            "What each price does to it: those it pays, then those of other GPU types' best plans.", _price()
        ),
        reaches=listing("How far it reaches.", _reach()),
        missing=listing(
            "Limits and prices that there was no time for.", of("string", "Its key, of an offer its name.")
        ),
        proof=closed("The work of all searches after the one for the plan.", **proof),
        conflict=why["conflict"],
        notes=why["notes"],
        price_sources=why["price_sources"],
    )
    named = {name: answer["$defs"][name] for name in ("plan", "money", "memory", "shortfall")}
    return {"$schema": DIALECT, "title": "Answer of planner sensitivity", **whole, "$defs": named}


def _outcome() -> dict[str, Schema]:
    return {
        "gain": of("number", "By how much it is better than the plan: money, or hours if time is minimised."),
        "cost": amount("At the prices as they are."),
        "hours": amount("Of the whole job."),
        "peak_bytes": count("Bytes of the largest phase, as expected."),
        "plan": reference("plan"),
    }


def _limit() -> Schema:
    value = of("number", VALUE)
    level = closed("The best plan from a value on, up to the next level.", at=value, **_outcome())
    one_more = closed(
        "What a little more is worth.",
        amount=amount("How much more: an hour, a tenth of the budget, a GPU, a GiB, a percent."),
        outcome=nullable(closed("The best plan then; null if it is the same, or without a limit.", **_outcome())),
    )
    return closed(
        "One limit, all else as it is.",
        limit=one_of("Its key.", *LIMITS),
        unit=one_of("Unit of its values.", "hours", "money", "gpus", "bytes", "probability"),
        proved=of("boolean", "Whether all that is said of it is proved."),
        current=nullable(of("number", f"{VALUE} Null if there is no limit.")),
        needed=of("number", f"With less, nothing is as good to within a step. {VALUE}"),
        least=of("number", f"With less, there is no plan, or none was searched for: see floor. {VALUE}"),
        floor=nullable(of("number", "The tightest value looked at, if plans are left there; else null.")),
        searched=nullable(of("number", "The loosest value looked at; null if that is no limit at all.")),
        one_more=one_more,
        looser=listing("Levels with more of it, rising; all of them better than the plan.", level),
        tighter=listing("Levels with less of it, falling; all of them worse.", level),
        looser_left_out=of("boolean", "Whether levels are left out before the last one of looser."),
        tighter_left_out=of("boolean", "Whether levels are left out before the last one of tighter."),
        sentences=listing("The same in words.", of("string", "A sentence.")),
    )


def _price() -> Schema:
    change = closed(
        "The nearest price in one direction at which the plan changes.",
        proved=of("boolean", "Whether it is proved to be the nearest."),
        searched=amount("The price up to which was searched, in its unit."),
        at=nullable(amount("The price, in its unit; null if nothing changes up to there.")),
        reason=one_of("What happens there; empty if nothing.", "", "better", "over_budget", "affordable"),
        outcome=nullable(closed("The best plan beyond, at the prices as they are.", **_outcome())),
    )
    return closed(
        "One price, all else as it is.",
        price=one_of("What it is of.", "offer", "storage", "egress", "tax"),
        offer=of("string", "The offer; empty of tax."),
        gpu=of("string", "The GPU type, of the price of an offer; else empty."),
        unit=of("string", "USD/GPU-h, USD/GB/month, USD/GB and the like, or share."),
        current=amount("As it is, in its unit."),
        is_chosen=of("boolean", "Whether the plan pays it."),
        cost_per_percent=amount("What one percent more adds to the cost of the plan."),
        lower=nullable(change),
        higher=nullable(change | {"description": "Null of prices that the plan does not pay."}),
        sentence=of("string", "The same in words."),
    )


def _reach() -> Schema:
    whole = {"type": "integer", "minimum": 1}
    return closed(
        "How large one number can be with every other decision as it is, whatever time and money it takes.",
        decision=one_of("The number.", "micro_batch", "sequence_length"),
        current=whole | {"description": "As it is."},
        most=whole | {"description": "The largest one that fits; the batch grows with the micro-batch."},
        limit=of("string", "What ends it: gpu_memory, host_memory, disk or a rule; empty if nothing does."),
        of_batch=nullable(whole | {"description": "Of the micro-batch: the largest one that divides the batch."}),
        max_positions=whole | {"description": "Positions that the model knows."},
        cost=amount("With the largest one."),
        hours=amount("With the largest one."),
        peak_bytes=count("With the largest one."),
        sentence=of("string", "The same in words."),
    )
