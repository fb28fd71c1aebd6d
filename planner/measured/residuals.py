"""How far measured memory lies from the estimate, by stack and method: what `catalogs/uncertainty.yaml` is made of.

`python -m planner.measured.residuals measurements/published/memory.csv ... > catalogs/uncertainty.yaml` writes the
file. Every fraction is the smallest one with which the 90% interval encloses nine of ten measured runs.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from planner.catalog import load_catalog
from planner.catalog.spread import ALLOCATOR_FRACTION, CONTEXT_FRACTION, COUNTED_FRACTION, SpreadGroup, Spreads
from planner.estimator.uncertainty import DERIVED, INTERVAL, KINDS, REACH, cached_around
from planner.measured.columns import PEAKS
from planner.measured.validate import Comparison, validate_files
from planner.units import GIB

HEADER = """\
# How far measured memory may lie from the estimate, as a fraction of each kind of term. `counted`: weights, states and
# gradients; `context`: the CUDA context and communicators; both are set by hand (see planner/catalog/spread.py). The
# rest is written by `python -m planner.measured.residuals measurements/published/memory.csv`.
"""
MOST_OWN_WEIGHT, OTHERS_WEIGHT = 10.0, 5.0
"""Weight that the runs of one source have at most in the fraction of their own stack and method, and weight of all
other runs in it. Runs of one source share machine, script and habits: many of them are not many independent witnesses,
and a new source of the same stack may be off as other stacks' sources are."""
LEAST_FRACTION = 0.01
LEAST_SHARE = 0.15
"""A run whose peak has less in derived terms says nothing of them."""


@dataclass(frozen=True)
class Residual:
    """What one measured peak says: the fraction by which one kind of term must be allowed to be off."""

    stack: str
    method: str
    source: str
    fraction: float


def spread_groups(comparisons: Sequence[Comparison], counted: float, context: float) -> Spreads:
    """The fractions that measured runs ask for; those of `counted` and `context` are given."""
    cached = _cached_fraction(comparisons)
    fixed = {"counted": counted, "context": context}
    runs = _one_per_run(comparisons)
    residuals = [each for each in (_residual(run, fixed, cached) for run in runs) if each is not None]
    sources = Counter(each.source for each in residuals)
    return Spreads(
        counted=counted,
        allocator=ALLOCATOR_FRACTION,
        cached=cached,
        context=context,
        derived_otherwise=_enclosing(residuals, _shared(residuals, 1.0)),
        model_codes=_by_code(residuals),
        groups=tuple(_groups(residuals)),
        source="residuals of published runs: " + ", ".join(sorted(sources)),
        retrieved=date.today(),
    )


def _one_per_run(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """Of each run the level that has least in it besides tensors."""
    first: dict[str, Comparison] = {}
    for each in comparisons:
        if each.quantity in PEAKS:
            first.setdefault(each.row.id, each)
    return list(first.values())


def _residual(comparison: Comparison, fixed: Mapping[str, float], cached: float) -> Residual | None:
    """By which fraction the derived terms must be off, beyond what the other terms allow; None if there is little."""
    sizes: Counter[str] = Counter()
    for name, size in comparison.peak_terms[1].items():
        sizes[KINDS.get(name, DERIVED)] += size
    missing = abs(comparison.predicted.value - comparison.measured) * GIB / REACH
    held = sizes.pop("allocator", 0)
    if held:
        missing = math.sqrt(max(0.0, missing**2 - (cached * cached_around(held, sizes.total())) ** 2))
    missing -= sum(fraction * sizes[kind] for kind, fraction in fixed.items())
    row = comparison.row
    if sizes[DERIVED] < LEAST_SHARE * sizes.total():
        return None
    return Residual(row.stack, row.method, row.source, max(0.0, missing / sizes[DERIVED]))


def _cached_fraction(comparisons: Iterable[Comparison]) -> float:
    """By which fraction the allocator's own memory is off, of runs that measured two levels."""
    runs: dict[str, dict[str, Comparison]] = defaultdict(dict)
    for each in comparisons:
        runs[each.row.id][each.quantity] = each
    found = []
    for levels in runs.values():
        if "peak_allocated_gib" in levels and "peak_reserved_gib" in levels:
            inner, outer = levels["peak_allocated_gib"], levels["peak_reserved_gib"]
            predicted = outer.predicted.value - inner.predicted.value
            off = abs(predicted - (outer.measured - inner.measured))
            around = cached_around(predicted, inner.predicted.value)
            found.append(Residual(inner.row.stack, inner.row.method, inner.row.source, off / REACH / around))
    return _enclosing(found, _by_source(found, MOST_OWN_WEIGHT))


def _by_code(residuals: Sequence[Residual]) -> dict[str, float]:
    """Model code -> the fraction of all runs with it, every source alike."""
    codes: dict[str, list[Residual]] = defaultdict(list)
    for each in residuals:
        codes[load_catalog().stack(each.stack).model_code].append(each)
    return {code: _enclosing(each, _shared(each, 1.0)) for code, each in sorted(codes.items())}


def _groups(residuals: Sequence[Residual]) -> Iterator[SpreadGroup]:
    """One group for each stack and method, in which every other source counts a little."""
    for stack, method in sorted({(each.stack, each.method) for each in residuals}):
        members = [each for each in residuals if (each.stack, each.method) == (stack, method)]
        others = [each for each in residuals if (each.stack, each.method) != (stack, method)]
        weights = [*_by_source(members, MOST_OWN_WEIGHT), *_shared(others, OTHERS_WEIGHT)]
        yield SpreadGroup(
            stack=stack,
            method=method,
            rows=len(members),
            sources=tuple(sorted({each.source for each in members})),
            derived=_enclosing([*members, *others], weights),
        )


def _by_source(residuals: Sequence[Residual], most: float) -> list[float]:
    """One for each run, but together no more than `most` for each source."""
    counts = Counter(each.source for each in residuals)
    return [min(1.0, most / counts[each.source]) for each in residuals]


def _shared(residuals: Sequence[Residual], total: float) -> list[float]:
    """Weights that add up to `total`, the same for every source."""
    counts = Counter(each.source for each in residuals)
    return [total / len(counts) / counts[each.source] for each in residuals]


def _enclosing(residuals: Sequence[Residual], weights: Sequence[float]) -> float:
    """The smallest fraction that suffices for nine tenths of the weight."""
    ordered = sorted(zip((each.fraction for each in residuals), weights, strict=True))
    enclosed = 0.0
    for fraction, weight in ordered:
        enclosed += weight
        if enclosed >= INTERVAL * sum(weights):
            return round(max(fraction, LEAST_FRACTION), 4)
    return 1.0


def main(paths: Sequence[str]) -> None:
    """Print `uncertainty.yaml` for some measurements files."""
    comparisons = validate_files([Path(path) for path in paths], load_catalog()).comparisons
    spreads = spread_groups(comparisons, COUNTED_FRACTION, CONTEXT_FRACTION)
    print(HEADER, end="")
    print(yaml.safe_dump(spreads.model_dump(mode="json"), sort_keys=False, width=120), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
