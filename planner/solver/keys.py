"""The whole-plan choices of a machine type, each with a lower bound on what a plan with it costs and takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Gpu, Offer, Stack
from planner.estimator.duration import lost_fraction, startup_seconds
from planner.estimator.estimate import GIB
from planner.estimator.host import disk_bytes, result_bytes
from planner.estimator.memory import whole_bytes
from planner.estimator.uncertainty import own_seconds_factor
from planner.solver.bounds import FamilyBounds
from planner.solver.candidate import COST_ROUNDING, LIMIT_TOLERANCE
from planner.solver.charges import ChargeTable, charge_table, joined_charges
from planner.solver.domains import counts_of
from planner.solver.legality import legal
from planner.solver.world import World


@dataclass(frozen=True)
class Keys:
    """Equally long arrays, one element a key: where its offer, family and schedule are, and its amounts.

    A job whose resources and serial parts take s seconds a step takes `fixed_seconds` + `factor` x s seconds, at most
    `deadline_seconds`, and costs what `charges` make of them. The bounds are what no plan with this key is below.
    """

    offer: NDArray[np.int64]
    family: NDArray[np.int64]
    schedule: NDArray[np.int64]
    gpus: NDArray[np.int64]
    fixed_seconds: NDArray[np.float64]
    factor: NDArray[np.float64]
    deadline_seconds: NDArray[np.float64]
    charges: ChargeTable
    seconds_bound: NDArray[np.float64]
    cost_bound: NDArray[np.float64]
    peak_bound: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offer)

    def where(self, selection: Any) -> Keys:
        """The keys that a mask, a slice or an order selects."""
        return Keys(*(getattr(self, each.name)[selection] for each in fields(Keys)))

    def within(self, seconds: float) -> Keys:
        """The keys that may be in a plan that is expected to take at most so long, with that as their deadline."""
        earlier = replace(self, deadline_seconds=np.minimum(self.deadline_seconds, seconds))
        return earlier.where(self.seconds_bound <= earlier.deadline_seconds * (1 + LIMIT_TOLERANCE))


def keys_of(world: World, gpu: Gpu, offers: Sequence[Offer], bounds: Sequence[FamilyBounds], *, fitting: bool) -> Keys:
    """All keys of a GPU type whose bounds are within the limits; only those that may fit, if `fitting`."""
    alike: dict[tuple[int, str], list[int]] = {}
    for number, each in enumerate(bounds):
        if legal("family on gpu", world, {**each.family.values(), "gpu": gpu}, ()).all():
            alike.setdefault((id(each.schedules), each.family.method), []).append(number)
    parts = [_no_keys()]
    for numbers in alike.values():
        step = np.stack([bounds[number].step_seconds(world, gpu, fitting=fitting) for number in numbers])
        peak = np.stack([bounds[number].peak_bytes(world, gpu) for number in numbers])
        own = _own(world, gpu, [bounds[number].family.stack for number in numbers])
        for place, offer in enumerate(offers):
            machine = _machine(world, gpu, offer, bounds[numbers[0]])
            parts.append(_keys(world, machine, own, place, np.array(numbers), step, peak))
    columns = {
        each.name: np.concatenate([getattr(part, each.name) for part in parts])
        for each in fields(Keys)
        if each.name != "charges"
    }
    return Keys(**columns, charges=joined_charges([part.charges for part in parts]))


@dataclass(frozen=True)
class _Machine:
    """What an offer's machines make of each schedule: whether they can run it, and what it takes and costs."""

    supplied: NDArray[np.bool_]
    gpus: NDArray[np.int64]
    fixed_seconds: float
    factor: NDArray[np.float64]
    charges: ChargeTable


@dataclass(frozen=True)
class _Own:
    """What depends on the stack of a family alone: families x 1."""

    seconds_factor: NDArray[np.float64]
    deadline_seconds: NDArray[np.float64]


def _own(world: World, gpu: Gpu, stacks: Sequence[Stack]) -> _Own:
    return _Own(
        seconds_factor=np.array([[own_seconds_factor(gpu, stack)] for stack in stacks]),
        deadline_seconds=np.array([[world.expected_deadline_seconds(gpu, stack)] for stack in stacks]),
    )


def _machine(world: World, gpu: Gpu, offer: Offer, family: FamilyBounds) -> _Machine:
    everything = np.arange(len(family.schedules))
    decisions = whole_plan(gpu, offer, family, everything)
    method, gpus, per_node = family.family.method, decisions["gpus"], decisions["gpus_per_node"]
    lost = lost_fraction(world.workload, offer=offer, method=method, gpus=gpus, gpus_per_node=per_node)
    known_disk = offer.disk_gib is not None and "disk" not in world.lifted
    enough_disk = not known_disk or disk_bytes(world.workload, method=method) <= (offer.disk_gib or 0.0) * GIB
    there = counts_of(offer, gpus) & (gpus <= world.most_gpus) & enough_disk
    return _Machine(
        supplied=legal("machine", world, decisions, everything.shape) & there,
        gpus=gpus,
        fixed_seconds=startup_seconds(world.workload, offer=offer, method=method),
        factor=world.workload.steps * (1 + np.asarray(lost)),
        charges=charge_table(world.tariff(offer), gpus, *_sizes(world, method)),
    )


def _sizes(world: World, method: str) -> tuple[int, int]:
    """Bytes that are stored and bytes that are downloaded, as in the estimate."""
    stored = whole_bytes(disk_bytes(world.workload, method=method))
    return stored, math.ceil(result_bytes(world.workload, method=method))


def whole_plan(gpu: Gpu, offer: Offer, bounds: FamilyBounds, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Every decision but the local ones, for some schedules of a family on one offer: numbers as arrays."""
    columns = bounds.schedules.where(rows).columns
    per_node = np.minimum(columns["gpus"], offer.gpus_per_node)
    return {**bounds.family.values(), **columns, "gpus_per_node": per_node, "gpu": gpu, "offer": offer}


def _no_keys() -> Keys:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Keys(*(whole,) * 4, *(real,) * 3, ChargeTable(*(real,) * 5), *(real,) * 3)


def _keys(
    world: World,
    machine: _Machine,
    own: _Own,
    place: int,
    numbers: NDArray[np.int64],
    step: NDArray[np.float64],
    peak: NDArray[np.float64],
) -> Keys:
    """Keys of one offer and of families with the same schedules and method: `step` is families x schedules."""
    factor = machine.factor * own.seconds_factor
    seconds = machine.fixed_seconds + factor * step
    cost = machine.charges.cost(seconds)
    in_time = seconds <= own.deadline_seconds * (1 + LIMIT_TOLERANCE)
    within = np.isfinite(step) & machine.supplied & in_time & (cost <= world.budget + COST_ROUNDING)
    family, schedule = np.nonzero(within)
    return Keys(
        offer=np.full(len(family), place),
        family=numbers[family],
        schedule=schedule,
        gpus=machine.gpus[schedule],
        fixed_seconds=np.full(len(family), machine.fixed_seconds),
        factor=factor[within],
        deadline_seconds=own.deadline_seconds[family, 0],
        charges=machine.charges[schedule],
        seconds_bound=seconds[within],
        cost_bound=cost[within],
        peak_bound=peak[within],
    )
