"""How names in a scenario become catalog entries: models, GPUs, stacks, providers, currencies, LoRA targets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from planner.catalog import UnknownNameError
from planner.catalog.architecture import Architecture
from planner.catalog.currency import UnknownCurrencyError
from planner.catalog.hf_config import read_hf_config
from planner.catalog.names import fold
from planner.decisions import LORA_MODULES
from planner.errors import InputError, did_you_mean
from planner.scenario.fields import Fault, FieldError, Parsed, Reading, parse_text
from planner.unit_prices import UnitPrice
from planner.units import Money, shown

CONFIG = "config.json"

Entry = TypeVar("Entry")
Priced = TypeVar("Priced", Money, UnitPrice)


class NamedModel(NamedTuple):
    """A model as the user named it, and its architecture."""

    text: str
    architecture: Architecture


def parse_model(value: object, reading: Reading) -> NamedModel:
    """A catalog name, an alias, a path that ends in `.json`, or a folder that contains a config.json."""
    text = parse_text(value)
    path = _config_path(text, reading.folder)
    architecture = _read_config(path, text) if path else _known("model", text, reading.catalog.model)
    reading.architecture = architecture
    return NamedModel(text, architecture)


def parse_gpu(value: object, reading: Reading) -> str:
    """The catalog name of a GPU."""
    return _known("GPU", parse_text(value), reading.catalog.gpu).name


def parse_stack(value: object, reading: Reading) -> str:
    """The catalog name of a training stack."""
    return _known("stack", parse_text(value), reading.catalog.stack).name


def parse_provider(value: object, reading: Reading) -> str:
    """A provider with an offer in the catalog or in the scenario."""
    text = parse_text(value)
    for provider in reading.providers:
        if fold(provider) == fold(text):
            return provider
    raise FieldError(Fault(f"unknown provider {shown(text)}", did_you_mean(text, reading.providers)))


def parse_currency(value: object, reading: Reading) -> str:
    """The code of a currency with an exchange rate."""
    code = parse_text(value).upper()
    try:
        reading.catalog.currencies.usd_per_unit(code)
    except UnknownCurrencyError as error:
        raise FieldError(Fault(f"no exchange rate for currency {shown(code)}", error.hint)) from None
    return code


def in_known_currency(parse: Callable[[object], Priced], *examples: str) -> Parsed:
    """An amount of money, or a price, that `parse` reads, in a currency with an exchange rate."""

    def convert(value: object, reading: Reading) -> Priced:
        money = parse(value)
        parse_currency(money.currency, reading)
        return money

    return Parsed(convert, {"type": "string", "examples": list(examples)})


def parse_lora_targets(value: object, reading: Reading) -> str:
    """`all-linear`, or modules joined by "+", from a list or from such text; each must exist in the model."""
    if value == "all-linear":
        return "all-linear"
    parts = value if isinstance(value, list) else parse_text(value).split("+")
    chosen = [parse_text(part) for part in parts]
    known = ("all-linear", *LORA_MODULES)
    if not chosen:
        raise FieldError(Fault("the list is empty, so nothing would be trained", "Use all-linear"))
    unknown = [part for part in chosen if part not in LORA_MODULES]
    if unknown:
        raise FieldError(*(Fault(f"unknown LoRA target {shown(part)}", _target_hint(part, known)) for part in unknown))
    if len(set(chosen)) < len(chosen):
        raise FieldError(Fault("a LoRA target is listed twice"))
    model = reading.architecture
    absent = [part for part in chosen if model is not None and not model.adapted_matrices((part,))]
    if absent:
        raise FieldError(Fault(f"{', '.join(absent)}: the model has no such linear layer", "Use all-linear"))
    return "+".join(module for module in LORA_MODULES if module in chosen)


def _target_hint(part: str, known: tuple[str, ...]) -> str:
    """The allowed targets; names of PyTorch modules are shortened."""
    short = part.removesuffix("_proj")
    return f'Write "{short}"' if short in known else "Known: " + ", ".join(known)


def _known(kind: str, text: str, find: Callable[[str], Entry]) -> Entry:
    """The catalog entry that `find` finds for `text`."""
    try:
        return find(text)
    except UnknownNameError as error:
        hint = f"{error.hint} (`planner catalog {kind.lower()}s` lists all)"
        raise FieldError(Fault(f"unknown {kind} {shown(text)}", hint)) from None


def _config_path(text: str, folder: Path) -> Path | None:
    """The config.json that `text` stands for, if it is a path."""
    path = folder / text
    if text.endswith(".json"):
        return path
    try:
        return path / CONFIG if (path / CONFIG).is_file() else None
    except (OSError, ValueError):
        return None


def _read_config(path: Path, text: str) -> Architecture:
    """The architecture in a config.json; every problem of that file becomes one of the scenario."""
    try:
        return read_hf_config(path)
    except InputError as error:
        raise FieldError(*(Fault(f"{shown(text)} cannot be used: {problem}") for problem in error.problems)) from None
