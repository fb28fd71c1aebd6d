"""What the solver says of one GPU type, held against the oracle."""

from __future__ import annotations

import math
from typing import Literal

from oracle import Ask, Oracle

from planner.catalog import Gpu
from planner.scenario.model import Scenario
from planner.solver.candidate import Candidate
from planner.solver.search import MachineSearch, Proof
from planner.solver.session import Solver
from planner.solver.world import World

Objective = Literal["cost", "time", "memory"]
OBJECTIVES: tuple[Objective, ...] = ("cost", "time", "memory")
ROUNDING = 1 + 1e-6


def oracle_of(world: World, gpu: Gpu) -> Oracle:
    """The oracle's view of one GPU type."""
    return Oracle(Ask(world.scenario, world.catalog, gpu))


def amount_of(candidate: Candidate, objective: Objective) -> float:
    """What the objective minimises: money, seconds or bytes."""
    amounts = {
        "cost": float(candidate.estimate.cost),
        "time": candidate.estimate.seconds,
        "memory": float(candidate.estimate.required_bytes),
    }
    return amounts[objective]


def solved(solver: Solver, gpu: Gpu, objective: Objective) -> tuple[MachineSearch, Candidate | None]:
    """The solver's proved answer for one GPU type, and the search that found it."""
    machine, proof = solver.machine(gpu, objective=objective), Proof()
    found = machine.solve(proof, seconds=600)
    assert proof.proved
    return machine, found


def agree(scenario: Scenario, oracle: Oracle, objective: Objective) -> Candidate | None:
    """Assert that the solver finds the oracle's optimum on the oracle's GPU type; what it found.

    The plan must be the best one in the documented order among the offers that the solver kept, and no plan on any
    offer may be better by a step or more.
    """
    solver = Solver(World(scenario, oracle.ask.catalog), seconds=600)
    gpu = oracle.ask.gpu
    machine, found = solved(solver, gpu, objective)
    steps = machine.resolution
    kept = oracle.among(solver.offers[gpu.name])
    place = None if found is None else kept.place_of(found.plan)
    assert found is None or place is not None, f"no legal plan that the machine can hold: {found.plan}"
    best = kept.acceptable(objective, steps.cost, steps.seconds)
    assert place in best, f"{describe(kept, place)} instead of {[describe(kept, each) for each in best]}"
    if found is not None:
        step = {"cost": steps.cost, "time": steps.seconds, "memory": 1.0}[objective]
        least = oracle.least(objective, slack=-1e-6)
        assert least == math.inf or amount_of(found, objective) <= (least + step) * ROUNDING
        _same_amounts(oracle, found)
    return found


def _same_amounts(oracle: Oracle, found: Candidate) -> None:
    """The oracle's arrays say of the plan what its estimate says."""
    place = oracle.place_of(found.plan)
    assert place is not None
    plans, estimate = oracle.plans, found.estimate
    assert plans.peak_bytes[place] == estimate.required_bytes
    assert math.isclose(plans.seconds[place], estimate.seconds, rel_tol=1e-9)
    assert math.isclose(plans.cost[place], float(estimate.cost), rel_tol=1e-9, abs_tol=1e-6)


def describe(oracle: Oracle, place: int | None) -> str:
    """A plan and its amounts, for a failed assertion."""
    if place is None:
        return "no plan"
    plans = oracle.plans
    amounts = f"{plans.cost[place]} money, {plans.seconds[place]} s, {plans.peak_bytes[place]} bytes"
    return f"{oracle.plan(place).as_dict()}: {amounts}"
