"""A page of text for a terminal: headings, labelled values, tables and bars, no line wider than the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

INDENT = "  "
LABEL_CELLS = 14
GAP_CELLS = 2
LEAST_CELLS = 8
"""A shrinking column keeps at least this much."""


class Page:
    """Lines of rich text of at most `width` cells; text is never read as markup.

    `ascii_only` draws bars with characters that every terminal and file can hold.
    """

    def __init__(self, width: int = 80, *, ascii_only: bool = True) -> None:
        self.width = width
        self.ascii_only = ascii_only
        self.lines: list[Text] = []

    def line(self, text: str, style: str = "") -> None:
        """One line, cut at the page's width."""
        self.lines.append(Text(cut(printable(text), self.width), style=style))

    def blank(self) -> None:
        """An empty line, but never two, nor one at the top."""
        if self.lines and self.lines[-1].plain:
            self.lines.append(Text())

    def heading(self, title: str, rest: str = "") -> None:
        """A blank line, then a title in bold and what the section says in short."""
        self.blank()
        first, *more = wrap(f"{title}: {rest}" if rest else title, self.width)
        line = Text(first)
        line.stylize("bold", 0, len(title))
        self.lines.append(line)
        for text in more:
            self.lines.append(Text(text))

    def paragraph(self, text: str, style: str = "", *, indent: str = "") -> None:
        """Text over as many lines as it needs."""
        for line in wrap(text, self.width - len(indent)):
            self.lines.append(Text(indent + line, style=style))

    def labelled(
        self, label: str, text: str, style: str = "", *, cells: int = LABEL_CELLS, label_style: str = "dim"
    ) -> None:
        """A label and its text beside it, wrapped below itself."""
        space = max(LEAST_CELLS, self.width - len(INDENT) - cells)
        for number, part in enumerate(wrap(text, space)):
            margin = INDENT + padded("" if number else printable(label), cells)
            line = Text(margin + part)
            line.stylize(label_style, 0, len(margin))
            line.stylize(style, len(margin))
            self.lines.append(line)

    def table(
        self,
        rows: Sequence[Sequence[str]],
        *,
        right: Iterable[int] = (),
        shrink: Sequence[int] = (0,),
        header: bool = False,
        styles: Sequence[str] = (),
    ) -> None:
        """Rows of equally many columns; those named in `shrink` give way, in this order, where the page is too narrow.

        `right` names the columns of numbers, `styles` one style per row; a `header` is dim.
        """
        shown = [[printable(cell) for cell in row] for row in rows]
        widths = [max(cell_len(cell) for cell in column) for column in zip(*shown, strict=True)]
        excess = len(INDENT) + sum(widths) + GAP_CELLS * (len(widths) - 1) - self.width
        for column in shrink:
            given = max(0, min(excess, widths[column] - LEAST_CELLS))
            widths[column] -= given
            excess -= given
        for number, row in enumerate(shown):
            cells = [
                padded(cell, width, right=place in set(right))
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            style = "dim" if header and not number else (styles[number] if number < len(styles) else "")
            text = (INDENT + (" " * GAP_CELLS).join(cells)).rstrip()
            self.lines.append(Text(cut(text, self.width), style=style))

    def bar(self, fraction: float, cells: int) -> str:
        """A bar of so many cells, filled up to `fraction`; more than full is full."""
        filled = round(min(1.0, max(0.0, fraction)) * cells)
        full, empty = ("#", ".") if self.ascii_only else ("█", "░")
        return full * filled + empty * (cells - filled)

    def plain(self) -> str:
        """The page without styles, every line ended."""
        return "".join(f"{line.plain.rstrip()}\n" for line in self.lines)


def printable(text: str) -> str:
    """`text` without control characters, which could move the cursor or recolour the terminal.

    >>> printable("a\\x1b[31m b\\nc")
    'a?[31m b c'
    """
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


def cut(text: str, cells: int) -> str:
    """`text`, or its beginning with three points where it is wider than `cells`.

    >>> cut("verda spot", 8)
    'verda...'
    """
    if cell_len(text) <= cells:
        return text
    return set_cell_size(text, max(0, cells - 3)).rstrip() + "..."


def padded(text: str, cells: int, *, right: bool = False) -> str:
    """`text` in exactly so many cells."""
    text = cut(text, cells)
    space = " " * (cells - cell_len(text))
    return space + text if right else text + space


def wrap(text: str, cells: int) -> list[str]:
    """Lines of whole words of at most `cells` each; longer words are broken. At least one line.

    >>> wrap("one two three", 8)
    ['one two', 'three']
    """
    lines = [""]
    for word in printable(text).split(" "):
        for part in chop_cells(word, cells) if cell_len(word) > cells else [word]:
            joined = f"{lines[-1]} {part}" if lines[-1] else part
            if cell_len(joined) <= cells:
                lines[-1] = joined
            else:
                lines.append(part)
    return lines
