"""The Pareto frontier of cost against time: the plans that no other plan beats in both, each of them proved.

The cheapest and the fastest plan are its ends. Between two neighbours, the cheapest plan within a bound on the time is
another point, or the proof that there is none up to this bound (the epsilon-constraint method, Haimes, Lasdon and
Wismer 1971). The bound halves the widest stretch of log time that is still open, so that the points found first cover
the frontier; a stretch is closed by a search just below its slower end. Bounds of families, keys and offers are worked
out once for all searches, and what is known of the neighbours cuts each of them short.

Amounts are compared in steps of a thousandth to a ten-thousandth of the point's own cost and time (`Resolution.fine`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

from planner.solver.answer import Answer, Status
from planner.solver.candidate import Candidate, Objective, Resolution, a_step_less, amount_of, step_edge
from planner.solver.domains import raw_combinations
from planner.solver.offers import DroppedOffer
from planner.solver.search import MachineSearch, Proof
from planner.solver.session import Progress, Solver
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import format_seconds

MOST_POINTS = 20
INFINITE = float("inf")
MOST_GUESSES = 4
"""More are needed only where an amount lies at a power of ten, on whose two sides steps differ."""


@dataclass(frozen=True)
class Point:
    """A plan of the frontier.

    If `proved`, no plan within `within_seconds` is cheaper by a step of `resolution` or more, and none in the same step
    of cost is faster by a step or more.
    """

    candidate: Candidate
    within_seconds: float
    """Infinite if no duration excludes a cheaper plan."""
    resolution: Resolution
    proved: bool = True

    @property
    def cost(self) -> float:
        """In the scenario's currency."""
        return float(self.candidate.estimate.cost)

    @property
    def seconds(self) -> float:
        """Duration of the whole job."""
        return self.candidate.estimate.seconds

    @property
    def cheaper(self) -> float:
        """The largest cost that is a step less."""
        return a_step_less(self.cost, self.resolution.cost)

    @property
    def faster_seconds(self) -> float:
        """The longest duration that is a step less."""
        return a_step_less(self.seconds, self.resolution.seconds)


@dataclass(frozen=True)
class Frontier:
    """The points of a scenario, the cheapest first; none where there is no plan, which `answer` then explains."""

    world: World
    status: Status
    """What is known of the points: "optimal" if all that was asked for is proved, "feasible" if time ran out."""
    points: tuple[Point, ...]
    complete: bool | None
    """Whether there are no other points; None if there was no time to tell."""
    proof: Proof
    raw_combinations: int
    dropped_offers: tuple[DroppedOffer, ...] = ()
    answer: Answer | None = None

    @property
    def knee(self) -> int | None:
        """The place of the point with the least cost x hours; None without points.

        Up to there a percent of cost buys more than a percent of time, beyond it less: the slope is -1 in logarithms.
        """
        places = range(len(self.points))
        return min(places, key=lambda place: self.points[place].cost * self.points[place].seconds, default=None)


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

    @property
    def guess(self) -> Resolution:
        """The finest steps that a point between the neighbours can have."""
        return Resolution.fine(self.slow.cost, self.fast.seconds)


class _Search:
    """All searches of one frontier, and the points and gaps that they have left."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.proof = Proof(keys=sum(len(machine.keys) for machine in solver.machines.values()))
        self.found: list[Point] = []
        self.gaps: list[_Gap] = []
        self.complete: bool | None = None
        self.spacing = 0.0
        """How near to each other, in logarithms of time, as many points as are wanted would lie."""

    def points(self, most: int) -> list[Point]:
        """At most so many points, the cheapest first."""
        self._find_ends()
        self.spacing = max((gap.width for gap in self.gaps), default=0.0) / (most - 1)
        while self.gaps and len(self.found) < most and self.proof.proved:
            self._search_gap(self._widest())
        more = self.proof.proved and any(self._holds_another(gap) for gap in self.gaps)
        self.complete = not more if self.proof.proved else None
        return undominated_points(self.found)

    def _find_ends(self) -> None:
        keys = [machine.keys for machine in self.solver.machines.values() if len(machine.keys)]
        if not keys:
            return
        least_cost = min(float(each.cost_bound.min()) for each in keys)
        least_seconds = min(float(each.seconds_bound.min()) for each in keys)
        guess = Resolution.fine(least_cost, least_seconds)
        last = self.solver.world.last_expected_seconds
        cheap = self._point("cost", last, INFINITE, guess)
        if cheap is None:
            return
        self.found.append(cheap)
        fast = self._point("time", cheap.seconds, INFINITE, guess) if self.proof.proved else None
        if fast is not None and fast.seconds <= cheap.faster_seconds:
            self.found.append(fast)
            self._open(_Gap(fast, cheap, fast.seconds))

    def _open(self, gap: _Gap) -> None:
        """Keep a gap if a plan can lie a step below both of its ends, and above what is clear and the slower one."""
        if gap.clear_seconds < gap.slow.faster_seconds and gap.slow.cost < gap.fast.cheaper:
            self.gaps.append(gap)

    def _widest(self) -> _Gap:
        widest = max(self.gaps, key=lambda gap: (gap.width, gap.slow.seconds))
        self.gaps.remove(widest)
        return widest

    def _search_gap(self, gap: _Gap) -> None:
        """A point between two neighbours, or the proof that there is none up to some time."""
        middle, last = math.sqrt(gap.clear_seconds * gap.slow.seconds), gap.slow.faster_seconds
        bound = last if gap.halved or gap.width < self.spacing else min(middle, last)
        point = self._point("cost", bound, gap.fast.cheaper, gap.guess)
        if point is not None:
            self.found.append(point)
            self._open(_Gap(gap.fast, point, gap.clear_seconds))
            self._open(_Gap(point, gap.slow, bound))
        elif self.proof.proved:
            self._open(_Gap(gap.fast, gap.slow, bound, halved=True))

    def _holds_another(self, gap: _Gap) -> bool:
        """Whether there is a point between two neighbours."""
        return self._best("cost", gap.slow.faster_seconds, gap.fast.cheaper, gap.guess, any_plan=True) is not None

    def _point(self, objective: Objective, deadline: float, limit: float, guess: Resolution) -> Point | None:
        """The best plan in steps of its own amounts, which are known once a plan is found in steps of a guess."""
        point: Point | None = None
        for _ in range(MOST_GUESSES):
            found = self._best(objective, deadline, limit, guess)
            if found is None:
                break
            within = deadline if objective == "cost" else found.estimate.seconds
            point = Point(found, within, guess, self.proof.proved)
            guess = Resolution.fine(point.cost, point.seconds)
            if guess == point.resolution or not point.proved:
                break
            limit = min(limit, step_edge(amount_of(found.estimate, objective), guess.of_objective(objective)))
        return point

    def _best(
        self, objective: Objective, deadline: float, limit: float, resolution: Resolution, *, any_plan: bool = False
    ) -> Candidate | None:
        """The best plan over all GPU types within a deadline and a limit of what is minimised, or any such plan."""
        solver = self.solver
        solver.report(f"{len(self.found)} points, now {_looking_for(objective, deadline)}")
        part = Proof()
        best: Candidate | None = None
        for machine in self._machines(objective, deadline, resolution):
            if machine.least() > limit or (any_plan and best):
                break
            found = solver.run(machine, part, cutoff=limit, any_plan=any_plan)
            if found is not None and (best is None or self._order(found) < self._order(best)):
                best, limit = found, machine.tie_limit(found)
        part.keys = 0  # the same ones in every search
        self.proof.add(part)
        return best

    def _machines(self, objective: Objective, deadline: float, resolution: Resolution) -> list[MachineSearch]:
        """The search on every GPU type, the most promising first."""
        world = self.solver.world
        within = replace(world, within_seconds=deadline)
        machines = [machine.tightened(within, objective, resolution) for machine in self.solver.machines.values()]
        return sorted(machines, key=lambda each: each.least())

    def _order(self, found: Candidate) -> tuple[int, ...]:
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
