"""An answer as a page for a terminal: one sentence, then what it rests on, section by section."""

from __future__ import annotations

from decimal import Decimal

from planner.decisions import Plan
from planner.report import facts, words
from planner.report.alternatives import alternatives_section, changes_section
from planner.report.evidence import (
    dated,
    known_section,
    notes_section,
    prices_section,
    proof_section,
    rate_text,
    size_of_job,
)
from planner.report.infeasible import infeasible_report
from planner.report.memory import memory_section
from planner.report.page import Page
from planner.solver.answer import Answer, Binding
from planner.solver.candidate import Candidate
from planner.solver.world import World
from planner.units import format_count, format_seconds

BINDING_CELLS = 20


def report(answer: Answer, *, details: bool = False, width: int = 80, ascii_only: bool = True) -> Page:
    """The answer on a page; `details` leaves nothing out."""
    page = Page(width, ascii_only=ascii_only)
    if answer.best is None:
        infeasible_report(page, answer, details=details)
    else:
        _plan_report(page, answer, answer.best, details=details)
    proof_section(page, answer, details=details)
    known_section(page, answer.world, answer.best, facts.price_sources(answer), details=details)
    if details:
        prices_section(page, answer)
    notes_section(page, answer.world)
    return page


def _plan_report(page: Page, answer: Answer, best: Candidate, *, details: bool) -> None:
    page.paragraph(sentence(answer.world, best), "bold green")
    page.paragraph(size_of_job(answer.world), "dim")
    plan_section(page, answer.world, best.plan, details=details)
    memory_section(page, best.estimate, details=details)
    time_section(page, best, details=details)
    cost_section(page, answer.world, best)
    _limits_section(page, answer)
    alternatives_section(page, answer, best, details=details)
    changes_section(page, answer, best, details=details)


def sentence(world: World, best: Candidate) -> str:
    """What a practitioner would say."""
    cost = words.money(best.estimate.cost, world.scenario.currency)
    return f"{task(world, best.plan)}: {format_seconds(best.estimate.seconds)}, {cost}."


def task(world: World, plan: Plan) -> str:
    """What is trained, how, and on which machines."""
    verb = "Train all parameters of {}" if plan.method == "full" else "Fine-tune {} with " + words.method(plan)
    offer = f" from {plan.offer.provider} ({plan.offer.kind}, {words.price(plan.offer)})"
    model = verb.replace("{}", words.model_name(world), 1)
    return f"{model} on {words.machines(plan)}{offer if plan.offer.is_priced else ''}"


def plan_section(page: Page, world: World, plan: Plan, *, details: bool) -> None:
    """Every decision in the words of the trade."""
    page.heading("Plan")
    page.labelled("machine", f"{words.machines(plan)}: {plan.offer.name}")
    page.labelled("stack", f"{plan.stack.name}: {plan.stack.title}")
    if details:
        page.labelled("versions", plan.stack.versions)
    page.labelled("method", _method(world, plan))
    master = "fp32 master weights" if plan.master_weights == "fp32" else "no fp32 master weights"
    precision = f"{plan.base_dtype} weights, {plan.compute_dtype} compute, {plan.grad_dtype} gradients, {master}"
    page.labelled("precision", precision)
    page.labelled("optimizer", plan.optimizer)
    page.labelled("batch", _batch(world, plan))
    page.labelled("checkpointing", _checkpointing(world, plan))
    page.labelled("kernels", _kernels(plan))
    page.labelled("sharding", _sharding(plan))
    if plan.offload != "none":
        page.labelled("offload", f"{plan.offload} in host memory")
    parallel = _parallel(plan)
    if parallel:
        page.labelled("parallel", parallel)


def _method(world: World, plan: Plan) -> str:
    total = world.workload.architecture.parameters
    trained = total if plan.method == "full" else world.workload.adapter_parameters
    return f"{words.method(plan)}, {format_count(trained)} of {format_count(total)} trained"


def _batch(world: World, plan: Plan) -> str:
    return (
        f"{world.workload.global_batch} sequences = {plan.micro_batch} micro-batch x {plan.gradient_accumulation} "
        f"accumulation x {plan.data_parallel} data-parallel"
    )


def _checkpointing(world: World, plan: Plan) -> str:
    layers = world.workload.architecture.layers
    if plan.checkpointing == "none":
        return "none"
    return f"{plan.checkpointing}, on {plan.checkpointed_layers} of {layers} layers"


def _kernels(plan: Plan) -> str:
    chunks = f" in {plan.loss_chunks} chunks" if plan.loss == "chunked" else ""
    tiles = f", MLP in {plan.mlp_chunks} tiles of the sequence" if plan.mlp_chunks > 1 else ""
    return f"{plan.attention} attention, {plan.loss} loss{chunks}{tiles}"


def _sharding(plan: Plan) -> str:
    ranks = plan.data_parallel * plan.context_parallel
    split = words.SPLIT_BY_SHARDING.get(plan.sharding)
    if split is None:
        return plan.sharding if ranks == 1 else f"{plan.sharding}, every replica holds everything"
    over = "the GPUs of a node" if plan.sharding == "hsdp" else f"{ranks} GPUs"
    return f"{plan.sharding}, {split} split over {over}"


def _parallel(plan: Plan) -> str:
    """The degrees beside data parallelism that are used."""
    names = ("tensor", "pipeline", "context", "expert")
    degrees = {name: getattr(plan, f"{name}_parallel") for name in names}
    return ", ".join(f"{name} {degree}" for name, degree in degrees.items() if degree > 1)


def time_section(page: Page, best: Candidate, *, details: bool) -> None:
    """Start-up, training and losses; the step by resource."""
    estimate = best.estimate
    parts = (
        f"{format_seconds(estimate.startup_seconds)} start-up + {format_seconds(estimate.training_seconds)} training + "
        f"{format_seconds(estimate.lost_seconds)} saving and interruptions"
    )
    page.heading("Time", f"{format_seconds(estimate.seconds)} = {parts}")
    low, high = estimate.seconds / estimate.speed_reach, estimate.seconds * estimate.speed_reach
    page.labelled("range", f"{format_seconds(low)} to {format_seconds(high)} (9 of 10 such runs)")
    rate = f"{format_seconds(estimate.step_seconds)}, {estimate.tokens_per_second:,.0f} tokens/s"
    page.labelled("step", rate)
    totals = {name: sum(terms.values()) for name, terms in estimate.step_parts.items()}
    serial = totals.pop("serial")
    busiest = max(totals, key=lambda name: totals[name])
    others = [f"{name} {format_seconds(value)}" for name, value in totals.items() if value and name != busiest]
    beside = f", beside it {words.listed(others)}" if others else ""
    page.labelled(
        "busiest", f"{busiest} {format_seconds(totals[busiest])}{beside}; then serial {format_seconds(serial)}"
    )
    interval = estimate.checkpoint_interval_seconds
    often = interval < estimate.training_seconds
    page.labelled("saving", f"a checkpoint every {format_seconds(interval)}" if often else "a checkpoint at the end")
    if details:
        terms = [
            [resource, name.replace("_", " "), format_seconds(seconds)]
            for resource, parts_of in estimate.step_parts.items()
            for name, seconds in parts_of.items()
        ]
        page.table(terms, right=(2,))


def cost_section(page: Page, world: World, best: Candidate) -> None:
    """What the parts of the time cost, and at which price."""
    estimate, offer, currency = best.estimate, best.plan.offer, world.scenario.currency
    page.heading("Cost", _sum(estimate.cost_parts, currency))
    low, high = estimate.cost_interval
    page.labelled("range", f"{low:,.2f} to {words.money(high, currency)} (9 of 10 such runs)")
    source = facts.price_source(offer, world.scenario.as_of)
    converted = ""
    if offer.currency != currency:
        converted = f" ({words.money(world.price_per_gpu_hour(offer), currency)})"
    page.labelled("price", f"{words.price(offer)}{converted} {dated(source)}", "yellow" if source.is_stale else "")
    page.labelled("source", source.source)
    page.labelled("billing", billing(world, best))
    for rate in facts.sources_of(world, [offer]):
        if rate.kind == "rate":
            page.labelled("rate", f"{rate_text(rate)}: {rate.source}", "yellow" if rate.is_stale else "")


def _sum(parts: dict[str, Decimal], currency: str) -> str:
    """`$2.50 = 0.08 start-up + 2.40 training + ...`: parts of less than half a cent are left out, but for the usual."""
    cents = words.cost_parts(parts)
    shown = [name for name in words.COST_PARTS if cents[name] or name in words.ALWAYS_SHOWN]
    terms = " + ".join(f"{cents[name]:,.2f} {words.COST_PARTS[name]}" for name in shown)
    return f"{words.money(sum(cents.values(), Decimal(0)), currency)} = {terms}"


def billing(world: World, best: Candidate) -> str:
    """In which units time is billed, how much that is, and what a reservation commits to."""
    offer, tariff, estimate = best.plan.offer, world.tariff(best.plan.offer), best.estimate
    unit = words.billing_unit(tariff.billing_unit_seconds)
    text = f"{unit}, {format_seconds(estimate.billed_seconds)} of each machine"
    if offer.kind == "reserved":
        return f"{text}; {words.reservation(offer)}"
    least = f"at least {format_seconds(tariff.minimum_seconds)}" if tariff.minimum_seconds else ""
    return f"{text}; {least}" if least else text


def _limits_section(page: Page, answer: Answer) -> None:
    binding = [facts.binds(answer, each) for each in answer.bindings]
    names = [words.LIMITS[each.limit] for each, binds in zip(answer.bindings, binding, strict=True) if binds]
    verdict = f"{words.listed(names)} {'binds' if len(names) == 1 else 'bind'}" if names else "none binds"
    page.heading("Limits", verdict)
    rows = [_binding_row(page, each, answer.world.scenario.currency) for each in answer.bindings]
    if rows:
        page.table(rows, right=(1, 2, 3), shrink=(4,), styles=["bold" if binds else "" for binds in binding])


def _binding_row(page: Page, binding: Binding, currency: str) -> list[str]:
    used = words.quantity(binding.limit, binding.used, currency)
    available = words.quantity(binding.limit, binding.available, currency)
    bar = page.bar(binding.fraction, BINDING_CELLS)
    return [words.LIMITS[binding.limit], used, f"of {available}", f"{binding.fraction:.0%}", bar]
