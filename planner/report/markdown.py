"""Markdown: tables, and text that is shown as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\`*_<>\[\]|#])")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right_from: int = 1) -> list[str]:
    """Lines of a table whose columns are numbers from `right_from` on, and a blank one.

    >>> table(["GPU", "rows"], [["T4", "31"]])
    ['| GPU | rows |', '| --- | ---: |', '| T4 | 31 |', '']
    """
    rules = ["---" if place < right_from else "---:" for place in range(len(header))]
    return [_line(header), f"| {' | '.join(rules)} |", *(_line(row) for row in rows), ""]


def _line(row: Sequence[str]) -> str:
    return f"| {' | '.join(map(escaped, row))} |"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is.

    >>> escaped("a|b_c")
    'a\\\\|b\\\\_c'
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))
