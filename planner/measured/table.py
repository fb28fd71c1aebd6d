"""CSV files, line by line: everything that cannot be used is reported with its place, everything else is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from planner.errors import InputError, did_you_mean
from planner.measured.columns import CellError, CellProblem, Column
from planner.units import shown

MOST_BYTES = 32 * 2**20
FORMAT_HINT = "A table is comma-separated UTF-8 text with one header line"


@dataclass(frozen=True)
class Record:
    """One line of a table: column -> value, where a cell that is blank or wrong has None."""

    line: int
    name: str
    """What its first column says, for messages."""
    values: Mapping[str, Any] | None
    """None if the line does not even have the right cells."""
    problems: tuple[CellProblem, ...]


@dataclass(frozen=True)
class Table:
    """A table as far as it can be read."""

    records: tuple[Record, ...]
    problems: tuple[CellProblem, ...]
    """Of the header."""
    ignored: tuple[str, ...]
    """Columns that the format does not know."""


@dataclass(frozen=True)
class _Line:
    """The cells of one line, or why there are none."""

    number: int
    cells: list[str]
    fault: str = ""


def read_table(path: Path, columns: Sequence[Column]) -> Table:
    """The records of a CSV file; the first of `columns` names a record and may not be blank.

    Error: InputError if the file is missing, a directory, too large, empty, not text, or without the first column.
    """
    first, *lines = [*_lines(path)] or [_Line(1, [])]
    header = _header(path, first, columns)
    missing = [column.name for column in columns if column.name not in header]
    message = f"the header lacks {', '.join(missing)}"
    problems = (CellProblem(str(path), first.number, 0, "", message),) if missing else ()
    known = {column.name for column in columns}
    ignored = tuple(name for name in header if name and name not in known)
    return Table(tuple(_record(path, line, header, columns) for line in lines), problems, ignored)


def _record(path: Path, line: _Line, header: Sequence[str], columns: Sequence[Column]) -> Record:
    faults = list(_faults_of_line(path, line, header))
    values = None if faults else _values(path, line, header, columns, faults)
    name = dict(zip(header, line.cells, strict=False)).get(columns[0].name)
    return Record(line.number, name or f"line {line.number}", values, tuple(faults))


def _values(
    path: Path, line: _Line, header: Sequence[str], columns: Sequence[Column], faults: list[CellProblem]
) -> dict[str, Any]:
    """Column -> value; `faults` gets what is wrong."""
    cells = dict(zip(header, line.cells, strict=True))
    values: dict[str, Any] = {column.name: None for column in columns}
    for column in columns:
        cell = cells.get(column.name)
        try:
            values[column.name] = column.read(cell) if cell else None
        except CellError as error:
            faults.append(_fault(path, line, column.name, header, str(error), error.hint))
    if not cells[columns[0].name]:
        faults.append(_fault(path, line, columns[0].name, header, "is blank"))
    return values


def _fault(path: Path, line: _Line, column: str, header: Sequence[str], message: str, hint: str = "") -> CellProblem:
    place = header.index(column) if column in header else len(header)
    return CellProblem(str(path), line.number, place + 1, column, message, hint)


def _faults_of_line(path: Path, line: _Line, header: Sequence[str]) -> Iterator[CellProblem]:
    """What is wrong with a line as a whole."""
    if line.fault:
        yield CellProblem(str(path), line.number, 0, "", line.fault)
    elif len(line.cells) != len(header):
        hint = "Text with a comma needs quotes" if len(line.cells) > len(header) else "A blank cell needs its comma too"
        yield CellProblem(str(path), line.number, 0, "", f"{len(line.cells)} cells, the header has {len(header)}", hint)


def _header(path: Path, line: _Line, columns: Sequence[Column]) -> list[str]:
    """The names in the first line."""
    names = line.cells
    if line.fault:
        raise _refusal(path, f"the header is {line.fault}", line.number, FORMAT_HINT)
    if not any(names):
        raise _refusal(path, "empty", hint=FORMAT_HINT)
    repeated = [name for number, name in enumerate(names) if name and name in names[:number]]
    if repeated:
        raise _refusal(path, f"the header has the column {shown(repeated[0])} twice", line.number)
    if columns[0].name not in names:
        hint = f"The header begins with {','.join(column.name for column in columns[:4])}"
        raise _refusal(path, f"the header has no column {columns[0].name}", line.number, hint)
    return names


def _lines(path: Path) -> Iterator[_Line]:
    """The lines of a CSV file, without blank ones.

    After one that cannot be read (a quote that is never closed takes the rest of the file with it) reading goes on with
    the next.
    """
    texts = _text_lines(path)
    start = 0
    while start < len(texts):
        reader = csv.reader(islice(texts, start, None), strict=True)
        number = start + 1
        try:
            for cells in reader:
                if cells:
                    fault = "not UTF-8 text" if _undecoded(cells) else ""
                    yield _Line(number, [] if fault else [cell.strip() for cell in cells], fault)
                number = start + reader.line_num + 1
            return
        except csv.Error as error:
            open_quote = "unexpected end of data" in str(error)
            yield _Line(number, [], "a quote is not closed" if open_quote else f"not a line of a CSV file: {error}")
            start = number


def _undecoded(cells: Sequence[str]) -> bool:
    """Whether any byte was not UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell)


def _text_lines(path: Path) -> list[str]:
    """The lines of a file; bytes that are not UTF-8 stay marked in them."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise _refusal(path, "no such file", hint=_similar_files(path)) from None
    except IsADirectoryError:
        raise _refusal(path, "a directory, not a file", hint=_similar_files(path / "memory.csv")) from None
    except OSError as error:
        raise _refusal(path, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _refusal(path, "not a possible file name") from None
    if len(content) > MOST_BYTES:
        raise _refusal(path, f"larger than {MOST_BYTES // 2**20} MiB")
    if b"\0" in content:
        raise _refusal(path, "not a text file", hint=FORMAT_HINT)
    return io.StringIO(content.decode("utf-8-sig", errors="surrogateescape"), newline=None).readlines()


def _similar_files(path: Path) -> str:
    """The CSV files where this one was looked for."""
    try:
        names = sorted(each.name for each in path.parent.iterdir() if each.suffix == ".csv")
    except OSError:
        return ""
    return did_you_mean(path.name, names) if names else ""


def _refusal(path: Path, message: str, line: int = 0, hint: str = "") -> InputError:
    """One problem of the file as a whole."""
    return InputError([CellProblem(str(path), line, 0, "", message, hint)])
