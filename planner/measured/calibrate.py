"""What a user's own runs say of their GPUs and stacks, and how much nearer predictions are with it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from planner.catalog import Catalog
from planner.catalog.speed import OwnSpeed
from planner.estimator.uncertainty import INTERVAL, quantile
from planner.measured.own_runs import OwnRun
from planner.measured.shrinkage import Observed, Shrinkage
from planner.measured.summary import Errors, errors_of

Pair = tuple[str, str]
"""A GPU type and a stack."""
Residuals = Mapping[Pair, Mapping[Hashable, float]]


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

    @property
    def reach(self) -> float:
        """The factor from the middle of the 90% interval to its ends."""
        return math.exp(quantile(0.5 + INTERVAL / 2) * self.spread)


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
    by_pair = residuals_of(every)
    whole = Shrinkage(observed_in(by_pair), spreads, shared)
    without = {
        (pair, configuration): Shrinkage(observed_in(by_pair, configuration), spreads, shared).own_speed(*pair)
        for pair, residuals in by_pair.items()
        for configuration in residuals
    }
    before = [Miss(run.log_residual, spreads[run.gpu]) for run in every]
    after = [_miss(run, without[_pair(run), run.configuration]) for run in every]
    groups = []
    for each in whole.observed:
        places = [place for place, run in enumerate(every) if _pair(run) == (each.gpu, each.stack)]
        groups.append(
            Calibrated(
                observed=each,
                runs=len(places),
                own=whole.own_speed(each.gpu, each.stack),
                published_spread=spreads[each.gpu],
                before=errors_of(before[place] for place in places),
                after=errors_of(after[place] for place in places),
            )
        )
    return OwnCalibration(tuple(groups), errors_of(before), errors_of(after))


def _pair(run: OwnRun) -> Pair:
    return run.gpu, run.stack


def _miss(run: OwnRun, own: OwnSpeed) -> Miss:
    """The error of a run that is predicted with an own speed."""
    return Miss(run.log_residual - math.log(own.seconds_factor), own.spread)


def residuals_of(runs: Iterable[OwnRun]) -> Residuals:
    """GPU type and stack -> configuration -> mean residual of its runs, in the order of the runs."""
    groups: dict[Pair, dict[Hashable, list[float]]] = {}
    for run in runs:
        groups.setdefault(_pair(run), {}).setdefault(run.configuration, []).append(run.log_residual)
    return {
        pair: {configuration: fmean(repeats) for configuration, repeats in configurations.items()}
        for pair, configurations in groups.items()
    }


def observed_in(residuals: Residuals, without: Hashable = None) -> list[Observed]:
    """What residuals show of each GPU type and stack, `without` one of the configurations."""
    observed = []
    for (gpu, stack), configurations in residuals.items():
        known, total = len(configurations), sum(configurations.values())
        if without in configurations:
            known, total = known - 1, total - configurations[without]
        if known:
            observed.append(Observed(gpu, stack, known, total / known))
    return observed
