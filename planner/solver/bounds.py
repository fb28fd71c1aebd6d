"""What every plan of a family and schedule needs at least, whatever machine it runs on.

Computed once per scenario for all GPU types: the smallest memory that the state table and each activation choice can
do with, and the fewest FLOPs of each activation choice. They decide in which order keys are examined, and which ones
need not be: a key whose bound is worse than a plan already found is in no optimum.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Gpu
from planner.estimator.buffers import context_bytes
from planner.estimator.compute import matmul_flops_per_second
from planner.estimator.flops import step_flops
from planner.solver.domains import (
    ActivationChoice,
    Family,
    Schedules,
    activation_choices,
    families,
    schedules,
    state_choices,
)
from planner.solver.legality import legal
from planner.solver.tabulate import PHASE_COUNT, Memo, PlacedTerm, Table, tabulate
from planner.solver.world import World

PHASES_ONLY = range(PHASE_COUNT)
STEP_FLOPS = PlacedTerm(step_flops, (), rounded=False)


@dataclass(frozen=True)
class FamilyBounds:
    """Bounds of one family, schedule by schedule; activation rows are those of all its choices, one after the other."""

    family: Family
    schedules: Schedules
    choices: tuple[ActivationChoice, ...]
    state: Table
    """Smallest bytes of each phase in the state table, without the GPU's context: schedules x phases."""
    activation: Table
    """Bytes of each phase in the activation table, which no GPU changes: schedules x activation rows x phases."""
    peak: Table
    """Least bytes of the largest phase, without the GPU's context: schedules x activation rows."""
    flops: Table
    """FLOPs of one step on one GPU, pipeline bubble included: schedules x activation rows; infinite if illegal."""

    @cached_property
    def least_peak(self) -> NDArray[np.float64]:
        """Least bytes of the largest phase, without the GPU's context, schedule by schedule."""
        smallest: NDArray[np.float64] = self.peak.min(axis=1)
        return smallest

    def step_seconds(self, world: World, gpu: Gpu, *, fitting: bool = True) -> NDArray[np.float64]:
        """A bound on the seconds of a step on this GPU; if only `fitting` plans count, infinite where none can be."""
        flops = self.flops
        if fitting:
            room = world.capacity_bytes(gpu) - context_bytes(world.workload, gpu=gpu, gpus=1)
            flops = np.where(self.peak <= room, flops, np.inf)
        with np.errstate(divide="ignore"):
            seconds: NDArray[np.float64] = flops.min(axis=1) / self._rate(world, gpu)
        return seconds

    def row_seconds(self, world: World, gpu: Gpu, schedule: NDArray[np.int64]) -> Table:
        """The same bound for every activation row of some schedules."""
        seconds: Table = self.flops[schedule] / self._rate(world, gpu)[schedule][:, None]
        return seconds

    def _rate(self, world: World, gpu: Gpu) -> NDArray[np.float64]:
        """FLOP/s of this GPU, schedule by schedule."""
        columns: dict[str, Any] = dict(self.schedules.columns)
        tokens = columns["micro_batch"], columns["context_parallel"]
        family = self.family
        rate = matmul_flops_per_second(world.workload, gpu, family.stack, family.compute_dtype, *tokens)
        return np.asarray(rate)

    def peak_bytes(self, world: World, gpu: Gpu) -> NDArray[np.float64]:
        """A bound on the peak, in bytes on one GPU."""
        return self.least_peak + context_bytes(world.workload, gpu=gpu, gpus=1)


class KnownBounds:
    """Bounds, and values of terms, for scenarios of one job that differ in limits and search."""

    def __init__(self) -> None:
        self.bounds: dict[tuple[Hashable, ...], FamilyBounds] = {}
        self.memo = Memo()
        self._numbers: dict[bytes, int] = {}

    def number(self, rows: Schedules) -> int:
        """A number that equal schedules share."""
        return self._numbers.setdefault(rows.key(), len(self._numbers))


def family_bounds(world: World, known: KnownBounds | None = None) -> list[FamilyBounds]:
    """Bounds of all families of a scenario that have any schedule; `known` keeps them for related scenarios."""
    known = KnownBounds() if known is None else known
    by_kind: dict[tuple[str, ...], Schedules] = {}
    numbers: dict[tuple[str, ...], int] = {}
    result = []
    for family in families(world):
        kinds = family.stack.parallelisms
        if kinds not in by_kind:
            by_kind[kinds] = schedules(world, kinds)
            numbers[kinds] = known.number(by_kind[kinds])
        choices = tuple(activation_choices(family.stack, world))
        if len(by_kind[kinds]) and choices:
            states = tuple(state_choices(family, world.scenario.search))
            key = (family.key(), choices, states, numbers[kinds])
            if key not in known.bounds:
                known.bounds[key] = _bounds(world, family, by_kind[kinds], choices, known.memo, numbers[kinds])
            # One object for the schedules of all families of a kind, by which machines are worked out once.
            result.append(replace(known.bounds[key], schedules=by_kind[kinds]))
    return result


def _bounds(
    world: World, family: Family, rows: Schedules, choices: tuple[ActivationChoice, ...], memo: Memo, number: int
) -> FamilyBounds:
    decisions: dict[str, Any] = {**family.values(), **rows.columns}
    state = np.full((len(rows), PHASE_COUNT), np.inf)
    # A machine as large as the job needs least: a bound for every machine.
    unbound = {**decisions, "gpus_per_node": rows.columns["gpus"]}
    for sharding, optimizer in state_choices(family, world.scenario.search):
        chosen = {**unbound, "sharding": sharding, "optimizer": optimizer}
        state = np.minimum(state, _phases("state", world, chosen, (len(rows),), memo, number))
    columns = {name: value[:, None] if isinstance(value, np.ndarray) else value for name, value in decisions.items()}
    legal_rows = legal("family", world, decisions, (len(rows),))
    waiting = np.where(legal_rows[:, None], 1.0, np.inf)
    pieces = columns["gradient_accumulation"] * world.workload.virtual_stages
    waiting = waiting + (columns["pipeline_parallel"] - 1) / pieces
    activation, flops = [], []
    for choice in choices:
        chosen = {**columns, **choice.names(), **choice.numbers()}
        shape = (len(rows), len(choice.grid()))
        grid = (number, *choice.grid())
        memory = _phases("activation", world, chosen, shape, memo, grid)
        # What is illegal on every GPU needs infinitely much.
        activation.append(np.where(legal("activation", world, chosen, shape)[..., None], memory, np.inf))
        needed = memo.value(STEP_FLOPS, world.workload, chosen, grid)
        flops.append(np.broadcast_to(needed * waiting, shape))
    memory = np.concatenate(activation, axis=1)
    peak = (memory + state[:, None, :]).max(axis=2)
    return FamilyBounds(family, rows, choices, state, memory, peak, np.concatenate(flops, axis=1))


def _phases(
    table: str, world: World, decisions: dict[str, Any], shape: tuple[int, ...], memo: Memo, grid: Hashable
) -> Table:
    values = tabulate(
        table, world.workload, decisions, shape, only=PHASES_ONLY, without=(context_bytes,), memo=memo, grid=grid
    )
    return values[..., :PHASE_COUNT]
