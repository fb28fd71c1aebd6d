"""Why there is no plan: what excludes each other, what would help and at what cost, and where the memory goes."""

from __future__ import annotations

from planner.report import words
from planner.report.evidence import size_of_job
from planner.report.memory import memory_section
from planner.report.page import Page
from planner.solver.answer import Answer, Conflict, Relaxation, Shortfall
from planner.solver.candidate import Candidate
from planner.solver.world import World
from planner.units import format_bytes, format_seconds

STATES = ("weights", "adapters", "master_weights", "gradients", "optimizer_states")
SPLIT_STATES = {
    "zero1": ("optimizer_states", "master_weights", "optimizer_temporaries"),
    "zero2": ("optimizer_states", "master_weights", "optimizer_temporaries", "gradients"),
    "zero3": (*STATES, "optimizer_temporaries"),
    "fsdp": (*STATES, "optimizer_temporaries"),
    "hsdp": (*STATES, "optimizer_temporaries"),
}


def infeasible_report(page: Page, answer: Answer, *, details: bool) -> None:
    """The sentence, and behind it the conflict in figures."""
    page.paragraph(_sentence(answer), "bold red" if answer.status == "infeasible" else "bold yellow")
    page.paragraph(f"{words.model_name(answer.world)}: {size_of_job(answer.world)}", "dim")
    if answer.unoffered_gpus:
        names = words.listed([gpu.name for gpu in answer.unoffered_gpus])
        page.paragraph(f"No offer of {names} is known for this search: give your own price under offers.")
    if answer.conflict is not None:
        _remedies(page, answer.conflict, answer.world)
        _closest(page, answer.conflict, answer.world, details=details)


def _sentence(answer: Answer) -> str:
    if answer.status == "unknown":
        return "Undecided: no plan was found in the time given, and none is excluded. Give it more with --time-limit."
    relaxations = answer.conflict.relaxations if answer.conflict else ()
    names = [limit_phrase(each, answer.world) for each in relaxations]
    if not names:
        return "No plan exists, whatever the limits: no stack can train this job on the machines on offer."
    if len(names) == 1:
        return f"No plan fits: {names[0]} excludes every plan."
    certain = "" if answer.conflict and answer.conflict.proved else " (not proved to be all that matters)"
    return f"No plan fits: {words.listed(names)} exclude each other{certain}."


def limit_phrase(relaxation: Relaxation, world: World) -> str:
    """A limit as a thing that excludes: `the GPU memory of the RTX 4090`, `search.method = full`."""
    currency = world.scenario.currency
    if relaxation.limit == "gpu_memory":
        return f"the GPU memory of the {world.gpus[0].name}" if len(world.gpus) == 1 else "GPU memory"
    if relaxation.limit == "max_gpus":
        return f"search.max_gpus = {_value(relaxation.limit, relaxation.current, currency)}"
    if relaxation.limit in words.LIMITS:
        return f"the {words.LIMITS[relaxation.limit]} of {_value(relaxation.limit, relaxation.current, currency)}"
    current = str(relaxation.current)
    return f"{relaxation.limit} = {f'[{current}]' if ', ' in current else current}"


def _value(limit: str, value: float | str, currency: str) -> str:
    return value if isinstance(value, str) else words.quantity(limit, value, currency)


def _remedies(page: Page, conflict: Conflict, world: World) -> None:
    """Each limit of the conflict with the nearest value that works."""
    if not conflict.relaxations:
        return
    page.heading("What would help", "each by itself, everything else as it is")
    rows = [(_remedy_title(each), _remedy(each, world)) for each in conflict.relaxations]
    cells = max((len(title) for title, _ in rows), default=0) + 2
    for title, remedy in rows:
        page.labelled(title, remedy, cells=cells)


def _remedy_title(relaxation: Relaxation) -> str:
    return "search.max_gpus" if relaxation.limit == "max_gpus" else words.LIMITS.get(relaxation.limit, relaxation.limit)


def _remedy(relaxation: Relaxation, world: World) -> str:
    currency = world.scenario.currency
    current = _value(relaxation.limit, relaxation.current, currency)
    candidate = relaxation.candidate
    if relaxation.nearest is None or candidate is None:
        return f"{current}: no other value of it helps"
    nearest = _value(relaxation.limit, relaxation.nearest, currency)
    outcome = f"{words.money(candidate.estimate.cost, currency)}, {format_seconds(candidate.estimate.seconds)}"
    others = [words.LIMITS.get(name, name) for name in relaxation.together]
    also = f" (and {words.listed(others)} lifted too)" if others else ""
    return f"{current} -> {nearest}{also}: {words.short_plan(candidate.plan)}; {outcome}"


def _closest(page: Page, conflict: Conflict, world: World, *, details: bool) -> None:
    """The plan that needs least memory on each GPU type; the nearest of all with its table."""
    known = [(each, each.candidate) for each in conflict.closest if each.candidate is not None]
    known.sort(key=lambda pair: (pair[0].needed or 0) / max(pair[0].available, 1))
    failing = [pair for pair in known if (pair[0].needed or 0) > pair[0].available]
    if not failing:
        return
    page.heading("Least memory", "the plan that needs least on each GPU type")
    for shortfall, candidate in known:
        page.labelled(candidate.plan.gpu.name, _needs(shortfall, candidate, world), cells=20)
    for _, candidate in failing if details else failing[:1]:
        memory_section(page, candidate.estimate, details=details, title=f"Memory of {candidate.plan.gpu.name}")
        page.paragraph(pooling(candidate, world), indent="  ")


def _needs(shortfall: Shortfall, candidate: Candidate, world: World) -> str:
    plan = candidate.plan
    fits = "" if shortfall.needed is None or shortfall.needed > shortfall.available else " (fits)"
    parts = [plan.optimizer, f"micro-batch {plan.micro_batch}", f"checkpointing {plan.checkpointing}"]
    need = words.shortfall(shortfall, world.scenario.currency)
    return f"{need}{fits}: {words.short_plan(plan)}, {plan.base_dtype} weights, {', '.join(parts)}"


def pooling(candidate: Candidate, world: World) -> str:
    """Why the memory of several GPUs is not one memory, in this plan's own figures."""
    plan, estimate = candidate.plan, candidate.estimate
    terms = estimate.memory[estimate.peak_phase]
    together = format_bytes(estimate.capacity_bytes * plan.gpus)
    if plan.gpus == 1:
        return _on_one_gpu(world)
    split = SPLIT_STATES.get(plan.sharding, ())
    shared = sum(terms.get(name, 0) for name in split)
    whole = sum(size for name, size in terms.items() if name not in split)
    if not split:
        states = sum(terms.get(name, 0) for name in STATES)
        return (
            f"Memory does not pool: {words.machines(plan)} have {together} together, but with {plan.sharding} every "
            f"GPU keeps all weights, gradients and optimizer states ({format_bytes(states)})."
        )
    return (
        f"Memory does not pool: {words.machines(plan)} have {together} together. {plan.sharding} splits "
        f"{words.SPLIT_BY_SHARDING[plan.sharding]}, of which each GPU still holds {format_bytes(shared)}; the other "
        f"{format_bytes(whole)} of the peak are not split and stay on every GPU."
    )


def _on_one_gpu(world: World) -> str:
    most = world.scenario.search.max_gpus
    if most == 1:
        return "The search allows one GPU, so there is nothing to split."
    return f"Of up to {most} GPUs this plan uses one: nothing that the search allows needs less on each of several."
