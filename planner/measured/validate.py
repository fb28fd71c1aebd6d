"""Predictions beside measurements: every row of some files, with the error of every measured quantity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog import Architecture, Catalog
from planner.errors import InputError, Problem
from planner.estimator.cost import Tariff
from planner.estimator.estimate import estimate
from planner.estimator.fragments import Fragments, fragments, varying_fragment_bytes
from planner.estimator.levels import CACHED, CONTEXT, largest_phase, measured_peaks
from planner.estimator.workload import Workload
from planner.measured.architectures import NO_FILE, Architectures, read_architectures
from planner.measured.columns import PEAKS, SPEED
from planner.measured.possible import with_possible_speeds
from planner.measured.reading import Measurements, Skipped, read_measurements
from planner.measured.row import MeasuredRow
from planner.measured.run import InexpressibleError, measured_plan
from planner.units import GIB

QUANTITIES = (*PEAKS, SPEED)
LEVELS = {"peak_allocated_gib": "allocated", "peak_reserved_gib": "reserved", "peak_process_gib": "process"}
BESIDE = "architectures.csv"
CURRENCY = "USD"


@dataclass(frozen=True)
class Interval:
    """A predicted value and its 90% interval, if it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def reach(self) -> float | None:
        """Factor from the interval's geometric middle to both of its ends; None without an interval above 0."""
        return (self.high / self.low) ** 0.5 if self.low and self.high else None


@dataclass(frozen=True)
class Prediction:
    """What the planner says of a measured run."""

    quantities: Mapping[str, Interval]
    """By column name, in the column's unit."""
    fit_probability: float
    fits: bool
    memory: Mapping[str, Mapping[str, int]]
    """Phase -> term -> bytes."""
    outside: Mapping[str, int]
    """Bytes that are no live tensors: cached by the allocator, and the CUDA context with communicators."""
    step: Mapping[str, Mapping[str, float]]
    """Resource -> term -> seconds."""
    workload: Workload | None = None
    plan: Any = None
    held: Fragments | None = None
    """What the allocator holds beyond tensors."""

    @property
    def varying_bytes(self) -> int | None:
        """What the allocator would cache if samples had lengths evenly spread; None where their lengths are known."""
        if self.workload is None or self.workload.sample_lengths is not None:
            return None
        return varying_fragment_bytes(self.workload, self.plan)


@dataclass(frozen=True)
class Comparison:
    """One measured quantity of one run, and its prediction."""

    row: MeasuredRow
    prediction: Prediction
    quantity: str
    measured: float

    @property
    def predicted(self) -> Interval:
        """The prediction of this quantity."""
        return self.prediction.quantities[self.quantity]

    @property
    def error_fraction(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted.value - self.measured) / self.measured

    @property
    def peak_terms(self) -> tuple[str, dict[str, int]]:
        """Phase and terms (bytes) of a memory peak: live tensors at their most, and what the quantity adds."""
        added = {"allocated": (), "reserved": (CACHED,), "process": (CACHED, CONTEXT)}[LEVELS[self.quantity]]
        phase, terms = largest_phase(self.prediction.memory)
        return phase, terms | {name: self.prediction.outside[name] for name in added}

    @property
    def reach(self) -> float | None:
        """The factor from the middle of the prediction's 90% interval to its ends."""
        return self.predicted.reach

    @property
    def inside(self) -> bool | None:
        """Whether the measured value lies in the 90% interval; None without an interval."""
        low, high = self.predicted.low, self.predicted.high
        return None if low is None or high is None else low <= self.measured <= high


@dataclass(frozen=True)
class Run:
    """A row and its prediction."""

    row: MeasuredRow
    prediction: Prediction

    @property
    def comparisons(self) -> Iterator[Comparison]:
        """One for each measured quantity."""
        for quantity in QUANTITIES:
            measured = getattr(self.row, quantity)
            if measured is not None:
                yield Comparison(self.row, self.prediction, quantity, measured)

    @property
    def has_verdict(self) -> bool:
        """Whether the row says something of memory: a peak, an out-of-memory event, or that the run did fit."""
        row = self.row
        return row.outcome == "oom" or row.id.endswith("-mem") or getattr(row, SPEED) is None or self._has_peak

    @property
    def _has_peak(self) -> bool:
        return any(getattr(self.row, peak) is not None for peak in PEAKS)


@dataclass(frozen=True)
class Validation:
    """All rows of some files, in their order."""

    files: tuple[str, ...]
    runs: tuple[Run, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[Problem, ...]
    ignored: Mapping[str, tuple[str, ...]]
    """File -> columns that the format does not know."""

    @property
    def comparisons(self) -> list[Comparison]:
        """Every measured quantity of every run."""
        return [each for run in self.runs for each in run.comparisons]

    @property
    def verdicts(self) -> list[Run]:
        """Every run that says something of memory."""
        return [run for run in self.runs if run.has_verdict]


Predictor = Callable[[MeasuredRow, Catalog, Mapping[str, Architecture]], Prediction]
Listener = Callable[[str], None]


def predict(row: MeasuredRow, catalog: Catalog, architectures: Mapping[str, Architecture]) -> Prediction:
    """The estimate of the row's own plan, by the same formulas as any other plan. Error: InexpressibleError."""
    workload, plan = measured_plan(row, catalog, architectures)
    found = estimate(workload, plan, tariff=Tariff(plan.offer.price_per_gpu_hour), currency=CURRENCY)
    speed = found.tokens_per_second / plan.gpus
    held = fragments(workload, plan)
    by_level = measured_peaks(workload, plan, found.memory, plan.gpu.memory_bytes, held)
    peaks = {
        quantity: Interval(*(size / GIB for size in (peak.bytes, peak.low_bytes, peak.high_bytes)))
        for quantity, peak in ((quantity, by_level[level]) for quantity, level in LEVELS.items())
    }
    return Prediction(
        quantities={**peaks, SPEED: Interval(speed, speed / found.speed_reach, speed * found.speed_reach)},
        fit_probability=found.fit_probability,
        fits=found.fits,
        memory=found.memory,
        outside={
            CACHED: by_level["reserved"].bytes - by_level["allocated"].bytes,
            CONTEXT: by_level["process"].bytes - by_level["reserved"].bytes,
        },
        step=found.step_parts,
        workload=workload,
        plan=plan,
        held=held,
    )


def validate_files(
    paths: Iterable[Path],
    catalog: Catalog,
    *,
    architectures: Path | None = None,
    predictor: Predictor = predict,
    listen: Listener = lambda _: None,
) -> Validation:
    """Every row of some measurements files, predicted.

    Architectures are those of the file `architectures`, or else of `architectures.csv` beside each measurements file,
    and always the catalog's. What is wrong with single rows, or with one of several files, is listed in the result.
    Error: InputError if the file `architectures` as a whole cannot be used.
    """

    known: dict[Path, Architectures] = {}
    problems: list[Problem] = []
    parts: list[_Part] = []
    places: dict[str, str] = {}
    for path in paths:
        beside = architectures or path.parent / BESIDE
        if beside not in known:
            known[beside] = read_architectures(beside, catalog) if architectures or beside.is_file() else NO_FILE
        try:
            read = _unrepeated(read_measurements(path), places)
        except InputError as error:
            problems += error.problems
        else:
            parts.append(_part(read, known[beside], catalog, predictor, listen))
    problems += [problem for each in known.values() for problem in each.problems]
    problems += [problem for part in parts for problem in part.read.problems]
    ignored = {str(path): each.ignored for path, each in known.items()}
    ignored |= {part.read.file: part.read.ignored for part in parts}
    return Validation(
        files=tuple(part.read.file for part in parts),
        runs=tuple(run for part in parts for run in part.runs),
        skipped=tuple(each for part in parts for each in part.skipped),
        problems=tuple(problems),
        ignored={file: columns for file, columns in ignored.items() if columns},
    )


@dataclass(frozen=True)
class _Part:
    """One file, validated."""

    read: Measurements
    runs: list[Run]
    skipped: list[Skipped]


def _part(read: Measurements, known: Architectures, catalog: Catalog, predictor: Predictor, listen: Listener) -> _Part:
    """The runs of a file, and the rows that are wrong or that no plan can express, in the file's order."""
    read, models = with_models(read, known, catalog)
    read = with_possible_speeds(read, catalog, models)
    runs: list[Run] = []
    skipped = list(read.skipped)
    for number, row in enumerate(read.rows, start=1):
        listen(f"{read.file}: row {number} of {len(read.rows)}")
        if row.model in known.broken:
            skipped.append(Skipped(row.line, row.id, f"malformed architecture: {known.broken[row.model]}"))
            continue
        try:
            runs.append(Run(row, predictor(row, catalog, models)))
        except InexpressibleError as error:
            skipped.append(Skipped(row.line, row.id, str(error)))
    return _Part(read, runs, sorted(skipped, key=lambda each: each.line))


def _unrepeated(read: Measurements, places: dict[str, str]) -> Measurements:
    """The file without rows whose id another file has; `places` gets where each id is."""
    for row in read.rows:
        if row.id in places:
            read = read.without(row, "id", f"is also the id of {places[row.id]}")
        places.setdefault(row.id, f"{read.file}:{row.line}")
    return read


def with_models(
    read: Measurements, known: Architectures, catalog: Catalog
) -> tuple[Measurements, dict[str, Architecture]]:
    """The file without rows whose model nobody knows, and the models of the others by the name that the rows use."""
    models: dict[str, Architecture] = {}
    hints: dict[str, str] = {}
    for row in read.rows:
        if row.model in models or row.model in known.broken:
            continue
        found = None if row.model in hints else known.find(row.model, catalog)
        if found:
            models[row.model] = found
            continue
        hint = hints.setdefault(row.model, known.similar(row.model, catalog))
        read = read.without(row, "model", f'no architecture is known of "{row.model}"', hint)
    return read, models


def worst(comparisons: Sequence[Comparison], count: int) -> list[Comparison]:
    """The runs with the largest absolute errors, each once, by its worst quantity."""
    found: dict[str, Comparison] = {}
    for each in sorted(comparisons, key=lambda each: -abs(each.error_fraction)):
        found.setdefault(each.row.id, each)
    return list(found.values())[:count]
