"""Whether the runs on a pool can really be done in their windows on the machines that are there, and if not, why.

A run may be paused and go on from its checkpoint, so that it takes any hours of its window, on at most its own number
of GPUs at once. Then the question is a flow: GPU-hours go from runs to the stretches of time between all releases, dues
and borders of months, at most a run's GPUs x its length into a stretch, and at most the machines' GPUs x its length out
of it. If not all work flows, the stretches on the runs' side of a minimum cut hold more work than machines, and no
solution with the same work can be right: `Crowd`. The cut may join crowds of many weeks into one, which says little
about each; so it is taken apart where no run links two stretches, and short intervals that are overfull by themselves
are found besides.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from ortools.graph.python import max_flow

from planner.scenario.portfolio import MONTH_HOURS
from planner.solver.portfolio.problem import LOAD_PARTS, Choice, Problem

TOLERANCE = LOAD_PARTS
"""A GPU-hour too much is put down to rounding."""
MOST_ENDS = 12
"""Dues after a release that are looked at for an overfull interval."""


@dataclass(frozen=True)
class Crowd:
    """Stretches of time that hold too much work of a pool, as (first hour, last hour)."""

    pool: int
    stretches: tuple[tuple[float, float], ...]

    def work(self, problem: Problem, choice: Choice) -> int:
        """GPU-hours (in parts) of a choice that must lie in the stretches, whatever else is done."""
        release, due = problem.windows(choice.run)
        if self.stretches and (due <= self.stretches[0][0] or release >= self.stretches[-1][1]):
            return 0
        inside = sum(max(0.0, min(due, end) - max(release, start)) for start, end in self.stretches)
        outside = due - release - inside
        return max(0, choice.work - round(choice.gpus * outside * LOAD_PARTS))

    def room(self, problem: Problem, month: int) -> int:
        """GPU-hours (in parts) that one machine has in the stretches within a month."""
        first, last = month * MONTH_HOURS, (month + 1) * MONTH_HOURS
        hours = sum(max(0.0, min(last, end) - max(first, start)) for start, end in self.stretches)
        return round(problem.pools[self.pool].gpus * hours * LOAD_PARTS)

    def excess(self, problem: Problem, chosen: Sequence[Choice], machines: Sequence[int]) -> int:
        """GPU-hours (in parts) that do not find room; `machines` are those of the pool, month by month."""
        work = sum(self.work(problem, choice) for choice in chosen if choice.pool == self.pool)
        room = sum(self.room(problem, month) * there for month, there in enumerate(machines))
        return work - room - TOLERANCE


def crowds(problem: Problem, chosen: Sequence[Choice], machines: Sequence[Sequence[int]]) -> list[Crowd]:
    """Where a solution asks too much of the machines at once.

    `machines` are those of every pool in every month.
    """
    found: list[Crowd] = []
    for pool, there in enumerate(machines):
        on_pool = [each for each in chosen if each.pool == pool]
        crowd = _crowd(problem, pool, on_pool, there)
        if crowd is not None:
            intervals = _intervals(problem, pool, on_pool, there)
            parts = (part for part in _parts(problem, crowd, on_pool) if part.excess(problem, on_pool, there) > 0)
            found += list(dict.fromkeys((*intervals, *parts))) or [crowd]
    return found


def _parts(problem: Problem, crowd: Crowd, chosen: list[Choice]) -> Iterator[Crowd]:
    """A crowd taken apart between stretches that no run has in its window both."""
    windows = [problem.windows(choice.run) for choice in chosen if crowd.work(problem, choice)]
    part: list[tuple[float, float]] = []
    for start, end in crowd.stretches:
        if part and start == part[-1][1]:
            part[-1] = part[-1][0], end
            continue
        if part and not any(release < part[-1][1] and due > start for release, due in windows):
            yield Crowd(crowd.pool, tuple(part))
            part = []
        part.append((start, end))
    if part:
        yield Crowd(crowd.pool, tuple(part))


def _intervals(problem: Problem, pool: int, chosen: list[Choice], machines: Sequence[int]) -> Iterator[Crowd]:
    """For every release the shortest overfull interval that starts there, if it is a short one."""
    windows = [problem.windows(choice.run) for choice in chosen]
    dues = sorted({due for _, due in windows})
    for start in sorted({release for release, _ in windows}):
        first = bisect_right(dues, start)
        ends = dues[first : first + MOST_ENDS]
        near = [
            choice for choice, (release, due) in zip(chosen, windows, strict=True) if due > start and release < ends[-1]
        ]
        intervals = (Crowd(pool, ((start, end),)) for end in ends)
        overfull = (each for each in intervals if each.excess(problem, near, machines) > 0)
        yield from islice(overfull, 1)


def _crowd(problem: Problem, pool: int, chosen: list[Choice], machines: Sequence[int]) -> Crowd | None:
    if not chosen:
        return None
    windows = [problem.windows(choice.run) for choice in chosen]
    borders = {hour for window in windows for hour in window}
    borders |= {float(month * MONTH_HOURS) for month in range(problem.portfolio.months + 1)}
    stretches = list(pairwise(sorted(borders)))
    flow = max_flow.SimpleMaxFlow()
    source, sink = 0, 1
    first_run, first_stretch = 2, 2 + len(chosen)
    for place, (choice, (release, due)) in enumerate(zip(chosen, windows, strict=True)):
        flow.add_arc_with_capacity(source, first_run + place, choice.work)
        for number, (start, end) in enumerate(stretches):
            if release <= start and end <= due:
                most = round(choice.gpus * (end - start) * LOAD_PARTS)
                flow.add_arc_with_capacity(first_run + place, first_stretch + number, most)
    for number, (start, end) in enumerate(stretches):
        gpus = machines[int(start // MONTH_HOURS)] * problem.pools[pool].gpus
        flow.add_arc_with_capacity(first_stretch + number, sink, round(gpus * (end - start) * LOAD_PARTS))
    if flow.solve(source, sink) != flow.OPTIMAL:
        raise AssertionError("a maximum flow always exists")
    full = {node - first_stretch for node in flow.get_source_side_min_cut() if node >= first_stretch}
    crowd = Crowd(pool, tuple(stretches[number] for number in sorted(full)))
    return crowd if crowd.excess(problem, chosen, machines) > 0 else None
