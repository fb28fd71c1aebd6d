"""The whole-plan choices of a machine type, each with a lower bound on what a plan with it costs and takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Gpu, Offer
from planner.estimator.duration import lost_fraction, startup_seconds
from planner.solver.block import legal
from planner.solver.bounds import FamilyBounds
from planner.solver.domains import counts_of
from planner.solver.world import World


@dataclass(frozen=True)
class Keys:
    """Equally long arrays, one element a key: where its offer, family and schedule are, and its amounts.

    A job with step seconds s takes `fixed_seconds` + `factor` x s seconds and costs `price` for each of them. The bounds
    are what no plan with this key is below.
    """

    offer: NDArray[np.int64]
    family: NDArray[np.int64]
    schedule: NDArray[np.int64]
    gpus: NDArray[np.int64]
    fixed_seconds: NDArray[np.float64]
    factor: NDArray[np.float64]
    price: NDArray[np.float64]
    seconds_bound: NDArray[np.float64]
    cost_bound: NDArray[np.float64]
    peak_bound: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.offer)

    def where(self, selection: Any) -> Keys:
        """The keys that a mask, a slice or an order selects."""
        return Keys(*(getattr(self, each.name)[selection] for each in fields(Keys)))


def keys_of(world: World, gpu: Gpu, offers: Sequence[Offer], bounds: Sequence[FamilyBounds], *, fitting: bool) -> Keys:
    """All keys of a GPU type whose bounds are within the limits; only those that may fit, if `fitting`."""
    parts = [_no_keys()]
    for number, family in enumerate(bounds):
        step = family.step_seconds(world, gpu, fitting=fitting)
        peak = family.peak_bytes(world, gpu)
        possible = np.isfinite(step)
        for place, offer in enumerate(offers):
            rows = np.flatnonzero(possible & counts_of(offer, family.schedules.columns["gpus"]))
            rows = rows[legal("key", world, whole_plan(gpu, offer, family, rows), rows.shape)]
            if len(rows):
                parts.append(_keys(world, gpu, (place, offer), (number, family), rows, step[rows], peak[rows]))
    return Keys(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Keys)))


def whole_plan(gpu: Gpu, offer: Offer, bounds: FamilyBounds, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Every decision but the local ones, for some schedules of a family on one offer: numbers as arrays."""
    columns = bounds.schedules.where(rows).columns
    per_node = np.minimum(columns["gpus"], offer.gpus_per_node)
    return {**bounds.family.values(), **columns, "gpus_per_node": per_node, "gpu": gpu, "offer": offer}


def _no_keys() -> Keys:
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Keys(*(whole,) * 4, *(real,) * 6)


def _keys(
    world: World,
    gpu: Gpu,
    offer: tuple[int, Offer],
    family: tuple[int, FamilyBounds],
    rows: NDArray[np.int64],
    step: NDArray[np.float64],
    peak: NDArray[np.float64],
) -> Keys:
    decisions = whole_plan(gpu, offer[1], family[1], rows)
    method = family[1].family.method
    lost = lost_fraction(
        world.workload, offer=offer[1], method=method, gpus=decisions["gpus"], gpus_per_node=decisions["gpus_per_node"]
    )
    fixed = np.full(len(rows), startup_seconds(world.workload, offer=offer[1], method=method))
    factor = world.workload.steps * (1 + np.asarray(lost))
    price = float(world.price_per_gpu_hour(offer[1])) / 3600 * decisions["gpus"]
    seconds = fixed + factor * step
    keys = Keys(
        offer=np.full(len(rows), offer[0]),
        family=np.full(len(rows), family[0]),
        schedule=rows,
        gpus=decisions["gpus"],
        fixed_seconds=fixed,
        factor=factor,
        price=price,
        seconds_bound=seconds,
        cost_bound=seconds * price,
        peak_bound=peak,
    )
    return keys.where((seconds <= world.deadline_seconds) & (keys.cost_bound <= world.budget))
