"""A scatter plot of measured and predicted values as an SVG document: both axes in logarithms, one colour per group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from planner.report.ticks import round_ticks

Points = Sequence[tuple[float, float]]
"""Measured and predicted values, above 0."""
SIDE = 460.0
LEFT, TOP, BOTTOM, RIGHT = 82.0, 52.0, 58.0, 190.0
"""Room around the square field, in pixels: axis with its title, title, axis with its title, legend."""
MARGIN = 0.04
"""Share of an axis that is left free at either end."""
BAND = 0.2
"""Share of the measured value that the lines beside the diagonal lie away from it."""
TICK_GAP = 52.0
"""Pixels that a label needs."""
LEGEND_STEP = 21.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#8a7a5c", "#7f7f7f")
"""Okabe and Ito's colours, which colour-blind readers tell apart, without black and yellow; and three more."""
STYLE = """\
  <style>
    .ground { fill: #ffffff } text { fill: #24292f; font: 13px sans-serif }
    .title { font-size: 15px; font-weight: bold } .grid { stroke: #d8dee4 }
    .frame { stroke: #57606a; fill: none } .same { stroke: #24292f } .band { stroke: #57606a; stroke-dasharray: 5 4 }
    @media (prefers-color-scheme: dark) {
      .ground { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
      .frame { stroke: #8b949e } .same { stroke: #e6edf3 } .band { stroke: #8b949e }
    }
  </style>"""


@dataclass(frozen=True)
class Axis:
    """Both axes of a plot: they show the same values, so that equal ones lie on the diagonal."""

    low: float
    high: float

    @staticmethod
    def around(values: Sequence[float]) -> Axis:
        """The axis that shows all values and a margin; a single value stands in its middle."""
        low, high = min(values), max(values)
        margin = max(MARGIN * math.log(high / low), math.log(1 + BAND))
        return Axis(low / math.exp(margin), high * math.exp(margin))

    def share(self, value: float) -> float:
        """How far along the axis a value lies, from 0 to 1."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def x(self, value: float) -> float:
        """Pixels from the left."""
        return LEFT + SIDE * self.share(value)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return TOP + SIDE * (1 - self.share(value))

    @property
    def ticks(self) -> list[float]:
        """Round values; powers of ten alone where all of them would not stand apart."""
        found = round_ticks([self.low, self.high])
        gaps = [SIDE * (self.share(after) - self.share(before)) for before, after in pairwise(found)]
        if min(gaps, default=TICK_GAP) >= TICK_GAP:
            return found
        return [value for value in found if math.isclose(math.log10(value), round(math.log10(value)))]


def scatter_svg(groups: Mapping[str, Points], *, title: str, unit: str) -> str:
    """The document: a dot for each point of at least one, the diagonal, lines 20% beside it, and a legend."""
    axis = Axis.around([value for points in groups.values() for point in points for value in point])
    width, height = LEFT + SIDE + RIGHT, TOP + SIDE + BOTTOM
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(title)}>',
        STYLE,
        f'  <rect class="ground" width="{width:g}" height="{height:g}"/>',
        f'  <text class="title" x="{LEFT:g}" y="30">{escape(title)}</text>',
        *_axes(axis, unit),
        *_diagonals(axis),
        *_dots(groups, axis),
        *_legend(groups),
    ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _axes(axis: Axis, unit: str) -> Iterator[str]:
    bottom, right, middle = TOP + SIDE, LEFT + SIDE, SIDE / 2
    for value in axis.ticks:
        x, y = axis.x(value), axis.y(value)
        yield f'  <path class="grid" d="M{x:.1f} {TOP:g}V{bottom:g}M{LEFT:g} {y:.1f}H{right:g}"/>'
        yield f'  <text x="{x:.1f}" y="{bottom + 19:g}" text-anchor="middle">{value:,.10g}</text>'
        yield f'  <text x="{LEFT - 8:g}" y="{y + 4:.1f}" text-anchor="end">{value:,.10g}</text>'
    yield f'  <rect class="frame" x="{LEFT:g}" y="{TOP:g}" width="{SIDE:g}" height="{SIDE:g}"/>'
    across, up = LEFT + middle, TOP + middle
    yield f'  <text x="{across:g}" y="{bottom + 44:g}" text-anchor="middle">measured {escape(unit)}</text>'
    yield (f'  <text transform="translate(17 {up:g}) rotate(-90)" text-anchor="middle">predicted {escape(unit)}</text>')


def _diagonals(axis: Axis) -> Iterator[str]:
    """Where the prediction is the measured value, and where it is too low or too high by the band."""
    for factor in (1 - BAND, 1.0, 1 + BAND):
        start, end = max(axis.low, axis.low / factor), min(axis.high, axis.high / factor)
        path = f"M{axis.x(start):.1f} {axis.y(start * factor):.1f}L{axis.x(end):.1f} {axis.y(end * factor):.1f}"
        yield f'  <path class="{"same" if factor == 1 else "band"}" d="{path}"/>'


def _dots(groups: Mapping[str, Points], axis: Axis) -> Iterator[str]:
    for place, points in enumerate(groups.values()):
        yield f'  <g fill="{_colour(place)}" fill-opacity="0.7">'
        yield from (f'    <circle cx="{axis.x(x):.1f}" cy="{axis.y(y):.1f}" r="3.2"/>' for x, y in points)
        yield "  </g>"


def _legend(groups: Mapping[str, Points]) -> Iterator[str]:
    left = LEFT + SIDE + 16
    for place, (name, points) in enumerate(groups.items()):
        y = TOP + 10 + LEGEND_STEP * place
        yield f'  <circle cx="{left:g}" cy="{y:g}" r="5" fill="{_colour(place)}"/>'
        yield f'  <text x="{left + 12:g}" y="{y + 4:g}">{escape(name)} ({len(points)})</text>'
    for place, (kind, text) in enumerate((("same", "predicted = measured"), ("band", f"{BAND:.0%} beside it"))):
        y = TOP + 22 + LEGEND_STEP * (len(groups) + place)
        yield f'  <path class="{kind}" d="M{left - 8:g} {y:g}h16"/>'
        yield f'  <text x="{left + 12:g}" y="{y + 4:g}">{text}</text>'


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
