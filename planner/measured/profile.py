"""A user's profile: what `planner calibrate` found of their GPUs and stacks, as a file, and a catalog that knows it."""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import Field, ValidationError

from planner import __version__
from planner.catalog import Catalog
from planner.catalog.record import Record
from planner.catalog.speed import OwnSpeed
from planner.errors import InputError, Problem, did_you_mean
from planner.measured.shrinkage import Observed, Shrinkage
from planner.scenario.source import read_text
from planner.scenario.yaml_lines import Document, parse_yaml

if TYPE_CHECKING:
    from planner.measured.calibrate import OwnCalibration

HEADER = "# Written by `planner calibrate`, for `--profile`: what own runs say of the speed of GPUs with stacks.\n"
AGAIN = "Run `planner calibrate` again"
PROFILE_HINT = "A profile is what `planner calibrate` writes"
DIGITS = 5
TOLERANCE = 1e-3


class ProfileEntry(Record):
    """One GPU type with one stack."""

    gpu: str
    stack: str
    runs: int = Field(ge=1)
    configurations: int = Field(ge=1, description="different ones among the runs")
    measured_over_predicted: float = Field(gt=0, description="seconds, geometric mean over configurations")
    seconds_factor: float = Field(gt=0, description="what follows: of the predicted seconds")
    spread: float = Field(gt=0, description="what follows: log-scale spread that is left")


class Profile(Record):
    """The whole file; it is good for the time model that its runs were predicted with."""

    version: Literal[1] = 1
    planner: str
    time_model: str = Field(description="fingerprint of the figures of the time model")
    created_from: tuple[str, ...]
    speeds: tuple[ProfileEntry, ...] = Field(min_length=1)


def profile_of(found: OwnCalibration, files: tuple[str, ...], catalog: Catalog) -> Profile:
    """The profile of some runs."""
    return Profile(
        planner=__version__,
        time_model=time_model_of(catalog),
        created_from=files,
        speeds=tuple(
            ProfileEntry(
                gpu=each.observed.gpu,
                stack=each.observed.stack,
                runs=each.runs,
                configurations=each.observed.configurations,
                measured_over_predicted=round(math.exp(each.observed.log_residual), DIGITS),
                seconds_factor=round(each.own.seconds_factor, DIGITS),
                spread=round(each.own.spread, DIGITS),
            )
            for each in found.groups
        ),
    )


def time_model_of(catalog: Catalog) -> str:
    """A fingerprint of the figures that predicted speeds rest on."""
    return "sha256:" + sha256(catalog.speeds.model_dump_json().encode()).hexdigest()[:16]


def write_profile(path: Path, profile: Profile) -> None:
    """Write a profile. Error: InputError if that cannot be done."""
    text = yaml.safe_dump(profile.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    try:
        path.write_text(HEADER + text, encoding="utf-8")
    except OSError as error:
        raise InputError([Problem(str(path), 0, 0, "", f"cannot be written: {error.strerror}")]) from None


def with_profile(path: Path, catalog: Catalog) -> Catalog:
    """The catalog with what a profile says. Error: InputError if the profile cannot be used."""
    document = _document(path)
    profile = _checked(document)
    problems = _stale(document, profile, catalog) or _unknown(document, profile, catalog)
    if problems:
        raise InputError(problems)
    found = _shrinkage(profile, catalog)
    problems = _inconsistent(document, profile, found)
    if problems:
        raise InputError(problems)
    runs = {(each.gpu, each.stack): each.runs for each in profile.speeds}
    own: dict[str, dict[str, OwnSpeed]] = {}
    for stack in catalog.stacks:
        for gpu in catalog.gpus:
            if found.says_of(gpu.name, stack.name):
                source = _source(path, runs.get((gpu.name, stack.name), 0))
                own.setdefault(stack.name, {})[gpu.name] = found.own_speed(gpu.name, stack.name, source)
    return catalog.with_own_speeds(own)


def _source(path: Path, runs: int) -> str:
    """What an own speed rests on: `3 own runs (profile.yaml)`."""
    if not runs:
        return f"own runs of the GPU or the stack with another one ({path.name})"
    return f"{runs} own run{'' if runs == 1 else 's'} of this GPU and stack ({path.name})"


def _document(path: Path) -> Document:
    """The file as YAML. Error: InputError, whose hints are not those of scenarios."""
    try:
        return parse_yaml(read_text(path), str(path))
    except InputError as error:
        hints = {each.hint: PROFILE_HINT if "scenario" in each.hint else each.hint for each in error.problems}
        raise InputError(replace(each, hint=hints[each.hint]) for each in error.problems) from None


def _checked(document: Document) -> Profile:
    """The document as a profile. Error: InputError with every fault of it."""
    if document.problems:
        raise InputError(document.problems)
    try:
        return Profile.model_validate(document.value)
    except ValidationError as error:
        # Entries that are wrong do not count, which is no fault of its own.
        faults = [each for each in error.errors() if each["type"] != "too_short"] or error.errors()
        problems = [document.problem(each["loc"], _message(each["msg"]), AGAIN) for each in faults]
        raise InputError(problems) from None


def _message(text: str) -> str:
    """A fault in the style of other messages."""
    return text[:1].lower() + text[1:]


def _stale(document: Document, profile: Profile, catalog: Catalog) -> list[Problem]:
    """Predictions have changed since the profile was written, so that its factors are of something else."""
    if (profile.planner, profile.time_model) == (__version__, time_model_of(catalog)):
        return []
    message = f"the time model is another one than that of the profile (planner {profile.planner})"
    return [document.problem(("time_model",), message, AGAIN)]


def _unknown(document: Document, profile: Profile, catalog: Catalog) -> list[Problem]:
    """GPU types and stacks that the catalog lacks, and pairs that are written twice."""
    problems = []
    known = {"gpu": [gpu.name for gpu in catalog.gpus], "stack": [stack.name for stack in catalog.stacks]}
    seen: set[tuple[str, str]] = set()
    for number, each in enumerate(profile.speeds):
        for key, names in known.items():
            name = getattr(each, key)
            if name not in names:
                message = f'unknown {key if key == "stack" else "GPU"} "{name}"'
                problems.append(document.problem(("speeds", number, key), message, did_you_mean(name, names)))
        if (each.gpu, each.stack) in seen:
            message = f"{each.gpu} with {each.stack} is there twice"
            problems.append(document.problem(("speeds", number), message, AGAIN))
        seen.add((each.gpu, each.stack))
    return problems


def _shrinkage(profile: Profile, catalog: Catalog) -> Shrinkage:
    observed = [
        Observed(each.gpu, each.stack, each.configurations, math.log(each.measured_over_predicted))
        for each in profile.speeds
    ]
    spreads = {gpu.name: gpu.speed.spread for gpu in catalog.gpus}
    return Shrinkage(observed, spreads, catalog.speeds.spread.shared_fraction)


def _inconsistent(document: Document, profile: Profile, found: Shrinkage) -> list[Problem]:
    """Results that do not follow from the runs: they were changed by hand, and would not be used."""
    problems = []
    for number, each in enumerate(profile.speeds):
        own = found.own_speed(each.gpu, each.stack)
        for key in ("seconds_factor", "spread"):
            stated, follows = getattr(each, key), getattr(own, key)
            if abs(stated / follows - 1) > TOLERANCE:
                message = f"is {stated:g}, but {follows:.4g} follows from the runs"
                problems.append(document.problem(("speeds", number, key), message, AGAIN))
    return problems
