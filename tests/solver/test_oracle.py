"""The oracle itself, and the solver against it on random small worlds."""

from __future__ import annotations

import math

import pytest
from comparison import OBJECTIVES, Objective, agree
from hypothesis import assume, given, seed
from hypothesis import strategies as st
from oracle import Ask, Oracle, every_plan
from worlds import Tightness, catalog, catalogs, limited, oracles, scenarios, sized, tightnesses, trials

from planner.catalog import Catalog
from planner.scenario.model import Scenario
from planner.solver.solve import solve
from planner.solver.world import World


@trials(8)
@given(scenarios(), catalogs())
def test_the_arrays_are_the_plans_one_by_one(scenario: Scenario, known: Catalog) -> None:
    """On tiny spaces the oracle's arrays hold exactly the legal plans of a plain loop, with the same amounts."""
    tiny = scenario.replace(
        max_gpus=2,
        stack=(scenario.search.stack or ("hf-trainer",))[:1],
        micro_batch=(1,),
        tensor_parallel=(1, 2),
        pipeline_parallel=(1,),
        context_parallel=(1,),
        expert_parallel=(1,),
        attention=("sdpa",),
        optimizer=("adamw",),
        loss_chunks=(1, 4),
        mlp_chunks=(1,),
        checkpointed_layers=(0, scenario.job.architecture.layers),
        offers=scenario.offers[:1],
    )
    (oracle,) = oracles(tiny, known)
    plans, seen = oracle.plans, set()
    for plan, estimate in every_plan(oracle.ask):
        place = oracle.place_of(plan)
        assert place is not None
        seen.add(place)
        assert plans.peak_bytes[place] == estimate.required_bytes
        assert math.isclose(plans.seconds[place], estimate.seconds, rel_tol=1e-12)
        assert math.isclose(plans.cost[place], float(estimate.cost), rel_tol=1e-9, abs_tol=1e-6)
        assert oracle.plan(place) == plan
    assert len(seen) == len(plans)


def _one_world(scenario: Scenario, known: Catalog, tightness: Tightness, objective: Objective) -> bool:
    """Whether solver and oracle, who agree, have a plan."""
    (oracle,) = oracles(scenario, known)
    oracle = limited(oracle, tightness)
    return agree(oracle.ask.scenario, oracle, objective) is not None


@pytest.mark.parametrize("objective", OBJECTIVES)
@sized(60, 1000)
def test_random_worlds(objective: Objective, count: int) -> None:
    """The same optimum, the same plan and the same infeasible cases, neither of them rare, for each objective."""
    answers = []

    @seed(OBJECTIVES.index(objective))
    @trials(count)
    @given(scenarios(), catalogs(), tightnesses())
    def worlds(scenario: Scenario, known: Catalog, tightness: Tightness) -> None:
        answers.append(_one_world(scenario, known, tightness, objective))

    worlds()
    assert len(answers) >= count
    assert 1 / 6 <= answers.count(False) / len(answers) <= 2 / 3


@trials(12)
@given(scenarios(most_gpus=3), catalogs(), st.sampled_from(("cost", "time")), st.integers(1, 4))
def test_the_best_gpu_type_wins(scenario: Scenario, known_catalog: Catalog, prefer: str, workers: int) -> None:
    """Over several GPU types the answer is the cheapest (or fastest) of their optima."""
    scenario = scenario.replace(prefer=prefer)
    objective: Objective = "time" if prefer == "time" else "cost"
    known = [best for best in (_best(oracle, objective) for oracle in oracles(scenario, known_catalog)) if best]
    answer = solve(World(scenario, known_catalog), seconds=600, workers=workers, explain=False)
    assert answer.status == ("optimal" if known else "infeasible")
    assume(known)
    assert answer.best is not None
    estimate = answer.best.estimate
    chosen = (float(estimate.cost), estimate.seconds)
    assert min(known) == (chosen[::-1] if prefer == "time" else chosen)


def _best(oracle: Oracle, objective: Objective) -> tuple[float, float] | None:
    found = agree(oracle.ask.scenario, oracle, objective)
    if found is None:
        return None
    amounts = (float(found.estimate.cost), found.estimate.seconds)
    return amounts[::-1] if objective == "time" else amounts


def test_the_oracle_prefers_the_simpler_plan() -> None:
    """Of plans that cost and take the same, the one whose first differing decision comes first is the best."""

    @trials(10)
    @given(scenarios())
    def worlds(scenario: Scenario) -> None:
        (oracle,) = oracles(scenario)
        place = oracle.best("cost", math.inf, math.inf, tolerance=0.0)
        fits = oracle.feasible("cost")
        if place is not None:
            assert tuple(oracle.plans.place[place]) == min(map(tuple, oracle.plans.place[fits]))

    worlds()


def test_ask_reads_the_scenario_as_the_solver_does() -> None:
    """The oracle builds the job and the offers itself; they are the solver's."""

    @trials(20)
    @given(scenarios(most_gpus=2))
    def worlds(scenario: Scenario) -> None:
        world = World(scenario, catalog())
        for gpu in world.gpus:
            ask = Ask(scenario, catalog(), gpu)
            assert ask.workload == world.workload
            assert list(ask.offers) == [offer for offer in world.offers if offer.gpu == gpu.name]
            assert ask.capacity_bytes == world.capacity_bytes(gpu)

    worlds()
