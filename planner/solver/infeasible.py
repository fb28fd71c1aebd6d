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
from planner.scenario.model import Search
from planner.solver.answer import Conflict, LimitName, Relaxation, Shortfall
from planner.solver.candidate import Candidate, Objective, amount_of
from planner.solver.search import Proof
from planner.solver.session import Solver
from planner.solver.world import World

UNLIMITED_GPUS = 1024
UNLIMITED_BYTES = 2**50
ALL_PRICINGS = ("on-demand", "spot", "reserved")
MONEY_AND_TIME = ("deadline", "budget")


def limits_of(world: World) -> list[str]:
    """The limits of a scenario by name, those that a user gives up most easily first.

    A list of numbers of GPUs stands for max_gpus too, which it implies.
    """
    search, limits = world.scenario.search, world.scenario.limits
    names = [
        f"search.{each.name}"
        for each in fields(Search)
        if each.name not in ("lora", "max_gpus", "pricing") and getattr(search, each.name) is not None
    ]
    if set(search.pricing) < {"on-demand", "spot"}:
        names.append("search.pricing")
    if search.gpus is None:
        names.append("max_gpus")
    names += [name for name, value in (("budget", limits.budget), ("deadline", limits.deadline_seconds)) if value]
    return [*names, "gpu_memory"]


def without(world: World, names: Iterable[str]) -> World:
    """The world with these limits lifted."""
    changes: dict[str, Any] = {}
    extra = world.extra_memory_bytes
    for name in names:
        if name == "gpu_memory":
            extra = UNLIMITED_BYTES
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
    return World(relaxed.scenario, relaxed.catalog, extra)


def conflict_of(solver: Solver) -> Conflict:
    """A minimal set of limits that exclude each other, with the nearest value of each that works."""
    everything = limits_of(solver.world)
    proof = Proof()
    conflict = list(everything)
    for name in everything:
        lifted = [each for each in everything if each not in conflict or each == name]
        solver.report(f"conflict: without {name}")
        if _any_plan(solver, without(solver.world, lifted), proof) is None:
            conflict.remove(name)
    relaxations = tuple(_relaxation(solver, name, proof) for name in conflict)
    closest = tuple(memory_shortfall(solver, gpu, proof) for gpu in solver.world.gpus)
    known = tuple(each for each in closest if each is not None)
    return Conflict(relaxations, proof.proved, known)


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


def _relaxation(solver: Solver, name: str, proof: Proof) -> Relaxation:
    """The nearest value of one limit that makes a plan possible, all others kept."""
    world = solver.world
    limits, search = world.scenario.limits, world.scenario.search
    relaxed = without(world, [name])
    if name == "max_gpus":
        return _more_gpus(solver, proof)
    if name in ("gpu_memory", "deadline", "budget"):
        objectives: dict[str, Objective] = {"gpu_memory": "memory", "deadline": "time", "budget": "cost"}
        found = best_plan(solver, relaxed, proof, objectives[name])
        current = {
            "gpu_memory": float(max((world.capacity_bytes(gpu) for gpu in world.gpus), default=0)),
            "deadline": limits.deadline_seconds or 0.0,
            "budget": world.budget,
        }[name]
        needed = None
        if found is not None:
            needed = {
                "gpu_memory": float(found.estimate.peak_bytes),
                "deadline": found.estimate.seconds,
                "budget": float(found.estimate.cost),
            }[name]
        return Relaxation(name, current, needed, found)
    decision = name.removeprefix("search.")
    found = best_plan(solver, relaxed, proof, solver.objective)
    present = ", ".join(map(str, getattr(search, decision)))
    return Relaxation(name, present, None if found is None else _value(found, decision), found)


def _value(candidate: Candidate, decision: str) -> str:
    """The value of a search key in a plan."""
    plan = candidate.plan
    if decision in ("pricing", "provider"):
        return plan.offer.kind if decision == "pricing" else plan.offer.provider
    return str(plan.as_dict()[decision])


def _more_gpus(solver: Solver, proof: Proof) -> Relaxation:
    """The smallest power of two of GPUs at which there is a plan."""
    current = solver.world.scenario.search.max_gpus
    gpus = 1
    while gpus < UNLIMITED_GPUS:
        gpus *= 2
        if gpus <= current:
            continue
        found = best_plan(solver, solver.world.relaxed(max_gpus=gpus), proof, solver.objective)
        if found is not None:
            return Relaxation("max_gpus", float(current), float(found.plan.gpus), found)
    return Relaxation("max_gpus", float(current), None, None)


def memory_shortfall(solver: Solver, gpu: Gpu, proof: Proof, method: str | None = None) -> Shortfall | None:
    """The plan on a GPU type that needs least memory, however long it takes and whatever it costs."""
    world = without(solver.world, MONEY_AND_TIME)
    found = solver.run(solver.machine(gpu, world, "memory"), proof, method=method)
    if found is None:
        return None
    return Shortfall("gpu_memory", float(found.estimate.peak_bytes), float(found.estimate.capacity_bytes), found)


def shortfall_of(solver: Solver, gpu: Gpu, method: str | None = None) -> Shortfall:
    """Why a GPU type has no plan: the first of memory, deadline and budget that cannot be met, and by how much."""
    world, proof = solver.world, Proof()
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
        return Shortfall("deadline", found.estimate.seconds, world.deadline_seconds, found)
    return Shortfall("budget", float(found.estimate.cost), world.budget, found)
