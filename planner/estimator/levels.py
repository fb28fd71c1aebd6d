"""From terms to what is measured: allocated, reserved and process memory, and the probability that a plan fits.

What a plan *needs* counts only what the allocator cannot do without when memory is tight: under pressure cached blocks
are returned to the driver. What a driver *shows* on a GPU with room to spare is more: the allocator keeps every block
that it once asked for. The first decides whether a plan fits and is linear in the terms; the second is simulated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.estimator.fragments import Fragments, fragments
from planner.estimator.uncertainty import (
    REACH,
    Peak,
    cached_around,
    cumulative,
    interval,
    spread_bytes,
    spread_fraction,
)
from planner.estimator.workload import Workload

LEVELS = ("allocated", "reserved", "process")
"""torch.cuda.max_memory_allocated, torch.cuda.max_memory_reserved, and what nvidia-smi shows of a process."""
ALLOCATOR = ("allocator", "allocator_gradients")
CONTEXT = "context"
CACHED = "allocator"
"""What the level `reserved` adds."""

Phases = Mapping[str, Mapping[str, int]]


def largest_phase(phases: Mapping[str, Mapping[str, int]]) -> tuple[str, dict[str, int]]:
    """The phase that has most live tensors, and their terms."""
    live = {
        phase: {name: size for name, size in terms.items() if name not in (*ALLOCATOR, CONTEXT)}
        for phase, terms in phases.items()
    }
    return max(live.items(), key=lambda entry: sum(entry[1].values()))


def measured_peaks(
    workload: Workload, plan: Any, phases: Phases, capacity_bytes: int, held: Fragments | None = None
) -> dict[str, Peak]:
    """Level -> the peak that a measurement would show, with its 90% interval.

    Reserved is allocated and what the simulated allocator holds besides (`held`, if it is known), as far as there is
    room for it; process is reserved and the context. Errors of tensors, of what is held, and orders of samples have
    nothing to do with each other: their squares add up. No interval begins below that of a level inside it, and none
    ends above the capacity.
    """
    _, terms = largest_phase(phases)
    live, spread = sum(terms.values()), spread_bytes(terms, plan)
    allocated = interval(live, spread)
    context = max(each.get(CONTEXT, 0) for each in phases.values())
    outside = interval(context, context * spread_fraction(plan.stack, plan.method, CONTEXT))
    held = held or fragments(workload, plan)
    cached = min(max(0, capacity_bytes - context - live), held.bytes)
    off = REACH * cached_around(cached, live) * plan.stack.spread.cached
    reserved = Peak(
        live + cached,
        max(allocated.low_bytes, round(live + cached - math.hypot(REACH * spread, off, held.bytes - held.least_bytes))),
        round(live + cached + math.hypot(REACH * spread, off, held.most_bytes - held.bytes)),
    )
    return {
        "allocated": allocated,
        "reserved": within(reserved, capacity_bytes - context),
        "process": within(together(reserved, outside), capacity_bytes),
    }


def together(inner: Peak, outside: Peak) -> Peak:
    """A peak and what lies outside of it, whose errors go together."""
    return Peak(inner.bytes + outside.bytes, inner.low_bytes + outside.low_bytes, inner.high_bytes + outside.high_bytes)


def within(peak: Peak, capacity_bytes: int) -> Peak:
    """The peak with the upper end of its interval at the capacity: nothing can be held beyond it."""
    return replace(peak, high_bytes=max(peak.bytes, min(peak.high_bytes, capacity_bytes)))


def fit_probability(phases: Phases, plan: Any, capacity_bytes: int, varying: bool = False) -> float:
    """Probability that every phase fits: that of the phase least likely to; `varying`: samples vary in length."""
    return min(_fits(terms, plan, capacity_bytes, varying) for terms in phases.values())


def _fits(terms: Mapping[str, int], plan: Any, capacity_bytes: int, varying: bool) -> float:
    room = capacity_bytes - sum(terms.values())
    spread = spread_bytes(terms, plan, varying)
    if spread == 0:
        return float(room >= 0)
    return cumulative(room / spread)
