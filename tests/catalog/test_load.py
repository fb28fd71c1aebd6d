"""The catalog loader, names and currencies: what they find, and what they refuse."""

from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import Catalog, UnknownCurrencyError, UnknownNameError, fold, load_catalog, resolve
from planner.errors import CatalogError

SHIPPED = load_catalog().directory


def write(directory: Path, name: str, content: object) -> Catalog:
    """A copy of the shipped catalogs with one file replaced: by text, bytes, or anything that YAML can say."""
    copytree(SHIPPED, directory, dirs_exist_ok=True)
    raw = content if isinstance(content, str | bytes) else yaml.safe_dump(content)
    (directory / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return Catalog(directory)


def entries(name: str) -> list[dict[str, Any]]:
    content = yaml.load((SHIPPED / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return list(content[name])


def test_default_catalog_is_read_once() -> None:
    """The shipped catalogs are one object per process, and so are their records."""
    assert load_catalog() is load_catalog()
    assert load_catalog().gpus is load_catalog().gpus


def test_another_directory_is_read_anew(tmp_path: Path) -> None:
    """A catalog of another directory does not come from the cache, and sees what is in that directory."""
    catalog = write(tmp_path, "gpus.yaml", {"gpus": entries("gpus")[:1]})
    assert [gpu.name for gpu in load_catalog(catalog.directory).gpus] == ["RTX 3090"]


def test_files_are_read_lazily(tmp_path: Path) -> None:
    """A broken offers file does not keep anybody from the GPUs."""
    catalog = write(tmp_path, "offers.yaml", "offers: [")
    assert len(catalog.gpus) >= 37
    with pytest.raises(CatalogError, match=r"^offers\.yaml: "):
        _ = catalog.offers


@pytest.mark.parametrize(
    "content",
    [
        "",
        "gpus:",
        "gpus: {}",
        "[1, 2]",
        "gpus: []\noffers: []",
        "gpus: [",
        "gpus: *nowhere",
        "gpus: [!!python/object:os.system {}]",
        "gpus: [{? [1] : 2}]",
        "gpus: [{name: x, retrieved: 2026-13-45}]",
        "gpus: [7]",
        "gpus: [{1: 2}]",
        b"\xff\xfe\x00gpus",
        "gpus: " + "[" * 3000 + "]" * 3000,
    ],
    ids=lambda content: str(content)[:20],
)
def test_unreadable_files_are_catalog_errors(tmp_path: Path, content: str | bytes) -> None:
    """Whatever a file contains, the error is a CatalogError that names the file."""
    catalog = write(tmp_path, "gpus.yaml", content)
    with pytest.raises(CatalogError, match=r"^gpus\.yaml: "):
        _ = catalog.gpus


def test_missing_directory_is_a_catalog_error(tmp_path: Path) -> None:
    """A directory without catalogs is named as a file that cannot be read."""
    with pytest.raises(CatalogError, match=r"gpus\.yaml: cannot be read"):
        _ = Catalog(tmp_path / "nowhere").gpus


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory_mib": 0}, "memory_mib: Input should be greater than 0"),
        ({"bf16_tflops": float("nan")}, "bf16_tflops: Input should be a finite number"),
        ({"bf16_tflop": 1}, "bf16_tflop: Extra inputs are not permitted"),
        ({"source": ""}, "source: String should have at least 3 characters"),
        ({"retrieved": "soon"}, "retrieved: Input should be a valid date"),
        ({"link": "switch"}, "link switch does not go with nvlink_gbs None"),
    ],
)
def test_broken_gpu_is_named(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """A broken entry is named by file, position and name, with the key and what is wrong with it."""
    gpus = entries("gpus")
    gpus[1] = gpus[1] | change
    with pytest.raises(CatalogError) as error:
        _ = write(tmp_path, "gpus.yaml", {"gpus": gpus}).gpus
    assert str(error.value).startswith("gpus.yaml: entry 2 (RTX 4090): ")
    assert message in str(error.value)


def test_all_faults_of_an_entry_are_told_at_once(tmp_path: Path) -> None:
    """An entry with three faults gives one message with three faults."""
    gpu = entries("gpus")[0] | {"memory_mib": -1, "pcie_gbs": "fast", "wings": 2}
    with pytest.raises(CatalogError) as error:
        _ = write(tmp_path, "gpus.yaml", {"gpus": [gpu]}).gpus
    assert all(key in str(error.value) for key in ("memory_mib: ", "pcie_gbs: ", "wings: "))


@pytest.mark.parametrize("alias", ["H200", "h-200", "H200 141GB"])
def test_two_entries_with_one_name_are_refused(tmp_path: Path, alias: str) -> None:
    """An alias that folds to another entry's name or alias is a CatalogError that names both entries."""
    gpus = entries("gpus")
    gpus[0]["aliases"] = [alias]
    with pytest.raises(CatalogError, match=r'^gpus\.yaml: .* names both "RTX 3090" and "H200"$'):
        _ = write(tmp_path, "gpus.yaml", {"gpus": gpus}).gpus


def test_name_without_letters_is_refused(tmp_path: Path) -> None:
    """A name that folds to nothing would match every question mark."""
    gpu = entries("gpus")[0] | {"aliases": ["--"]}
    with pytest.raises(CatalogError, match="neither a letter nor a digit"):
        _ = write(tmp_path, "gpus.yaml", {"gpus": [gpu]}).gpus


def test_unknown_name_comes_with_a_hint() -> None:
    """The error of an unknown name carries the text and the close names."""
    with pytest.raises(UnknownNameError) as error:
        load_catalog().gpu("RTX 4099")
    assert error.value.text == "RTX 4099"
    assert '"RTX 4090"' in error.value.hint
    assert str(error.value) == f'unknown name "RTX 4099". {error.value.hint}'


@given(st.text())
def test_fold_keeps_letters_and_numbers_only(text: str) -> None:
    """What stands between letters and digits does not count, but for the point of a number."""
    assert all(character.isalnum() or character == "." for character in fold(text))
    assert fold(f" {text}-_/") == fold(text)


def test_fold_tells_sizes_apart() -> None:
    """1.3 billion is not 13 billion, and a point that belongs to no number does not count."""
    assert fold("opt-1.3b") != fold("opt-13b")
    assert fold("opt.1.3b.") == fold("OPT 1.3B")


@given(st.sampled_from(load_catalog().gpus), st.sampled_from(["", " ", "-", "_", "/"]), st.booleans())
def test_every_spelling_of_every_name_resolves(gpu: Any, separator: str, upper: bool) -> None:
    """Names and aliases are found in either case and with any separator."""
    for spelling in (gpu.name, *gpu.aliases):
        typed = spelling.replace(" ", separator)
        assert resolve(typed.upper() if upper else typed.lower(), load_catalog().gpus) is gpu


@pytest.mark.parametrize("name", ["gpus", "offers", "currencies"])
def test_shipped_files_repeat_no_key(name: str) -> None:
    """YAML keeps the last of two equal keys in silence, so the shipped files have none."""

    def check(node: yaml.Node) -> None:
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{name}.yaml:{node.start_mark.line + 1}"
            for _, value in node.value:
                check(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                check(value)

    root = yaml.compose((SHIPPED / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    assert isinstance(root, yaml.MappingNode)
    check(root)


def test_exchange_rates_follow_from_the_quoted_ones() -> None:
    """Dollars per unit = (dollars per euro) / (units per euro), as quoted on 2026-05-08, to six digits."""
    rates = {rate.code: rate for rate in load_catalog().currencies.currencies}
    assert rates["EUR"].usd_per_unit == Decimal("1.1761")
    assert rates["CNY"].usd_per_unit == round(Decimal("1.1761") / Decimal("7.9989"), 6)
    assert rates["GBP"].usd_per_unit == round(Decimal("1.1761") / Decimal("0.86410"), 5)
    assert all(rate.source.startswith("https://") and rate.observed < rate.retrieved for rate in rates.values())


@given(st.decimals(min_value=0, max_value=10**9, places=4), st.sampled_from(load_catalog().currencies.codes))
def test_conversion_there_and_back(amount: Decimal, code: str) -> None:
    """Converting to any currency and back gives the amount, but for the 28th digit; the same currency, exactly."""
    currencies = load_catalog().currencies
    assert str(currencies.convert(amount, code, code)) == str(amount)
    there = currencies.convert(amount, "USD", code)
    assert abs(currencies.convert(there, code, "USD") - amount) <= amount * Decimal("1e-26")


@pytest.mark.parametrize(("from_", "to"), [("JPY", "USD"), ("USD", "JPY"), ("JPY", "JPY")])
def test_currency_without_a_rate_is_refused(from_: str, to: str) -> None:
    """The error names the currency and those that have a rate, even if nothing would have to be converted."""
    with pytest.raises(UnknownCurrencyError, match='"JPY"') as error:
        load_catalog().currencies.convert(Decimal(1), from_, to)
    assert all(code in error.value.hint for code in ("USD", "EUR", "CNY"))


@pytest.mark.parametrize("code", ["EUR", "USD"])
def test_two_rates_for_one_currency_are_refused(tmp_path: Path, code: str) -> None:
    """A second rate for a currency, or any for the base, contradicts the first."""
    rates = entries("currencies")
    extra = rates[0] | {"code": code}
    catalog = write(tmp_path, "currencies.yaml", {"base": "USD", "currencies": [*rates, extra]})
    with pytest.raises(CatalogError, match=rf"^currencies\.yaml: .*more than one rate for {code}"):
        _ = catalog.currencies
