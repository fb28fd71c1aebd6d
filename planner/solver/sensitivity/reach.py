"""How large the micro-batch and the sequence can be before the memory ends, every other decision as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from planner.decisions import Plan
from planner.rules import broken_rules
from planner.scenario.sections import MOST_SEQUENCE_LENGTH
from planner.solver.alternatives import broken_limits
from planner.solver.candidate import Candidate
from planner.solver.sensitivity.answer import Reach
from planner.solver.world import World

MOST_MICRO_BATCH = 2**16
OF_MEMORY = ("gpu_memory", "host_memory", "disk")


@dataclass(frozen=True)
class _Tried:
    """A plan with one number changed, and what it breaks."""

    candidate: Candidate | None
    limit: str


Try = Callable[[int], _Tried]


def reaches(world: World, chosen: Candidate) -> Iterator[Reach]:
    """The largest micro-batch, its batch growing with it, and the longest sequence."""
    plan, batch = chosen.plan, world.workload.global_batch

    def with_micro_batch(value: int) -> _Tried:
        grown = value * plan.gradient_accumulation * plan.data_parallel
        return _tried(world.relaxed(global_batch=grown), replace(plan, micro_batch=value))

    def with_sequence(value: int) -> _Tried:
        return _tried(world.relaxed(sequence_length=value), plan)

    most, limit, found = _largest(with_micro_batch, plan.micro_batch, 1, MOST_MICRO_BATCH, chosen)
    dividing = [each for each in range(1, most + 1) if batch % (each * plan.data_parallel) == 0]
    yield Reach("micro_batch", plan.micro_batch, most, limit, found, max(dividing, default=plan.micro_batch))
    length, unit = world.workload.sequence_length, _unit(plan)
    yield Reach("sequence_length", length, *_largest(with_sequence, length, unit, MOST_SEQUENCE_LENGTH, chosen))


def _unit(plan: Plan) -> int:
    """Sequences are whole multiples of this."""
    return 2 * plan.context_parallel if plan.context_parallel > 1 else 1


def _tried(world: World, plan: Plan) -> _Tried:
    rules = broken_rules(world.workload, plan)
    if rules:
        return _Tried(None, rules[0])
    estimate = world.estimate(plan)
    broken = [each for each in broken_limits(world, estimate) if each in OF_MEMORY]
    return _Tried(None, broken[0]) if broken else _Tried(Candidate(plan, estimate, ()), "")


def _largest(attempt: Try, current: int, unit: int, most: int, chosen: Candidate) -> tuple[int, str, Candidate]:
    """The largest value before one that fails, by doubling and halving; why the next fails; the plan with it."""
    good, found, limit = current, chosen, ""
    bad = most // unit * unit + unit
    value = min(2 * good, bad - unit)
    while good < value:
        tried = attempt(value)
        if tried.candidate is None:
            bad, limit = value, tried.limit
            break
        good, found = value, tried.candidate
        value = min(2 * good, bad - unit)
    while bad - good > unit and limit:
        middle = (good + bad) // (2 * unit) * unit
        tried = attempt(middle)
        if tried.candidate is None:
            bad, limit = middle, tried.limit
        else:
            good, found = middle, tried.candidate
    return good, limit, found
