"""What an offer charges under a scenario: the user's word first, then the provider's, then what is assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from planner.catalog.currency import Currencies
from planner.catalog.offer import Offer
from planner.estimator.cost import Tariff
from planner.scenario.model import MoneyTerms, Scenario
from planner.unit_prices import UnitPrice

OWN_VALUE = "given in the scenario"
NOT_PUBLISHED = "no published figure is known of the provider"
BILLING_UNIT_SECONDS = 1
"""Where nothing is known of a provider, it bills by the second. An assumption of the planner."""
FREE = UnitPrice(Decimal(0), "USD", "GB")


class Term(NamedTuple):
    """One thing that an offer charges: seconds or a price, and where it is from."""

    value: float
    source: str
    price: UnitPrice = FREE
    free_bytes: int = 0


@dataclass(frozen=True)
class Terms:
    """How an offer bills beside its price per GPU and hour."""

    billing_unit: Term
    minimum: Term
    storage: Term
    egress: Term


def terms_of(offer: Offer, money: MoneyTerms) -> Terms:
    """The terms of an offer: its own, then those of the scenario, then its provider's, else none, which is assumed."""
    return Terms(_billing_unit(offer, money), _minimum(offer), _storage(offer, money), _egress(offer, money))


def tariff_of(offer: Offer, scenario: Scenario, currencies: Currencies) -> Tariff:
    """The same as amounts in the currency of the answer."""
    terms, currency = terms_of(offer, scenario.money), scenario.currency

    def per_byte(price: UnitPrice) -> Decimal:
        return currencies.convert(price.per_byte, price.currency, currency)

    return Tariff(
        price_per_gpu_hour=currencies.convert(offer.price_per_gpu_hour, offer.currency, currency),
        billing_unit_seconds=int(terms.billing_unit.value),
        minimum_seconds=terms.minimum.value,
        storage_per_byte_month=per_byte(terms.storage.price),
        egress_per_byte=per_byte(terms.egress.price),
        free_egress_bytes=terms.egress.free_bytes,
        tax_fraction=scenario.money.tax_fraction or Decimal(0),
    )


def currencies_of(offer: Offer, money: MoneyTerms) -> Iterator[str]:
    """The currencies of everything that an offer charges."""
    terms = terms_of(offer, money)
    yield offer.currency
    yield from (term.price.currency for term in (terms.storage, terms.egress) if term.price.amount)


def _billing_unit(offer: Offer, money: MoneyTerms) -> Term:
    if offer.billing is not None and offer.billing.is_own:
        return Term(offer.billing.unit_seconds, OWN_VALUE)
    if money.billing_unit_seconds is not None:
        return Term(money.billing_unit_seconds, OWN_VALUE)
    if offer.billing is not None:
        return Term(offer.billing.unit_seconds, offer.billing.source)
    return Term(BILLING_UNIT_SECONDS, f"{NOT_PUBLISHED}: by the second is assumed")


def _minimum(offer: Offer) -> Term:
    least = offer.billing.minimum_seconds if offer.billing else 0
    source = offer.billing.source if offer.billing else f"{NOT_PUBLISHED}: none is assumed"
    if offer.kind != "reserved":
        return Term(least, source)
    if offer.held:
        return Term(0, "the reservation is held already: only the hours of the job count")
    if offer.term_seconds is None:
        return Term(0, "no term is given: counted as a reservation that is held already")
    return Term(max(least, offer.term_seconds), "term of the reservation: all of it is paid for")


def _storage(offer: Offer, money: MoneyTerms) -> Term:
    if money.storage is not None:
        return Term(0, OWN_VALUE, money.storage)
    if offer.disk_gib is not None:
        return Term(0, "the machine's own disk is in its price")
    if offer.storage is not None:
        return Term(0, offer.storage.source, offer.storage.price)
    return Term(0, f"{NOT_PUBLISHED}: none is counted")


def _egress(offer: Offer, money: MoneyTerms) -> Term:
    if money.egress is not None:
        return Term(0, OWN_VALUE, money.egress)
    if offer.egress is not None:
        return Term(0, offer.egress.source, offer.egress.price, offer.egress.free_bytes)
    return Term(0, f"{NOT_PUBLISHED}: none is counted")
