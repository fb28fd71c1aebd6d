"""What else there is: the best plan of every other GPU type and method, and the plan with one decision changed."""

from __future__ import annotations

from rich.cells import cell_len

from planner.report import facts, words
from planner.report.page import GAP_CELLS, Page, padded
from planner.solver.answer import Answer, Change, Rival
from planner.solver.candidate import Candidate
from planner.solver.world import World
from planner.units import format_seconds

SHOWN_CHANGES = 8
SHOWN_GPUS = 8
NOT_OFFERED = "nobody offers it at the prices allowed"
NEGLIGIBLE_FRACTION = 0.0005
"""Differences that would print as 0.0%."""


def alternatives_section(page: Page, answer: Answer, best: Candidate, *, details: bool) -> None:
    """The runner-up per other GPU type, best first, and per other method; without `details` the first GPU types."""
    unoffered = (Rival("gpu", gpu.name, None, reason=NOT_OFFERED) for gpu in answer.unoffered_gpus)
    gpus = sorted([*answer.gpus, *unoffered], key=lambda rival: _place(rival, answer.world))
    shown = gpus if details else gpus[:SHOWN_GPUS]
    if not shown and not answer.methods:
        return
    page.heading("Alternatives", "the best plan with each other GPU type and method")
    _outcomes(page, [_rival_row(rival, best, answer.world) for rival in (*shown, *answer.methods)])
    if len(gpus) > len(shown):
        page.line(f"  {len(gpus) - len(shown)} more GPU types with --details", "dim")


def _place(rival: Rival, world: World) -> float:
    """Rivals with a plan by what is minimised, the others behind them."""
    return facts.value_of(rival.candidate, world) if rival.candidate else float("inf")


def _rival_row(rival: Rival, best: Candidate, world: World) -> list[str]:
    name = words.method_name(rival.value) if rival.decision == "method" else rival.value
    if rival.candidate is None:
        currency = world.scenario.currency
        why = rival.reason or (words.shortfall(rival.shortfall, currency) if rival.shortfall else "no plan")
        return [name, why]
    plan = rival.candidate.plan
    words_of_plan = words.short_plan(plan, named=rival.decision != "gpu")
    return [name, *_figures(rival.candidate, best, world), f"{words_of_plan}, {plan.offer.kind}"]


def _figures(candidate: Candidate, best: Candidate, world: World) -> list[str]:
    """What is minimised, its difference to the best plan, and the other of cost and duration."""
    estimate = candidate.estimate
    cost = words.money(estimate.cost, world.scenario.currency)
    change = difference(facts.value_of(candidate, world), facts.value_of(best, world))
    if world.scenario.prefer == "time":
        return [format_seconds(estimate.seconds), change, cost]
    return [cost, change, format_seconds(estimate.seconds)]


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
    """Rows of figures under each other with a remark, and rows of one sentence across the same columns."""
    name_cells = max(cell_len(row[0]) for row in rows) + GAP_CELLS
    figures = [row[1:4] for row in rows if len(row) > 2]
    widths = [max(map(len, column)) for column in zip(*figures, strict=True)]
    for row in rows:
        if len(row) == 2:
            page.labelled(row[0], row[1], "red", cells=name_cells, label_style="")
            continue
        cells = [padded(row[0], name_cells - GAP_CELLS)]
        cells += [padded(cell, width, right=True) for cell, width in zip(row[1:4], widths, strict=True)]
        start = (" " * GAP_CELLS).join([*cells, ""])
        page.labelled(start, row[4], "dim", cells=cell_len(start), label_style="")


def changes_section(page: Page, answer: Answer, best: Candidate, *, details: bool) -> None:
    """What one change of the plan would cost or break; without `details` only the most telling ones."""
    changes = list(answer.changes) if details else telling(answer, best)
    if not changes:
        return
    page.heading("One change at a time", "the same plan otherwise")
    _outcomes(page, [_change_row(change, best, answer.world) for change in changes])
    hidden = len(answer.changes) - len(changes)
    if hidden:
        page.line(f"  {hidden} more with --details", "dim")


def telling(answer: Answer, best: Candidate) -> list[Change]:
    """Legal changes that matter: per decision the best one that fits, if it differs, and the best that does not fit."""
    chosen: dict[tuple[str, bool], tuple[float, Change]] = {}
    for change in answer.changes:
        if change.candidate is None or (not change.broken and _is_same(change.candidate, best)):
            continue
        value = facts.value_of(change.candidate, answer.world)
        key = (change.decision, bool(change.broken))
        if key not in chosen or value < chosen[key][0]:
            chosen[key] = (value, change)
    ranked = [change for _, change in sorted(chosen.values(), key=lambda pair: pair[0])]
    fits = [change for change in ranked if not change.broken]
    breaks = [change for change in ranked if change.broken]
    shown = fits[: max(SHOWN_CHANGES - len(breaks), SHOWN_CHANGES // 2)]
    return shown + breaks[: SHOWN_CHANGES - len(shown)]


def _is_same(candidate: Candidate, best: Candidate) -> bool:
    """Whether both cost and duration would print as the same."""
    pairs = ((float(each.estimate.cost), each.estimate.seconds) for each in (candidate, best))
    return all(abs(one / other - 1) < NEGLIGIBLE_FRACTION for one, other in zip(*pairs, strict=True))


def _change_row(change: Change, best: Candidate, world: World) -> list[str]:
    name = f"{change.decision} = {change.value}"
    if change.rules or change.candidate is None:
        return [name, "; ".join(change.rules) or "no such plan"]
    failures = facts.broken(change, world)
    if failures:
        return [name, words.listed([words.shortfall(each, world.scenario.currency) for each in failures])]
    remark = "" if facts.is_allowed(change, world) else "outside of your search"
    return [name, *_figures(change.candidate, best, world), remark or _follows(change)]


def _follows(change: Change) -> str:
    """What changed with it, where it is a number or a name that the reader would set."""
    shown = {name: value for name, value in change.follows.items() if value is not None}
    return ", ".join(f"{name} {value}" for name, value in shown.items())
