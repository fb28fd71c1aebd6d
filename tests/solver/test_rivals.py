"""What an answer says beside its plan: the best of other GPU types and methods, changes, and how near limits are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from comparison import Objective, agree, amount_of
from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle
from worlds import Tightness, catalog, limited, oracles, scenarios, sized, tightnesses, trials

from planner.rules import broken_rules
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario
from planner.solver.answer import Answer, Rival, Shortfall
from planner.solver.session import Solver
from planner.solver.solve import solve
from planner.solver.world import World

FOLDER = Path(__file__).parents[2] / "scenarios"
TODAY = date(2026, 11, 23)


def limited_world(scenario: Scenario, tightness: Tightness) -> tuple[World, list[Oracle]]:
    """A world of several GPU types with limits among the amounts of the first one's plans, and its oracles."""
    first, *others = oracles(scenario)
    first = limited(first, tightness)
    limits = first.ask.scenario
    return World(limits, catalog()), [first, *(each.under(limits) for each in others)]


def check_shortfall(oracle: Oracle, shortfall: Shortfall | None, objective: Objective) -> None:
    """A type without a plan fails by what the shortfall says: lifting its limits, nothing needs less."""
    assert shortfall is not None
    assert not oracle.feasible(objective).any()
    if shortfall.limit == "gpu_memory":
        free = oracle.under(oracle.ask.scenario.replace(deadline_seconds=None, budget=None))
        assert not free.feasible(objective).any()
        assert shortfall.needed == (free.least("memory") if len(free.plans) else None)
        return
    assert shortfall.candidate is not None
    assert shortfall.needed is not None
    assert shortfall.needed > shortfall.available
    place = oracle.place_of(shortfall.candidate.plan)
    assert place is not None
    assert oracle.plans.peak_bytes[place] <= oracle.ask.capacity_bytes


def check_method(answer: Answer, rival: Rival, known: list[Oracle], objective: Objective) -> None:
    """The best plan of a method: the oracle's with the method fixed, the best over all GPU types."""
    solver = Solver(answer.world, seconds=600)
    best = []
    for each in known:
        steps = solver.machines[each.ask.gpu.name].resolution
        kept = each.among(solver.offers[each.ask.gpu.name]).of_method(rival.value)
        places = [place for place in kept.acceptable(objective, steps.cost, steps.seconds) if place is not None]
        best += [(float(kept.amount(objective)[place]), kept.plan(place)) for place in places]
    if rival.candidate is None:
        assert rival.shortfall is not None
        exact = [each.of_method(rival.value).feasible(objective, slack=-1e-6).any() for each in known]
        assert not any(exact)
        return
    least = min(amount for amount, _ in best)
    assert rival.candidate.plan in [plan for amount, plan in best if amount <= least * (1 + 1e-3)]
    assert rival.candidate.plan.method == rival.value


@sized(12, 200)
def test_rivals_are_the_oracles(count: int) -> None:
    """Each other GPU type and method has its own optimum, or falls short by what the oracle says."""

    @trials(count)
    @given(scenarios(most_gpus=3), tightnesses(), st.sampled_from(("cost", "time")))
    def worlds(scenario: Scenario, tightness: Tightness, prefer: Objective) -> None:
        world, known = limited_world(scenario.replace(prefer=prefer), tightness)
        if any(each.feasible(prefer, slack=-1e-6).any() for each in known):
            check_rivals(solve(world, seconds=600), known, prefer)

    worlds()


def check_rivals(answer: Answer, known: list[Oracle], objective: Objective) -> None:
    """Every GPU type and method of an answer with a plan."""
    assert answer.best is not None
    by_name = {each.ask.gpu.name: each for each in known}
    assert {each.value for each in answer.gpus} | {answer.best.plan.gpu.name} == set(by_name)
    for rival in answer.gpus:
        found = agree(answer.world.scenario, by_name[rival.value], objective)
        assert rival.candidate == found
        if found is None:
            check_shortfall(by_name[rival.value], rival.shortfall, objective)
    for rival in answer.methods:
        check_method(answer, rival, known, objective)


def check_changes(answer: Answer) -> None:
    """Each change is the plan with that decision (and what it says follows) changed, legal, and estimated anew."""
    assert answer.best is not None
    world, plan = answer.world, answer.best.plan
    assert answer.changes
    for change in answer.changes:
        asked: dict[str, Any] = {change.decision: change.value, **change.follows}
        assert getattr(plan, change.decision) != change.value
        changed = replace(plan, **asked)
        assert change.rules == broken_rules(world.workload, changed)
        assert (change.candidate is None) == bool(change.rules)
        if change.candidate is not None:
            assert change.candidate.plan == changed
            assert change.candidate.estimate == world.estimate(changed)
            assert change.broken == broken(world, change.candidate.estimate)
            saved = amount_of(answer.best, "cost") - amount_of(change.candidate, "cost")
            better = not change.broken and saved > max(0.002 * amount_of(answer.best, "cost"), 0.0011)
            assert not better or world.scenario.prefer == "time" or not allowed(world, change.candidate.plan)


def allowed(world: World, plan: Any) -> bool:
    """Whether the search allows a plan."""
    values = {name: getattr(plan, name) for name in vars(plan) if hasattr(world.scenario.search, name)}
    values["stack"] = plan.stack.name
    values["gpu"] = plan.gpu.name
    return all(world.scenario.search.allows(name, value) for name, value in values.items())


def broken(world: World, estimate: Any) -> tuple[str, ...]:
    """The limits that an estimate breaks."""
    host, disk = estimate.host_capacity_bytes, estimate.disk_capacity_bytes
    claims = {
        "gpu_memory": estimate.required_bytes > estimate.capacity_bytes,
        "host_memory": host is not None and sum(estimate.host_memory.values()) > host,
        "disk": disk is not None and estimate.disk_bytes > disk,
        "deadline": estimate.seconds > world.deadline_seconds,
        "budget": float(estimate.cost) > world.budget,
    }
    return tuple(name for name, is_broken in claims.items() if is_broken)


def check_bindings(answer: Answer) -> None:
    """The plan uses at most all of each limit, and every limit that exists is named."""
    assert answer.best is not None
    names = {each.limit for each in answer.bindings}
    limits = answer.world.scenario.limits
    assert "gpu_memory" in names
    assert ("deadline" in names) == (limits.deadline_seconds is not None)
    assert ("budget" in names) == (limits.budget is not None)
    assert all(each.used <= each.available * (1 + 1e-9) + 1e-6 for each in answer.bindings)


@sized(12, 200)
def test_changes_and_bindings_of_random_worlds(count: int) -> None:
    """Changes are legal plans with the right estimate, none of them better; the plan keeps its limits."""

    @trials(count)
    @given(scenarios(), tightnesses())
    def worlds(scenario: Scenario, tightness: Tightness) -> None:
        world, (oracle,) = limited_world(scenario, tightness)
        if oracle.feasible("cost", slack=-1e-6).any():
            answer = solve(world, seconds=600)
            check_changes(answer)
            check_bindings(answer)

    worlds()


@pytest.mark.parametrize("name", ["8b-fine-tune", "8b-lora-fastest", "mixtral-lora", "7b-qlora-cny"])
def test_changes_and_bindings_of_shipped_scenarios(name: str) -> None:
    """So are those of shipped scenarios."""
    world = World(read_scenario(FOLDER / f"{name}.yaml", catalog=catalog(), today=TODAY), catalog())
    answer = solve(world, seconds=600)
    check_changes(answer)
    check_bindings(answer)


def test_a_rival_without_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """When time runs out after the plan is found, a rival is undecided rather than said to fall short."""
    world = World(read_scenario(FOLDER / "8b-lora-fastest.yaml", catalog=catalog(), today=TODAY), catalog())
    solved = [gpu.name for gpu in world.gpus][:1]
    run = Solver.run

    def only_first(solver: Solver, machine: Any, proof: Any, **more: Any) -> Any:
        if machine.gpu.name in solved and "method" not in more:
            return run(solver, machine, proof, **more)
        proof.proved = False
        return None

    monkeypatch.setattr(Solver, "run", only_first)
    answer = solve(world, seconds=600)
    assert answer.status == "feasible"
    assert answer.best is not None
    assert answer.bound <= answer.best.estimate.seconds
    assert answer.gpus
    assert all(each.candidate is None and each.shortfall is None and each.reason for each in answer.gpus)
