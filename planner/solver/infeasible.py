"""Why a scenario has no plan: a minimal conflict, and for each limit in it the nearest value that works.

A conflict is found by deletion: starting from every limit of the scenario, a limit is left out if the others are
impossible without it too. What remains is minimal: without any one of them there is a plan. Every "impossible" is a
completed search.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any

from planner.catalog import Gpu
from planner.estimator.estimate import GIB
from planner.estimator.uncertainty import slow_factor
from planner.scenario.model import Search
from planner.solver.answer import Conflict, LimitName, Relaxation, Shortfall
from planner.solver.candidate import Candidate, Objective, amount_of
from planner.solver.search import Proof
from planner.solver.session import Solver
from planner.solver.world import World

UNLIMITED_GPUS = 1024
MACHINE_LIMITS = ("disk", "host_memory", "gpu_memory")
ALL_PRICINGS = ("on-demand", "spot", "reserved")
PARTNERS = ("deadline", "budget", "max_gpus")
MONEY_AND_TIME = ("deadline", "budget")


def limits_of(world: World) -> list[str]:
    """The limits of a scenario by name, those that a user gives up most easily first.

    A list of numbers of GPUs stands for max_gpus too, which it implies.
    """
    search, limits = world.scenario.search, world.scenario.limits
    names = [
        f"search.{each.name}"
        for each in fields(Search)
        if each.name not in ("lora", "virtual_stages", "max_gpus", "pricing") and getattr(search, each.name) is not None
    ]
    if set(search.pricing) < {"on-demand", "spot"}:
        names.append("search.pricing")
    if search.gpus is None:
        names.append("max_gpus")
    names += [name for name, value in (("budget", limits.budget), ("deadline", limits.deadline_seconds)) if value]
    names += ["disk"] * any(offer.disk_gib is not None for offer in world.offers)
    names += ["host_memory"] * any(offer.host_ram_gib_per_gpu is not None for offer in world.offers)
    return [*names, "gpu_memory"]


def without(world: World, names: Iterable[str]) -> World:
    """The world with these limits lifted."""
    changes: dict[str, Any] = {}
    lifted = set(world.lifted)
    for name in names:
        if name in MACHINE_LIMITS:
            lifted.add(name)
        elif name == "max_gpus":
            changes["max_gpus"] = UNLIMITED_GPUS
        elif name == "search.pricing":
            changes["pricing"] = ALL_PRICINGS
        elif name.startswith("search."):
            changes[name.removeprefix("search.")] = None
            if name == "search.gpus":
                changes["max_gpus"] = UNLIMITED_GPUS
        else:
            changes["deadline_seconds" if name == "deadline" else "budget"] = None
    relaxed = world.relaxed(**changes)
    return World(relaxed.scenario, relaxed.catalog, frozenset(lifted))


def conflict_of(solver: Solver) -> Conflict:
    """Minimal sets of limits that exclude each other, with the nearest value of each limit that works.

    One set is enough to exclude every plan. Where lifting it is not enough for a plan, there are further sets; the
    nearest value of a limit is then the one that works once the other sets are solved, which it names.
    """
    proof = Proof()
    everything = limits_of(solver.world)
    conflicts: list[list[str]] = []
    while True:
        lifted = [name for conflict in conflicts for name in conflict]
        if lifted and _any_plan(solver, without(solver.world, lifted), proof) is not None:
            break
        conflict = _minimal(solver, [name for name in everything if name not in lifted], lifted, proof)
        if not conflict:
            break
        conflicts.append(conflict)
    relaxations = tuple(
        _helpful(solver, name, tuple(each for other in conflicts if other is not conflict for each in other), proof)
        for conflict in conflicts
        for name in conflict
    )
    closest = tuple(memory_shortfall(solver, gpu, proof) for gpu in solver.world.gpus)
    known = tuple(each for each in closest if each is not None)
    return Conflict(relaxations, proof.proved, known)


def _minimal(solver: Solver, names: list[str], lifted: list[str], proof: Proof) -> list[str]:
    """A minimal conflict among `names`, with `lifted` out of the way; empty if these do not matter."""
    conflict = list(names)
    for name in names:
        solver.report(f"conflict: without {name}")
        away = [*lifted, *(each for each in names if each not in conflict or each == name)]
        if _any_plan(solver, without(solver.world, away), proof) is None:
            conflict.remove(name)
    return conflict


def _any_plan(solver: Solver, world: World, proof: Proof) -> Candidate | None:
    """Some plan of a relaxed world, or None if there is none."""
    relaxed = solver.of(world)
    for gpu in world.gpus:
        found = relaxed.run(relaxed.machines[gpu.name], proof, any_plan=True)
        if found is not None:
            return found
    return None


def best_plan(solver: Solver, world: World, proof: Proof, objective: Objective) -> Candidate | None:
    """The best plan over all GPU types of a relaxed world, the most promising type first."""
    relaxed = solver.of(world)
    machines = [relaxed.machine(gpu, objective=objective) for gpu in world.gpus]
    best: Candidate | None = None
    for machine in sorted(machines, key=lambda each: each.least()):
        cutoff = amount_of(best.estimate, objective) if best else float("inf")
        found = relaxed.run(machine, proof, cutoff=cutoff)
        if found is not None and (best is None or amount_of(found.estimate, objective) < cutoff):
            best = found
    return best


def _soonest(solver: Solver, world: World, proof: Proof) -> Candidate | None:
    """The plan that a deadline counts least of: the fastest one, GPU types and stacks of one uncertainty together."""
    groups: dict[tuple[float, tuple[str, ...]], list[str]] = {}
    for gpu in world.gpus:
        alike: dict[float, list[str]] = {}
        for stack in world.stacks:
            alike.setdefault(slow_factor(world.workload, gpu, stack), []).append(stack.name)
        for factor, stacks in alike.items():
            groups.setdefault((factor, tuple(stacks)), []).append(gpu.name)
    found = [
        best_plan(solver, world.relaxed(gpu=tuple(gpus), stack=stacks), proof, "time")
        for (_, stacks), gpus in groups.items()
    ]
    known = [each for each in found if each is not None]
    return min(known, key=lambda each: each.estimate.counted_seconds, default=None)


def _least_lacking(solver: Solver, world: World, relaxed: World, proof: Proof) -> Candidate | None:
    """The plan that needs least memory beyond what its GPU has in `world`."""
    lifted = solver.of(relaxed)
    found = [lifted.run(lifted.machine(gpu, objective="memory"), proof) for gpu in relaxed.gpus]
    known = [each for each in found if each is not None]
    return min(known, key=lambda each: each.estimate.required_bytes - world.capacity_bytes(each.plan.gpu), default=None)


def _helpful(solver: Solver, name: str, together: tuple[str, ...], proof: Proof) -> Relaxation:
    """A relaxation that makes a plan possible: of one limit alone, or else of it with the first partner that helps.

    Limits in several overlapping conflicts do not help alone; partners are tried in the order in which they matter to
    a user: deadline, budget, number of GPUs, then the rest of the scenario's limits.
    """
    alone = _relaxation(solver, name, together, proof)
    present = limits_of(solver.world)
    partners = [each for each in (*PARTNERS, *present) if each in present and each not in (name, *together)]
    for partner in dict.fromkeys(partners) if alone.candidate is None else ():
        if _any_plan(solver, without(solver.world, (*together, partner)), proof) is not None:
            continue  # The partner helps without this limit.
        paired = _relaxation(solver, name, (*together, partner), proof)
        if paired.candidate is not None:
            return paired
    return alone


def _relaxation(solver: Solver, name: str, together: tuple[str, ...], proof: Proof) -> Relaxation:
    """The nearest value of one limit that makes a plan possible, all others but those lifted `together` kept."""
    world = without(solver.world, together)
    relaxed = without(world, [name])
    if name == "max_gpus":
        return _more_gpus(solver, world, together, proof)
    objectives: dict[str, Objective] = {"gpu_memory": "memory", "deadline": "time", "budget": "cost"}
    objective = objectives.get(name, solver.objective)
    if name == "gpu_memory":
        found = _least_lacking(solver, world, relaxed, proof)
    elif name == "deadline":
        found = _soonest(solver, relaxed, proof)
    else:
        found = best_plan(solver, relaxed, proof, objective)
    current = _current(solver.world, name, found)
    needed: float | str | None = None
    if found is not None:
        if name == "deadline":
            needed = found.estimate.counted_seconds
        else:
            needed = amount_of(found.estimate, objective) if name in objectives else _needed(found, name)
    return Relaxation(name, current, needed, found, together)


def _current(world: World, name: str, found: Candidate | None) -> float | str:
    """What a limit is now; of a machine's disk and host memory, that of the plan's own machine, or the largest."""
    limits, search = world.scenario.limits, world.scenario.search
    if name == "gpu_memory":
        gpus = world.gpus if found is None else (found.plan.gpu,)
        return float(max((world.capacity_bytes(gpu) for gpu in gpus), default=0))
    if name == "deadline":
        return limits.deadline_seconds or 0.0
    if name == "budget":
        return world.budget
    if name in MACHINE_LIMITS:
        if found is not None:
            known = found.estimate.disk_capacity_bytes if name == "disk" else found.estimate.host_capacity_bytes
            return float(known or 0)
        disks = [offer.disk_gib or 0.0 for offer in world.offers]
        hosts = [(offer.host_ram_gib_per_gpu or 0.0) * offer.gpus_per_node for offer in world.offers]
        return max(disks if name == "disk" else hosts, default=0.0) * GIB
    return ", ".join(map(str, getattr(search, name.removeprefix("search."))))


def _needed(found: Candidate, name: str) -> float | str:
    """What the best plan has of a limit that is lifted."""
    if name == "disk":
        return float(found.estimate.disk_bytes)
    if name == "host_memory":
        return float(sum(found.estimate.host_memory.values()))
    return _value(found, name.removeprefix("search."))


def _value(candidate: Candidate, decision: str) -> str:
    """The value of a search key in a plan."""
    plan = candidate.plan
    if decision in ("pricing", "provider"):
        return plan.offer.kind if decision == "pricing" else plan.offer.provider
    return str(plan.as_dict()[decision])


def _more_gpus(solver: Solver, world: World, together: tuple[str, ...], proof: Proof) -> Relaxation:
    """The smallest number of GPUs at which there is a plan, and the best plan then."""
    current = solver.world.scenario.search.max_gpus
    most, best = current, None
    while best is None and most < UNLIMITED_GPUS:
        most = min(2 * most, UNLIMITED_GPUS)
        best = _any_plan(solver, world.relaxed(max_gpus=most), proof)
    if best is None:
        return Relaxation("max_gpus", float(current), None, None, together)
    too_few, enough = max(current, most // 2), best.plan.gpus
    while enough - too_few > 1:
        between = (too_few + enough) // 2
        found = _any_plan(solver, world.relaxed(max_gpus=between), proof)
        if found is None:
            too_few = between
        else:
            enough = found.plan.gpus
    best = best_plan(solver, world.relaxed(max_gpus=enough), proof, solver.objective) or best
    return Relaxation("max_gpus", float(current), float(enough), best, together)


def memory_shortfall(solver: Solver, gpu: Gpu, proof: Proof, method: str | None = None) -> Shortfall | None:
    """The plan on a GPU type that needs least memory, however long it takes and whatever it costs."""
    world = without(solver.world, MONEY_AND_TIME)
    found = solver.run(solver.machine(gpu, world, "memory"), proof, method=method)
    if found is None:
        return None
    return Shortfall("gpu_memory", float(found.estimate.required_bytes), float(found.estimate.capacity_bytes), found)


def shortfall_of(solver: Solver, gpu: Gpu, method: str | None = None) -> Shortfall | None:
    """Why a GPU type has no plan: the first of memory, deadline and budget that cannot be met, and by how much.

    None if there is no time to tell.
    """
    proof = Proof()
    shortfall = _shortfall_of(solver, gpu, method, proof)
    return shortfall if proof.proved else None


def _shortfall_of(solver: Solver, gpu: Gpu, method: str | None, proof: Proof) -> Shortfall:
    world = solver.world
    unlimited = without(world, MONEY_AND_TIME)
    if solver.run(solver.machine(gpu, unlimited), proof, method=method, any_plan=True) is None:
        needs = memory_shortfall(solver, gpu, proof, method)
        return needs or Shortfall("gpu_memory", None, float(world.capacity_bytes(gpu)), None)
    for lifted, objective in _attempts():
        found = solver.run(solver.machine(gpu, without(world, lifted), objective), proof, method=method)
        if found is not None:
            return _shortfall(world, lifted[0], found)
    return Shortfall("gpu_memory", None, float(world.capacity_bytes(gpu)), None)


def _attempts() -> Iterator[tuple[tuple[LimitName, ...], Objective]]:
    yield ("deadline",), "time"
    yield ("budget",), "cost"
    yield ("deadline", "budget"), "time"


def _shortfall(world: World, limit: LimitName, found: Candidate) -> Shortfall:
    if limit == "deadline":
        return Shortfall("deadline", found.estimate.counted_seconds, world.deadline_seconds, found)
    return Shortfall("budget", float(found.estimate.cost), world.budget, found)
