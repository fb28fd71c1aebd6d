"""An offer: a machine with GPUs that someone rents out at a price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal

from pydantic import Field

from planner.catalog.names import fold
from planner.catalog.provider import Billing, Egress, Storage
from planner.catalog.record import SourcedRecord

STALE_AFTER_DAYS = 90


class Offer(SourcedRecord):
    """One price of one machine type of one provider.

    `price_per_gpu_hour` is in `currency`. `gpus_per_node` is the largest number of GPUs of one machine; a `divisible`
    offer also rents 1, 2, 4, ... of them at the same price per GPU. `observed` is the day on which the price was seen
    at the provider (the earliest possible one where the source gives a period); `retrieved` is when we read the
    source. Blank capacities were not published: they are not checked, and the report says so. `billing`, `storage` and
    `egress` are those of the provider unless the offer has its own; None if they are not known.
    """

    provider: str
    instance: str = ""
    region: str = ""
    gpu: str
    gpus_per_node: int = Field(ge=1, le=576)
    divisible: bool = False
    kind: Literal["on-demand", "spot", "reserved"]
    tier: str = Field(default="", description="what the provider or the source calls this sort of price")
    price_per_gpu_hour: Decimal = Field(gt=0, le=100_000)
    currency: str = Field(pattern="^[A-Z]{3}$")
    host_ram_gib_per_gpu: float | None = Field(default=None, gt=0)
    vcpus_per_gpu: float | None = Field(default=None, gt=0)
    disk_gib: float | None = Field(default=None, gt=0, description="local disk of one machine")
    inter_node_gbit_s: float | None = Field(default=None, gt=0, description="network of one machine to the others")
    observed: date
    observed_as: str = Field(default="", description="the date as the source gives it, if it is not a day")
    quality: str
    term_seconds: float | None = Field(default=None, gt=0, description="of a reserved offer: the time that is paid for")
    held: bool = Field(default=False, description="whether the reservation is there already and paid for anyway")
    billing: Billing | None = None
    storage: Storage | None = None
    egress: Egress | None = None

    @property
    def name(self) -> str:
        """`aws p5.48xlarge us-east-1 spot`: what a person looks for on the provider's page."""
        return " ".join(part for part in (self.provider, self.instance, self.region, self.tier, self.kind) if part)

    @property
    def is_priced(self) -> bool:
        """Whether the price is known."""
        return self.price_per_gpu_hour.is_finite()

    def age_days(self, today: date) -> int:
        """Days since the price was seen."""
        return (today - self.observed).days

    def is_stale(self, today: date) -> bool:
        """Whether the price is older than 90 days."""
        return self.age_days(today) > STALE_AFTER_DAYS


class UnpricedOffer(Offer):
    """A machine for a GPU that nobody rents out at a known price: its price, and so every cost, is not a number."""

    provider: str = "no offer known"
    kind: Literal["on-demand", "spot", "reserved"] = "on-demand"
    price_per_gpu_hour: Decimal = Field(default=Decimal("NaN"), allow_inf_nan=True)
    currency: str = "USD"
    quality: str = "no price"
    source: str = "no offer is known"

    @property
    def name(self) -> str:
        """What stands where a plan names its offer."""
        return self.provider


def duplicate_offers(offers: Sequence[Offer]) -> list[tuple[int, int]]:
    """Positions (first, repeated), from 0, of offers that sell the same thing, in the order of the repetitions.

    The same thing: provider, instance, region, tier (spelled alike up to case and punctuation), GPU, GPUs per machine
    and kind. The price does not matter: two prices for one thing contradict each other.
    """
    first: dict[tuple[str | int, ...], int] = {}
    repeated = []
    for position, offer in enumerate(offers):
        words = (offer.provider, offer.instance, offer.region, offer.tier, offer.gpu, offer.kind)
        earlier = first.setdefault((offer.gpus_per_node, *(fold(word) for word in words)), position)
        if earlier != position:
            repeated.append((earlier, position))
    return repeated
