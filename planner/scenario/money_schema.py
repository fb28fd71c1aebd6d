"""The `money` section of a scenario: what is paid beside the price of GPUs."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from planner.scenario.fields import Fault, FieldError, Parsed, Section, in_unit, one_of
from planner.scenario.names import in_known_currency, parse_currency
from planner.unit_prices import UnitPrice, parse_storage_price, parse_tax, parse_traffic_price
from planner.units import DAY_SECONDS, parse_duration, shown

DOWNLOADS = ("weights", "checkpoint", "nothing")
MOST_UNIT_SECONDS = 31 * DAY_SECONDS

CurrencyCode = Annotated[str, Parsed(parse_currency, {"type": "string", "pattern": "^[A-Za-z]{3}$"})]


def parse_billing_unit(value: object) -> float:
    """Whole seconds, at most 31 days."""
    seconds = parse_duration(value)
    if seconds != int(seconds) or seconds > MOST_UNIT_SECONDS:
        raise FieldError(Fault(f"expected whole seconds up to 31 days, found {shown(value)}"))
    return seconds


BillingUnit = Annotated[float, in_unit(parse_billing_unit, "1 min", "1h")]


class MoneySchema(Section):
    """What is paid beside the price of GPUs; left out = what the provider publishes, else nothing."""

    storage: Annotated[UnitPrice, in_known_currency(parse_storage_price, "0.08 USD/GB/month")] | None = Field(
        default=None, description="Price of keeping weights, checkpoints and data.", examples=["0.08 USD/GB/month"]
    )
    egress: Annotated[UnitPrice, in_known_currency(parse_traffic_price, "0.09 USD/GB")] | None = Field(
        default=None, description="Price of downloading the result.", examples=["0.09 USD/GB"]
    )
    download: Annotated[str, one_of(DOWNLOADS)] = Field(
        default="weights",
        description="What is downloaded at the end: the trained weights, a whole checkpoint, or nothing.",
    )
    tax: Annotated[Decimal, in_unit(parse_tax, "19%", plain="number")] | None = Field(
        default=None, description="Tax on everything; prices are without tax.", examples=["19%"]
    )
    billing_unit: BillingUnit | None = Field(
        default=None, description="Unit in which rented time is billed.", examples=["1 min"]
    )
    currency: CurrencyCode | None = Field(default=None, description="Currency of the answer, as at the top level.")
