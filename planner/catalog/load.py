"""Reads the catalog files: each one when it is first needed, checked entry by entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from planner.catalog.architecture import Architecture
from planner.catalog.currency import Currencies
from planner.catalog.gpu import Gpu
from planner.catalog.lengths import MeasuredSource
from planner.catalog.names import by_folded_name, fold, resolve
from planner.catalog.offer import Offer, duplicate_offers
from planner.catalog.provider import Provider
from planner.catalog.purchase import Commitment, Figure, Purchase, Purchases, SiteDefaults
from planner.catalog.record import Record
from planner.catalog.speed import OwnSpeed, Speeds
from planner.catalog.spread import Spreads
from planner.catalog.stack import Stack
from planner.errors import CatalogError

AnyRecord = TypeVar("AnyRecord", bound=Record)
AnyNamed = TypeVar("AnyNamed", Gpu, Architecture, Stack, Provider)


@dataclass(frozen=True)
class Catalog:
    """The catalog files of one directory; a file that is never asked for is never read.

    Error, of every attribute and method: CatalogError if the file that it needs breaks the catalog format.
    """

    directory: Path

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """All GPU types of `gpus.yaml`, in file order."""
        gpus = _named(self.directory / "gpus.yaml", Gpu)
        return tuple(gpu.model_copy(update={"known_speed": self.speeds.of(gpu.name, gpu.generation)}) for gpu in gpus)

    @cached_property
    def speeds(self) -> Speeds:
        """The figures of the time model, of `efficiency.yaml`; `gpus` joins them to the GPU types."""
        path = self.directory / "efficiency.yaml"
        return _checked(Speeds, _read(path), path.name)

    @cached_property
    def models(self) -> tuple[Architecture, ...]:
        """All models of `models.yaml`, in file order."""
        return _named(self.directory / "models.yaml", Architecture)

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """All training stacks of `stacks.yaml`, in file order."""
        stacks = _named(self.directory / "stacks.yaml", Stack)
        return tuple(
            stack.model_copy(update={"spread": self.spreads.of(stack.software, stack.model_code)}) for stack in stacks
        )

    @cached_property
    def spreads(self) -> Spreads:
        """How far measured memory lies from the estimate, of `uncertainty.yaml`; `stacks` joins them to the stacks."""
        path = self.directory / "uncertainty.yaml"
        return _checked(Spreads, _read(path), path.name)

    @cached_property
    def currencies(self) -> Currencies:
        """The exchange rates of `currencies.yaml`."""
        path = self.directory / "currencies.yaml"
        return _checked(Currencies, _read(path), path.name)

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """All offers of `offers.yaml`, in file order; each names a GPU of the catalog and a currency with a rate."""
        path = self.directory / "offers.yaml"
        offers = _records(path, Offer)
        _refuse_duplicates(path, offers)
        _refuse_unknown(path, "GPU", [offer.gpu for offer in offers], {gpu.name for gpu in self.gpus})
        _refuse_unknown(path, "currency", [offer.currency for offer in offers], set(self.currencies.codes))
        return tuple(self.with_terms(offer) for offer in offers)

    @cached_property
    def providers(self) -> tuple[Provider, ...]:
        """How providers bill, of `providers.yaml`, in file order; `offers` joins them to the offers."""
        path = self.directory / "providers.yaml"
        providers = _named(path, Provider)
        prices = [each.price for provider in providers for each in (provider.storage, provider.egress) if each]
        _refuse_unknown(path, "currency", [price.currency for price in prices], set(self.currencies.codes))
        return providers

    @cached_property
    def measured_sources(self) -> tuple[MeasuredSource, ...]:
        """What published pages say of all their runs, of `measured_sources.yaml`; none if there is no such file."""
        path = self.directory / "measured_sources.yaml"
        return _records(path, MeasuredSource) if path.is_file() else ()

    def measured_source(self, name: str) -> MeasuredSource | None:
        """What is known of the rows with exactly this source; None if nothing is."""
        return next((each for each in self.measured_sources if each.name == name), None)

    @cached_property
    def _providers_by_name(self) -> dict[str, Provider]:
        return by_folded_name(self.providers)

    @cached_property
    def _purchases(self) -> Purchases:
        """All of `purchases.yaml`; each machine names a GPU of the catalog, each amount a currency with a rate."""
        path = self.directory / "purchases.yaml"
        content = _checked(Purchases, _read(path), path.name)
        _refuse_unknown(path, "GPU", [each.gpu for each in content.purchases], {gpu.name for gpu in self.gpus})
        unknown = sorted(set(content.currencies) - set(self.currencies.codes))
        if unknown:
            raise CatalogError(f"{path.name}: no exchange rate for {', '.join(unknown)}")
        return content

    @cached_property
    def purchases(self) -> tuple[Purchase, ...]:
        """All machines of `purchases.yaml` that one can buy, in file order, with their resale curves."""
        return self._purchases.joined

    @property
    def site(self) -> SiteDefaults:
        """What it costs to run machines of one's own, of `purchases.yaml`."""
        return self._purchases.site

    @property
    def discount_per_year(self) -> Figure:
        """The usual discount rate of such decisions, of `purchases.yaml`."""
        return self._purchases.discount_per_year

    @property
    def useful_life_months(self) -> Figure:
        """Over how many months such machines are written off, of `purchases.yaml`."""
        return self._purchases.useful_life_months

    @property
    def commitments(self) -> tuple[Commitment, ...]:
        """What providers take off for a term, of `purchases.yaml`."""
        return self._purchases.commitments

    def with_terms(self, offer: Offer) -> Offer:
        """An offer with the billing, storage and egress of its provider, as far as it has none of its own."""
        provider = self._providers_by_name.get(fold(offer.provider))
        if provider is None:
            return offer
        terms = {
            "billing": offer.billing or provider.billing_of(offer.instance),
            "storage": offer.storage or provider.storage,
            "egress": offer.egress or provider.egress,
        }
        return offer.model_copy(update=terms)

    def with_own_speeds(self, speeds: Mapping[str, Mapping[str, OwnSpeed]]) -> Catalog:
        """The same catalog with what a user's own runs say, by stack and GPU, instead of what stacks had of that."""
        other = Catalog(self.directory)
        stacks = (stack.model_copy(update={"own_speeds": dict(speeds.get(stack.name, {}))}) for stack in self.stacks)
        other.__dict__.update(self.__dict__, stacks=tuple(stacks))
        return other

    def gpu(self, text: str) -> Gpu:
        """The GPU that `text` names. Error: UnknownNameError."""
        return resolve(text, self.gpus)

    def model(self, text: str) -> Architecture:
        """The model that `text` names. Error: UnknownNameError."""
        return resolve(text, self.models)

    def stack(self, text: str) -> Stack:
        """The training stack that `text` names. Error: UnknownNameError."""
        return resolve(text, self.stacks)

    def engines(self, name: str) -> tuple[Stack, ...]:
        """The stack of this name and the same software with its other engines, in file order.

        Error: LookupError if there is no such stack.
        """
        stack = self.stack(name)
        return (stack, *(each for each in self.stacks if each.family == stack.name))

    def engine(self, name: str, sharding: str) -> Stack:
        """The first of `engines` that has this sharding; the stack of this name if none has."""
        engines = self.engines(name)
        return next((each for each in engines if each.shards(sharding)), engines[0])

    def purchase(self, text: str) -> Purchase:
        """The machine to buy that `text` names. Error: UnknownNameError."""
        return resolve(text, self.purchases)

    def offers_of(self, gpu_name: str) -> tuple[Offer, ...]:
        """Every offer of the GPU with exactly this catalog name; none is no error."""
        return tuple(offer for offer in self.offers if offer.gpu == gpu_name)


def load_catalog(directory: Path | None = None) -> Catalog:
    """The catalogs of `directory`, or those that come with the planner, which are read once per process.

    >>> load_catalog().gpu("rtx4090").name
    'RTX 4090'
    """
    return _shipped() if directory is None else Catalog(directory)


@lru_cache(maxsize=1)
def _shipped() -> Catalog:
    """Inside the installed package, or at the top of a checkout."""
    installed = Path(str(files("planner"))) / "catalogs"
    return Catalog(installed if installed.is_dir() else installed.parents[1] / "catalogs")


def _named(path: Path, record: type[AnyNamed]) -> tuple[AnyNamed, ...]:
    """The records of a file whose entries are found by name: no two may share one."""
    entries = _records(path, record)
    try:
        by_folded_name(entries)
    except CatalogError as error:
        raise CatalogError(f"{path.name}: {error}") from None
    return entries


def _records(path: Path, record: type[AnyRecord]) -> tuple[AnyRecord, ...]:
    """The records under the file's only key, which is the file's name without `.yaml`."""
    key = path.stem
    content = _read(path)
    if not isinstance(content, dict) or list(content) != [key] or not isinstance(content[key], list):
        raise CatalogError(f'{path.name}: must be a mapping with the one key "{key}", a list of entries')
    known: dict[object, dict[str, object]] = {}
    return tuple(
        _checked(record, _completed(entry, known, f"{path.name}: entry {number}"), _place(path, number, entry))
        for number, entry in enumerate(content[key], start=1)
    )


def _completed(entry: Any, known: dict[object, dict[str, object]], where: str) -> Any:
    """An entry with what it leaves out taken from an earlier one, which it names under `like`."""
    if not isinstance(entry, dict):
        return entry
    if "like" in entry:
        if entry["like"] not in known:
            raise CatalogError(f"{where}: like: no earlier entry is called {entry['like']}")
        entry = {**known[entry["like"]], "aliases": [], **entry}
        del entry["like"]
    known[entry.get("name")] = entry
    return entry


def _place(path: Path, number: int, entry: object) -> str:
    return f"{path.name}: entry {number}{_label(entry)}"


def _read(path: Path) -> Any:
    """What a YAML file contains."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise CatalogError(f"{path.name}: cannot be read: {error}") from None


def _checked(record: type[AnyRecord], raw: object, where: str) -> AnyRecord:
    """`raw` as a record, or every fault of it in one message."""
    try:
        return record.model_validate(raw)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'entry'}: {fault['msg']}" for fault in error.errors()]
        raise CatalogError(f"{where}: {'; '.join(faults)}") from None


def _label(entry: object) -> str:
    """How a person finds the entry in its file, if it says a name."""
    name = entry.get("name", entry.get("provider")) if isinstance(entry, dict) else None
    return f" ({name})" if name else ""


def _refuse_duplicates(path: Path, offers: Sequence[Offer]) -> None:
    """No two offers may sell the same thing."""
    faults = [
        f'entries {first + 1} and {repeated + 1} are the same offer: "{offers[first].name}", {offers[first].gpu}'
        for first, repeated in duplicate_offers(offers)
    ]
    if faults:
        raise CatalogError(f"{path.name}: {'; '.join(faults)}")


def _refuse_unknown(path: Path, what: str, used: Iterable[str], known: set[str]) -> None:
    """Every entry's `what` must be known."""
    for number, name in enumerate(used, start=1):
        if name not in known:
            raise CatalogError(f'{path.name}: entry {number}: unknown {what} "{name}"')
