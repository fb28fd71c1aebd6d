"""How an answer depends on limits and prices, as a document for programs, described by `sensitivity.schema`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.catalog import Offer
from planner.report import facts
from planner.report.document import document, plain_amount, source_document
from planner.report.sensitivity.sentences import limit_sentences, price_sentence, reach_sentence
from planner.report.text import sentence
from planner.solver.candidate import Candidate
from planner.solver.sensitivity.answer import Level, LimitEffect, PriceChange, PriceEffect, Reach, Sensitivity

Document = dict[str, Any]
UNITS = {
    "deadline": ("hours", 3600.0),
    "budget": ("money", 1.0),
    "max_gpus": ("gpus", 1.0),
    "gpu_memory": ("bytes", 1.0),
    "oom_risk": ("probability", 1.0),
}
"""Unit of each limit's values, and how much of the solver's own unit it is."""
DIGITS = 9
NEARLY_FLOOR = 1.002
"""Levels are found in steps of a thousandth."""


def sensitivity_document(found: Sensitivity) -> Document:
    """The plan, what each limit and price does to it, and how far it reaches; null or empty where there is no plan.

    Everything but `proof.seconds` is the same on every run that had time to finish.
    """
    answer, best, world = found.answer, found.answer.best, found.world
    sources = facts.sources_of(world, list(_offers(found))) if best else facts.price_sources(answer)
    return {
        "status": answer.status,
        "complete": found.proof.proved,
        "objective": found.objective,
        "currency": world.scenario.currency,
        "deadline_confidence": world.scenario.limits.deadline_confidence,
        "sentence": "" if best is None else sentence(world, best),
        "best": None if best is None else _outcome(best, found),
        "limits": [_limit(each, found) for each in found.limits],
        "prices": [_price(each, found) for each in found.prices],
        "reaches": [_reach(each, found) for each in found.reaches],
        "missing": list(found.missing),
        "proof": _proof(found),
        "conflict": document(answer)["why"]["conflict"],
        "notes": list(world.scenario.notes),
        "price_sources": [source_document(each) for each in sources],
    }


def _offers(found: Sensitivity) -> Iterator[Offer]:
    """The offers of every plan that is told of."""
    candidates = [found.answer.best]
    for limit in found.limits:
        candidates += [limit.one_more, *(each.candidate for each in limit.levels)]
    for price in found.prices:
        candidates += [change.after for change in (price.lower, price.higher) if change]
    yield from (each.plan.offer for each in candidates if each is not None)


def _outcome(candidate: Candidate, found: Sensitivity) -> Document:
    """A plan, and by how much it is better than the chosen one: money or hours."""
    gain = found.gain(candidate)
    return {
        "gain": round(gain / 3600 if found.objective == "time" else gain, DIGITS),
        "cost": plain_amount(candidate.estimate.cost),
        "hours": candidate.estimate.hours,
        "peak_bytes": candidate.estimate.peak_bytes,
        "plan": candidate.plan.as_dict(),
    }


def _limit(effect: LimitEffect, found: Sensitivity) -> Document:
    unit, scale = UNITS[effect.limit]

    def plain(value: float | None) -> float | None:
        return None if value is None else round(value / scale, DIGITS)

    def level(each: Level) -> Document:
        return {"at": plain(each.at), **_outcome(each.candidate, found)}

    floor = effect.floor if effect.floor is not None and effect.least <= effect.floor * NEARLY_FLOOR else None
    told = {
        "limit": effect.limit,
        "unit": unit,
        "proved": effect.proved,
        "current": plain(effect.current),
        "needed": plain(effect.held.at),
        "least": plain(effect.least),
        "floor": plain(floor),
        "searched": plain(effect.searched),
        "one_more": {
            "amount": plain(effect.unit),
            "outcome": None if effect.one_more is None else _outcome(effect.one_more, found),
        },
        "looser": [level(each) for each in effect.looser],
        "tighter": [level(each) for each in effect.tighter],
        "looser_left_out": effect.gap_looser,
        "tighter_left_out": effect.gap_tighter,
    }
    return {**told, "sentences": limit_sentences(told, found.objective, found.world.scenario.currency)}


def _price(effect: PriceEffect, found: Sensitivity) -> Document:
    def change(each: PriceChange | None) -> Document | None:
        if each is None:
            return None
        return {
            "proved": each.proved,
            "searched": round(each.searched, DIGITS),
            "at": None if each.at is None else round(each.at, DIGITS),
            "reason": each.reason,
            "outcome": None if each.after is None else _outcome(each.after, found),
        }

    told = {
        "price": effect.price,
        "offer": effect.name,
        "gpu": effect.gpu,
        "unit": effect.unit,
        "current": effect.current,
        "is_chosen": effect.is_chosen,
        "cost_per_percent": round(effect.cost_per_percent, DIGITS),
        "lower": change(effect.lower),
        "higher": change(effect.higher),
    }
    return {**told, "sentence": price_sentence(told, found.world.scenario.currency)}


def _reach(reach: Reach, found: Sensitivity) -> Document:
    told = {
        "decision": reach.decision,
        "current": reach.current,
        "most": reach.most,
        "limit": reach.limit,
        "of_batch": reach.of_batch,
        "max_positions": found.world.workload.architecture.max_positions,
        "cost": plain_amount(reach.candidate.estimate.cost),
        "hours": reach.candidate.estimate.hours,
        "peak_bytes": reach.candidate.estimate.peak_bytes,
    }
    return {**told, "sentence": reach_sentence(told, found.world.scenario.currency)}


def _proof(found: Sensitivity) -> Document:
    """The work of all searches after the one for the plan."""
    proof = found.proof
    names = ("keys", "rows", "models", "branches", "seconds")
    return {name: getattr(proof, name) for name in names}
