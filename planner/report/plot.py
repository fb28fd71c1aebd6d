"""A scatter plot as plain text, both axes in logarithms: numbered marks, and ticks at round values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from planner.report.ticks import round_ticks

MARK = "*"
MARGIN = 0.03
"""Share of an axis that is left free at either end."""
TICK_GAP_CELLS = 2

Cells = list[list[str]]


def scatter(
    points: Sequence[tuple[float, float]],
    *,
    width: int,
    height: int,
    x_title: str,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
) -> list[str]:
    """Lines of at most `width` cells that show points (x, y), all above 0, numbered from 1 in their order.

    A number stands beside its mark, wherever there is room; marks in one cell share theirs (`3-5`).
    """
    y_ticks = round_ticks([y for _, y in points])
    labels = {_row(value, points, height): y_text(value) for value in y_ticks}
    margin = max(map(len, labels.values()), default=0) + 1
    columns = max(width - margin - 2, 1)
    cells = _cells(points, columns, height)
    lines = [f"{labels.get(row, ''):>{margin}} |{''.join(cells[row])}" for row in range(height)]
    rule, ticks = _x_axis(points, columns, x_text)
    indent = " " * (margin + 1)
    return [*lines, f"{indent}+{rule}", f"{indent} {ticks}", f"{x_title:>{width}}"]


def _place(value: float, values: Sequence[float], cells: int) -> int:
    """The cell of a value on an axis that spans all values, with a margin."""
    low, high = math.log(min(values)), math.log(max(values))
    share = 0.5 if high == low else (math.log(value) - low) / (high - low)
    return round((MARGIN + share * (1 - 2 * MARGIN)) * (cells - 1))


def _row(value: float, points: Sequence[tuple[float, float]], height: int) -> int:
    """The line of a value, counted from the top."""
    return height - 1 - _place(value, [y for _, y in points], height)


def _x_axis(points: Sequence[tuple[float, float]], columns: int, text: Callable[[float], str]) -> tuple[str, str]:
    """The horizontal axis with its ticks, and the values below them as far as there is room."""
    values = [x for x, _ in points]
    rule, below = ["-"] * columns, ""
    for value in round_ticks(values):
        column, shown = _place(value, values, columns), text(value)
        rule[column] = "+"
        start = min(max(0, column - len(shown) // 2), columns - len(shown))
        if start >= len(below) + (TICK_GAP_CELLS if below else 0):
            below = below.ljust(start) + shown
    return "".join(rule), below


def _cells(points: Sequence[tuple[float, float]], columns: int, height: int) -> Cells:
    """The field with its marks and their numbers."""
    cells = [[" "] * columns for _ in range(height)]
    marks: dict[tuple[int, int], list[int]] = {}
    for number, (x, y) in enumerate(points, start=1):
        place = (_row(y, points, height), _place(x, [each for each, _ in points], columns))
        marks.setdefault(place, []).append(number)
    for row, column in marks:
        cells[row][column] = MARK
    for (row, column), numbers in marks.items():
        label = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        _write_label(cells, row, column, label)
    return cells


def _write_label(cells: Cells, row: int, column: int, label: str) -> None:
    """A number at the first place beside its mark that is free, if there is one."""
    for line, start in _beside(row, column, len(label)):
        places = range(start, start + len(label))
        around = range(start - 1, start + len(label) + 1)
        inside = 0 <= line < len(cells) and start >= 0 and places[-1] < len(cells[line])
        free = [place for place in around if 0 <= place < len(cells[0]) and (line, place) != (row, column)]
        if inside and all(cells[line][place] == " " for place in free):
            cells[line][start : start + len(label)] = label
            return


def _beside(row: int, column: int, length: int) -> Iterator[tuple[int, int]]:
    """Where the number of a mark can stand, the clearest place first."""
    yield row, column + 1
    yield row - 1, column + 1
    yield row, column - length
    yield row - 1, column
    yield row + 1, column - length
    yield row + 1, column
    yield row - 1, column - length
    yield row + 1, column + 1
