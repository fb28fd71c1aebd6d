"""Which offers can be in an optimum at all: one that another beats in every respect is dropped, and which one did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from planner.catalog import Offer
from planner.decisions import METHODS
from planner.estimator.cost import Tariff
from planner.estimator.duration import startup_seconds
from planner.estimator.host import disk_bytes, result_bytes
from planner.solver.world import World
from planner.unit_prices import MONTH_SECONDS


@dataclass(frozen=True)
class DroppedOffer:
    """An offer and the one that is at least as good in price, sizes, network, host and disk."""

    offer: Offer
    better: Offer


class Extent(NamedTuple):
    """Bounds on what any plan of a scenario takes and keeps, by which tariffs are compared."""

    seconds: Decimal
    """The shortest job."""
    stored_bytes: Decimal
    """The most that is stored."""
    downloaded_bytes: Decimal
    """The most that is downloaded."""


def undominated(world: World, offers: Sequence[Offer]) -> tuple[tuple[Offer, ...], tuple[DroppedOffer, ...]]:
    """Split offers of one GPU type into those to examine, in the order given, and those that another one beats."""
    tariffs = [world.tariff(offer) for offer in offers]
    job = extent_of(world, offers[0]) if offers else Extent(*[Decimal(1)] * 3)
    kept: list[Offer] = []
    dropped: list[DroppedOffer] = []
    for place, offer in enumerate(offers):
        rivals = (
            rival
            for other, rival in enumerate(offers)
            if other != place
            and beats(rival, offer)
            and is_cheaper(tariffs[other], tariffs[place], job, earlier=other < place)
        )
        better = next(rivals, None)
        if better is None:
            kept.append(offer)
        else:
            dropped.append(DroppedOffer(offer, better))
    return tuple(kept), tuple(dropped)


def extent_of(world: World, offer: Offer) -> Extent:
    """The bounds of a scenario: over all methods, on the machines of an offer."""
    methods = [method for method in METHODS if world.scenario.search.allows("method", method)]
    workload = world.workload
    starting = partial(startup_seconds, workload, offer=offer)
    return Extent(
        Decimal(repr(min(float(starting(method=method)) for method in methods))),
        Decimal(repr(max(float(disk_bytes(workload, method=method)) for method in methods) + 1024)),
        Decimal(repr(max(float(result_bytes(workload, method=method)) for method in methods) + 1)),
    )


def is_cheaper(rival: Tariff, offer: Tariff, job: Extent, *, earlier: bool) -> bool:
    """Whether every plan costs no more with a rival tariff, and less unless the rival is `earlier` in the catalog.

    What a rival bills for s seconds is at most its longest wait for a unit or a minimum, set against the shortest job:
    `stretch` x what the offer bills. What it charges more for storage and traffic is spread over that job and one GPU.
    """
    if rival == offer:
        return earlier
    longest = job.seconds
    if offer.billing_unit_seconds % rival.billing_unit_seconds:
        longest += rival.billing_unit_seconds
    if rival.minimum_seconds > offer.minimum_seconds:
        longest = max(longest, Decimal(repr(float(rival.minimum_seconds))))
    stretch = longest / job.seconds
    storage = rival.storage_per_byte_month * stretch - offer.storage_per_byte_month
    more = max(Decimal(0), storage) * job.stored_bytes / MONTH_SECONDS
    more += _more_egress(rival, offer, job) / job.seconds
    needed = rival.price_per_gpu_hour * stretch + more * 3600
    return needed < offer.price_per_gpu_hour or (needed == offer.price_per_gpu_hour and earlier)


def _more_egress(rival: Tariff, offer: Tariff, job: Extent) -> Decimal:
    """The most that a rival charges more for a download: of the largest, or of what the offer gives for free."""
    sizes = (job.downloaded_bytes, min(job.downloaded_bytes, Decimal(offer.free_egress_bytes)), Decimal(0))

    def charged(tariff: Tariff, size: Decimal) -> Decimal:
        return tariff.egress_per_byte * max(Decimal(0), size - tariff.free_egress_bytes)

    return max(charged(rival, size) - charged(offer, size) for size in sizes)


def beats(rival: Offer, offer: Offer) -> bool:
    """Whether every plan on `offer` is possible and as fast on `rival`, whatever it costs.

    A spot rival never beats an on-demand offer, since it can be interrupted; capacities that are not published are
    not checked, so an offer without them is beaten only by one without them.
    """
    if rival.kind == "spot" and offer.kind != "spot":
        return False
    if rival.gpus_per_node != offer.gpus_per_node or (offer.divisible and not rival.divisible):
        return False
    pairs = (
        (rival.host_ram_gib_per_gpu, offer.host_ram_gib_per_gpu),
        (rival.disk_gib, offer.disk_gib),
    )
    network = offer.inter_node_gbit_s is None or (rival.inter_node_gbit_s or 0) >= offer.inter_node_gbit_s
    return network and all(_as_large(*pair) for pair in pairs)


def _as_large(rival: float | None, offer: float | None) -> bool:
    if offer is None or rival is None:
        return offer is None and rival is None
    return rival >= offer
