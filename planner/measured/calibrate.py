"""What a user's own runs say of their GPUs and stacks, and how much nearer predictions are with it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from planner.catalog import Catalog
from planner.catalog.speed import OwnSpeed
from planner.estimator.uncertainty import INTERVAL, quantile
from planner.measured.own_runs import OwnRun
from planner.measured.shrinkage import Observed, Shrinkage
from planner.measured.summary import Errors, errors_of


@dataclass(frozen=True)
class Miss:
    """The error of one predicted speed."""

    log_residual: float
    """Logarithm of measured over predicted seconds."""
    spread: float
    """Log-scale spread of the prediction."""

    @property
    def error_fraction(self) -> float:
        """(predicted - measured) / measured, of speed."""
        return math.expm1(self.log_residual)

    @property
    def inside(self) -> bool:
        """Whether the measured speed lies in the 90% interval."""
        return abs(self.log_residual) <= quantile(0.5 + INTERVAL / 2) * self.spread


@dataclass(frozen=True)
class Calibrated:
    """One GPU type with one stack: its runs, and the errors of their speed without and with what the others say."""

    observed: Observed
    runs: int
    own: OwnSpeed
    """What all runs together say."""
    published_spread: float
    before: Errors
    after: Errors
    """Of each run by what the runs of all other configurations say."""


@dataclass(frozen=True)
class OwnCalibration:
    """All of a user's runs."""

    groups: tuple[Calibrated, ...]
    before: Errors
    after: Errors


def calibrate_own(runs: Iterable[OwnRun], catalog: Catalog) -> OwnCalibration:
    """The calibration of at least one run."""
    every = list(runs)
    spreads = {gpu.name: gpu.speed.spread for gpu in catalog.gpus}
    shared = catalog.speeds.spread.shared_fraction
    whole = Shrinkage(observed_in(every), spreads, shared)
    before = {id(run): Miss(run.log_residual, spreads[run.gpu]) for run in every}
    after = {id(run): _left_out(run, every, spreads, shared) for run in every}
    groups = []
    for each in whole.observed:
        own = [run for run in every if (run.gpu, run.stack) == (each.gpu, each.stack)]
        groups.append(
            Calibrated(
                observed=each,
                runs=len(own),
                own=whole.own_speed(each.gpu, each.stack),
                published_spread=spreads[each.gpu],
                before=errors_of(before[id(run)] for run in own),
                after=errors_of(after[id(run)] for run in own),
            )
        )
    return OwnCalibration(tuple(groups), errors_of(before.values()), errors_of(after.values()))


def _left_out(run: OwnRun, every: Iterable[OwnRun], spreads: Mapping[str, float], shared: float) -> Miss:
    """The error of a run by what the runs of other configurations say."""
    others = [each for each in every if each.configuration != run.configuration]
    found = Shrinkage(observed_in(others), spreads, shared).own_speed(run.gpu, run.stack)
    return Miss(run.log_residual - math.log(found.seconds_factor), found.spread)


def observed_in(runs: Iterable[OwnRun]) -> list[Observed]:
    """What runs show of each GPU type and stack, in their order; runs of one configuration count as one."""
    groups: dict[tuple[str, str], dict[object, list[float]]] = {}
    for run in runs:
        groups.setdefault((run.gpu, run.stack), {}).setdefault(run.configuration, []).append(run.log_residual)
    return [
        Observed(gpu, stack, len(configurations), fmean(map(fmean, configurations.values())))
        for (gpu, stack), configurations in groups.items()
    ]
