"""How the answer is known: the proof, the age of its prices, and how far its numbers can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from planner.report import facts, words
from planner.report.money import Assumption
from planner.report.page import Page
from planner.solver.answer import Answer
from planner.solver.candidate import Candidate
from planner.solver.world import World
from planner.units import Money, format_bytes, format_count, format_price, format_seconds

NOT_MODELLED = "data loading, discounts for volume, availability of machines"


def proof_section(page: Page, answer: Answer, *, details: bool) -> None:
    """Status, bound, size of the space and the work done."""
    page.heading("Proof", _verdict(answer))
    proof = answer.proof
    mantissa, exponent = f"{answer.raw_combinations:.1e}".split("e")
    page.labelled("space", f"{mantissa}e{int(exponent)} raw combinations, {proof.keys:,} keys within the limits")
    work = f"{proof.rows:,} rows in {proof.models} CP-SAT models, {proof.branches:,} branches, {proof.seconds:.1f} s"
    page.labelled("work", work if proof.keys else "lower bounds leave no key, so that no CP-SAT model was needed")
    if details and answer.best is not None:
        page.labelled("", f"the plan was found after {proof.seconds_to_best:.1f} s")
    if answer.dropped_offers:
        page.labelled("offers", f"{len(answer.dropped_offers)} left out: another is as good in every respect")
    if details:
        _dropped(page, answer)


def _verdict(answer: Answer) -> str:
    objective = "cheaper" if answer.world.scenario.prefer == "cost" else "faster"
    match answer.status:
        case "optimal":
            return f"optimal; nothing {objective} by {_step(answer)} or more exists in the search"
        case "feasible":
            return f"not finished; there may be something {objective}{_gap(answer)}"
        case "infeasible":
            return "infeasible; the search has no plan within the limits"
    return "not finished; neither a plan nor its absence is proved"


def _step(answer: Answer) -> str:
    """The step within which amounts count as equal."""
    if answer.world.scenario.prefer == "time":
        return f"{answer.step:g} s"
    return f"{answer.step:g} {answer.world.scenario.currency}"


def _gap(answer: Answer) -> str:
    best = answer.best
    if best is None or answer.bound <= 0:
        return ""
    if answer.world.scenario.prefer == "time":
        return f", but not below {format_seconds(answer.bound)}"
    return f", but not below {words.money(answer.bound, answer.world.scenario.currency)}"


def _dropped(page: Page, answer: Answer) -> None:
    rows = [
        [each.offer.gpu, each.offer.name, f"no better than {each.better.name} at {words.price(each.better)}"]
        for each in answer.dropped_offers
    ]
    for gpu, name, why in rows:
        page.paragraph(f"{gpu}, {name}: {why}", "dim", indent="    ")


def known_section(
    page: Page, world: World, best: Candidate | None, sources: Sequence[facts.PriceSource], *, details: bool
) -> None:
    """How well memory, time and money are known."""
    page.heading("How well these numbers are known")
    if best is not None:
        page.labelled("memory", memory_evidence(best))
        own = best.plan.stack.own_speeds.get(best.plan.gpu.name)
        page.labelled("time", time_evidence(best, own.source if own else world.catalog.speeds.spread.source))
    ages = [each.age_days for each in sources if each.is_stale]
    if ages:
        shown = f"{len(ages)} of {len(sources)} used here STALE: more than 90 days old, the oldest {max(ages)} days"
        page.labelled("prices", shown, "yellow")
    page.labelled("not modelled", NOT_MODELLED)
    _assumptions(page, world, best, details=details)


def memory_evidence(best: Candidate) -> str:
    """What the interval of the peak rests on."""
    plan, estimate = best.plan, best.estimate
    group = plan.stack.spread.groups.get(plan.method)
    if group is None:
        basis = f"the spread of all published runs, as none with {plan.stack.name} and {plan.method} was measured"
    else:
        runs = "1 published run" if group.rows == 1 else f"{group.rows} published runs"
        basis = f"{runs} of {plan.stack.name} with {plan.method} ({', '.join(group.sources)})"
    low, high = (format_bytes(each) for each in (estimate.needed.low_bytes, estimate.needed.high_bytes))
    return f"9 of 10 such runs need {low} to {high}: from {basis}; see docs/accuracy.md"


def time_evidence(best: Candidate, spread_source: str) -> str:
    """The interval of duration and speed, and what it rests on."""
    estimate = best.estimate
    fast, slow = estimate.seconds / estimate.speed_reach, estimate.seconds * estimate.speed_reach
    return (
        f"9 of 10 such runs take {format_seconds(fast)} to {format_seconds(slow)} (x/{estimate.speed_reach:.2f}): from "
        f"{spread_source}; see docs/accuracy.md"
    )


def _assumptions(page: Page, world: World, best: Candidate | None, *, details: bool) -> None:
    """Everything assumed, with its source; without `details` those of time and money, without source."""
    known = list(facts.assumptions(world, best))
    if not details:
        named = (f"{each.key} {_assumed(each)}" for each in known if not each.is_of_memory)
        page.labelled("assumed", f"{', '.join(named)} (sources: --details)")
        return
    page.heading("Assumed")
    for each in known:
        page.labelled(each.key, f"{_assumed(each)} ({each.source})", cells=28)


def _assumed(assumption: Assumption) -> str:
    """The value as a person would write it."""
    value, unit = assumption.value, assumption.unit
    if isinstance(value, str):
        return value
    if unit.startswith("s"):
        return f"{format_seconds(value)}{unit.removeprefix('s')}"
    if unit.startswith("bytes"):
        return f"{format_bytes(value)}{unit.removeprefix('bytes')}"
    return f"{value:g} {unit}"


def prices_section(page: Page, answer: Answer) -> None:
    """Every price and rate with its date and source."""
    page.heading("Prices used")
    for each in facts.price_sources(answer):
        amount = format_price(Money(each.amount, each.currency))
        shown = f"{each.gpu}, {each.name}: {amount} {dated(each)}" if each.gpu else rate_text(each)
        page.paragraph(shown, "yellow" if each.is_stale else "", indent="  ")
        page.paragraph(each.source, "dim", indent="    ")


def rate_text(rate: facts.PriceSource) -> str:
    """`1 CNY = 0.147033 USD of 2026-05-08, 199 days old: STALE`."""
    return f"{rate.name} = {rate.amount} {rate.currency} {dated(rate)}"


def dated(source: facts.PriceSource) -> str:
    """`of 2026-05-24, 183 days old: STALE`."""
    day = source.observed_as or source.observed.isoformat()
    return f"of {day}, {source.age_days} days old{': STALE' if source.is_stale else ''}"


def notes_section(page: Page, world: World) -> None:
    """What the reader of the scenario noticed."""
    if world.scenario.notes:
        page.heading("Notes")
        for note in world.scenario.notes:
            page.labelled("-", note, cells=2)


def size_of_job(world: World) -> str:
    """The job in one line: tokens, sequences, steps."""
    job = world.scenario.job
    return (
        f"{format_count(job.tokens)} tokens, {job.steps:,} steps of {job.global_batch} sequences of "
        f"{job.sequence_length:,} tokens"
    )
