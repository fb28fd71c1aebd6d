"""Scatter plots as SVG: what lies where, and what is marked."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from planner.report.scatter import SIDE, TICK_GAP, Axis, scatter_svg


@pytest.mark.parametrize("values", [[3.0], [20.0, 22.0], [2.0, 150.0], [20.0, 200_000.0], [1e-3, 1e5]])
def test_ticks_are_round_and_stand_apart(values: list[float]) -> None:
    """At least one is inside the field, and all are."""
    axis = Axis.around(values)
    places = [axis.share(value) for value in axis.ticks]
    assert places
    assert all(0 <= place <= 1 for place in places)
    assert all(SIDE * (after - before) >= TICK_GAP for before, after in pairwise(places))


def test_equal_values_lie_on_the_diagonal() -> None:
    """Equal factors are equal lengths, and predictions that are too high lie above."""
    axis = Axis.around([1.0, 100.0])
    assert axis.x(10.0) - axis.x(1.0) == pytest.approx(axis.y(1.0) - axis.y(10.0))
    assert math.isclose(axis.share(10.0), 0.5)
    root = ElementTree.fromstring(scatter_svg({"a": [(10.0, 20.0)]}, title="Speed", unit="GiB"))
    dot = next(root.iter("{http://www.w3.org/2000/svg}circle"))
    around = Axis.around([10.0, 20.0])
    assert float(dot.attrib["cy"]) == pytest.approx(around.y(20.0), abs=0.1)
    assert around.y(20.0) < around.y(10.0)


def test_names_are_escaped() -> None:
    """A source may be called anything."""
    text = scatter_svg({'<&"x': [(1.0, 1.0)]}, title='"<&', unit="GiB")
    root = ElementTree.fromstring(text)
    assert root.get("aria-label") == '"<&'
    assert '<&"x (1)' in [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
