"""The money section and the terms of own offers: what is read, and which word counts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from scenario_texts import JOB, read

from planner.catalog import Offer, load_catalog
from planner.scenario.model import Scenario
from planner.scenario.tariff import NOT_PUBLISHED, OWN_VALUE, currencies_of, tariff_of, terms_of
from planner.unit_prices import UnitPrice, parse_storage_price, parse_tax, parse_traffic_price
from planner.units import UnitError

OWN = "offers: [{{gpu: H100, price: 2 USD/h, provider: {provider}{more}}}]\n"


def scenario(more: str = "", provider: str = "me", rest: str = "") -> Scenario:
    """A scenario with one own offer, and perhaps other sections."""
    return read(JOB + OWN.format(provider=provider, more=more) + rest)


def offer(name: str, instance: str = "") -> Offer:
    """The first offer of a provider in the catalog."""
    return next(each for each in load_catalog().offers if each.provider == name and each.instance.startswith(instance))


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("0.08 USD/GB/month", UnitPrice(Decimal("0.08"), "USD", "GB")),
        ("$20 per TB per month", UnitPrice(Decimal(20), "USD", "TB")),
        ("0.5 cny/gib-month", UnitPrice(Decimal("0.5"), "CNY", "GiB")),
        ("EUR .02/TiB/mo", UnitPrice(Decimal("0.02"), "EUR", "TiB")),
        ("0 USD/GB/month", UnitPrice(Decimal(0), "USD", "GB")),
    ],
)
def test_prices_of_storage(text: str, price: UnitPrice) -> None:
    """A currency, a size and a month, in the usual spellings."""
    assert parse_storage_price(text) == price


def test_prices_of_traffic_and_taxes() -> None:
    """No month there; percent or a share here."""
    assert parse_traffic_price("€0.01/GiB") == UnitPrice(Decimal("0.01"), "EUR", "GiB")
    assert parse_traffic_price("0.09 USD/GB").per_byte * 10**9 == Decimal("0.09")
    assert [parse_tax(each) for each in ("19%", "0%", 0, 1, "0.5", "7.7 %")] == [
        Decimal(each) for each in ("0.19", "0", "0", "1", "0.5", "0.077")
    ]
    with pytest.raises(UnitError, match="found -1"):
        parse_tax(-1)


def test_the_money_section() -> None:
    """Every key, in the unit that its name says."""
    rest = "money: {storage: 1 USD/TB/month, egress: 0.1 CNY/GB, tax: 19%, download: checkpoint, billing_unit: 1 min}\n"
    money = scenario(rest=rest).money
    assert (money.storage, money.egress) == (UnitPrice(Decimal(1), "USD", "TB"), UnitPrice(Decimal("0.1"), "CNY", "GB"))
    assert (money.tax_fraction, money.download, money.billing_unit_seconds) == (Decimal("0.19"), "checkpoint", 60)


@pytest.mark.parametrize(
    ("rest", "currency"),
    [
        ("money: {currency: eur}\n", "EUR"),
        ("currency: CNY\nmoney: {currency: CNY}\n", "CNY"),
        ("money: {currency: EUR}\nlimits: {budget: 5 CNY}\n", "EUR"),
        ("limits: {budget: 5 CNY}\nmoney: {tax: 0%}\n", "CNY"),
    ],
)
def test_the_currency_of_the_answer(rest: str, currency: str) -> None:
    """That of either key, then that of the budget."""
    assert scenario(rest=rest).currency == currency


def test_the_providers_terms_count_for_its_offers() -> None:
    """Bare metal of oci has another minimum than its virtual machines; what is not published is said to be."""
    metal, virtual, unknown = (
        terms_of(each, scenario().money) for each in (offer("oci", "BM"), offer("oci", "VM"), offer("verda"))
    )
    assert (metal.minimum.value, virtual.minimum.value) == (3600, 60)
    assert metal.egress.free_bytes == 10 * 10**12
    assert unknown.billing_unit.value == 1
    assert unknown.storage.price.amount == unknown.egress.price.amount == 0
    assert all(
        term.source.startswith(NOT_PUBLISHED) for term in (unknown.billing_unit, unknown.storage, unknown.egress)
    )


def test_an_own_offer_of_a_known_provider_has_its_terms() -> None:
    """Unless it states its own; a minimum alone keeps the unit."""
    known = scenario(provider="Lambda")
    assert terms_of(known.offers[0], known.money).billing_unit.value == 60
    own = scenario(", minimum: 2h", "Lambda")
    terms = terms_of(own.offers[0], own.money)
    assert (terms.billing_unit.value, terms.minimum.value) == (60, 7200)


def test_the_offers_own_word_counts_before_the_scenarios_and_that_before_the_providers() -> None:
    """For the billing unit; for prices there is only the scenario's before the provider's."""
    rest = "money: {billing_unit: 1h, storage: 0 USD/GB/month, egress: 1 USD/GB}\n"
    own = scenario(", billing_unit: 10 min", "runpod", rest)
    terms = terms_of(own.offers[0], own.money)
    assert (terms.billing_unit.value, terms.billing_unit.source) == (600, OWN_VALUE)
    of_catalog = terms_of(offer("runpod"), own.money)
    assert (of_catalog.billing_unit.value, of_catalog.billing_unit.source) == (3600, OWN_VALUE)
    assert terms.storage.price.amount == 0
    assert terms.egress.price.amount == 1


def test_a_disk_of_the_machine_is_in_its_price() -> None:
    """An offer that states its disk needs no other, unless the user pays for one."""
    own = scenario(", disk_gib: 500", "runpod")
    assert terms_of(own.offers[0], own.money).storage.price.amount == 0
    paid = scenario(", disk_gib: 500", "runpod", "money: {storage: 0.05 USD/GB/month}\n")
    assert terms_of(paid.offers[0], paid.money).storage.price.amount == Decimal("0.05")


@pytest.mark.parametrize(
    ("more", "seconds", "source"),
    [
        (", kind: reserved, term: 30 days", 30 * 86400, "all of it is paid for"),
        (", kind: reserved, term: 30 days, held: true", 0, "held already"),
        (", kind: reserved", 0, "no term is given"),
        (", minimum: 1h", 3600, "your own price"),
    ],
)
def test_a_reservation_commits_to_its_term(more: str, seconds: int, source: str) -> None:
    """Unless it is there already."""
    own = scenario(more)
    minimum = terms_of(own.offers[0], own.money).minimum
    assert minimum.value == seconds
    assert source in minimum.source


def test_a_tariff_is_in_the_currency_of_the_answer() -> None:
    """At the dated rates: 1 EUR = 1.1761 USD."""
    own = scenario(rest="money: {storage: 1.1761 USD/GB/month, egress: 2 EUR/GB, tax: 7%, currency: EUR}\n")
    tariff = tariff_of(own.offers[0], own, load_catalog().currencies)
    assert round(tariff.storage_per_byte_month * 10**9, 12) == 1
    assert tariff.egress_per_byte * 10**9 == 2
    assert round(tariff.price_per_gpu_hour, 6) == round(Decimal(2) / Decimal("1.1761"), 6)
    assert tariff.tax_fraction == Decimal("0.07")
    assert set(currencies_of(own.offers[0], own.money)) == {"USD", "EUR"}
