"""Errors in figures: by quantity, and within it by source, stack, method and GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from planner.measured.row import MeasuredRow
from planner.measured.validate import QUANTITIES, Comparison, Run, Validation

GROUPINGS: dict[str, Callable[[MeasuredRow], str]] = {
    "source": lambda row: row.source,
    "stack": lambda row: row.stack,
    "method": lambda row: row.method,
    "gpu": lambda row: row.gpu,
}
NAMELESS = "not stated"
CLEAR_RATIO = 1.1
"""Between measured values of two runs whose order a prediction should have right."""


class Compared(Protocol):
    """A prediction beside a measurement."""

    @property
    def error_fraction(self) -> float:
        """(predicted - measured) / measured."""

    @property
    def inside(self) -> bool | None:
        """Whether the measured value lies in the 90% interval; None without an interval."""

    @property
    def reach(self) -> float | None:
        """The factor from the middle of the 90% interval to its ends; None without one."""


@dataclass(frozen=True)
class Errors:
    """Statistics of errors as fractions of the measured value; all absolute but `bias`."""

    rows: int
    median: float
    mean: float
    p90: float
    worst: float
    bias: float
    """Median of the signed errors: above 0 where too much is predicted."""
    inside: float | None
    """Share of the rows with an interval whose measured value lies in it."""
    reach: float | None
    """Median factor from the middle of the interval (geometric) to both of its ends."""


@dataclass(frozen=True)
class Ordering:
    """Pairs of runs of one source whose measured values differ clearly, and how many are predicted in that order."""

    pairs: int
    right: int

    @property
    def fraction(self) -> float | None:
        """Share of the pairs; None without any."""
        return self.right / self.pairs if self.pairs else None


@dataclass(frozen=True)
class QuantityErrors:
    """Errors of one quantity."""

    quantity: str
    overall: Errors
    ordering: Ordering
    groups: dict[str, dict[str, Errors]]
    """Grouping -> group -> errors; groups in the order of the files."""


@dataclass(frozen=True)
class Confusion:
    """How many runs that did or did not fit their GPU are said to fit."""

    ok_fits: int
    ok_not: int
    oom_fits: int
    oom_not: int


def errors_of(comparisons: Iterable[Compared]) -> Errors:
    """Statistics of at least one comparison."""
    every = list(comparisons)
    signed = sorted(each.error_fraction for each in every)
    absolute = sorted(abs(error) for error in signed)
    inside = [each.inside for each in every if each.inside is not None]
    reaches = sorted(each.reach for each in every if each.reach is not None)
    return Errors(
        rows=len(absolute),
        median=quantile(absolute, 0.5),
        mean=sum(absolute) / len(absolute),
        p90=quantile(absolute, 0.9),
        worst=absolute[-1],
        bias=quantile(signed, 0.5),
        inside=sum(inside) / len(inside) if inside else None,
        reach=quantile(reaches, 0.5) if reaches else None,
    )


def ordering_of(comparisons: Iterable[Comparison]) -> Ordering:
    """Pairs of the same source that differ by more than 10%; the same prediction for both is a wrong order."""
    sources: dict[str, list[tuple[float, float]]] = {}
    for each in comparisons:
        sources.setdefault(each.row.source, []).append((each.measured, each.predicted.value))
    pairs = [
        (less, more)
        for some in sources.values()
        for less, more in combinations(sorted(some), 2)
        if more[0] > CLEAR_RATIO * less[0]
    ]
    return Ordering(len(pairs), sum(more[1] > less[1] for less, more in pairs))


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share of the ordered values lies, interpolated between neighbours.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([1.0, 2.0], 0.9)
    (2.5, 1.9)
    """
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def quantity_errors(validation: Validation) -> list[QuantityErrors]:
    """Errors of every quantity that was measured at all."""
    found = []
    for quantity in QUANTITIES:
        comparisons = [each for each in validation.comparisons if each.quantity == quantity]
        if comparisons:
            groups = {name: grouped(comparisons, key) for name, key in GROUPINGS.items()}
            found.append(QuantityErrors(quantity, errors_of(comparisons), ordering_of(comparisons), groups))
    return found


def grouped(comparisons: Iterable[Comparison], key: Callable[[MeasuredRow], str]) -> dict[str, Errors]:
    """Errors by group."""
    members: dict[str, list[Comparison]] = {}
    for each in comparisons:
        members.setdefault(key(each.row) or NAMELESS, []).append(each)
    return {name: errors_of(some) for name, some in members.items()}


def confusion(verdicts: Iterable[Run]) -> Confusion:
    """Outcomes against verdicts."""
    counts = {(outcome, fits): 0 for outcome in ("ok", "oom") for fits in (True, False)}
    for run in verdicts:
        counts[run.row.outcome, run.prediction.fits] += 1
    return Confusion(counts["ok", True], counts["ok", False], counts["oom", True], counts["oom", False])


def wrong_verdicts(verdicts: Iterable[Run]) -> list[Run]:
    """Runs that ran out of memory and are said to fit, then runs that fitted and are said not to."""
    every = list(verdicts)
    return [each for outcome in ("oom", "ok") for each in every if _is_wrong(each, outcome)]


def _is_wrong(run: Run, outcome: str) -> bool:
    return run.row.outcome == outcome and run.prediction.fits == (outcome == "oom")


def skipped_by_reason(validation: Validation) -> dict[str, list[str]]:
    """Reason -> ids."""
    reasons: dict[str, list[str]] = {}
    for each in validation.skipped:
        reasons.setdefault(each.reason, []).append(each.id)
    return reasons
