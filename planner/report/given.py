"""A given plan as a page for a terminal: one sentence, the plan, its memory, time and cost, and every limit."""

from __future__ import annotations

from planner.estimator.links import ASSUMED_NETWORK_GBIT_S
from planner.report import facts, words
from planner.report.evidence import known_section, notes_section, size_of_job
from planner.report.memory import memory_section
from planner.report.page import Page
from planner.report.text import cost_section, plan_section, task, time_section
from planner.solver.given import NO_LIMIT, Check, Evaluation
from planner.units import format_seconds

BAR_CELLS = 16


def given_report(evaluation: Evaluation, *, details: bool = False, width: int = 80, ascii_only: bool = True) -> Page:
    """The evaluation of a plan on a page; `details` leaves nothing out."""
    page = Page(width, ascii_only=ascii_only)
    world, plan, estimate = evaluation.world, evaluation.plan, evaluation.estimate
    page.paragraph(_sentence(evaluation), "bold green" if evaluation.fits else "bold red")
    page.paragraph(size_of_job(world), "dim")
    plan_section(page, world, plan, details=details)
    memory_section(page, estimate, details=details)
    time_section(page, evaluation.candidate, details=details)
    if plan.offer.is_priced:
        cost_section(page, world, evaluation.candidate)
    else:
        _unpriced_section(page, evaluation)
    _limits_section(page, evaluation)
    sources = facts.sources_of(world, [plan.offer])
    known_section(page, world, evaluation.candidate, sources, details=details)
    notes_section(page, world)
    return page


def _unpriced_section(page: Page, evaluation: Evaluation) -> None:
    """Why the cost is not known, and what is assumed of the machine in place of an offer."""
    plan = evaluation.plan
    page.heading("Cost", f"unknown; {evaluation.unpriced}")
    network = f", {ASSUMED_NETWORK_GBIT_S:g} Gbit/s between machines" if plan.nodes > 1 else ""
    page.labelled("assumed", f"{plan.gpus_per_node} GPUs in one machine{network}; an offer of your own can say better")


def _sentence(evaluation: Evaluation) -> str:
    """What is done, how long it takes, what it costs, and whether it can be done."""
    plan, currency = evaluation.plan, evaluation.world.scenario.currency
    cost = words.money(evaluation.estimate.cost, currency) if plan.offer.is_priced else "cost unknown"
    return (
        f"{task(evaluation.world, plan)}: {format_seconds(evaluation.estimate.seconds)}, {cost}. {verdict(evaluation)}."
    )


def verdict(evaluation: Evaluation) -> str:
    """Whether the plan fits, and what it breaks if not."""
    broken = [words.LIMITS[check.limit] for check in evaluation.checks if check.holds is False]
    if broken:
        return f"It does not fit: {words.listed(broken)} {'does' if len(broken) == 1 else 'do'} not hold"
    return "It fits" if evaluation.fits else "Whether it fits is not known: the budget cannot be checked"


def _limits_section(page: Page, evaluation: Evaluation) -> None:
    """Every limit with its verdict."""
    page.heading("Limits", verdict(evaluation))
    currency = evaluation.world.scenario.currency
    rows = [_row(page, check, currency) for check in evaluation.checks]
    styles = ["bold red" if check.holds is False else "" for check in evaluation.checks]
    page.table(rows, right=(1, 2, 3), shrink=(4,), styles=styles)
    for reason in dict.fromkeys(check.reason for check in evaluation.checks):
        if reason not in ("", NO_LIMIT):
            names = [words.LIMITS[check.limit] for check in evaluation.checks if check.reason == reason]
            page.paragraph(f"{words.listed(names)}: {reason}", "dim", indent="  ")


def _row(page: Page, check: Check, currency: str) -> list[str]:
    used = "unknown" if check.used is None else words.quantity(check.limit, check.used, currency)
    if check.available is None or check.used is None:
        of = "" if check.available is None else f"of {words.quantity(check.limit, check.available, currency)}"
        return [words.LIMITS[check.limit], used, of, "", "", NO_LIMIT if check.reason == NO_LIMIT else "not checked"]
    share = check.used / max(check.available, 1e-9)
    available = f"of {words.quantity(check.limit, check.available, currency)}"
    bar = page.bar(share, BAR_CELLS)
    return [words.LIMITS[check.limit], used, available, f"{share:.0%}", bar, "holds" if check.holds else "BROKEN"]
