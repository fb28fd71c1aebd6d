"""The frontier of cost against time as a page for a terminal: a sentence, a plot and a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from planner.decisions import Plan
from planner.report import facts, words
from planner.report.evidence import known_section, notes_section, size_of_job
from planner.report.page import Page
from planner.report.plot import scatter
from planner.report.text import report
from planner.solver.candidate import LEAST_COST_STEP
from planner.solver.frontier import Frontier, Point
from planner.units import format_seconds

PLOT_CELLS = 80
PLOT_LINES = 16
METHODS = {**words.METHODS, "full": "full"}
MAIN_DECISIONS = (
    "stack",
    "sharding",
    "offload",
    "optimizer",
    "checkpointing",
    "micro_batch",
    "tensor_parallel",
    "pipeline_parallel",
    "context_parallel",
    "expert_parallel",
    "master_weights",
    "loss",
    "attention",
    "mlp_chunks",
)
"""Beside those of the table itself, the ones that matter most first."""
SELDOM = {"none", "1", "sdpa", "full"}
"""Values that need no mention where they are the same at every point."""
MOST_DIGITS = 6


def frontier_report(found: Frontier, *, width: int = 80, ascii_only: bool = True) -> Page:
    """The frontier on a page, or why there is no plan."""
    if found.answer is not None:
        return report(found.answer, width=width, ascii_only=ascii_only)
    page = Page(width, ascii_only=ascii_only)
    world = found.world
    page.paragraph(advice(found), "bold green")
    page.paragraph(f"{words.model_name(world)}: {size_of_job(world)}", "dim")
    if len(found.points) > 1:
        _plot(page, found)
    _table(page, found)
    _decisions(page, [each.candidate.plan for each in found.points])
    _proof(page, found)
    offers = [each.candidate.plan.offer for each in found.points]
    known_section(page, world, None, facts.sources_of(world, offers), details=False)
    page.labelled("time", _time_range(found.points))
    notes_section(page, world)
    return page


def advice(found: Frontier) -> str:
    """The cheapest plan, the fastest, and up to where paying more pays, in one sentence."""
    cheap, fast = found.points[0], found.points[-1]
    if len(found.points) == 1:
        known = "The cheapest plan is also the fastest" if found.complete else "Not finished; the cheapest so far"
        return f"{known}: {_outcome(found, cheap)} on {_machines(cheap)}."
    first = "Cheapest" if found.status == "optimal" else "Not finished; so far, cheapest"
    ends = [f"{_outcome(found, each)} on {_machines(each)}" for each in (cheap, fast)]
    return f"{first}: {ends[0]}; fastest: {ends[1]}; {_knee(found)}."


def _knee(found: Frontier) -> str:
    """Where paying more buys time best: at the least product of cost and time."""
    place = found.knee or 0
    cheap, knee = found.points[0], found.points[place]
    if place == 0:
        return "paying more buys little: cost grows by more than time shrinks"
    bought = f"{_more(knee.cost / cheap.cost)} for {_times(cheap.seconds / knee.seconds)} the speed"
    if place == len(found.points) - 1:
        return f"paying more buys time best all the way, {bought}"
    return f"paying more buys time best up to point {place + 1}, {_machines(knee)}: {bought}"


def _more(ratio: float) -> str:
    return f"{ratio - 1:.0%} more" if ratio < 2 else f"{_times(ratio)} the cost"


def _times(ratio: float) -> str:
    """`2.9 times`, `690 times`: two digits, all of them where there are more before the point."""
    return f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:,.0f} times"


def _outcome(found: Frontier, point: Point) -> str:
    estimate = point.candidate.estimate
    return f"{words.money(estimate.cost, found.world.scenario.currency)} in {format_seconds(estimate.seconds)}"


def _machines(point: Point) -> str:
    plan = point.candidate.plan
    return f"{plan.gpus} x {plan.gpu.name}"


def _plot(page: Page, found: Frontier) -> None:
    currency = found.world.scenario.currency
    page.heading("Cost against time", f"{currency} upwards, both in logarithms")
    points = [(each.seconds / 3600, each.cost) for each in found.points]
    lines = scatter(
        points,
        width=min(page.width, PLOT_CELLS),
        height=PLOT_LINES,
        x_title="hours",
        x_text="{:g}".format,
        y_text="{:,.4g}".format,
    )
    for line in lines:
        page.line(line)


def _table(page: Page, found: Frontier) -> None:
    page.heading("Points", _how_many(found))
    hours = _distinct([each.seconds / 3600 for each in found.points], "{:,.{}f}".format)
    costs = _distinct([each.cost for each in found.points], "{:,.{}f}".format)
    rows = [["", found.world.scenario.currency, "hours", "machines", "offer", "method", "precision"]]
    for number, (point, cost, time) in enumerate(zip(found.points, costs, hours, strict=True)):
        plan = point.candidate.plan
        row = [str(number + 1), cost, time, words.machines(plan), plan.offer.kind, METHODS[plan.method]]
        rows.append([*row, _precision(plan)])
    styles = ["", *("bold" if number == found.knee else "" for number in range(len(found.points)))]
    page.table(rows, right=(0, 1, 2), shrink=(3, 6), header=True, styles=styles)


def _how_many(found: Frontier) -> str:
    count = len(found.points)
    nothing = "nothing is both cheaper and faster than any of them"
    match found.complete:
        case True:
            return f"all {count}; {nothing}" if count > 1 else "only 1; nothing is cheaper or faster"
        case False:
            return f"{count} of more, spread over the range of time; {nothing}"
    return f"{count}, perhaps of more: time ran out"


def _distinct(values: Sequence[float], text: Callable[[float, int], str]) -> list[str]:
    """Values with two decimals, or as many more as tell them apart."""
    for digits in range(2, MOST_DIGITS):
        shown = [text(value, digits) for value in values]
        if len(set(shown)) == len(values):
            return shown
    return [text(value, MOST_DIGITS) for value in values]


def _precision(plan: Plan) -> str:
    """Dtype of the base weights, and that of the multiplications if it is another."""
    return plan.base_dtype if plan.compute_dtype == plan.base_dtype else f"{plan.base_dtype}/{plan.compute_dtype}"


def _decisions(page: Page, plans: Sequence[Plan]) -> None:
    """The other main decisions: those that differ in a table as wide as the page, then those that do not."""
    values = {name: [_value(plan, name) for plan in plans] for name in MAIN_DECISIONS}
    differing = [name for name in MAIN_DECISIONS if len(set(values[name])) > 1]
    same = [f"{name} {values[name][0]}" for name in MAIN_DECISIONS if name not in differing]
    same = [each for each in same if each.split()[1] not in SELDOM]
    shown = _fitting(page, [[name, *values[name]] for name in differing])
    if differing:
        page.heading("What else differs")
        numbers = ["", *(str(number + 1) for number in range(len(plans)))]
        page.table([list(row) for row in zip(numbers, *shown, strict=True)], right=(0,), header=True)
    if len(shown) < len(differing):
        page.labelled("not shown", words.listed(differing[len(shown) :]))
    if same:
        page.labelled("everywhere" if len(plans) > 1 else "plan", ", ".join(same))


def _value(plan: Plan, name: str) -> str:
    return str(plan.stack.name if name == "stack" else getattr(plan, name))


def _time_range(points: Sequence[Point]) -> str:
    """How far the hours may be off."""
    reach = max(each.candidate.estimate.speed_reach for each in points)
    return (
        f"9 of 10 such runs take 1/{reach:.2f} to {reach:.2f} times as long: points nearer than that may change places"
    )


def _fitting(page: Page, columns: list[list[str]]) -> list[list[str]]:
    """The first columns that fit the page side by side, after the number of the point."""
    room = page.width - 4
    for place, column in enumerate(columns):
        room -= max(map(len, column)) + 2
        if room < 0:
            return columns[:place]
    return columns


def _proof(page: Page, found: Frontier) -> None:
    """What is proved, and the work that it took."""
    proof = found.proof
    step = f"a thousandth (or {LEAST_COST_STEP:g} {found.world.scenario.currency}) or more"
    proved = f"optimal; nothing is cheaper in the same time, or faster at the same cost, by {step}"
    page.heading("Proof", proved if found.status == "optimal" else "not finished; there may be more points")
    mantissa, exponent = f"{found.raw_combinations:.1e}".split("e")
    page.labelled("space", f"{mantissa}e{int(exponent)} raw combinations, {proof.keys:,} keys within the limits")
    work = f"{proof.rows:,} rows in {proof.models} CP-SAT models, {proof.branches:,} branches, {proof.seconds:.1f} s"
    page.labelled("work", work)
    unproved = [str(number) for number, each in enumerate(found.points, start=1) if not each.proved]
    if unproved:
        page.labelled("not proved", f"that nothing beats point {words.listed(unproved)}")
    if found.dropped_offers:
        page.labelled("offers", f"{len(found.dropped_offers)} left out: another is as good in every respect")
