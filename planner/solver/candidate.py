"""A plan with its estimate, and the order in which plans are better than each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from planner.decisions import Plan
from planner.estimator.estimate import Estimate

Objective = Literal["cost", "time", "memory"]
PRIMARY_DIGITS, SECONDARY_DIGITS = 3, 1
"""Digits, after the first, to which the least possible amount is resolved: of what is preferred, and of the other."""

COST_ROUNDING = 0.5e-6
"""Estimated costs are rounded to a millionth of the currency: a plan may cost this much more than it says."""
LEAST_COST_STEP = 2000 * COST_ROUNDING
LIMIT_TOLERANCE = 1e-9
"""Relative excess over a limit of time or money that is put down to rounding."""
STEP_TOLERANCE = 0.002
"""The model counts in thousandths of a step, two of which are rounding."""


@dataclass(frozen=True)
class Resolution:
    """The steps in which costs and durations are compared: within one step they are equal, and simplicity decides.

    Nobody wants a rarer optimizer to save a thousandth of a cent. A step of what is preferred is between a thousandth
    and a ten-thousandth of the least that any plan could cost or take; of the other, a tenth to a hundredth. Costs are
    never told apart below `LEAST_COST_STEP`.
    """

    cost: float
    seconds: float

    @staticmethod
    def of(least_cost: float, least_seconds: float, objective: Objective) -> Resolution:
        """Powers of ten, from the least amounts that are possible.

        >>> Resolution.of(2.5, 11_000.0, "cost")
        Resolution(cost=0.001, seconds=1000.0)
        """
        by_time = objective == "time"
        cost = _step(least_cost, SECONDARY_DIGITS if by_time else PRIMARY_DIGITS)
        return Resolution(
            max(cost, LEAST_COST_STEP), _step(least_seconds, PRIMARY_DIGITS if by_time else SECONDARY_DIGITS)
        )

    @staticmethod
    def fine(least_cost: float, least_seconds: float) -> Resolution:
        """The same where cost and time matter alike: for both, between a thousandth and a ten-thousandth.

        >>> Resolution.fine(2.5, 11_000.0)
        Resolution(cost=0.001, seconds=10.0)
        """
        return Resolution(max(_step(least_cost, PRIMARY_DIGITS), LEAST_COST_STEP), _step(least_seconds, PRIMARY_DIGITS))

    def of_objective(self, objective: Objective) -> float:
        """The step of what is minimised; a byte of memory."""
        return {"cost": self.cost, "time": self.seconds, "memory": 1.0}[objective]


def _step(least: float, digits: int) -> float:
    return float(10.0 ** (math.floor(math.log10(max(least, 1e-6))) - digits))


def steps(amount: float, unit: float) -> int:
    """An amount in whole steps, rounded up; what is above a step by less than `STEP_TOLERANCE` still is that step.

    >>> steps(2.5021, 0.001), steps(2.502, 0.001)
    (2503, 2502)
    """
    return math.ceil(amount / unit - STEP_TOLERANCE)


def step_edge(amount: float, unit: float) -> float:
    """The largest amount in the same step.

    >>> round(step_edge(25.4, 10.0), 6)
    30.02
    """
    return (steps(amount, unit) + STEP_TOLERANCE) * unit


def a_step_less(amount: float, unit: float) -> float:
    """The largest amount that is less than another by a whole step.

    >>> round(a_step_less(25.4, 10.0), 6), steps(a_step_less(25.4, 10.0), 10.0)
    (20.02, 2)
    """
    return step_edge(amount, unit) - unit


@dataclass(frozen=True)
class Candidate:
    """A plan with its estimate; `order` sorts candidates of one search, the better one first."""

    plan: Plan
    estimate: Estimate
    order: tuple[int, ...]


def amount_of(estimate: Estimate, objective: Objective) -> float:
    """What an objective minimises: money, seconds, or bytes."""
    if objective == "memory":
        return float(estimate.required_bytes)
    return float(estimate.cost) if objective == "cost" else estimate.seconds


def amounts_in_steps(estimate: Estimate, objective: Objective, resolution: Resolution) -> tuple[int, ...]:
    """What is compared before simplicity: cost and time, or time and cost, after the peak if that is minimised."""
    both = (steps(float(estimate.cost), resolution.cost), steps(estimate.seconds, resolution.seconds))
    if objective == "time":
        return both[::-1]
    return (estimate.required_bytes, *both) if objective == "memory" else both
