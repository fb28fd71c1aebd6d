"""Intervals, margins and the probability to fit, against numerical integration and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.catalog.spread import Spread, SpreadGroup
from planner.estimator.levels import fit_probability
from planner.estimator.memory import PHASES
from planner.estimator.uncertainty import KINDS, cumulative, interval, margin_factor, quantile, spread_bytes
from planner.estimator.workload import Workload

STEPS = 200_000


def integrated(value: float) -> float:
    """The distribution function: trapezoid rule over Gamma(2.5) / (sqrt(4 pi) Gamma(2)) (1 + t^2 / 4)^-2.5."""
    density: float = math.gamma(2.5) / (math.sqrt(4 * math.pi) * math.gamma(2))
    low = -400.0
    width = (value - low) / STEPS
    inner: float = sum((1 + (low + step * width) ** 2 / 4) ** -2.5 for step in range(1, STEPS))
    ends: float = ((1 + low**2 / 4) ** -2.5 + (1 + value**2 / 4) ** -2.5) / 2
    return density * width * (inner + ends)


@pytest.mark.parametrize("value", [-3.0, -0.5, 0.0, 1.0, 3.7469])
def test_the_closed_form_is_the_integral_of_the_density(value: float) -> None:
    """Four degrees of freedom."""
    assert cumulative(value) == pytest.approx(integrated(value), abs=2e-6)


@given(st.floats(0.0001, 0.9999))
def test_quantile_inverts_the_distribution(probability: float) -> None:
    """cumulative(quantile(p)) is p."""
    assert cumulative(quantile(probability)) == pytest.approx(probability, abs=1e-9)


LORA = SpreadGroup(stack="hf-trainer", method="lora", rows=3, sources=("made up for tests",), derived=0.1)
FRACTIONS = Spread(counted=0.01, allocator=0.5, context=0.2, groups={"lora": LORA}, derived_otherwise=0.3)


class Plan:
    """What the functions read of a plan."""

    stack = load_catalog().stack("hf-trainer").model_copy(update={"spread": FRACTIONS})
    method = "lora"


TERMS = {"weights": 1000, "activations": 500, "allocator": 100, "context": 50}
SPREAD = 0.01 * 1000 + 0.1 * 500 + 0.5 * 100 + 0.2 * 50
"""10 + 50 + 50 + 10 = 120."""


def test_the_spread_of_a_peak_is_the_sum_of_its_terms_spreads() -> None:
    """A method without measured runs takes the fraction of all."""
    assert spread_bytes(TERMS, Plan()) == pytest.approx(SPREAD)

    class Other(Plan):
        method = "full"

    assert spread_bytes(TERMS, Other()) == pytest.approx(SPREAD + 0.2 * 500)


def test_the_interval_encloses_ninety_percent() -> None:
    """1650 +- 2.1318 x 120."""
    peak = interval(1650, SPREAD)
    assert (peak.low_bytes, peak.bytes, peak.high_bytes) == (1394, 1650, 1906)
    assert interval(10, 120).low_bytes == 0


@given(st.floats(0.0001, 0.5), st.integers(1, 10_000))
def test_margins_and_probability_say_the_same(risk: float, room: int) -> None:
    """A phase with its margins fits a capacity just if the probability to fit is at least 1 - risk."""
    workload = Workload(load_catalog().models[0], 1, 1, 1, 1, "q", oom_risk=risk)
    plan = Plan()
    required = sum(size * margin_factor(workload, plan.stack, plan.method, name) for name, size in TERMS.items())
    capacity = sum(TERMS.values()) + room
    probability = fit_probability({"only": TERMS}, plan, capacity)
    if abs(required - capacity) > 1e-6:
        assert (required <= capacity) == (probability >= 1 - risk)


def test_every_kind_names_a_term_of_some_phase() -> None:
    """No entry of the table is idle."""
    names = {name for terms in PHASES.values() for name in terms}
    assert set(KINDS) <= names
