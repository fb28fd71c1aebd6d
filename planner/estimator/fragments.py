"""What the caching allocator holds beyond live tensors when nothing limits it: simulated steps of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from planner.estimator.allocator import CachingAllocator, ExpandableAllocator
from planner.estimator.lengths import growing_lengths
from planner.estimator.requests import Requests
from planner.estimator.step import Run
from planner.estimator.workload import Workload

STEPS = 2
"""Steps that are simulated: the first makes the states, the second finds what they have split; no later one differs."""
SHRUNK_FRACTIONS = (0.0, 1 / 256)
"""By how much activations are made smaller: whether states split a block of logits can hang on a few bytes."""


def simulate(job: Requests, memory: CachingAllocator, steps: int = STEPS) -> CachingAllocator:
    """Run steps of a job on an allocator. OutOfMemoryError if its limit is too low."""
    run = Run(job, memory)
    for _ in range(steps):
        run.step()
    return memory


def allocator(plan: Any) -> CachingAllocator:
    """An allocator as the plan's stack sets it up, without any limit."""
    return ExpandableAllocator() if plan.stack.expandable_segments else CachingAllocator()


def fragment_bytes(workload: Workload, plan: Any) -> int:
    """Bytes that the caching allocator holds at most beyond the most that tensors take, without any limit.

    The largest of several simulations, with activations of their own size and a little smaller.
    """
    runs = [simulate(Requests(workload, plan, fraction), allocator(plan)) for fraction in SHRUNK_FRACTIONS]
    return max(each.peak_reserved - each.peak_live for each in runs)


VARYING_STEPS = 20
"""Steps with samples of different lengths; after about so many, what is held grows slowly."""
ORDERS = 15
"""Random orders of samples that are simulated."""


def varying_fragment_bytes(workload: Workload, plan: Any) -> int:
    """As `fragment_bytes`, if every step had samples of another length, evenly spread, the longest possible last.

    A freed block serves no request larger than itself, so longer samples leave blocks of shorter ones unused.
    """
    last = workload.sequence_length
    evenly = (max(1, round(last * _spread_out(number))) for number in range(1, VARYING_STEPS))
    return _held(workload, plan, (*evenly, last))


@dataclass(frozen=True)
class Fragments:
    """Bytes that the allocator holds beyond the most that tensors take."""

    bytes: int
    least_bytes: int
    most_bytes: int
    """The least and the most of all orders of the samples that are simulated; fifteen of them enclose 88% of others."""


def fragments(workload: Workload, plan: Any) -> Fragments:
    """As `fragment_bytes`; where samples vary in length, the median over random orders of them.

    A batch that is longer than all before it needs larger blocks than are there, and those of the shorter ones stay
    with the allocator. How many such batches there are is a matter of the order.
    """
    lengths = workload.sample_lengths
    if lengths is None:
        same = fragment_bytes(workload, plan)
        return Fragments(same, same, same)
    limit, batch = workload.sequence_length, plan.micro_batch
    orders = [growing_lengths(lengths, limit, batch, order) for order in range(ORDERS)]
    # The longest batch comes twice: its second step finds the states that its first one may have made.
    held = {order: _held(workload, plan, (*order, order[-1])) for order in set(orders)}
    each = [held[order] for order in orders]
    return Fragments(round(median(each)), min(each), max(each))


def _held(workload: Workload, plan: Any, lengths: Iterable[int]) -> int:
    """What is held after steps with batches of these lengths."""
    memory = allocator(plan)
    run: Run | None = None
    for tokens in lengths:
        job = Requests(replace(workload, sequence_length=tokens), plan)
        run = run or Run(job, memory)
        run.job, run.programs = job, job.programs
        run.step()
    return memory.peak_reserved - memory.peak_live


def _spread_out(number: int) -> float:
    """Numbers in [0, 1) that fill it evenly at every length (van der Corput).

    >>> [_spread_out(number) for number in range(5)]
    [0.0, 0.5, 0.25, 0.75, 0.125]
    """
    found, digit = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        found, digit = found + bit * digit, digit / 2
    return found
