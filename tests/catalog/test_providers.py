"""How providers bill: the shipped facts, and what a file of them may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.catalog import Catalog, fold, load_catalog
from planner.errors import CatalogError

PROVIDERS = load_catalog().providers
SOURCED = 'source: "made up for tests", retrieved: 2026-01-01'


def catalog(tmp_path: Path, entry: str) -> Catalog:
    """The shipped catalogs with another file of providers."""
    folder = load_catalog().directory
    for name in ("currencies.yaml", "gpus.yaml", "efficiency.yaml"):
        (tmp_path / name).write_text((folder / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "providers.yaml").write_text(f"providers:\n  - {entry}\n", encoding="utf-8")
    return Catalog(tmp_path)


def test_every_provider_has_offers() -> None:
    """Terms of nobody would be a wrong name."""
    known = {fold(offer.provider) for offer in load_catalog().offers}
    assert {fold(provider.name) for provider in PROVIDERS} <= known


def test_every_figure_has_its_source() -> None:
    """A page or a file, and the day on which it was read."""
    facts = [fact for each in PROVIDERS for fact in (*each.billing, each.storage, each.egress) if fact]
    assert len(facts) >= 25
    for fact in facts:
        assert fact.source.startswith(("https://", "PyPI ", "github "))


def test_offers_carry_the_terms_of_their_provider() -> None:
    """By the prefix of the machine's name where a provider bills its machines differently."""
    offers = load_catalog().offers
    least = {
        offer.instance[:2]: offer.billing and offer.billing.minimum_seconds
        for offer in offers
        if offer.provider == "oci"
    }
    assert least == {"BM": 3600, "VM": 60}
    assert all(offer.billing is None for offer in offers if offer.provider == "verda")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"{{name: a, billing: [{{unit_seconds: 0, {SOURCED}}}]}}", "billing.0.unit_seconds"),
        ("{name: a, billing: [{unit_seconds: 1}]}", "billing.0.source"),
        (f"{{name: a, storage: {{price: 0.1 USD/GB, observed: 2026-01-01, {SOURCED}}}}}", "price of storage such as"),
        (f"{{name: a, egress: {{price: 1 XYZ/GB, observed: 2026-01-01, {SOURCED}}}}}", 'unknown currency "XYZ"'),
        ("{name: a}\n  - {name: A}", "names both"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    """With the file, the entry and what is wrong."""
    with pytest.raises(CatalogError, match=r"providers\.yaml") as caught:
        _ = catalog(tmp_path, entry).providers
    assert message in str(caught.value)
