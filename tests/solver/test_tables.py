"""What the solver tabulates is what the estimator says, and nothing that matters is dropped from it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from comparison import oracle_of
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from worlds import catalog, scenarios, trials

import planner.solver.block
from planner.catalog import Offer
from planner.decisions import Plan
from planner.errors import PlannerError
from planner.estimator.duration import OVERLAPPED, SERIAL
from planner.estimator.formula import evaluate
from planner.estimator.memory import HOST, PHASES, whole_bytes
from planner.estimator.uncertainty import margin_factor
from planner.rules import RULES, Rule
from planner.scenario.model import Scenario
from planner.solver.block import dominated
from planner.solver.bounds import family_bounds
from planner.solver.domains import SCHEDULE, Family
from planner.solver.keys import keys_of
from planner.solver.legality import rules_of
from planner.solver.search import MachineSearch, Proof
from planner.solver.session import Solver
from planner.solver.tabulate import COLUMNS, placed_terms, table_of, tabulate
from planner.solver.world import World

TERMS: dict[str, dict[str, Any]] = {**PHASES, "host": HOST, **OVERLAPPED, "serial": SERIAL}
TABLES = ("state", "activation")


def decisions_of(plan: Plan) -> dict[str, Any]:
    """A plan as the tables take it: numbers as arrays of one element."""
    values = {**vars(plan), "gpus_per_node": plan.gpus_per_node}
    return {name: np.array([value]) if isinstance(value, int) else value for name, value in values.items()}


def sample(count: int, most: int) -> list[int]:
    """Up to `most` numbers below `count`, evenly spread."""
    return list(range(0, count, max(1, count // most)))[:most]


@trials(20)
@given(scenarios())
def test_columns_are_the_sums_of_the_estimators_terms(scenario: Scenario) -> None:
    """Both tables together hold, column by column, the estimate of random plans: memory exactly, seconds to 1e-12."""
    world = World(scenario, catalog())
    for gpu in world.gpus:
        oracle = oracle_of(world, gpu)
        for place in sample(len(oracle.plans), 8):
            plan = oracle.plan(place)
            estimate = world.estimate(plan)
            rows = sum(tabulate(table, world.workload, decisions_of(plan), (1,))[0] for table in TABLES)
            columns: dict[str, float] = dict(zip(COLUMNS, rows, strict=True))
            assert {phase: columns[phase] for phase in PHASES} == estimate.required
            assert columns["host"] == sum(estimate.host_memory.values())
            for resource, terms in estimate.step_parts.items():
                assert columns[resource] == pytest.approx(sum(terms.values()), rel=1e-12)


@trials(20)
@given(scenarios())
def test_each_formula_is_tabulated_as_it_is(scenario: Scenario) -> None:
    """A table of one column without any other term holds that formula's value, formula by formula."""
    world = World(scenario, catalog())
    oracle = oracle_of(world, world.gpus[0])
    for place in sample(len(oracle.plans), 2):
        plan = oracle.plan(place)
        for column, (name, terms) in enumerate(TERMS.items()):
            for title, term in terms.items():
                others = [other for other in terms.values() if other is not term]
                table = table_of(term)
                row = tabulate(table, world.workload, decisions_of(plan), (1,), only=[column], without=others)[0]
                value = evaluate(term, world.workload, plan)
                if name in PHASES:
                    value *= margin_factor(world.workload, plan.stack, plan.method, title)
                memory = name in PHASES or name == "host"
                assert row[column] == pytest.approx(whole_bytes(value) if memory else value, rel=1e-15)
                assert not np.delete(row, column).any()


def test_each_term_is_in_one_table() -> None:
    """Every term of every phase and resource is in exactly one of the tables, in the column of its name."""
    placed = [(column, term.function) for table in TABLES for term in placed_terms(table) for column in term.columns]
    expected = [(COLUMNS.index(name), term) for name, terms in TERMS.items() for term in terms.values()]
    assert sorted(map(str, placed)) == sorted(map(str, expected))
    assert tuple(TERMS) == COLUMNS


def test_a_term_of_both_tables_is_refused() -> None:
    """A formula that mixes how states and how activations are kept cannot be tabulated apart."""

    def both(workload: Any, *, optimizer: str, attention: str) -> float:
        return float(len(optimizer + attention) * workload.steps)

    with pytest.raises(PlannerError, match="both mixes"):
        table_of(both)


def test_a_rule_of_both_tables_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither can a rule."""

    def both(workload: Any, *, sharding: str, loss: str) -> bool:
        return bool(workload) and sharding != loss

    monkeypatch.setattr("planner.solver.legality.RULES", (*RULES, Rule("all is well", both)))
    rules_of.cache_clear()
    with pytest.raises(PlannerError, match="all is well mixes both tables"):
        rules_of("state")
    rules_of.cache_clear()


def test_each_rule_is_in_one_table() -> None:
    """Every rule is checked once: for rows of a table, for a family, a family on a GPU type, or a machine."""
    places = ("state", "activation", "activation on gpu", "family", "family on gpu", "machine")
    assert sorted(rule.sentence for place in places for rule in rules_of(place)) == sorted(
        rule.sentence for rule in RULES
    )


@trials(20)
@given(scenarios(), st.booleans())
def test_no_plan_is_below_its_bounds(scenario: Scenario, fitting: bool) -> None:
    """Every plan (that fits) has a key, whose bounds on time, cost and peak are not above the plan's own."""
    world = World(scenario, catalog())
    gpu = world.gpus[0]
    oracle = oracle_of(world, gpu)
    bounds = family_bounds(world)
    keys = keys_of(world, gpu, world.offers, bounds, fitting=fitting)
    places = {}
    for number in range(len(keys)):
        family = bounds[keys.family[number]]
        chosen = {name: int(column[keys.schedule[number]]) for name, column in family.schedules.columns.items()}
        places[_key(world.offers[keys.offer[number]], {**family.family.values(), **chosen})] = number
    for place in np.flatnonzero(oracle.feasible("cost" if fitting else "memory"))[:: max(1, len(oracle.plans) // 60)]:
        plan = oracle.plan(int(place))
        key = places[_key(plan.offer, vars(plan))]
        assert keys.seconds_bound[key] <= oracle.plans.seconds[place] * (1 + 1e-12)
        assert keys.cost_bound[key] <= oracle.plans.cost[place] * (1 + 1e-12)
        assert keys.peak_bound[key] <= oracle.plans.peak_bytes[place]


def _key(offer: Offer, values: dict[str, Any]) -> tuple[Any, ...]:
    """What tells one key from another: the offer, the family and the schedule."""
    names = {*SCHEDULE, *(each.name for each in fields(Family))} - {"stack"}
    return (id(offer), values["stack"].name, *(values[name] for name in sorted(names)))


SMALL = arrays.arrays(np.float64, (2, 7, 3), elements=st.integers(0, 3).map(float))


@trials(100)
@given(SMALL)
def test_dominated_rows_lose_to_a_simpler_one(values: NDArray[np.float64]) -> None:
    """A row is dropped exactly if an earlier one of its key is nowhere larger; such a one is among those kept."""
    dropped = dominated(values)
    for key, rows in enumerate(values):
        for place, row in enumerate(rows):
            better = [other for other in range(place) if (rows[other] <= row).all()]
            assert dropped[key, place] == bool(better)
            assert not better or any(not dropped[key, other] for other in better)


def solved(world: World, everything: bool = False) -> list[tuple[Any, ...]]:
    """For each GPU type the best plan, its amounts in steps and its place; on all offers if `everything` counts."""
    solver, answers = Solver(world, seconds=600), []
    for gpu in world.gpus:
        offers = tuple(offer for offer in world.offers if offer.gpu == gpu.name)
        kept = offers if everything else solver.offers[gpu.name]
        machine, proof = MachineSearch(world, gpu, kept, solver.bounds, solver.objective), Proof()
        found = machine.solve(proof, seconds=600)
        assert proof.proved
        answers.append((None, ()) if found is None else (found.plan, found.order[:2]))
    return answers


@trials(20)
@given(scenarios())
def test_dominance_removes_no_optimum(scenario: Scenario) -> None:
    """Without dropping dominated rows the same plan comes out."""
    world = World(scenario, catalog())

    def nothing(values: NDArray[np.float64]) -> NDArray[np.bool_]:
        return np.zeros(values.shape[:2], dtype=bool)

    quick = solved(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner.solver.block, "dominated", nothing)
        assert solved(world) == quick


@trials(40)
@given(scenarios())
def test_dropped_offers_are_in_no_better_plan(scenario: Scenario) -> None:
    """With all offers the optimum costs and takes as many steps as with those that no other offer beats."""
    world = World(scenario, catalog())
    everything = [amounts for _, amounts in solved(world, everything=True)]
    assert everything == [amounts for _, amounts in solved(world)]
