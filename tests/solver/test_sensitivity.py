"""What changes an answer: thresholds against an enumeration of all plans, and laws that every limit keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle
from worlds import catalog, oracles, scenarios, sized, trials

from planner.catalog import load_catalog
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario
from planner.solver.candidate import LEAST_COST_STEP
from planner.solver.sensitivity.answer import LimitEffect, PriceChange, Sensitivity
from planner.solver.sensitivity.limits import Budget, Deadline, GpuMemory, Gpus, Limit, OomRisk
from planner.solver.sensitivity.prices import MOST_FACTOR
from planner.solver.sensitivity.reach import reaches
from planner.solver.sensitivity.search import Searches
from planner.solver.sensitivity.solve import sensitivity
from planner.solver.sensitivity.staircase import limit_effect
from planner.solver.session import Solver
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import GIB, Money

ROOT = Path(__file__).parents[2]
TOLERANCE = 4e-3
"""Amounts and limits are told apart in steps of at most a thousandth each."""
ALL_GPUS = 64

Plans = tuple[np.ndarray, np.ndarray]
"""What each plan needs of a limit, and the amount that is minimised; of those that keep the other limits."""


def nearly(amount: float) -> float:
    """What counts as equal to an amount."""
    return TOLERANCE * abs(amount) + 4 * LEAST_COST_STEP


def needs_of(kind: type[Limit], known: list[Oracle], scenario: Scenario) -> Plans:
    """Every plan, written down by the oracle."""
    needs, amounts = [], []
    for oracle in known:
        plans, ask = oracle.plans, oracle.ask
        slower = np.array([ask.slower(names["stack"]) for names in plans.names] or [1.0])
        counted = plans.seconds * (slower[plans.which] if len(plans) else 1.0)
        budget = World(scenario, ask.catalog).budget
        deadline = scenario.limits.deadline_seconds or math.inf
        lacking = plans.peak_bytes - ask.capacity_bytes
        used = {Deadline: counted, Budget: plans.cost, Gpus: plans.numbers["gpus"], GpuMemory: lacking}
        keeps = {Deadline: counted <= deadline, Budget: plans.cost <= budget, GpuMemory: lacking <= 0}
        keeps[Gpus] = plans.numbers["gpus"] <= scenario.search.max_gpus
        others = np.ones(len(plans), dtype=bool)
        for name, holds in keeps.items():
            others &= holds | (name is kind)
        needs.append(used[kind][others].astype(float))
        amounts.append((plans.seconds if scenario.prefer == "time" else plans.cost)[others])
    return np.concatenate(needs), np.concatenate(amounts)


def best_at(plans: Plans, value: float) -> float:
    """The least amount with so much of the limit."""
    needs, amounts = plans
    return float(amounts[needs <= value].min(initial=math.inf))


def assert_staircase(effect: LimitEffect, plans: Plans, amount: Callable[[Any], float], slack: float) -> None:
    """At a fine grid of values, no plan is better than the level says, and one is as good."""
    levels = effect.levels
    needs = np.unique(plans[0])
    grid = np.unique(np.concatenate([needs, needs + slack, [level.at for level in levels]]))
    loosest = math.inf if effect.searched is None else effect.searched
    for value in grid[grid <= loosest][:: max(1, len(grid) // 400)]:
        if value <= effect.least - abs(effect.least) * TOLERANCE - slack:
            assert best_at(plans, value) == math.inf, told(effect, value, (best_at(plans, value), math.inf))
        for place, level in enumerate(levels):
            following = levels[place + 1].at if place + 1 < len(levels) else math.inf
            if place + 1 == len(levels) and effect.current is None:
                following = level.at
            left_out = (effect.gap_tighter and place == 0) or (effect.gap_looser and place == len(levels) - 2)
            if level.at * (1 + 1e-9) + slack <= value:
                known = best_at(plans, value), amount(level.candidate)
                assert known[0] <= known[1] + nearly(known[1]), told(effect, value, known)
            inside = level.at <= value < following - abs(following) * TOLERANCE - slack
            if inside and not left_out and following < math.inf:
                known = best_at(plans, value), amount(level.candidate)
                assert known[0] >= known[1] - nearly(known[1]), told(effect, value, known)


def told(effect: LimitEffect, value: float, known: tuple[float, float]) -> str:
    """A failure in a line."""
    levels = [(each.at, float(each.candidate.estimate.cost), each.candidate.estimate.seconds) for each in effect.levels]
    gaps = effect.gap_tighter, effect.gap_looser
    return f"{effect.limit} {value}: {known[0]} of all plans, {known[1]} told; {levels}, left out {gaps}"


def assert_laws(effect: LimitEffect, amount: Callable[[Any], float]) -> None:
    """With more of a limit, nothing gets worse; what is told is proved, and each level better than the one before."""
    assert effect.proved
    levels = effect.levels
    for tighter, looser in pairwise(levels):
        assert tighter.at < looser.at
        assert amount(looser.candidate) < amount(tighter.candidate)
    if effect.current is not None:
        assert effect.held.at <= effect.current * (1 + 1e-9)
        assert all(each.at > effect.current for each in effect.looser)
    if effect.one_more is not None:
        assert amount(effect.one_more) <= amount(effect.held.candidate)


def limited(scenario: Scenario, known: list[Oracle], rank: float) -> Scenario:
    """Limits among the amounts of the plans that fit, so that they may bind."""
    seconds = np.concatenate([each.plans.seconds[each.plans.peak_bytes <= each.ask.capacity_bytes] for each in known])
    cost = np.concatenate([each.plans.cost[each.plans.peak_bytes <= each.ask.capacity_bytes] for each in known])
    if not len(seconds):
        return scenario
    time, money = (float(np.sort(each)[int(rank * (len(each) - 1))]) for each in (seconds, cost))
    if scenario.prefer == "time":
        return scenario.replace(budget=Money(Decimal(repr(money * 1.2)), scenario.currency))
    return scenario.replace(deadline_seconds=time * 1.5)


KINDS = (Deadline, Budget, Gpus, GpuMemory)


@sized(6, 150)
def test_thresholds_are_those_of_all_plans(count: int) -> None:
    """Deadline, budget, GPUs and memory of random worlds, whatever is minimised."""
    checked = dict.fromkeys(KINDS, 0)

    @trials(count)
    @given(scenarios(most_gpus=2), st.sampled_from(("cost", "time")), st.sampled_from((0.02, 0.3)))
    def check(scenario: Scenario, prefer: Any, rank: float) -> None:
        wide = scenario.replace(prefer=prefer, max_gpus=ALL_GPUS)
        known = oracles(wide)
        asked = limited(wide.replace(max_gpus=4), known, rank)
        world = World(asked, catalog())
        best = solve(world, explain=False).best
        if best is None:
            return
        searches = Searches(Solver(world, 600.0))
        for kind in KINDS:
            limit = kind(searches)
            if limit.current is None and limit.key == {"cost": "budget", "time": "deadline"}[prefer]:
                continue
            effect = limit_effect(limit, best)
            assert_laws(effect, searches.amount)
            plans = needs_of(kind, known, asked)
            within = plans[0] <= ALL_GPUS if kind is Gpus else np.ones(len(plans[0]), dtype=bool)
            bounded = replace(effect, searched=ALL_GPUS) if kind is Gpus else effect
            if kind is Gpus and any(each.at > ALL_GPUS for each in effect.looser):
                continue
            slack = {GpuMemory: 2.0**21, Gpus: 0.0}.get(kind, 0.0)
            assert_staircase(bounded, (plans[0][within], plans[1][within]), searches.amount, slack)
            checked[kind] += 1

    check()
    assert all(checked.values()), checked


@sized(3, 100)
def test_prices_change_the_plan_where_all_plans_say_so(count: int) -> None:
    """Just before a threshold nothing is better than the plan, just beyond something is."""
    changes = []

    @trials(count)
    @given(scenarios(most_gpus=2))
    def check(scenario: Scenario) -> None:
        world = World(scenario, catalog())
        found = sensitivity_of_prices(world)
        best = found.answer.best
        for effect in found.prices if best else ():
            if effect.price != "offer":
                continue
            for change, end in ((effect.lower, 1 / MOST_FACTOR), (effect.higher, MOST_FACTOR)):
                if change is not None:
                    changes.append(change.at is not None)
                    assert_change(world, found, effect.name, effect.current, change, end)

    check()
    assert any(changes)
    assert not all(changes)


def sensitivity_of_prices(world: World) -> Sensitivity:
    """The prices alone."""
    from planner.solver.sensitivity.prices import price_effects

    answer = solve(world)
    if answer.best is None:
        return Sensitivity(world, answer, answer.proof)
    searches = Searches(Solver(world, 600.0))
    return Sensitivity(world, answer, searches.proof, prices=tuple(f() for _, f in price_effects(searches, answer)))


def assert_change(world: World, found: Sensitivity, name: str, current: float, change: PriceChange, end: float) -> None:
    """Against the enumeration with the price changed."""
    assert found.answer.best is not None
    assert change.proved
    chosen = found.answer.best.plan
    threshold = end if change.at is None else change.at / current
    for factor, beaten in ((1 + (threshold - 1) * 0.99, False), (threshold + (threshold - 1) * 0.05, True)):
        if beaten and change.at is None:
            continue
        offers = tuple(
            each.model_copy(update={"price_per_gpu_hour": each.price_per_gpu_hour * Decimal(repr(factor))})
            if each.name == name
            else each
            for each in world.scenario.offers
        )
        scenario = world.scenario.replace(offers=offers)
        changed = World(scenario, world.catalog)
        plan = replace(chosen, offer=next(each for each in offers if each.name == chosen.offer.name))
        cost = float(changed.estimate(plan).cost)
        least = min(each.least("cost", slack=0.0) for each in oracles(scenario))
        if not beaten:
            assert cost <= least + nearly(least)
        elif abs(threshold - 1) > 0.05:
            assert cost > least


def test_a_price_at_which_the_budget_ends() -> None:
    """Where the price of the fastest plan exceeds the budget, and below which a faster one keeps it."""
    scenario = read_scenario(ROOT / "scenarios" / "8b-lora-fastest.yaml", catalog=catalog())
    scenario = scenario.replace(gpu=("H100 SXM",), provider=("vast.ai",))
    world = World(scenario, catalog())
    found = sensitivity_of_prices(world)
    assert found.answer.best is not None
    effect = found.prices[0]
    assert effect.higher is not None
    assert effect.lower is not None
    cost = float(found.answer.best.estimate.cost)
    assert effect.higher.reason == "over_budget"
    assert effect.higher.at == pytest.approx(effect.current * world.budget / cost)
    assert effect.higher.after is not None
    assert effect.higher.after.estimate.seconds > found.answer.best.estimate.seconds
    assert effect.lower.reason == "affordable"
    assert effect.lower.after is not None
    assert effect.lower.at is not None
    faster = effect.lower.after.estimate
    assert faster.seconds < found.answer.best.estimate.seconds
    assert float(faster.cost) * effect.lower.at / effect.current == pytest.approx(world.budget, rel=TOLERANCE)


def test_over_budget_without_another_plan() -> None:
    """The cheapest plan leaves no other one to a budget."""
    scenario = read_scenario(ROOT / "scenarios" / "7b-qlora-4090.yaml", catalog=catalog())
    scenario = scenario.replace(budget=Money(Decimal("0.351"), "USD"), provider=("akash",))
    effect = sensitivity_of_prices(World(scenario, catalog())).prices[0]
    assert effect.higher is not None
    assert (effect.higher.reason, effect.higher.after) == ("over_budget", None)


@pytest.mark.parametrize("risk", [1e-4, 0.003, 0.02, 0.3])
def test_risks_are_those_of_solving_anew(risk: float) -> None:
    """The plan at a risk is that of the level below it."""
    world, effect, searches = risks()
    again = solve(world.relaxed(oom_risk=risk), explain=False).best
    assert_laws(effect, searches.amount)
    reached = [each for each in effect.levels if each.at <= risk]
    assert again is not None
    assert reached
    assert not (effect.gap_looser or effect.gap_tighter) or reached[-1] in effect.levels[1:-1]
    assert searches.amount(again) == pytest.approx(searches.amount(reached[-1].candidate), rel=TOLERANCE)


@cache
def risks() -> tuple[World, LimitEffect, Searches]:
    """QLoRA on 24 GB: a plan that is near to the memory's end."""
    scenario = read_scenario(ROOT / "scenarios" / "7b-qlora-4090.yaml", catalog=load_catalog())
    world = World(scenario.replace(stack=("hf-trainer",), loss=("full",), optimizer=("adamw",)), load_catalog())
    best = solve(world, explain=False).best
    assert best is not None
    searches = Searches(Solver(world, 600.0))
    return world, limit_effect(OomRisk(searches), best), searches


@pytest.mark.parametrize("name", ["7b-qlora-4090", "8b-lora-fastest", "8b-full-8-h100"])
def test_reaches_end_at_the_next_value(name: str, answer_of: Callable[[str], Any]) -> None:
    """The largest micro-batch and the longest sequence fit; with one more, the memory or a rule ends."""
    answer = answer_of(name)
    world, best = answer.world, answer.best
    micro, sequence = reaches(world, best)
    ranks = best.plan.gradient_accumulation * best.plan.data_parallel
    for value, fits in ((micro.most, True), (micro.most + 1, False)):
        grown = world.relaxed(global_batch=value * ranks)
        assert grown.estimate(replace(best.plan, micro_batch=value)).fits == fits
    unit = 2 * best.plan.context_parallel if best.plan.context_parallel > 1 else 1
    for value, fits in ((sequence.most, True), (sequence.most + unit, False)):
        assert world.relaxed(sequence_length=value).estimate(best.plan).fits == fits
    assert (micro.limit, sequence.limit) == ("gpu_memory", "gpu_memory")
    assert micro.of_batch is not None
    assert micro.of_batch >= best.plan.micro_batch
    assert sequence.candidate.estimate.fits


def test_a_rule_can_end_a_sequence(answer_of: Callable[[str], Any]) -> None:
    """Learned positions end before the memory does."""
    answer = answer_of("7b-qlora-4090")
    job = answer.world.scenario.job
    learned = job.architecture.model_copy(update={"position": "learned", "max_positions": 2050})
    world = answer.world.relaxed(architecture=learned)
    best = solve(world, explain=False).best
    assert best is not None
    _, sequence = reaches(world, best)
    assert (sequence.most, sequence.limit) == (2050, "learned positions end at the model's max_positions")


def test_everything_of_a_shipped_scenario() -> None:
    """Every limit and price, all proved, with progress; the deadline's levels are on the frontier's side."""
    told: list[str] = []
    scenario = read_scenario(ROOT / "scenarios" / "8b-whole-bill.yaml", catalog=catalog())
    world = World(scenario.replace(stack=("hf-trainer",)), catalog())
    found = sensitivity(world, progress=told.append)
    assert found.proof.proved
    assert not found.missing
    assert [each.limit for each in found.limits] == ["deadline", "budget", "max_gpus", "gpu_memory", "oom_risk"]
    assert [each.price for each in found.prices if each.is_chosen] == ["offer", "storage", "egress", "tax"]
    assert found.answer.best is not None
    parts, cost = found.answer.best.estimate.cost_parts, float(found.answer.best.estimate.cost)
    percents = {each.price: each.cost_per_percent * 100 for each in found.prices if each.is_chosen}
    assert percents["tax"] == pytest.approx(float(parts["tax"]), abs=1e-4)
    assert sum(percents[each] for each in ("offer", "storage", "egress")) == pytest.approx(cost, abs=1e-3)
    assert any(text.startswith("gpu_memory: H100 SXM: ") and "best so far" in text for text in told)
    assert any("bound" in text for text in told)


def test_one_more_gib_is_the_plan_with_a_gib_more() -> None:
    """As if every GPU had it."""
    scenario = read_scenario(ROOT / "scenarios" / "7b-qlora-4090.yaml", catalog=catalog())
    reserve = 5 * GIB // 2
    world = World(scenario.replace(gpu_memory_reserve_bytes=reserve), catalog())
    best = solve(world, explain=False).best
    assert best is not None
    searches = Searches(Solver(world, 600.0))
    effect = limit_effect(GpuMemory(searches), best)
    again = solve(world.relaxed(gpu_memory_reserve_bytes=reserve - GIB), explain=False).best
    assert again is not None
    assert effect.one_more is not None
    worth = searches.amount(best) - searches.amount(effect.one_more)
    assert worth > 0
    assert worth == pytest.approx(searches.amount(best) - searches.amount(again), abs=nearly(searches.amount(best)))


def test_without_time_nothing_is_claimed() -> None:
    """Neither a plan nor what would change it."""
    scenario = read_scenario(ROOT / "scenarios" / "8b-whole-bill.yaml", catalog=catalog())
    world = World(scenario.replace(stack=("hf-trainer",)), catalog())
    none = sensitivity(world, seconds=0.0)
    assert (none.answer.status, none.limits, none.reaches) == ("unknown", (), ())
