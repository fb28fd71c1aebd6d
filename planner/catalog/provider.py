"""Providers: how they bill time, storage and traffic, as far as they publish it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer

from planner.catalog.record import Record, SourcedRecord
from planner.unit_prices import UnitPrice, parse_storage_price, parse_traffic_price


def _written(parse: Callable[[object], UnitPrice], ending: str) -> tuple[Any, ...]:
    """How a price per size stands in a catalog file, and how it is printed again."""

    def read(value: object) -> UnitPrice:
        return value if isinstance(value, UnitPrice) else parse(value)

    return BeforeValidator(read), PlainSerializer(lambda price: f"{price.amount} {price.currency}/{price.size}{ending}")


StoredPrice = Annotated[UnitPrice, *_written(parse_storage_price, "/month")]
TrafficPrice = Annotated[UnitPrice, *_written(parse_traffic_price, "")]


class Billing(SourcedRecord):
    """How time is billed: in whole units, and at least a minimum.

    `instance_prefix` restricts it to machines whose name starts so; of several, the first that fits counts.
    """

    instance_prefix: str = ""
    unit_seconds: int = Field(ge=1, le=31 * 86400)
    minimum_seconds: int = Field(default=0, ge=0, le=3 * 366 * 86400)
    is_own: bool = Field(default=False, description="whether the offer states it itself, and not its provider")


class Storage(SourcedRecord):
    """Price of disk space beside the machine's own, for a month."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    price: StoredPrice
    observed: date


class Egress(SourcedRecord):
    """Price of data that leaves the provider, beyond what is free each month."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    price: TrafficPrice
    free_gb: int = Field(default=0, ge=0, description="GB (10^9 bytes) a month that cost nothing")
    observed: date

    @property
    def free_bytes(self) -> int:
        """Bytes a month that cost nothing."""
        return self.free_gb * 10**9


class Provider(Record):
    """What one provider publishes of its billing; what is missing was not found."""

    name: str
    aliases: tuple[str, ...] = ()
    billing: tuple[Billing, ...] = ()
    storage: Storage | None = None
    egress: Egress | None = None

    def billing_of(self, instance: str) -> Billing | None:
        """How a machine of this name is billed, if that is published."""
        return next((each for each in self.billing if instance.startswith(each.instance_prefix)), None)
