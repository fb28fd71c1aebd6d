"""The offer catalog: coverage, exact prices, dates, and the refusal of contradictions."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from planner.catalog import Catalog, Offer, duplicate_offers, load_catalog
from planner.errors import CatalogError

CATALOG = load_catalog()
REQUIRED = (
    "RTX 4090",
    "A100 40GB SXM",
    "A100 80GB SXM",
    "H100 PCIe",
    "H100 SXM",
    "H200",
    "B200",
    "L40S",
    "RTX A6000",
    "MI300X",
)


def offer(**change: object) -> Offer:
    """A valid offer, changed."""
    fields: dict[str, object] = {
        "provider": "aws",
        "instance": "p5.48xlarge",
        "region": "us-east-1",
        "gpu": "H100 SXM",
        "gpus_per_node": 8,
        "kind": "spot",
        "price_per_gpu_hour": "2.5",
        "currency": "USD",
        "observed": date(2026, 8, 1),
        "quality": "good",
        "source": "the provider's page",
        "retrieved": date(2026, 11, 22),
    }
    return Offer.model_validate(fields | change)


def only(provider: str, instance: str, **fields: object) -> Offer:
    """The one shipped offer with these fields."""
    found = [
        offer
        for offer in CATALOG.offers
        if (offer.provider, offer.instance) == (provider, instance)
        and all(getattr(offer, name) == value for name, value in fields.items())
    ]
    assert len(found) == 1
    return found[0]


def test_the_catalog_is_large_dated_and_sourced() -> None:
    """At least 150 offers, each seen before its source was read, with that source."""
    assert len(CATALOG.offers) >= 150
    for each in CATALOG.offers:
        assert date(2025, 11, 1) <= each.observed <= each.retrieved
        assert each.source
        assert each.quality


@pytest.mark.parametrize("gpu", REQUIRED)
def test_the_gpus_that_people_rent_have_offers(gpu: str) -> None:
    """Each of the common GPU types is offered on demand, and is found by its catalog name."""
    assert any(offer.kind == "on-demand" for offer in CATALOG.offers_of(gpu))


def test_gpu_without_offers_has_none() -> None:
    """No price of an H800 was published, so none is made up."""
    assert CATALOG.offers_of("H800 SXM") == ()
    assert CATALOG.offers_of("H800 PCIe") == ()


def test_some_prices_are_in_yuan() -> None:
    """Chinese offers keep their currency, and convert to a plausible dollar price."""
    yuan = [offer for offer in CATALOG.offers if offer.currency == "CNY"]
    assert {"RTX 4090", "RTX A6000", "H20"} <= {offer.gpu for offer in yuan}
    for each in yuan:
        assert Decimal("0.05") < CATALOG.currencies.convert(each.price_per_gpu_hour, "CNY", "USD") < Decimal("2")


def test_prices_per_gpu_are_exact() -> None:
    """The machine's price comes back, digit by digit, when the price per GPU is multiplied by its GPUs."""
    machine = only("aws", "p4d.24xlarge", kind="on-demand")
    assert machine.price_per_gpu_hour * machine.gpus_per_node == Decimal("21.957642")
    assert only("aws", "p4d.24xlarge", kind="spot").price_per_gpu_hour * 8 == Decimal("6.5323")
    assert only("vast.ai", "8x-RTX_4090").price_per_gpu_hour * 8 == Decimal("2.77")


def test_machine_types_keep_their_size() -> None:
    """A machine type is rented whole; its capacities are per GPU."""
    machine = only("aws", "p5.48xlarge", region="us-east-1", kind="on-demand")
    assert (machine.gpus_per_node, machine.divisible, machine.inter_node_gbit_s) == (8, False, 3200)
    assert (machine.host_ram_gib_per_gpu, machine.vcpus_per_gpu) == (256, 24)
    assert not only("lambda", "gpu_1x_h100_pcie").divisible
    assert only("coreweave", "HGX H100 (per GPU of 8)").gpus_per_node == 8
    assert not only("coreweave", "HGX H100 (per GPU of 8)").divisible


def test_prices_per_gpu_are_divisible_and_say_so() -> None:
    """A price per GPU is offered for 1, 2, 4, ... GPUs of a machine, and the entry says on what ground."""
    pod = only("runpod", "NVIDIA RTX 4090", tier="secure")
    assert (pod.gpus_per_node, pod.divisible) == (8, True)
    for each in CATALOG.offers:
        assert not each.divisible or (each.gpus_per_node > 1 and "per GPU" in each.note)


def test_periods_become_their_first_day() -> None:
    """A price without a day is dated as early as it can be, and keeps the source's words."""
    assert only("aws", "p5.48xlarge", region="us-east-2", kind="spot").observed == date(2026, 7, 1)
    assert only("vast.ai", "1x-H100_SXM").observed == date(2025, 11, 1)
    assert only("优云智算 (Compshare)", "single card").observed == date(2026, 1, 1)
    assert all(offer.observed.day == 1 for offer in CATALOG.offers if offer.observed_as)


def test_a_price_is_stale_after_ninety_days() -> None:
    """Ninety days are still fresh, ninety-one are not."""
    fresh = offer(observed=date(2026, 8, 1))
    assert fresh.age_days(date(2026, 8, 1) + timedelta(days=90)) == 90
    assert not fresh.is_stale(date(2026, 8, 1) + timedelta(days=90))
    assert fresh.is_stale(date(2026, 8, 1) + timedelta(days=91))


def test_names_are_unique_per_gpu() -> None:
    """No two offers of a GPU look alike to a person who reads the name."""
    names = [(offer.gpu, offer.name) for offer in CATALOG.offers]
    assert len(names) == len(set(names))
    assert offer().name == "aws p5.48xlarge us-east-1 spot"
    assert offer(provider="runpod", instance="pod", region="", tier="secure", kind="on-demand").name == (
        "runpod pod secure on-demand"
    )


def test_duplicates_are_found_whatever_their_price() -> None:
    """Offers of the same thing are reported as positions; another region, kind, size or tier is another thing."""
    others = [offer(region="us-east-2"), offer(kind="on-demand"), offer(gpus_per_node=4), offer(tier="community")]
    assert duplicate_offers([offer(), *others]) == []
    again = offer(provider="AWS", instance="P5.48 xlarge", price_per_gpu_hour="9")
    assert duplicate_offers([offer(), *others, again, offer()]) == [(0, 5), (0, 6)]
    assert duplicate_offers(CATALOG.offers) == []


@pytest.mark.parametrize(
    "change",
    [
        {"price_per_gpu_hour": "0"},
        {"price_per_gpu_hour": "-1"},
        {"price_per_gpu_hour": "NaN"},
        {"price_per_gpu_hour": "Infinity"},
        {"price_per_gpu_hour": "1e30"},
        {"gpus_per_node": 0},
        {"currency": "dollars"},
        {"kind": "stolen"},
        {"observed": "yesterday"},
        {"source": ""},
        {"colour": "red"},
    ],
)
def test_impossible_offers_are_refused(change: dict[str, object]) -> None:
    """A price of nothing, a machine without GPUs, an undated or unsourced price: none of them is an offer."""
    with pytest.raises(ValueError, match=next(iter(change))):
        offer(**change)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({}, r"entries 1 and 2 are the same offer: \"aws p5.48xlarge us-east-1 spot\", H100 SXM"),
        ({"gpu": "H101"}, r"entry 2: unknown GPU \"H101\""),
        ({"region": "b", "currency": "JPY"}, r"entry 2: unknown currency \"JPY\""),
        ({"price_per_gpu_hour": "0"}, r"entry 2 \(aws\): price_per_gpu_hour: "),
    ],
)
def test_broken_offer_files_are_refused(tmp_path: Path, second: dict[str, object], message: str) -> None:
    """Repeated offers, unknown GPUs, currencies without a rate and bad prices are named by entry."""
    for name in ("gpus.yaml", "efficiency.yaml", "currencies.yaml"):
        (tmp_path / name).write_bytes((CATALOG.directory / name).read_bytes())
    entry = offer().model_dump(exclude_defaults=True, mode="json")
    (tmp_path / "offers.yaml").write_text(yaml.safe_dump({"offers": [entry, entry | second]}), encoding="utf-8")
    with pytest.raises(CatalogError, match=rf"^offers\.yaml: {message}"):
        _ = Catalog(tmp_path).offers
