"""What every plan of a family and schedule needs at least, whatever machine it runs on.

Computed once per scenario for all GPU types: the smallest memory that the state table and each activation choice can
do with, and the fewest FLOPs of each activation choice. They decide in which order keys are examined, and which ones
need not be: a key whose bound is worse than a plan already found is in no optimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Gpu
from planner.estimator.buffers import context_bytes
from planner.estimator.compute import matmul_flops_per_second, step_flops
from planner.estimator.formula import call
from planner.solver.domains import Family, Schedules, activation_choices, families, schedules, state_choices
from planner.solver.tabulate import MEMORY_COLUMNS, PHASE_COUNT, Table, tabulate
from planner.solver.world import World

PHASES_ONLY = range(PHASE_COUNT)


@dataclass(frozen=True)
class FamilyBounds:
    """Bounds of one family, schedule by schedule."""

    family: Family
    schedules: Schedules
    state: Table
    """Smallest bytes of each phase in the state table, without the GPU's context: schedules x phases."""
    activation: Table
    """Smallest bytes of each phase in each activation choice: choices x schedules x phases."""
    flops: Table
    """Fewest FLOPs of one step on one GPU in each activation choice, pipeline bubble included: choices x schedules."""

    def step_seconds(self, world: World, gpu: Gpu, *, fitting: bool = True) -> NDArray[np.float64]:
        """A bound on the seconds of a step on this GPU; if only `fitting` plans count, infinite where none can be."""
        room = world.capacity_bytes(gpu) - context_bytes(world.workload, gpu=gpu, gpus=1) if fitting else np.inf
        fits = (self.state[None, :, :] + self.activation <= room).all(axis=2)
        flops = np.where(fits, self.flops, np.inf).min(axis=0)
        columns: dict[str, Any] = dict(self.schedules.columns)
        rate = matmul_flops_per_second(
            world.workload,
            gpu,
            self.family.stack,
            self.family.compute_dtype,
            columns["micro_batch"],
            columns["context_parallel"],
        )
        with np.errstate(divide="ignore"):
            seconds: NDArray[np.float64] = flops / rate
        return seconds

    def peak_bytes(self, world: World, gpu: Gpu) -> NDArray[np.float64]:
        """A bound on the peak, in bytes on one GPU."""
        smallest = (self.state + self.activation.min(axis=0)).max(axis=1)
        peak: NDArray[np.float64] = smallest + context_bytes(world.workload, gpu=gpu, gpus=1)
        return peak


def family_bounds(world: World) -> list[FamilyBounds]:
    """Bounds of all families of a scenario that have any schedule."""
    by_kind: dict[tuple[str, ...], Schedules] = {}
    result = []
    for family in families(world):
        kinds = family.stack.parallelisms
        if kinds not in by_kind:
            by_kind[kinds] = schedules(world, kinds)
        bounds = _bounds(world, family, by_kind[kinds])
        if bounds is not None:
            result.append(bounds)
    return result


def _bounds(world: World, family: Family, rows: Schedules) -> FamilyBounds | None:
    choices = activation_choices(family.stack, world)
    if not len(rows) or not choices:
        return None
    decisions: dict[str, Any] = {**family.values(), **rows.columns}
    state = np.full((len(rows), PHASE_COUNT), np.inf)
    # A machine as large as the job needs least: a bound for every machine.
    unbound = {**decisions, "gpus_per_node": rows.columns["gpus"]}
    for sharding, optimizer in state_choices(family, world.scenario.search):
        chosen = {**unbound, "sharding": sharding, "optimizer": optimizer}
        values = _phases("state", world, chosen, (len(rows),))
        state = np.minimum(state, values)
    columns = {name: value[:, None] if isinstance(value, np.ndarray) else value for name, value in decisions.items()}
    activation, flops = [], []
    waiting = 1 + (rows.columns["pipeline_parallel"] - 1) / rows.columns["gradient_accumulation"]
    for choice in choices:
        chosen = {**columns, **choice.names(), **choice.numbers()}
        shape = (len(rows), len(choice.grid()))
        activation.append(_phases("activation", world, chosen, shape).min(axis=1))
        needed = call(step_flops, world.workload, chosen)
        flops.append(np.broadcast_to(needed, shape).min(axis=1) * waiting)
    return FamilyBounds(family, rows, state, np.stack(activation), np.stack(flops))


def _phases(table: str, world: World, decisions: dict[str, Any], shape: tuple[int, ...]) -> Table:
    return tabulate(table, world.workload, decisions, shape, only=PHASES_ONLY, without=(context_bytes,))[
        ..., : len(MEMORY_COLUMNS) - 1
    ]
