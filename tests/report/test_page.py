"""Pages: tables, wrapping and bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from planner.report.page import Page, cut, padded, printable, wrap

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)


@given(TEXT, st.integers(4, 40))
def test_wrapped_lines_fit_and_keep_every_word(text: str, cells: int) -> None:
    """No line is wider than asked, wide characters counted double; nothing printable is lost."""
    lines = wrap(text, cells)
    assert all(cell_len(line) <= cells for line in lines)
    assert "".join(lines).replace(" ", "") == printable(text).replace(" ", "")


@given(TEXT.filter(str.isprintable), st.integers(4, 40))
def test_padding_is_exact(text: str, cells: int) -> None:
    """Cut or filled up, on either side."""
    assert cell_len(padded(text, cells)) == cell_len(padded(text, cells, right=True)) == cells
    assert cell_len(cut(text, cells)) <= cells


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=5))
def test_tables_fit_the_page(rows: list[tuple[str, str, str]]) -> None:
    """Whatever the cells hold."""
    page = Page(40)
    page.table(rows, right=(1,), shrink=(2, 0), header=True)
    assert len(page.lines) == len(rows)
    assert all(cell_len(line.plain) <= 40 for line in page.lines)


@pytest.mark.parametrize(
    ("fraction", "bar"), [(0.0, "...."), (0.5, "##.."), (1.0, "####"), (3.0, "####"), (float("inf"), "####")]
)
def test_bars_are_filled_in_proportion(fraction: float, bar: str) -> None:
    """More than full is full."""
    assert Page().bar(fraction, 4) == bar


def test_numbers_stand_under_each_other() -> None:
    """Columns of numbers are aligned to the right, names to the left."""
    page = Page()
    page.table([["a", "1"], ["long", "100"]], right=(1,))
    assert page.plain() == "  a       1\n  long  100\n"
