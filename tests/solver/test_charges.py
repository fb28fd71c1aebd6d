"""What keys cost: the arrays of the solver against the estimator's exact amounts, and which tariff is cheaper."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from worlds import trials

from planner.estimator.cost import Charges, Tariff
from planner.solver.charges import ChargeTable, charge_table
from planner.solver.offers import Extent, is_cheaper

PER_GB = Decimal(1) / 10**9


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Few values of each kind, so that two tariffs are often close."""
    return Tariff(
        price_per_gpu_hour=Decimal(draw(st.sampled_from(("1.00", "1.02", "1.10", "1.50", "9")))),
        billing_unit_seconds=draw(st.sampled_from((1, 60, 90, 3600))),
        minimum_seconds=draw(st.sampled_from((0, 60, 3600, 86400.0))),
        storage_per_byte_month=draw(st.sampled_from((0, 1, 20))) * PER_GB,
        egress_per_byte=draw(st.sampled_from((0, 1, 9))) * PER_GB / 100,
        free_egress_bytes=draw(st.sampled_from((0, 5, 100))) * 10**9,
        tax_fraction=Decimal("0.19"),
    )


def table_of(charged: Charges) -> ChargeTable:
    """The arrays of one plan."""
    return charge_table(charged.tariff, np.array([charged.gpus]), charged.stored_bytes, charged.downloaded_bytes)


SIZES = st.tuples(st.integers(1, 64), st.integers(0, 10**12), st.integers(0, 2 * 10**11))


@trials(200)
@given(tariff=tariffs(), sizes=SIZES, seconds=st.floats(1, 1e7))
def test_the_arrays_give_the_estimators_cost(tariff: Tariff, sizes: tuple[int, int, int], seconds: float) -> None:
    """To a millionth and the rounding of floating-point numbers."""
    charged = Charges(tariff, *sizes)
    expected = float(charged.cost(seconds))
    assert table_of(charged).cost(np.array([seconds]))[0] == pytest.approx(expected, rel=1e-12, abs=1e-6)


@trials(200)
@given(tariff=tariffs(), sizes=SIZES, seconds=st.floats(1, 1e7))
def test_the_most_seconds_of_a_cost_are_the_last_that_cost_no_more(
    tariff: Tariff, sizes: tuple[int, int, int], seconds: float
) -> None:
    """A job of as many seconds costs no more, one of a unit more does, and no shorter job that does is left out."""
    table = table_of(Charges(tariff, *sizes))
    cost = float(table.cost(np.array([seconds]))[0])
    most = table.most_seconds(cost)
    assert most[0] >= seconds
    assert table.cost(most)[0] <= cost * (1 + 1e-8)
    assert table.cost(most + tariff.billing_unit_seconds)[0] > cost or most[0] < tariff.minimum_seconds
    assert table.most_seconds(float("inf"))[0] == float("inf")
    assert table.most_seconds(float(table.least[0]) * (1 - 1e-6) - 1e-6)[0] <= 0 or tariff.minimum_seconds == 0


@trials(400)
@given(
    rival=tariffs(),
    offer=tariffs(),
    gpus=st.integers(1, 64),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    longer=st.floats(0, 1e6),
    earlier=st.booleans(),
)
def test_a_cheaper_tariff_is_cheaper_for_every_job(
    rival: Tariff, offer: Tariff, gpus: int, shares: tuple[float, float], longer: float, earlier: bool
) -> None:
    """Whatever the number of GPUs, the time beyond the shortest job and the sizes up to the largest."""
    extent = Extent(Decimal(600), Decimal(10**11), Decimal(10**11))
    assume(is_cheaper(rival, offer, extent, earlier=earlier))
    stored, downloaded = (int(share * 10**11) for share in shares)
    costs = [Charges(each, gpus, stored, downloaded).cost(600 + longer) for each in (rival, offer)]
    assert costs[0] <= costs[1] + Decimal("0.000001")


def test_of_equal_tariffs_the_earlier_one_wins() -> None:
    """And only that one, so that one of two equal offers is left."""
    tariff, extent = Tariff(Decimal(1)), Extent(Decimal(600), Decimal(1), Decimal(1))
    assert is_cheaper(tariff, tariff, extent, earlier=True)
    assert not is_cheaper(tariff, tariff, extent, earlier=False)


@pytest.mark.parametrize(
    "dearer",
    [
        {"billing_unit_seconds": 3600},
        {"minimum_seconds": 3600},
        {"storage_per_byte_month": PER_GB},
        {"egress_per_byte": PER_GB},
    ],
)
def test_whatever_makes_a_tariff_dearer_counts(dearer: dict[str, Any]) -> None:
    """A price that is lower by a thousandth does not make up for it in a job of ten minutes."""
    extent = Extent(Decimal(600), Decimal(10**12), Decimal(10**12))
    offer = Tariff(Decimal(1))
    rival = replace(offer, price_per_gpu_hour=Decimal("0.999"))
    assert is_cheaper(rival, offer, extent, earlier=False)
    assert not is_cheaper(replace(rival, **dearer), offer, extent, earlier=True)
    assert is_cheaper(offer, replace(offer, **dearer), extent, earlier=True)
