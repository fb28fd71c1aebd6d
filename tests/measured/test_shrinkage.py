"""What own runs say of GPUs and stacks: worked examples, and laws."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.measured.shrinkage import Observed, Shrinkage, shared_fraction

SPREADS = {"A": 0.1, "B": 0.1, "C": 0.2}
residuals = st.floats(-0.7, 0.7)
shares = st.floats(0.05, 0.95)
counts = st.integers(1, 200)


def pair(residual: float, configurations: int, gpu: str = "A", stack: str = "x") -> Observed:
    """Runs on one GPU type with one stack."""
    return Observed(gpu, stack, configurations, residual)


def test_one_pair_by_hand() -> None:
    """Three configurations 10% slow, a share of 0.25: weight 3 x 0.25 / (3 x 0.25 + 0.75) = 1/2."""
    own = Shrinkage([pair(math.log(1.1), 3)], SPREADS, 0.25).own_speed("A", "x")
    assert own.seconds_factor == pytest.approx(math.sqrt(1.1))
    assert own.spread == pytest.approx(0.1 * math.sqrt(1 - 0.25 / 2))


def test_a_relative_by_hand() -> None:
    """Another stack shares a third of the offset: weight 1/3 of 1/2, variance less 0.25 x 1/9 x 1/2."""
    found = Shrinkage([pair(math.log(1.1), 3)], SPREADS, 0.25)
    for gpu, stack in (("A", "y"), ("B", "x")):
        own = found.own_speed(gpu, stack)
        assert own.seconds_factor == pytest.approx(1.1 ** (1 / 6))
        assert own.spread == pytest.approx(0.1 * math.sqrt(1 - 0.25 / 18))
        assert found.says_of(gpu, stack)


def test_an_offset_is_in_units_of_the_spread() -> None:
    """A GPU type that is less well known is moved by as much more."""
    own = Shrinkage([pair(math.log(1.1), 3)], SPREADS, 0.25).own_speed("C", "x")
    assert own.seconds_factor == pytest.approx(1.1 ** (2 / 6))


@given(residuals, counts, shares)
def test_what_has_nothing_in_common_is_unchanged(residual: float, count: int, share: float) -> None:
    """Neither runs at all nor runs of another GPU type with another stack say anything."""
    for observed in ([], [pair(residual, count)]):
        found = Shrinkage(observed, SPREADS, share)
        own = found.own_speed("B", "y")
        assert own.seconds_factor == 1.0
        assert own.spread == pytest.approx(0.1, rel=1e-12)
        assert not found.says_of("B", "y")


@given(residuals, counts, shares)
def test_the_factor_lies_between_1_and_the_mean(residual: float, count: int, share: float) -> None:
    """And comes nearer to the mean with every configuration, while the spread falls, but not below the noise."""
    few, many = (Shrinkage([pair(residual, each)], SPREADS, share).own_speed("A", "x") for each in (count, count + 1))
    low, high = sorted((1.0, math.exp(residual)))
    assert low - 1e-12 <= few.seconds_factor <= high + 1e-12
    assert abs(math.log(many.seconds_factor) - residual) <= abs(math.log(few.seconds_factor) - residual) + 1e-12
    assert 0.1 * math.sqrt(1 - share) <= many.spread <= few.spread <= 0.1


@settings(deadline=None)
@given(st.lists(st.tuples(residuals, counts), min_size=4, max_size=4), shares, st.integers(0, 3))
def test_more_runs_anywhere_never_widen(observed: list[tuple[float, int]], share: float, more: int) -> None:
    """Of several pairs; the order in which they are observed does not matter."""
    places = [("A", "x"), ("A", "y"), ("B", "x"), ("C", "z")]
    before = [pair(*each, *place) for each, place in zip(observed, places, strict=True)]
    after = [pair(r, n + 5 * (number == more), *places[number]) for number, (r, n) in enumerate(observed)]
    one, other, turned = (Shrinkage(each, SPREADS, share) for each in (before, after, after[::-1]))
    for gpu in SPREADS:
        for stack in ("x", "y", "z"):
            own = other.own_speed(gpu, stack)
            assert own.spread <= one.own_speed(gpu, stack).spread * (1 + 1e-9)
            assert turned.own_speed(gpu, stack).seconds_factor == pytest.approx(own.seconds_factor)


def test_the_shared_fraction_of_simulated_groups() -> None:
    """Known parts are found again; single runs and no scatter at all say nothing."""
    import numpy as np

    draw = np.random.default_rng(0).normal
    groups = [(draw(0, 0.3) + draw(0, 0.4, size=8)).tolist() for _ in range(4000)]
    assert shared_fraction(groups) == pytest.approx(0.36, abs=0.02)
    assert shared_fraction([[0.3], [0.1]]) == shared_fraction([[0.0, 0.0]]) == 0.0


def test_the_catalog_has_the_figure() -> None:
    """Fitted with the others; what own runs can tell is less than half of the variance."""
    assert 0.1 < load_catalog().speeds.spread.shared_fraction < 0.5
