"""How the best plan depends on one limit: a staircase, every edge of it proved by completed searches.

Less of a limit is never better, so the best amount over the values of a limit is a staircase. From one level to the
next looser one leads the plan that needs least of the limit among those that are better by a step; to the next tighter
one the best plan with less than what this level needs (the epsilon-constraint method, Haimes, Lasdon and Wismer 1971,
with the limit and what is minimised in turn). No grid is searched, so that no level is overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.solver.candidate import Candidate
from planner.solver.sensitivity.answer import Level, LimitEffect
from planner.solver.sensitivity.limits import Limit


def limit_effect(limit: Limit, chosen: Candidate) -> LimitEffect:
    """The staircase of one limit around the chosen plan."""
    searches = limit.searches
    before, searches.proof.proved = searches.proof.proved, True
    held = limit.least(searches.amount(chosen) + searches.step(chosen))
    held = Level(min(held.at if held else float("inf"), _used(limit, chosen)), chosen)
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
        floor=limit.least_possible if limit.least_possible >= 0 else None,
        proved=proved,
    )


def _used(limit: Limit, chosen: Candidate) -> float:
    """What the plan itself needs."""
    estimate = chosen.estimate
    return {
        "deadline": estimate.counted_seconds,
        "budget": float(estimate.cost),
        "max_gpus": float(chosen.plan.gpus),
        "gpu_memory": float(estimate.required_bytes - estimate.capacity_bytes),
        "oom_risk": limit.current or 0.0,
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
    if last is None or last.at <= levels[-1].at or not _is_better(limit, last.candidate, levels[-1].candidate):
        return tuple(levels), False
    following = limit.least(limit.searches.amount(levels[-1].candidate) - limit.searches.step(levels[-1].candidate))
    return (*levels, last), following is None or following.at < last.at


def _rising(limit: Limit, candidate: Candidate) -> Iterator[Level]:
    """Each next level with more of the limit."""
    searches = limit.searches
    while (level := limit.least(searches.amount(candidate) - searches.step(candidate))) is not None:
        found = [each for each in (searches.best(limit.at(level.at)), level.candidate) if each is not None]
        candidate = min(found, key=searches.amount)
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
    if not _is_better(limit, levels[-1].candidate, best):
        return (*levels[:-1], Level(last.at, best)), False
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
        if not _is_better(limit, level.candidate, found):
            level = Level(value, level.candidate)
            continue
        least = limit.least(searches.amount(found) + searches.step(found))
        level = Level(min(least.at, value) if least else value, found)
        yield level


def _is_better(limit: Limit, candidate: Candidate, other: Candidate) -> bool:
    """Whether a plan is better than another by more than what searches tell apart."""
    searches = limit.searches
    return searches.amount(candidate) < searches.amount(other) - searches.step(candidate) / 2


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
