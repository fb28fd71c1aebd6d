"""The limits whose values are changed: the world at another value, and the least value that a plan as good needs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal

from planner.solver.candidate import LEAST_COST_STEP, Candidate
from planner.solver.sensitivity.answer import Level, LimitKey
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
