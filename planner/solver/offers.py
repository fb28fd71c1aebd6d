"""Which offers can be in an optimum at all: one that another beats in every respect is dropped, and which one did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from planner.catalog import Offer
from planner.solver.world import World


@dataclass(frozen=True)
class DroppedOffer:
    """An offer and the one that is at least as good in price, sizes, network, host and disk."""

    offer: Offer
    better: Offer


def undominated(world: World, offers: Sequence[Offer]) -> tuple[tuple[Offer, ...], tuple[DroppedOffer, ...]]:
    """Split offers of one GPU type into those to examine, in the order given, and those that another one beats."""
    prices = {id(offer): world.price_per_gpu_hour(offer) for offer in offers}
    kept: list[Offer] = []
    dropped: list[DroppedOffer] = []
    for place, offer in enumerate(offers):
        rivals = (
            rival
            for other, rival in enumerate(offers)
            if other != place and beats(rival, offer, prices[id(rival)], prices[id(offer)], earlier=other < place)
        )
        better = next(rivals, None)
        if better is None:
            kept.append(offer)
        else:
            dropped.append(DroppedOffer(offer, better))
    return tuple(kept), tuple(dropped)


def beats(rival: Offer, offer: Offer, rival_price: Decimal, price: Decimal, *, earlier: bool) -> bool:
    """Whether every plan on `offer` is as good or better on `rival`: cheaper, or equal and `earlier` in the catalog.

    A spot rival never beats an on-demand offer, since it can be interrupted; capacities that are not published are
    not checked, so an offer without them is beaten only by one without them.
    """
    if rival_price > price or (rival_price == price and not earlier):
        return False
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
