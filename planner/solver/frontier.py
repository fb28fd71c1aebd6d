"""The Pareto frontier of cost against time: the plans that no other plan beats in both, each of them proved.

The cheapest and the fastest plan are its ends. Between two neighbours, the cheapest plan within a bound on the time is
another point, or the proof that there is none up to this bound (the epsilon-constraint method, Haimes, Lasdon and
Wismer 1971). The bound halves the widest stretch of log time that is still open, so that the points that are found first
cover the frontier; a stretch is closed by a search just below its slower end. Bounds of families, keys and offers are
worked out once for all searches, and what is known of the neighbours cuts each of them short.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from functools import cached_property

from planner.solver.answer import Answer, Status
from planner.solver.candidate import Candidate, Objective, Resolution, a_step_less, steps
from planner.solver.domains import raw_combinations
from planner.solver.offers import DroppedOffer
from planner.solver.search import MachineSearch, Proof
from planner.solver.session import Progress, Solver
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import format_seconds

MOST_POINTS = 20
INFINITE = float("inf")


@dataclass(frozen=True)
class Point:
    """A plan of the frontier.

    If `proved`, no plan within `within_seconds` is cheaper by a step or more, and none in the same step of cost is
    faster by a step or more.
    """

    candidate: Candidate
    within_seconds: float
    """Infinite if no time excludes a cheaper plan."""
    proved: bool = True

    @property
    def cost(self) -> float:
        """In the scenario's currency."""
        return float(self.candidate.estimate.cost)

    @property
    def seconds(self) -> float:
        """Duration of the whole job."""
        return self.candidate.estimate.seconds


@dataclass(frozen=True)
class Frontier:
    """The points of a scenario, the cheapest first; none where there is no plan, which `answer` then explains."""

    world: World
    status: Status
    """ "optimal" if all that was asked for is proved, "feasible" if time ran out."""
    points: tuple[Point, ...]
    complete: bool | None
    """Whether there are no other points; None if there was no time to tell."""
    resolution: Resolution
    """Plans whose cost and time are in the same steps are one point, and the simpler one is shown."""
    proof: Proof
    raw_combinations: int
    dropped_offers: tuple[DroppedOffer, ...] = ()
    answer: Answer | None = None

    @cached_property
    def knee(self) -> int | None:
        """The place of the point that lies farthest below the straight line between the ends, all in logarithms.

        There, from either end, a percent of cost buys most percents of time. None where no point lies below the line.
        """
        if len(self.points) < 3:
            return None
        cheap, fast = self.points[0], self.points[-1]
        cost_range = math.log(fast.cost / cheap.cost)
        time_range = math.log(cheap.seconds / fast.seconds)
        below = [
            1 - math.log(each.cost / cheap.cost) / cost_range - math.log(each.seconds / fast.seconds) / time_range
            for each in self.points
        ]
        place = max(range(len(below)), key=lambda number: below[number])
        return place if below[place] > 0.01 else None


def frontier(
    world: World,
    *,
    points: int = MOST_POINTS,
    seconds: float = 600.0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Frontier:
    """The frontier of a scenario within its limits, of at most so many points (at least 2).

    `seconds` bounds the whole search: what is found by then is kept, and the status says that it is not all.
    """
    search = _Search(Solver(world, seconds, workers, progress))
    found = search.points(points)
    proof = search.proof
    proof.seconds = time.monotonic() - search.solver.started
    status: Status = ("optimal" if proof.proved else "feasible") if found else "unknown"
    answer = None
    if not found:
        answer = solve(world, seconds=search.solver.left(), workers=workers, progress=progress)
        status = answer.status
    return Frontier(
        world=world,
        status=status,
        points=tuple(found),
        complete=search.complete,
        resolution=search.resolution,
        proof=proof,
        raw_combinations=raw_combinations(world),
        dropped_offers=tuple(search.solver.dropped),
        answer=answer,
    )


@dataclass(frozen=True)
class _Gap:
    """Two neighbours; no plan within `clear_seconds` is cheaper than the faster one."""

    fast: Point
    slow: Point
    clear_seconds: float
    halved: bool = False

    @property
    def width(self) -> float:
        """What is not searched yet, in logarithms of time."""
        return math.log(self.slow.seconds / self.clear_seconds)


class _Search:
    """All searches of one frontier, and the points and gaps that they have left."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.proof = Proof(keys=sum(len(machine.keys) for machine in solver.machines.values()))
        self.found: list[Point] = []
        self.gaps: list[_Gap] = []
        self.complete: bool | None = None

    @cached_property
    def resolution(self) -> Resolution:
        """The steps in which all plans are compared, from the least that any plan could cost and take."""
        keys = [machine.keys for machine in self.solver.machines.values() if len(machine.keys)]
        if not keys:
            return Resolution.fine(1.0, 1.0)
        least_cost = min(float(each.cost_bound.min()) for each in keys)
        return Resolution.fine(least_cost, min(float(each.seconds_bound.min()) for each in keys))

    def points(self, most: int) -> list[Point]:
        """At most so many points, the cheapest first."""
        self._find_ends()
        while self.gaps and len(self.found) < most and self.proof.proved:
            self._search_gap(self._widest())
        if self.proof.proved:
            self.complete = not any(self._holds_another(gap) for gap in self.gaps)
        if not self.proof.proved:
            self.complete = None
        return undominated_points(self.found)

    def _find_ends(self) -> None:
        cheap = self._best("cost", self.solver.world.deadline_seconds)
        if cheap is None:
            return
        self.found.append(cheap)
        fast = self._best("time", cheap.seconds) if self.proof.proved else None
        if fast is not None and steps(fast.seconds, self.resolution.seconds) < self._steps(cheap)[1]:
            self.found.append(fast)
            self._open(_Gap(fast, cheap, fast.seconds))

    def _steps(self, point: Point) -> tuple[int, int]:
        return steps(point.cost, self.resolution.cost), steps(point.seconds, self.resolution.seconds)

    def _open(self, gap: _Gap) -> None:
        """Keep a gap if whole steps of cost and of time lie between its ends and above what is clear."""
        (cost, seconds), (least, longest) = self._steps(gap.fast), self._steps(gap.slow)
        if cost - least > 1 and longest - seconds > 1 and gap.clear_seconds < self._last(gap):
            self.gaps.append(gap)

    def _last(self, gap: _Gap) -> float:
        """The longest time that is shorter than the slower end's by a step."""
        return a_step_less(gap.slow.seconds, self.resolution.seconds)

    def _widest(self) -> _Gap:
        widest = max(self.gaps, key=lambda gap: (gap.width, gap.slow.seconds))
        self.gaps.remove(widest)
        return widest

    def _search_gap(self, gap: _Gap) -> None:
        """A point between two neighbours, or the proof that there is none up to some time."""
        middle, last = math.sqrt(gap.clear_seconds * gap.slow.seconds), self._last(gap)
        bound = last if gap.halved else min(middle, last)
        point = self._best("cost", bound, a_step_less(gap.fast.cost, self.resolution.cost))
        if point is None:
            if self.proof.proved:
                self._open(_Gap(gap.fast, gap.slow, bound, halved=True))
            return
        self.found.append(point)
        self._open(_Gap(gap.fast, point, gap.clear_seconds))
        self._open(_Gap(point, gap.slow, bound))

    def _holds_another(self, gap: _Gap) -> bool:
        """Whether there is a point between two neighbours."""
        limit = a_step_less(gap.fast.cost, self.resolution.cost)
        return self._best("cost", self._last(gap), limit, any_plan=True) is not None

    def _best(
        self, objective: Objective, deadline: float, limit: float = INFINITE, *, any_plan: bool = False
    ) -> Point | None:
        """The best plan over all GPU types within a deadline and a limit of what is minimised, or any such plan."""
        solver = self.solver
        solver.report(f"frontier: {len(self.found)} points, " + _looking_for(objective, deadline))
        part = Proof()
        best: Candidate | None = None
        for machine in self._machines(objective, deadline):
            if machine.least() > limit or (any_plan and best):
                break
            found = solver.run(machine, part, cutoff=limit, any_plan=any_plan)
            if found is not None and (best is None or self._order(found) < self._order(best)):
                best, limit = found, machine.tie_limit(found)
        self.proof.add(Proof(0, part.rows, part.models, part.branches, proved=part.proved))
        if best is None:
            return None
        return Point(best, deadline if objective == "cost" else best.estimate.seconds, part.proved)

    def _machines(self, objective: Objective, deadline: float) -> list[MachineSearch]:
        """The search on every GPU type, the most promising first."""
        world = self.solver.world
        within = world.relaxed(deadline_seconds=deadline) if deadline < world.deadline_seconds else world
        machines = [
            machine.tightened(within, objective, self.resolution) for machine in self.solver.machines.values()
        ]
        return sorted(machines, key=lambda each: each.least())

    def _order(self, found: Candidate) -> tuple[int, int, int]:
        """What is compared between GPU types: the amounts in steps, then the catalog's order."""
        return (*found.order[:2], list(self.solver.machines).index(found.plan.gpu.name))


def undominated_points(points: list[Point]) -> list[Point]:
    """The points that no other one beats in exact numbers, the cheapest first.

    Rounding at the edge of a step can leave two that differ by less than a hundredth of it.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost, each.seconds)):
        if not kept or point.seconds < kept[-1].seconds:
            kept.append(point)
    return kept


def _looking_for(objective: Objective, deadline: float) -> str:
    if objective == "time":
        return "the fastest plan"
    return "the cheapest plan" + (f" within {format_seconds(deadline)}" if deadline < INFINITE else "")
