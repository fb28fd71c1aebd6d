"""What intervals and verdicts of memory are worth on sources that they were not made from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from planner.catalog.spread import Spreads
from planner.estimator.levels import fit_probability, measured_peaks
from planner.estimator.uncertainty import Peak
from planner.measured.columns import PEAKS
from planner.measured.residuals import spread_groups
from planner.measured.validate import LEVELS, Run, Validation
from planner.units import GIB


@dataclass(frozen=True)
class LeftOut:
    """The runs of one source, by fractions of uncertainty that its runs had no part in."""

    source: str
    rows: Counter[str]
    """Quantity -> measured values."""
    inside: Counter[str]
    """Quantity -> those that lie in their 90% interval."""
    verdicts: Counter[tuple[str, bool]]
    """Outcome and whether the run is said to fit -> runs."""


def left_out(validation: Validation, known: Spreads) -> list[LeftOut]:
    """Every source with a measured peak, left out in turn; what is set by hand stays as in `known`."""
    comparisons = [each for each in validation.comparisons if each.quantity in PEAKS]
    sources = dict.fromkeys(each.row.source for each in comparisons if each.prediction.held is not None)
    found = []
    for source in sources:
        others = [each for each in comparisons if each.row.source != source]
        if others:
            runs = [run for run in validation.verdicts if run.row.source == source]
            found.append(_judged(source, runs, spread_groups(others, known.counted, known.context)))
    return found


def _judged(source: str, runs: list[Run], spreads: Spreads) -> LeftOut:
    rows: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    verdicts: Counter[tuple[str, bool]] = Counter()
    for run in runs:
        peaks, fits = _again(run, spreads)
        verdicts[run.row.outcome, fits] += 1
        for quantity, measured in _measured(run):
            peak = peaks[LEVELS[quantity]]
            rows[quantity] += 1
            inside[quantity] += peak.low_bytes <= measured * GIB <= peak.high_bytes
    return LeftOut(source, rows, inside, verdicts)


def _measured(run: Run) -> Iterator[tuple[str, float]]:
    for quantity in PEAKS:
        measured = getattr(run.row, quantity)
        if measured is not None:
            yield quantity, measured


def _again(run: Run, spreads: Spreads) -> tuple[dict[str, Peak], bool]:
    """The intervals and the verdict of a run with other fractions of uncertainty."""
    found = run.prediction
    workload, stack = found.workload, found.plan.stack
    assert workload is not None
    spread = spreads.of(stack.software, stack.model_code)
    plan = replace(found.plan, stack=stack.model_copy(update={"spread": spread}))
    capacity, varying = plan.gpu.memory_bytes, workload.sample_lengths is not None
    probability = fit_probability(found.memory, plan, capacity, varying)
    peaks = measured_peaks(workload, plan, found.memory, capacity, found.held)
    return peaks, probability >= 1 - workload.oom_risk
