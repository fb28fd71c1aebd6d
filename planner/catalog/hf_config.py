"""A Hugging Face `config.json`, read as an `Architecture`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner.catalog.architecture import Architecture
from planner.catalog.hf_keys import JSON_TYPES, Keys
from planner.catalog.hf_registry import FAMILIES, Family
from planner.errors import InputError, Problem, did_you_mean

LARGEST_FILE_BYTES = 5_000_000
NOT_DECODERS = {
    "albert": "an encoder",
    "bart": "an encoder with a decoder",
    "bert": "an encoder",
    "clip": "an image and text encoder",
    "deberta": "an encoder",
    "deberta-v2": "an encoder",
    "distilbert": "an encoder",
    "electra": "an encoder",
    "modernbert": "an encoder",
    "mt5": "an encoder with a decoder",
    "roberta": "an encoder",
    "t5": "an encoder with a decoder",
    "vit": "an image encoder",
    "whisper": "an encoder with a decoder",
    "xlm-roberta": "an encoder",
}


def read_hf_config(path: Path) -> Architecture:
    """The model that a `config.json` describes; nothing is fetched.

    Of a Gemma 3 configuration with vision, the text decoder. Keys without influence on shapes are not looked at.
    Error: InputError with every problem found, if the file cannot be read, is not a configuration, belongs to an
    unsupported `model_type`, or has missing or impossible values.
    """
    values = _parse(path, _read(path))
    family = _family(path, values)
    keys = _text_decoder(path, values, family)
    fields = family.read(keys)
    if keys.faults:
        raise InputError(_problem(path, message, key=key) for key, message in keys.faults.items())
    origin = {"source": f"file {path.name}", "retrieved": date.today()}
    try:
        return Architecture.model_validate({"name": _name(path, values), "family": family.name} | origin | fields)
    except ValidationError as error:
        raise InputError(_impossible(path, error)) from None


def _impossible(path: Path, error: ValidationError) -> Iterator[Problem]:
    """What the shape refuses although each key is plausible."""
    for fault in error.errors():
        yield _problem(path, fault["msg"].removeprefix("Value error, "), key=".".join(map(str, fault["loc"])))


def _problem(path: Path, message: str, hint: str = "", key: str = "", line: int = 0, column: int = 0) -> Problem:
    return Problem(str(path), line, column, key, message, hint)


def _read(path: Path) -> str:
    """The text of the file, if it is one of a sensible size."""
    try:
        if path.is_dir():
            raise InputError([_problem(path, "is a directory", "Name the config.json inside it")])
        if not path.exists():
            raise InputError([_problem(path, "no such file")])
        if not path.is_file():
            raise InputError([_problem(path, "is not a regular file")])
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise InputError([_problem(path, f"has {size:,} bytes; a config.json has at most {LARGEST_FILE_BYTES:,}")])
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError([_problem(path, f"is not UTF-8 text (byte {error.start})")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError([_problem(path, f"cannot be read: {reason}")]) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    """The JSON object in the text."""
    if not text.strip():
        raise InputError([_problem(path, "is empty")])
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError([_problem(path, f"is not JSON: {error.msg}", line=error.lineno, column=error.colno)]) from None
    except (RecursionError, ValueError):
        raise InputError(
            [_problem(path, "is not a model configuration: nested too deeply or a number too long")]
        ) from None
    if not isinstance(values, dict):
        raise InputError([_problem(path, f"must be a JSON object, not {JSON_TYPES[type(values)]}")])
    return values


def _family(path: Path, values: dict[str, Any]) -> Family:
    """How to read this `model_type`."""
    model_type = values.get("model_type")
    supported = f"Supported: {', '.join(sorted(FAMILIES, key=str.casefold))}"
    if not isinstance(model_type, str):
        state = f"must be a text, not {JSON_TYPES[type(model_type)]}" if "model_type" in values else "is missing"
        raise InputError([_problem(path, state, supported, key="model_type")])
    if model_type in FAMILIES:
        return FAMILIES[model_type]
    message = f"{json.dumps(model_type[:60])} is not supported"
    if model_type in NOT_DECODERS:
        message += f": it is {NOT_DECODERS[model_type]}, not a decoder-only language model"
    guess = did_you_mean(model_type[:60], FAMILIES)
    hint = f"{guess} {supported}" if guess.startswith("Did") and model_type not in NOT_DECODERS else supported
    raise InputError([_problem(path, message, hint, key="model_type")])


def _text_decoder(path: Path, values: dict[str, Any], family: Family) -> Keys:
    """The keys of the language model: those of `text_config` where it is a part of something larger."""
    if values.get("model_type") != "gemma3":
        return Keys(values, family.defaults)
    inner = values.get("text_config")
    if not isinstance(inner, dict):
        state = f"must be a map, not {JSON_TYPES[type(inner)]}" if "text_config" in values else "is missing"
        raise InputError([_problem(path, state, "It holds the language model of gemma3", key="text_config")])
    return Keys(inner, family.defaults, parent="text_config.")


def _name(path: Path, values: dict[str, Any]) -> str:
    """What to call the model: the name in the file, else the folder of a `config.json`, else the file."""
    written = values.get("_name_or_path")
    if isinstance(written, str) and written.strip():
        return written.strip()
    folder = path.absolute().parent.name
    return folder if path.name == "config.json" and folder else path.stem
