"""The frontier of cost against time, held against every plan of small worlds written down, and against `solve`."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, seed
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle import Ask, Oracle
from worlds import catalog, catalogs, oracles, scenarios, sized, trials

from planner.catalog import Catalog
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario
from planner.solver.answer import Answer
from planner.solver.candidate import Resolution
from planner.solver.frontier import Frontier, Point, frontier, undominated_points
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import Money

ROOT = Path(__file__).parents[2]
SHIPPED = sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))
NARROW: dict[str, Any] = {
    "stack": ("hf-fsdp",),
    "method": ("lora", "full"),
    "micro_batch": (1, 2),
    "optimizer": ("adamw",),
    "attention": ("sdpa",),
    "checkpointed_layers": (0, 32),
    "loss_chunks": (1,),
    "mlp_chunks": (1,),
    "offload": ("none",),
    **{f"{kind}_parallel": (1,) for kind in ("tensor", "pipeline", "context", "expert")},
}
"""What leaves few enough plans to write them all down."""
EVERY = 10_000
"""More points than any small world has."""
EDGE = 0.004
"""Of a step: what is that near to its edge may be counted on either side."""

Amounts = NDArray[np.float64]


def amounts_of(known: list[Oracle]) -> tuple[Amounts, Amounts]:
    """Cost and seconds of every plan within the limits, over all GPU types."""
    masks = [oracle.feasible("cost") for oracle in known]
    pairs = list(zip(known, masks, strict=True))
    return (
        np.concatenate([np.zeros(0), *(oracle.plans.cost[mask] for oracle, mask in pairs)]),
        np.concatenate([np.zeros(0), *(oracle.plans.seconds[mask] for oracle, mask in pairs)]),
    )


def written_down(cost: Amounts, seconds: Amounts) -> list[tuple[float, float]]:
    """The exact frontier of plans, the cheapest first."""
    kept: list[tuple[float, float]] = []
    for place in np.lexsort((seconds, cost)):
        if not kept or seconds[place] < kept[-1][1]:
            kept.append((float(cost[place]), float(seconds[place])))
    return kept


def under(known: list[Oracle], deadline: float | None, budget: float | None) -> list[Oracle]:
    """The same plans under limits at some place between the ends of their frontier."""
    exact = written_down(*amounts_of(known))
    scenario = known[0].ask.scenario
    if exact and deadline is not None:
        scenario = scenario.replace(deadline_seconds=exact[-1][1] + deadline * (exact[0][1] - exact[-1][1]))
    if exact and budget is not None:
        amount = exact[0][0] + budget * (exact[-1][0] - exact[0][0])
        scenario = scenario.replace(budget=Money(Decimal(repr(amount)), scenario.currency))
    return [oracle.under(scenario) for oracle in known]


def assert_nothing_beats(point: Point, cost: Amounts, seconds: Amounts) -> None:
    """No plan is as fast and cheaper by a step, none as cheap and faster by a step."""
    steps = point.resolution
    cheaper = cost < point.cost - steps.cost * (1 + EDGE)
    faster = seconds < point.seconds - steps.seconds * (1 + EDGE)
    assert not (cheaper & (seconds <= point.seconds * (1 + 1e-12))).any()
    assert not (faster & (cost <= point.cost)).any()


def assert_covered(amounts: tuple[float, float], found: Frontier) -> None:
    """Some point is, to within a step, as cheap and as fast."""
    cost, seconds = amounts
    assert any(
        each.cost <= cost + each.resolution.cost * (1 + EDGE) + 1e-6
        and each.seconds <= seconds + each.resolution.seconds * (1 + EDGE)
        for each in found.points
    ), amounts


def apart(points: list[tuple[float, float]]) -> bool:
    """Whether each of two neighbours on the exact frontier is more than a step from the other in both amounts."""
    return all(
        dearer[0] - cheaper[0] > 2 * Resolution.fine(*dearer).cost
        and cheaper[1] - dearer[1] > 2 * Resolution.fine(*cheaper).seconds
        for cheaper, dearer in pairwise(points)
    )


def assert_in_order(found: Frontier) -> None:
    """Ever dearer and ever faster, in the exact numbers that are printed."""
    costs: list[Decimal] = [each.candidate.estimate.cost for each in found.points]
    seconds = [each.seconds for each in found.points]
    assert all(left < right for left, right in pairwise(costs))
    assert all(left > right for left, right in pairwise(seconds))


def compared(scenario: Scenario, known: list[Oracle]) -> tuple[int, bool]:
    """The frontier of a scenario is that of all its plans: the number of points, and whether they were told exactly."""
    found = frontier(World(scenario, known[0].ask.catalog), points=EVERY)
    cost, seconds = amounts_of(known)
    exact = written_down(cost, seconds)
    assert (found.status, found.complete) == ("optimal" if exact else "infeasible", True)
    assert_in_order(found)
    for point in found.points:
        assert point.proved
        assert_nothing_beats(point, cost, seconds)
    for amounts in exact:
        assert_covered(amounts, found)
    alone = apart(exact)
    if alone:
        assert len(found.points) == len(exact)
        for point, (least, shortest) in zip(found.points, exact, strict=True):
            assert point.cost == pytest.approx(least, abs=point.resolution.cost * (1 + EDGE) + 1e-6)
            assert point.seconds == pytest.approx(shortest, abs=point.resolution.seconds * (1 + EDGE))
    return len(found.points), alone


@sized(10, 200)
def test_limits_cut_the_frontier(count: int) -> None:
    """Under a deadline and a budget among the amounts of its points: the frontier of the plans that are left."""
    told = []
    share = st.sampled_from((None, 0.5, 0.9, 0.98))

    @seed(1)
    @trials(count)
    @given(scenarios(most_gpus=5), catalogs(), share, share)
    def worlds(scenario: Scenario, own_speeds: Catalog, deadline: float | None, budget: float | None) -> None:
        known = oracles(scenario.replace(max_gpus=16, sharding=None), own_speeds)
        limited = under(known, deadline, budget)
        told.append(compared(limited[0].ask.scenario, limited))

    worlds()
    assert sum(points > 1 for points, _ in told) >= count / 10


@sized(10, 200)
def test_worlds_of_several_gpu_types(count: int) -> None:
    """The frontier runs over all GPU types, also where it is long."""
    told = []

    @seed(2)
    @trials(count)
    @given(scenarios(most_gpus=5))
    def worlds(scenario: Scenario) -> None:
        scenario = scenario.replace(max_gpus=16, sharding=None)
        told.append(compared(scenario, oracles(scenario)))

    worlds()
    assert sum(points > 2 for points, _ in told) >= count / 4
    assert sum(alone for points, alone in told if points > 1) >= count / 4


@pytest.mark.parametrize(("name", "least"), [("8b-fine-tune", 5), ("everything-open", 5)])
def test_every_plan_of_a_narrowed_scenario(name: str, least: int) -> None:
    """With real offers: of some ten thousand plans written down, the frontier is found point by point."""
    scenario = read_scenario(ROOT / "scenarios" / f"{name}.yaml", catalog=catalog()).replace(**NARROW)
    if name == "everything-open":
        scenario = scenario.replace(gpu=("H100 SXM", "A100 80GB SXM", "L40S", "B200", "RTX 4090"))
    known = [Oracle(Ask(scenario, catalog(), gpu)) for gpu in World(scenario, catalog()).gpus]
    points, _ = compared(scenario, known)
    assert points >= least


@trials(12)
@given(scenarios(most_gpus=4), st.integers(2, 4))
def test_of_many_points_some_are_shown(scenario: Scenario, most: int) -> None:
    """At most as many as wanted, all of them on the frontier, its ends among them; and whether there are more."""
    scenario = scenario.replace(max_gpus=16)
    world = World(scenario, catalog())
    every, some = frontier(world, points=EVERY), frontier(world, points=most)
    assert len(some.points) == min(most, len(every.points))
    assert some.complete == (len(every.points) <= most)
    cost, seconds = amounts_of(oracles(scenario))
    for point in some.points:
        assert_nothing_beats(point, cost, seconds)
    for end in (0, -1) if every.points else ():
        assert some.points[end].candidate.plan == every.points[end].candidate.plan


@trials(6)
@given(scenarios())
def test_the_points_do_not_depend_on_the_threads(scenario: Scenario) -> None:
    """The same plans with one worker and with several."""
    world = World(scenario, catalog())
    plans = [[each.candidate.plan for each in frontier(world, workers=workers).points] for workers in (1, 3)]
    assert plans[0] == plans[1]


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios(
    name: str, answer_of: Callable[[str], Answer], frontier_of: Callable[[str], Frontier]
) -> None:
    """Printed points never beat each other, stay within the limits, and end at what `solve` finds."""
    answer, found = answer_of(name), frontier_of(name)
    assert found.status == ("infeasible" if answer.best is None else "optimal")
    assert_in_order(found)
    world = answer.world
    for point in found.points:
        assert point.seconds <= world.deadline_seconds * (1 + 1e-9)
        assert point.cost <= world.budget * (1 + 1e-9) + 1e-6
        assert point.candidate.estimate.fits
    if answer.best is None:
        assert found.answer is not None
        assert found.answer.conflict == answer.conflict
        return
    end = found.points[-1] if world.scenario.prefer == "time" else found.points[0]
    best = answer.best.estimate
    if world.scenario.prefer == "time":
        assert end.seconds == pytest.approx(best.seconds, abs=max(answer.step, end.resolution.seconds))
    else:
        assert end.cost == pytest.approx(float(best.cost), abs=max(answer.step, end.resolution.cost))


def test_the_fastest_end_is_the_fastest_plan() -> None:
    """What `solve` finds where time is preferred."""
    scenario = read_scenario(ROOT / "scenarios" / "8b-fine-tune.yaml", catalog=catalog())
    answer = solve(World(scenario.replace(prefer="time"), catalog()), explain=False)
    end = frontier(World(scenario, catalog())).points[-1]
    assert answer.best is not None
    assert end.seconds == pytest.approx(answer.best.estimate.seconds, abs=2 * end.resolution.seconds)


def test_without_time_nothing_is_claimed() -> None:
    """Undecided without a plan; with some points, neither that they are all nor that there are more."""
    scenario = read_scenario(ROOT / "scenarios" / "8b-lora-fastest.yaml", catalog=catalog())
    world = World(scenario, catalog())
    found = frontier(world, seconds=0.0)
    assert (found.status, found.complete, found.points) == ("unknown", None, ())
    assert found.answer is not None
    assert found.answer.status == "unknown"


def test_the_knee_has_the_least_product() -> None:
    """Up to it, a percent of cost buys more than a percent of time."""
    found = frontier(World(read_scenario(ROOT / "scenarios" / "8b-fine-tune.yaml", catalog=catalog()), catalog()))
    products = [each.cost * each.seconds for each in found.points]
    assert found.knee is not None
    assert products[found.knee] == min(products)
    knee = found.points[found.knee]
    for each in found.points:
        assert math.log(each.cost / knee.cost) + math.log(each.seconds / knee.seconds) >= 0


def test_of_points_that_rounding_left_together_the_dominated_one_goes() -> None:
    """The cheapest first; what is no faster than a cheaper one is left out."""
    found = frontier(World(read_scenario(ROOT / "scenarios" / "8b-fine-tune.yaml", catalog=catalog()), catalog()))
    points = list(found.points)
    assert undominated_points([*points[::-1], points[2]]) == points
