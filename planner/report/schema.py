"""The JSON schema of an answer's document. It mirrors `document`, and a test holds the two together."""

from __future__ import annotations

from typing import Any

from planner.catalog.offer import Offer
from planner.decisions import DECISIONS, LORA_MODULES
from planner.estimator.duration import OVERLAPPED, SERIAL
from planner.estimator.memory import HOST, PHASES
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

COST_PARTS = {
    "training": "Machine time of the steps, in the currency of cost.",
    "startup": "Machine time of the start-up.",
    "lost": "Machine time of saving, lost work and restarts.",
    "unused": "Machine time that is billed beside: the last billing unit's rest, a minimum, a term.",
    "storage": "Weights, checkpoints and data, as long as the machines are rented.",
    "egress": "Download of the result.",
    "tax": "Tax on everything else.",
}
LIMITS = ("gpu_memory", "host_memory", "disk", "deadline", "budget", "max_gpus")
UNITS_OF_LIMITS = "Bytes for memory and disk, seconds for deadline, money for budget, else a count."


def answer_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner solve --format json` prints for one scenario.

    >>> answer_json_schema()["required"]
    ['status', 'plan', 'estimate', 'proof', 'why', 'alternatives']
    """
    whole = closed(
        "The answer to one scenario.",
        status=one_of("What is known of the answer.", "optimal", "feasible", "infeasible", "unknown"),
        plan=nullable(reference("plan")),
        estimate=nullable(_estimate()),
        proof=_proof(),
        why=_why(),
        alternatives=_alternatives(),
    )
    named = {**_amounts(), "plan": _plan(), "shortfall": _shortfall()}
    return {"$schema": DIALECT, "title": "Answer of planner solve", **whole, "$defs": named}


def estimate_json_schema() -> Schema:
    """JSON schema (2020-12) of the document that `planner estimate --format json` prints for one scenario.

    >>> estimate_json_schema()["required"][:4]
    ['fits', 'plan', 'estimate', 'limits']
    """
    plan = _plan()
    offer = nullable(of("string", "who rents it out and at what price; null if no offer is known"))
    whole = closed(
        "What one given plan needs, takes and costs, and whether it keeps the limits.",
        fits=nullable(of("boolean", "Whether all limits hold; null if a budget cannot be checked without a price.")),
        plan=plan | {"properties": plan["properties"] | {"offer": offer}},
        estimate=_estimate(always_priced=False),
        limits=listing("Every limit there can be.", _check()),
        unpriced=of("string", "Why no price is known; empty if one is."),
        assumptions=_assumptions(),
        notes=_notes(),
        price_sources=listing("Prices and exchange rates used.", _source()),
    )
    named = _amounts()
    return {"$schema": DIALECT, "title": "Answer of planner estimate", **whole, "$defs": named}


def _check() -> Schema:
    return closed(
        "One limit.",
        limit=one_of(UNITS_OF_LIMITS, "gpu_memory", "host_memory", "disk", "deadline", "budget"),
        used=nullable(amount("By the plan; null if not known.")),
        available=nullable(amount("At most; null if there is no such limit, or if it is not published.")),
        holds=nullable(of("boolean", "Whether the plan keeps it; null if that is not known, or if there is none.")),
        reason=of("string", "Why holds is null; else empty."),
    )


def _plan() -> Schema:
    decisions = {
        each.name: one_of(each.meaning, *each.values)
        if each.values
        else of("string" if each.name in ("gpu", "offer", "stack") else "integer", each.meaning)
        for each in DECISIONS
    }
    targets = f"all-linear, or modules joined by +, of {', '.join(LORA_MODULES)}; null without adapters"
    return closed(
        "One value of every decision.",
        **decisions,
        lora_rank=nullable(count("rank of the adapters; null without adapters")),
        lora_targets=nullable(of("string", targets)),
        nodes=count("machines"),
    )


def _amounts() -> dict[str, Schema]:
    """What every estimate refers to by name."""
    return {"money": _money(), "memory": _memory(), "peak": _peak(), "interval": _interval()}


def _money() -> Schema:
    return closed(
        "An amount of money.",
        amount=amount("At most six decimals."),
        currency=of("string", "ISO 4217 code.", pattern="^[A-Z]{3}$"),
    )


def _terms(description: str, terms: Any, value: Schema) -> Schema:
    return closed(description, **dict.fromkeys(terms, value))


def _memory() -> Schema:
    phases = {phase: _terms("Bytes by term.", terms, count("bytes")) for phase, terms in PHASES.items()}
    return closed(
        "Bytes on the fullest GPU: the terms of a phase are alive together, the largest phase counts.", **phases
    )


def _peak() -> Schema:
    return closed(
        "A peak with its 90% interval.",
        bytes=count("As expected."),
        low_bytes=count("One in twenty such runs needs less."),
        high_bytes=count("One in twenty such runs needs more."),
    )


def _interval() -> Schema:
    return closed(
        "A 90% interval.",
        low=amount("One in twenty such runs has less."),
        high=amount("One in twenty such runs has more."),
    )


def _memory_keys() -> dict[str, Schema]:
    return {
        "peak_bytes": count("Bytes of the largest phase, as expected: what the process needs."),
        "required_bytes": count("Bytes that suffice but for the accepted risk: what the limit counts."),
        "fit_probability": share("Probability that what the process needs fits the capacity."),
        "capacity_bytes": of("integer", "Bytes that the GPU offers a process, less the reserve of the scenario."),
        "peak_phase": one_of("The largest phase.", *PHASES),
        "memory": reference("memory"),
    }


def _estimate(*, always_priced: bool = True) -> Schema:
    priced = (lambda schema: schema) if always_priced else nullable
    resources = {**OVERLAPPED, "serial": SERIAL}
    step = {name: _terms("Seconds by term.", terms, amount("seconds")) for name, terms in resources.items()}
    parts = {name: of("number", meaning) for name, meaning in COST_PARTS.items()}
    return closed(
        "What the plan needs, how long it takes and what it costs.",
        **_memory_keys(),
        peaks=closed(
            "What is measured: live tensors (max_memory_allocated), with what the allocator holds besides "
            "(max_memory_reserved), with the CUDA context and communicators (nvidia-smi).",
            **{level: reference("peak") for level in ("allocated", "reserved", "process")},
        ),
        host_memory=_terms("Bytes of one machine by term.", HOST, count("bytes")),
        host_capacity_bytes=nullable(count("Bytes of one machine; null if not published: not checked.")),
        disk_bytes=count("Bytes of disk of the machine that saves."),
        disk_capacity_bytes=nullable(count("Bytes of local disk; null if not published: not checked.")),
        step_seconds=amount("One optimizer step: the busiest resource plus what is serial."),
        step=closed("Resource, term, seconds.", **step),
        tokens_per_second=amount("Of all GPUs together, while training."),
        tokens_per_second_interval=reference("interval"),
        hours=amount("Start-up, training and losses together."),
        hours_interval=reference("interval"),
        counted_hours=amount("What a deadline counts: exceeded with 1 - deadline_confidence only."),
        startup_hours=amount("Boot, download, loading."),
        training_hours=amount("Steps alone."),
        lost_hours=amount("Saving, lost work and restarts."),
        checkpoint_interval_hours=amount("Time between two saved checkpoints."),
        billed_hours=amount("Machine time that is paid for: whole billing units, at least a minimum or a term."),
        download_bytes=count("Bytes that are downloaded at the end."),
        cost=priced(reference("money")),
        cost_interval=priced(reference("interval")),
        cost_parts=priced(closed("Parts that add up to cost.", **parts)),
        price=priced(_price()),
    )


def _dated() -> dict[str, Schema]:
    return {
        "observed": of("string", "Day on which it was seen.", format="date"),
        "age_days": of("integer", "Days from then to the scenario's as_of."),
        "stale": of("boolean", "Whether it is older than 90 days."),
        "source": of("string", "Where it was read."),
    }


def _price() -> Schema:
    kinds = Offer.model_json_schema()["properties"]["kind"]["enum"]
    return closed(
        "Price of one GPU for one hour.",
        amount=amount("In the offer's currency."),
        currency=of("string", "The offer's currency, ISO 4217."),
        provider=of("string", "Who rents it out."),
        kind=one_of("Kind of price.", *kinds),
        billing_unit_seconds=count("Time is billed in whole units of so many seconds."),
        minimum_seconds=amount("The least time that is billed; of a reservation its term."),
        **_dated(),
    )


def _proof() -> Schema:
    hours = closed("A bound on the time.", hours=amount("hours"))
    return closed(
        "How the answer is known.",
        status=one_of("As above.", "optimal", "feasible", "infeasible", "unknown"),
        objective=one_of("What is minimised.", "cost", "time"),
        bound=nullable(
            {"description": "No plan is below it; null if none is proved.", "anyOf": [reference("money"), hours]}
        ),
        gap_fraction=nullable(of("number", "1 - bound / value of the plan.", minimum=0, maximum=1)),
        step=amount("Money or seconds within which plans are equally good, and the simpler one is chosen."),
        raw_combinations=count("Combinations of the values of all decisions before any rule."),
        keys=count("Combinations of offer, precision and schedule that could fit and keep the limits."),
        rows=count("Rows of the tables given to CP-SAT."),
        models=count("CP-SAT models solved."),
        branches=count("Branches of all of them."),
        seconds=amount("Time of the search; differs from run to run."),
        seconds_to_best=amount("Time until the plan was found; differs from run to run."),
        dropped_offers=count("Offers left out because another is as good in every respect."),
    )


def _why() -> Schema:
    return closed(
        "What the answer rests on and what limits it.",
        bindings=listing("How much the plan uses of each limit.", _binding()),
        assumptions=_assumptions(),
        notes=_notes(),
        conflict=nullable(_conflict()),
        price_sources=listing("Prices and exchange rates used.", _source()),
    )


def _assumptions() -> Schema:
    return listing(
        "Values that are assumed.",
        closed(
            "One of them.",
            key=of("string", "Name, that of the scenario's assumptions where it can be set there."),
            value={"type": ["number", "string"]},
            unit=of("string", "Unit of the value."),
            source=of("string", "Where it is from."),
        ),
    )


def _notes() -> Schema:
    return listing("What was assumed of the scenario or has no effect.", of("string", "A sentence."))


def _binding() -> Schema:
    return closed(
        "One limit.",
        limit=one_of(UNITS_OF_LIMITS, *LIMITS),
        used=amount("By the plan."),
        available=amount("At most."),
        fraction=amount("used / available."),
        binds=of("boolean", "Whether it is nearly used up, or alone keeps one change from being better."),
    )


def _source() -> Schema:
    return closed(
        "One price or rate.",
        kind=one_of("Price of an offer, or exchange rate.", "price", "rate"),
        name=of("string", "The offer, or one unit of a currency."),
        gpu=nullable(of("string", "GPU type of an offer.")),
        amount=amount("Price of one GPU for one hour, or US dollars for the unit."),
        currency=of("string", "ISO 4217 code."),
        observed_as=of("string", "The date as the source gives it, if it is not a day."),
        **_dated(),
    )


def _shortfall() -> Schema:
    return closed(
        "How far a plan misses a limit.",
        limit=one_of(UNITS_OF_LIMITS, *LIMITS),
        needed=nullable(amount("What the nearest plan needs; null if no legal plan exists at all.")),
        available=of("number", "What there is."),
    )


def _conflict() -> Schema:
    value = {"description": UNITS_OF_LIMITS, "type": ["number", "string", "null"]}
    relaxation = closed(
        "One limit of the conflict.",
        limit=of("string", "gpu_memory, deadline, budget, max_gpus, or search.<decision>."),
        current=value,
        nearest=value,
        plan=nullable(reference("plan")),
        **_outcome(),
    )
    shortfall = _shortfall()["properties"]
    closest = closed(
        "The plan that needs least memory on a GPU type.", **shortfall, plan=reference("plan"), **_memory_keys()
    )
    return closed(
        "Limits that exclude each other.",
        proved=of("boolean", "Whether it is proved that there is no plan, and none without a change of these limits."),
        limits=listing("Each with the nearest value that works, the others kept, and the best plan then.", relaxation),
        closest=listing("The plan nearest to fitting on each GPU type.", closest),
    )


def _outcome() -> dict[str, Schema]:
    return {
        "cost": nullable(reference("money")),
        "hours": nullable(amount("Of the whole job.")),
        "peak_bytes": nullable(count("Bytes of the largest phase.")),
    }


def _alternatives() -> Schema:
    return closed(
        "What else there is.",
        gpus=listing("The best plan on each other GPU type.", _rival()),
        methods=listing("The best plan with each other method.", _rival()),
        changes=listing("The plan with one decision changed.", _change()),
    )


def _rival() -> Schema:
    return closed(
        "The best plan with one decision fixed.",
        decision=one_of("The decision.", "gpu", "method"),
        value=of("string", "Its value."),
        feasible=of("boolean", "Whether there is a plan."),
        **_outcome(),
        plan=nullable(reference("plan")),
        shortfall=nullable(reference("shortfall")),
        reason=of("string", "Why no plan can have this value; often empty."),
    )


def _change() -> Schema:
    word = {"type": ["string", "integer", "null"]}
    return closed(
        "The plan with one decision changed and nothing else.",
        decision=one_of("The decision.", *(each.name for each in DECISIONS)),
        value=word | {"description": "Its new value."},
        feasible=of("boolean", "Whether the changed plan is legal and keeps every limit."),
        allowed=of("boolean", "Whether the scenario's search allows the change."),
        **_outcome(),
        broken=listing("Limits that it breaks.", reference("shortfall")),
        rules=listing("Rules that it breaks.", of("string", "A sentence.")),
        follows={
            "type": "object",
            "description": "Decisions that had to change with it.",
            "propertyNames": {"enum": [*(each.name for each in DECISIONS), "lora_rank", "lora_targets"]},
            "additionalProperties": word,
        },
    )
