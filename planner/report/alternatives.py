"""What else there is: the best plan of every other GPU type and method, and the plan with one decision changed."""

from __future__ import annotations

from planner.report import words
from planner.report.document import NOT_OFFERED, allowed, broken
from planner.report.page import Page
from planner.solver.answer import Answer, Change, Rival
from planner.solver.search import Candidate
from planner.solver.world import World
from planner.units import format_seconds

SHOWN_CHANGES = 8
NEGLIGIBLE_FRACTION = 0.0005
"""Differences that would print as 0.0%."""


def alternatives_section(page: Page, answer: Answer, best: Candidate) -> None:
    """The runner-up per other GPU type and per other method."""
    rivals = [*answer.gpus, *(Rival("gpu", gpu.name, None, reason=NOT_OFFERED) for gpu in answer.unoffered_gpus)]
    rivals += answer.methods
    if not rivals:
        return
    page.heading("Alternatives", "the best plan with each other GPU type and method")
    rows = [_rival_row(rival, best, answer.world) for rival in rivals]
    _outcomes(page, rows)


def _rival_row(rival: Rival, best: Candidate, world: World) -> list[str]:
    name = words.METHODS[rival.value] if rival.decision == "method" else rival.value
    if rival.candidate is None:
        currency = world.scenario.currency
        why = rival.reason or (words.shortfall(rival.shortfall, currency) if rival.shortfall else "no plan")
        return [name, why]
    plan = rival.candidate.plan
    return [name, *_figures(rival.candidate, best, world), f"{words.short_plan(plan)}, {plan.offer.kind}"]


def _figures(candidate: Candidate, best: Candidate, world: World) -> list[str]:
    """Cost, the difference to the best plan, duration."""
    estimate = candidate.estimate
    return [
        words.money(estimate.cost, world.scenario.currency),
        difference(float(estimate.cost), float(best.estimate.cost)),
        format_seconds(estimate.seconds),
    ]


def difference(amount: float, best: float) -> str:
    """`+31%`; a factor where it is more than tenfold.

    >>> difference(131, 100), difference(100.01, 100), difference(99, 100), difference(1500, 100)
    ('+31%', 'same', '-1.0%', 'x 15')
    """
    change = amount / best - 1
    if abs(change) < NEGLIGIBLE_FRACTION:
        return "same"
    if change >= 9:
        return f"x {amount / best:.0f}"
    return f"{change:+.1%}" if abs(change) < 0.0995 else f"{change:+.0%}"


def _outcomes(page: Page, rows: list[list[str]]) -> None:
    """Rows of figures under each other, and rows of one sentence across the same columns."""
    name_cells = min(max(len(row[0]) for row in rows), 30)
    full = [row for row in rows if len(row) > 2]
    widths = [max((len(row[place]) for row in full), default=0) for place in (1, 2, 3)]
    for row in rows:
        if len(row) == 2:
            page.labelled(row[0], row[1], "red", cells=name_cells + 2)
            continue
        figures = "  ".join(cell.rjust(width) for cell, width in zip(row[1:4], widths, strict=True))
        page.labelled(row[0], f"{figures}  {row[4]}".rstrip(), cells=name_cells + 2)


def changes_section(page: Page, answer: Answer, best: Candidate, *, details: bool) -> None:
    """What one change of the plan would cost or break; without `details` only the most telling ones."""
    changes = list(answer.changes) if details else telling(answer.changes)
    if not changes:
        return
    page.heading("One change at a time", "the same plan otherwise")
    _outcomes(page, [_change_row(change, best, answer.world) for change in changes])
    hidden = len(answer.changes) - len(changes)
    if hidden:
        page.line(f"  {hidden} more with --details", "dim")


def telling(changes: tuple[Change, ...]) -> list[Change]:
    """Changes that a person may think of: the legal ones, at most one that fits and one that does not per decision."""
    chosen: dict[tuple[str, bool], Change] = {}
    for change in changes:
        if change.candidate is None:
            continue
        key = (change.decision, bool(change.broken))
        other = chosen.get(key)
        if other is None or other.candidate is None or _cost(change) < _cost(other):
            chosen[key] = change
    kept = sorted(chosen.values(), key=lambda change: (bool(change.broken), _cost(change)))
    fits = [change for change in kept if not change.broken]
    breaks = [change for change in kept if change.broken]
    room = max(SHOWN_CHANGES - len(breaks), SHOWN_CHANGES // 2)
    return fits[:room] + breaks[: SHOWN_CHANGES - len(fits[:room])]


def _cost(change: Change) -> float:
    return float(change.candidate.estimate.cost) if change.candidate else float("inf")


def _change_row(change: Change, best: Candidate, world: World) -> list[str]:
    name = f"{change.decision} = {change.value}"
    if change.rules or change.candidate is None:
        return [name, "; ".join(change.rules) or "no such plan"]
    failures = broken(change, world)
    if failures:
        return [name, words.listed([words.shortfall(each, world.scenario.currency) for each in failures])]
    remark = "" if allowed(change, world) else "outside of your search"
    return [name, *_figures(change.candidate, best, world), remark or _follows(change)]


def _follows(change: Change) -> str:
    """What changed with it, where it is a number or a name that the reader would set."""
    shown = {name: value for name, value in change.follows.items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
