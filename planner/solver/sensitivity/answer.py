"""What is known of how the answer to one job depends on its limits and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.solver.answer import Answer
from planner.solver.candidate import Candidate, Objective, amount_of
from planner.solver.search import Proof
from planner.solver.world import World

LimitKey = Literal["deadline", "budget", "max_gpus", "gpu_memory", "oom_risk"]
PriceKey = Literal["offer", "storage", "egress", "tax"]


@dataclass(frozen=True)
class Level:
    """The best plan from one value of a limit on, up to the next level.

    With less than `at`, nothing is as good to within a step of `sensitivity.staircase`.
    """

    at: float
    candidate: Candidate


@dataclass(frozen=True)
class LimitEffect:
    """How the best plan depends on one limit, all else as it is: a staircase.

    Values are seconds (deadline), money (budget), GPUs (max_gpus), bytes more than every GPU has (gpu_memory, 0 as it
    is), or a probability (oom_risk).
    """

    limit: LimitKey
    current: float | None
    """None if there is no such limit."""
    held: Level
    """The chosen plan, and the least value of the limit with which something as good is possible."""
    looser: tuple[Level, ...]
    """What is better with more, in rising order; the last one is the best that this limit can bring."""
    tighter: tuple[Level, ...]
    """What is left with less, in falling order; the last one is possible with the least value of all."""
    gap_looser: bool
    """Whether levels are left out before the last one of `looser`."""
    gap_tighter: bool
    unit: float
    """What one more is."""
    one_more: Candidate | None
    """The best plan with one unit more; None if there is no limit, or nothing better."""
    searched: float | None = None
    """The loosest value that was looked at; None if that is no limit at all."""
    floor: float | None = None
    """The tightest value that was looked at; None if all were."""
    proved: bool = True

    @property
    def levels(self) -> tuple[Level, ...]:
        """All levels that are known, in rising order."""
        return (*self.tighter[::-1], self.held, *self.looser)

    @property
    def least(self) -> float:
        """With less than that there is no plan."""
        return self.levels[0].at


@dataclass(frozen=True)
class PriceChange:
    """The nearest price in one direction at which another plan becomes the best.

    `at` is None if nothing changes up to `searched`. `after` is the other plan, with the prices as they are now; None
    if there is none.
    """

    searched: float
    at: float | None = None
    after: Candidate | None = None
    reason: Literal["", "better", "over_budget", "affordable"] = ""
    """What happens there: another plan becomes better, this one exceeds the budget, or a better one no longer does."""
    proved: bool = True


@dataclass(frozen=True)
class PriceEffect:
    """How the best plan depends on one price: what it adds to the cost, and where the plan changes."""

    price: PriceKey
    name: str
    """Of the offer; else empty."""
    gpu: str
    current: float
    unit: str
    """`USD/GPU-h`, `USD/GB/month`, `USD/GB`, or `share`."""
    is_chosen: bool
    """Whether the chosen plan pays it."""
    cost_per_percent: float
    """What one percent more adds to the cost of the chosen plan."""
    lower: PriceChange | None
    higher: PriceChange | None


@dataclass(frozen=True)
class Reach:
    """How large one number can be, every other decision as it is; the time and money that it takes do not matter.

    `limit` is what ends it: gpu_memory, host_memory, disk, the sentence of a rule, or nothing up to the largest value
    that is looked at. `candidate` is the plan at `most`.
    """

    decision: Literal["micro_batch", "sequence_length"]
    current: int
    most: int
    limit: str
    candidate: Candidate
    of_batch: int | None = None
    """Of the micro-batch: the largest one that divides the job's batch."""


@dataclass(frozen=True)
class Sensitivity:
    """Everything at once; without a plan only the answer that says why."""

    world: World
    answer: Answer
    proof: Proof
    limits: tuple[LimitEffect, ...] = ()
    prices: tuple[PriceEffect, ...] = ()
    reaches: tuple[Reach, ...] = ()
    missing: tuple[str, ...] = ()
    """Limits and prices that there was no time for."""

    @property
    def objective(self) -> Objective:
        """What is minimised."""
        return self.world.scenario.prefer

    def gain(self, candidate: Candidate) -> float:
        """By how much another plan is better than the chosen one: money or seconds; negative if it is worse."""
        assert self.answer.best is not None, "compared with a plan"
        return amount_of(self.answer.best.estimate, self.objective) - amount_of(candidate.estimate, self.objective)
