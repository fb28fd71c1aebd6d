"""The page on accuracy: the same comparison as `planner validate` prints, as a Markdown document to publish."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from planner.estimator.levels import CACHED
from planner.measured.columns import PEAKS
from planner.measured.row import MeasuredRow
from planner.measured.summary import (
    NAMELESS,
    QuantityErrors,
    grouped,
    quantity_errors,
    skipped_by_reason,
    wrong_verdicts,
)
from planner.measured.validate import Comparison, Run, Validation
from planner.report import measured_words as words
from planner.units import GIB

SPECIAL = re.compile(r"([\\`*_<>\[\]|#])")
SHOWN_IDS = 12
DOUBTS = {
    "outcome": ("presumed, not printed by the source", re.compile("presum")),
    "peak": (
        "GB of unknown size taken as GiB (then up to 7% too high), or not quite this quantity",
        re.compile("assum|peak =|G(i)?B"),
    ),
}
"""Why a measured value that is listed as assumed is doubtful, and which notes say more of it."""


def accuracy_markdown(validation: Validation) -> str:
    """The document; the same validation always gives the same text."""
    lines = _method(validation)
    for each in quantity_errors(validation):
        lines += _errors_section(each)
    lines += _verdict_section(validation.verdicts)
    for title, comparisons in words.worst_by_kind(validation).items():
        lines += _worst_section(title, comparisons, validation)
    lines += _doubt_section(validation)
    lines += _skipped_section(validation)
    return "\n".join(lines).rstrip() + "\n"


def _method(validation: Validation) -> list[str]:
    sources = len({run.row.source for run in validation.runs})
    amount = f"{words.counted(len(validation.runs), 'published run')} from {words.counted(sources, 'source')}"
    method = (
        f"Each of {amount} is predicted by the formulas that also choose plans: the columns of its row are the "
        "decisions of a plan, the measured values are not used, and no row is left out because of its error. Rows of "
        "one source share hardware, scripts and habits, so weigh by source, not by row."
    )
    command = f"`planner validate {' '.join(validation.files)} --report FILE`"
    meanings = f"{words.MEANINGS[0].upper()}{words.MEANINGS[1:]}."
    return ["# Accuracy", "", f"Written by {command}, not by hand.", "", "## Method", "", method, "", meanings, ""]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right_from: int = 1) -> list[str]:
    """A Markdown table whose columns are numbers from `right_from` on."""
    rules = ["---" if place < right_from else "---:" for place in range(len(header))]
    return [_cells(header), _cells(rules, plain=True), *(_cells(row) for row in rows), ""]


def _cells(row: Sequence[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(row if plain else map(escaped, row))} |"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is.

    >>> escaped("a|b_c")
    'a\\\\|b\\\\_c'
    """
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _errors_section(found: QuantityErrors) -> list[str]:
    lines = [f"## {words.TITLES[found.quantity]}", ""]
    for grouping, groups in found.groups.items():
        rows = [[name, *words.error_cells(errors)] for name, errors in groups.items()]
        rows.append(["all", *words.error_cells(found.overall)])
        lines += _table([words.GROUPING_TITLES[grouping], *words.ERROR_HEADER], rows)
    return lines


def _verdict_section(verdicts: Sequence[Run]) -> list[str]:
    if not verdicts:
        return []
    wrong = [f"- {escaped(words.verdict(run))}" for run in wrong_verdicts(verdicts)]
    table = _table(words.VERDICT_HEADER, words.verdict_rows(verdicts))
    return ["## Does it fit its GPU?", "", *table, *wrong, *([""] if wrong else [])]


def _worst_section(title: str, comparisons: Sequence[Comparison], validation: Validation) -> list[str]:
    lines = [f"## {title}", ""]
    for each in comparisons:
        lines += [f"### {escaped(each.row.id)}: {each.error_fraction:+.1%}", ""]
        lines += [f"- {escaped(part)}" for part in _explanation(each, validation)]
        lines.append("")
    return lines


def _explanation(each: Comparison, validation: Validation) -> list[str]:
    """What can be said of a bad prediction: only what the row and the prediction themselves say."""
    row = each.row
    alike = [one for one in validation.comparisons if one.quantity == each.quantity]
    of_source = grouped(alike, _source)[_source(row)]
    parts = [words.compared(each), words.run_in_short(each), f"{words.breakdown(each)}{_dominant(each)}"]
    others = [one for one in validation.comparisons if one.row is row and one.quantity != each.quantity]
    parts += [f"the same run: {words.compared(one)}, error {one.error_fraction:+.1%}" for one in others]
    parts += _varied(each)
    rows = words.counted(of_source.rows, "row")
    parts.append(f"{rows} of {_source(row)}: median error {of_source.median:.1%}, bias {of_source.bias:+.1%}")
    parts += [f"inferred, not stated by the source: {', '.join(row.assumed)}"] if row.assumed else []
    parts += [f"notes of the row: {row.notes}"] if row.notes else []
    return [*parts, f"source: {row.source_ref or _source(row)}"]


def _varied(each: Comparison) -> list[str]:
    """Whether samples of many lengths, of which no column tells, would be enough to make up for what is missing."""
    beyond = each.quantity in PEAKS[1:] and each.error_fraction < 0
    cached = each.prediction.varying_bytes if beyond else None
    if cached is None:
        return []
    total = each.predicted.value + (cached - each.prediction.outside[CACHED]) / GIB
    if total < each.measured:
        return []
    lengths = f"samples of all lengths up to {each.row.sequence_length}, the longest last"
    return [f"enough to explain what is missing, if it was so, which no column says: {lengths} ({total:.1f} GiB)"]


def _source(row: MeasuredRow) -> str:
    return row.source or NAMELESS


def _dominant(each: Comparison) -> str:
    """The largest term and the gap, where the breakdown is one of memory."""
    if each.quantity not in PEAKS:
        return ""
    terms = each.peak_terms[1]
    name = max(terms, key=lambda term: terms[term])
    share = terms[name] / max(sum(terms.values()), 1)
    gap = each.predicted.value - each.measured
    return f"; the largest, {name.replace('_', ' ')}, is {share:.0%} of them; predicted - measured: {gap:+.1f} GiB"


def _doubt_section(validation: Validation) -> list[str]:
    """Rows whose measured values are themselves inferred, source by source."""
    doubts: dict[tuple[str, str], list[MeasuredRow]] = {}
    for run in validation.runs:
        for column in run.row.assumed:
            if column == "outcome" or (column in PEAKS and getattr(run.row, column) is not None):
                doubts.setdefault((_source(run.row), column), []).append(run.row)
    if not doubts:
        return []
    rows = [[source, column, str(len(some)), _doubt(column, some)] for (source, column), some in doubts.items()]
    table = _table(["source", "column", "rows", "reason"], rows, right_from=len(rows[0]))
    return ["## Doubtful measurements", "", "They count in every figure above all the same.", "", *table]


def _doubt(column: str, rows: Iterable[MeasuredRow]) -> str:
    """Why a measured value is doubtful, with what the rows' notes say of it."""
    reason, words_of_doubt = DOUBTS["outcome" if column == "outcome" else "peak"]
    parts = dict.fromkeys(part.strip() for row in rows for part in row.notes.split(";"))
    return "; ".join([reason, *(part for part in parts if words_of_doubt.search(part))])


def _skipped_section(validation: Validation) -> list[str]:
    if not validation.skipped:
        return ["## Skipped rows", "", "None.", ""]
    rows = [[str(len(ids)), reason, _listed(ids)] for reason, ids in skipped_by_reason(validation).items()]
    return ["## Skipped rows", "", *_table(["rows", "reason", "ids"], rows, right_from=len(rows[0]))]


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return f"{', '.join(ids[:SHOWN_IDS])}{more}"
