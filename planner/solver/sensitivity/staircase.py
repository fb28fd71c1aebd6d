"""How the best plan depends on one limit: a staircase, every edge of it proved by completed searches.

Less of a limit is never better, so the best amount over the values of a limit is a staircase. From one level to the
next looser one leads the plan that needs least of the limit among those that are better by a step; to the next tighter
one the best plan with less than what this level needs (the epsilon-constraint method, Haimes, Lasdon and Wismer 1971,
with the limit and what is minimised in turn). No grid is searched, so that no level is overlooked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal

from planner.solver.candidate import LEAST_COST_STEP, Candidate
from planner.solver.sensitivity.answer import Level, LimitEffect, LimitKey
from planner.solver.sensitivity.search import Searches, lacking_bytes
from planner.solver.world import World
from planner.units import GIB, MIB, Money

JUST_LESS = 1e-3
"""Share of a value that is at least a step of the search for the least one (see `Resolution.of`)."""
UNLIMITED_GPUS = 1024
MOST_MEMORY_BYTES = 64 * GIB
"""More memory that is looked at: what the largest GPUs of a generation have more than the usual ones."""
LIKELY = 0.5
"""The highest risk that is looked at: beyond it a plan is more likely to fail than not."""
LEAST_RISK = 1e-6
MOST_DESCENTS = 24
"""Plans that are looked at one after the other for the one that accepts the least risk."""


class Limit(ABC):
    """One limit whose value is changed; `best` and `least` are the two questions that its staircase is made of."""

    key: LimitKey
    unit: float
    least_possible = -math.inf
    """Values below that mean nothing."""
    most_levels = 2
    """Levels to each side that are searched one by one, before the last one."""

    def __init__(self, searches: Searches) -> None:
        self.searches = searches

    @property
    def world(self) -> World:
        """The scenario as it is."""
        return self.searches.world

    @property
    @abstractmethod
    def current(self) -> float | None:
        """The value in the scenario; None if there is no such limit."""

    @property
    def loosest(self) -> float | None:
        """The loosest value that is looked at; None for no limit at all."""
        return None

    @abstractmethod
    def at(self, value: float | None) -> World:
        """The world with another value, or without the limit."""

    @abstractmethod
    def least(self, amount: float) -> Level | None:
        """The least value with which something as good as an amount of what is minimised is possible."""

    def less(self, value: float) -> float:
        """A value that is less by a step."""
        return value * (1 - JUST_LESS)


class Deadline(Limit):
    """The deadline, in seconds."""

    key: LimitKey = "deadline"
    unit = 3600.0

    @property
    def current(self) -> float | None:
        """As given."""
        return self.world.scenario.limits.deadline_seconds

    def at(self, value: float | None) -> World:
        """Another deadline."""
        return self.world.relaxed(deadline_seconds=value)

    def least(self, amount: float) -> Level | None:
        """The soonest plan that is as good."""
        found = self.searches.soonest(self.searches.capped(self.at(None), amount))
        return None if found is None else Level(found.estimate.counted_seconds, found)


class Budget(Limit):
    """The budget, in the scenario's currency."""

    key: LimitKey = "budget"

    @property
    def unit(self) -> float:  # type: ignore[override]
        """A tenth of the budget."""
        return (self.current or 0.0) / 10

    @property
    def current(self) -> float | None:
        """As given, converted."""
        return None if self.world.scenario.limits.budget is None else self.world.budget

    def at(self, value: float | None) -> World:
        """Another budget."""
        money = None if value is None else Money(Decimal(repr(value)), self.world.scenario.currency)
        return self.world.relaxed(budget=money)

    def least(self, amount: float) -> Level | None:
        """The cheapest plan that is as good."""
        found = self.searches.cheapest(self.searches.capped(self.at(None), amount))
        return None if found is None else Level(float(found.estimate.cost), found)

    def less(self, value: float) -> float:
        """A thousandth less, and not below what costs are told apart by."""
        return min(value * (1 - JUST_LESS), value - 2 * LEAST_COST_STEP)


class Gpus(Limit):
    """The largest number of GPUs."""

    key: LimitKey = "max_gpus"
    unit = 1.0
    least_possible = 1.0

    @property
    def current(self) -> float | None:
        """As given, or assumed."""
        return float(self.world.scenario.search.max_gpus)

    @property
    def loosest(self) -> float | None:
        """More than anybody rents."""
        return float(UNLIMITED_GPUS)

    def at(self, value: float | None) -> World:
        """Another number."""
        return self.world.relaxed(max_gpus=UNLIMITED_GPUS if value is None else round(value))

    def least(self, amount: float) -> Level | None:
        """By halving between what is too few and what some plan uses."""
        found = self._within(None, amount)
        if found is None:
            return None
        too_few = 0
        while found.plan.gpus - too_few > 1:
            middle = (too_few + found.plan.gpus) // 2
            fewer = self._within(middle, amount)
            if fewer is None:
                too_few = middle
            else:
                found = fewer
        return Level(float(found.plan.gpus), found)

    def _within(self, value: float | None, amount: float) -> Candidate | None:
        return self.searches.any_within(self.searches.capped(self.at(value), amount))

    def less(self, value: float) -> float:
        """One less."""
        return value - 1


class GpuMemory(Limit):
    """Bytes more than every GPU has; 0 is as it is."""

    key: LimitKey = "gpu_memory"
    unit = float(GIB)

    @property
    def current(self) -> float | None:
        """As it is."""
        return 0.0

    def at(self, value: float | None) -> World:
        """Every GPU with so much more, or with the most that is looked at."""
        value = MOST_MEMORY_BYTES if value is None else value
        return self.world.relaxed(gpu_memory_reserve_bytes=self._reserve - math.ceil(value))

    @property
    def loosest(self) -> float | None:
        """A large GPU's more."""
        return float(MOST_MEMORY_BYTES)

    @property
    def _reserve(self) -> int:
        return self.world.scenario.limits.gpu_memory_reserve_bytes

    def least(self, amount: float) -> Level | None:
        """The plan as good that lacks least."""
        found = self.searches.least_lacking(self.searches.capped(self.world, amount))
        lacking = MOST_MEMORY_BYTES if found is None else lacking_bytes(found) + self._reserve
        return None if found is None or lacking > MOST_MEMORY_BYTES else Level(lacking, found)

    def less(self, value: float) -> float:
        """A MiB less."""
        return value - MIB


class OomRisk(Limit):
    """The accepted probability that a plan exceeds its GPU's memory."""

    key: LimitKey = "oom_risk"
    unit = 0.01
    least_possible = LEAST_RISK
    most_levels = 1

    @property
    def current(self) -> float | None:
        """As given, or assumed."""
        return self.world.scenario.limits.oom_risk

    @property
    def loosest(self) -> float | None:
        """As likely as not."""
        return max(LIKELY, self.world.scenario.limits.oom_risk)

    def at(self, value: float | None) -> World:
        """Another risk."""
        return self.world.relaxed(oom_risk=self.loosest if value is None else value)

    def least(self, amount: float) -> Level | None:
        """From plan to plan, each of which accepts less risk than the one before, until there is none."""
        value = self.loosest or LIKELY
        level: Level | None = None
        for _ in range(MOST_DESCENTS):
            found = self.searches.any_within(self.searches.capped(self.at(value), amount))
            if found is None:
                return level
            level = Level(self._risk_of(found, value), found)
            value = self.less(level.at)
            if value < LEAST_RISK:
                return level
        self.searches.proof.proved = False
        return level

    def _risk_of(self, candidate: Candidate, enough: float) -> float:
        """The least risk at which a plan counts as fitting, by halving of its logarithm."""
        too_little = LEAST_RISK
        if self._fits(candidate, too_little):
            return too_little
        while enough / too_little > 1 + JUST_LESS:
            middle = math.sqrt(enough * too_little)
            if self._fits(candidate, middle):
                enough = middle
            else:
                too_little = middle
        return enough

    def _fits(self, candidate: Candidate, risk: float) -> bool:
        return self.at(risk).estimate(candidate.plan).fits


def limit_effect(limit: Limit, chosen: Candidate) -> LimitEffect:
    """The staircase of one limit around the chosen plan."""
    searches = limit.searches
    before, searches.proof.proved = searches.proof.proved, True
    held = limit.least(searches.amount(chosen) + searches.step(chosen))
    held = Level(held.at if held else _used(limit, chosen), chosen)
    looser, gap_looser = _looser(limit, chosen)
    tighter, gap_tighter = _tighter(limit, held)
    one_more = _one_more(limit, looser, gap_looser)
    proved, searches.proof.proved = searches.proof.proved, before and searches.proof.proved
    return LimitEffect(
        limit=limit.key,
        current=limit.current,
        held=held,
        looser=looser,
        tighter=tighter,
        gap_looser=gap_looser,
        gap_tighter=gap_tighter,
        unit=limit.unit,
        one_more=one_more,
        searched=limit.loosest,
        proved=proved,
    )


def _used(limit: Limit, chosen: Candidate) -> float:
    """What the plan itself needs, where time did not suffice to look for less."""
    estimate = chosen.estimate
    return {
        "deadline": estimate.counted_seconds,
        "budget": float(estimate.cost),
        "max_gpus": float(chosen.plan.gpus),
        "gpu_memory": float(estimate.required_bytes - estimate.capacity_bytes),
        "oom_risk": 1 - estimate.fit_probability,
    }[limit.key]


def _looser(limit: Limit, chosen: Candidate) -> tuple[tuple[Level, ...], bool]:
    """Better levels in rising order, and whether some are left out before the last."""
    if limit.current is None:
        return (), False
    levels: list[Level] = []
    for level in _rising(limit, chosen):
        levels.append(level)
        if len(levels) == limit.most_levels:
            break
    else:
        return tuple(levels), False
    last = _loosest(limit)
    if last is None or last.at <= levels[-1].at:
        return tuple(levels), False
    following = limit.least(limit.searches.amount(levels[-1].candidate) - limit.searches.step(levels[-1].candidate))
    return (*levels, last), following is None or following.at < last.at


def _rising(limit: Limit, candidate: Candidate) -> Iterator[Level]:
    """Each next level with more of the limit."""
    searches = limit.searches
    while (level := limit.least(searches.amount(candidate) - searches.step(candidate))) is not None:
        candidate = searches.best(limit.at(level.at)) or level.candidate
        yield Level(level.at, candidate)


def _loosest(limit: Limit) -> Level | None:
    """The best that the limit can bring, and from where on."""
    searches = limit.searches
    best = searches.best(limit.at(None))
    if best is None:
        return None
    level = limit.least(searches.amount(best) + searches.step(best))
    return None if level is None else Level(level.at, best)


def _tighter(limit: Limit, held: Level) -> tuple[tuple[Level, ...], bool]:
    """Levels below in falling order, and whether some are left out before the last."""
    levels: list[Level] = []
    for level in _falling(limit, held):
        levels.append(level)
        if len(levels) == limit.most_levels:
            break
    else:
        return tuple(levels), False
    last = limit.least(float("inf"))
    if last is None or last.at >= levels[-1].at:
        return tuple(levels), False
    best = limit.searches.best(limit.at(last.at)) or last.candidate
    following = limit.searches.best(limit.at(limit.less(levels[-1].at)))
    tie = None if following is None else limit.searches.amount(best) - limit.searches.amount(following)
    return (*levels, Level(last.at, best)), tie is None or tie > limit.searches.step(best)


def _falling(limit: Limit, level: Level) -> Iterator[Level]:
    """Each next level with less of the limit."""
    searches = limit.searches
    while (value := limit.less(level.at)) >= limit.least_possible:
        found = searches.best(limit.at(value))
        if found is None:
            return
        least = limit.least(searches.amount(found) + searches.step(found))
        level = Level(min(least.at, value) if least else value, found)
        yield level


def _one_more(limit: Limit, looser: tuple[Level, ...], has_gap: bool) -> Candidate | None:
    """The best plan with one unit more."""
    if limit.current is None or not looser:
        return None
    value = limit.current + limit.unit
    reached = [each for each in looser if each.at <= value]
    if not reached:
        return None
    if has_gap and len(reached) == len(looser) - 1:
        return limit.searches.best(limit.at(value)) or reached[-1].candidate
    return reached[-1].candidate
