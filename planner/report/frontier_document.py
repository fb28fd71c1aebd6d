"""The frontier of cost against time as a document for programs, described by `frontier_schema`."""

from __future__ import annotations

from typing import Any

from planner.report import facts
from planner.report.document import document, source_document
from planner.report.frontier import advice
from planner.solver.frontier import Frontier, Point

Document = dict[str, Any]


def frontier_document(found: Frontier) -> Document:
    """Status, points, and what they rest on; everything but `proof.seconds` is the same on every run."""
    answer = None if found.answer is None else document(found.answer)
    offers = [each.candidate.plan.offer for each in found.points]
    sources = facts.price_sources(found.answer) if found.answer else facts.sources_of(found.world, offers)
    numbers = range(1, len(found.points) + 1)
    return {
        "status": found.status,
        "complete": found.complete,
        "points": [_point(number, each, found) for number, each in zip(numbers, found.points, strict=True)],
        "cheapest": 1 if found.points else None,
        "fastest": len(found.points) or None,
        "knee": None if found.knee is None else found.knee + 1,
        "advice": advice(found) if found.points else "",
        "proof": _proof(found),
        "conflict": None if answer is None else answer["why"]["conflict"],
        "notes": list(found.world.scenario.notes),
        "price_sources": [source_document(each) for each in sources],
    }


def _point(number: int, point: Point, found: Frontier) -> Document:
    estimate = point.candidate.estimate
    within = point.within_seconds
    return {
        "number": number,
        "cost": {"amount": round(point.cost, 6), "currency": found.world.scenario.currency},
        "hours": estimate.hours,
        "peak_bytes": estimate.peak_bytes,
        "fit_probability": round(estimate.fit_probability, 6),
        "plan": point.candidate.plan.as_dict(),
        "proof": {
            "status": "optimal" if point.proved else "feasible",
            "within_hours": None if within == float("inf") else within / 3600,
            "cost_step": point.resolution.cost,
            "hours_step": point.resolution.seconds / 3600,
        },
    }


def _proof(found: Frontier) -> Document:
    proof = found.proof
    return {
        "raw_combinations": found.raw_combinations,
        "keys": proof.keys,
        "rows": proof.rows,
        "models": proof.models,
        "branches": proof.branches,
        "seconds": proof.seconds,
        "dropped_offers": len(found.dropped_offers),
    }
