"""What the money of a plan rests on: billing, storage, traffic, tax and exchange rates, each with its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from planner.catalog import Offer
from planner.scenario.tariff import OWN_VALUE, Term, currencies_of, terms_of
from planner.solver.candidate import Candidate
from planner.solver.world import World
from planner.unit_prices import MONTH_SECONDS

OF_MEMORY = ("oom_risk", "gpu_memory_reserve", "gpu_memory", "host_memory", "disk", "gpus_per_node")
"""Assumptions that decide what fits only."""
NO_TAX = "no rate is given: prices are taken as without tax"
DOWNLOADS = {
    "weights": "the trained weights in 16 bit",
    "checkpoint": "the last training checkpoint",
    "nothing": OWN_VALUE,
}


@dataclass(frozen=True)
class Assumption:
    """One value that no data sheet states for this run: `key` is that of the scenario where it can be set there."""

    key: str
    value: float | str
    unit: str
    source: str

    @property
    def is_of_memory(self) -> bool:
        """Whether neither time nor money rests on it."""
        return self.key in OF_MEMORY


def money_assumptions(world: World, best: Candidate) -> Iterator[Assumption]:
    """Everything assumed of what a priced plan is charged, in a fixed order."""
    offer, money, charges = best.plan.offer, world.scenario.money, best.estimate.charges
    terms = terms_of(offer, money)
    yield Assumption("billing_unit", terms.billing_unit.value, "s", terms.billing_unit.source)
    key = "reservation_term" if offer.kind == "reserved" else "minimum_billed"
    yield Assumption(key, terms.minimum.value, "s", terms.minimum.source)
    yield _price("storage_price", terms.storage, "/month")
    if terms.storage.price.amount:
        size = "weights, two checkpoints and data on one volume, while the machines are rented"
        yield Assumption("stored", charges.stored_bytes, "bytes", size)
        yield Assumption("month", MONTH_SECONDS, "s", "8,760 hours / 12, as storage is billed")
    yield _price("egress_price", terms.egress)
    if terms.egress.price.amount:
        yield Assumption("downloaded", charges.downloaded_bytes, "bytes", DOWNLOADS[money.download])
        if terms.egress.free_bytes:
            yield Assumption(
                "free_download", terms.egress.free_bytes, "bytes a month, used by nothing else", terms.egress.source
            )
    tax = money.tax_fraction
    yield Assumption("tax", float(tax or 0), "of everything else", NO_TAX if tax is None else OWN_VALUE)
    yield from _rates(world, offer)


def _price(key: str, term: Term, ending: str = "") -> Assumption:
    """A price per size as a number, in a unit such as USD/GB/month."""
    price = term.price
    return Assumption(key, float(price.amount), f"{price.currency}/{price.size}{ending}", term.source)


def _rates(world: World, offer: Offer) -> Iterator[Assumption]:
    """The exchange rates that the plan's cost rests on."""
    scenario, currencies = world.scenario, world.catalog.currencies
    used = {scenario.currency, *currencies_of(offer, scenario.money)}
    for rate in currencies.currencies if len(used) > 1 else ():
        if rate.code in used:
            source = f"{rate.observed.isoformat()}: {rate.source}"
            yield Assumption(f"rate_{rate.code}", float(rate.usd_per_unit), f"USD per {rate.code}", source)
