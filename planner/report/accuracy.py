"""The page on accuracy: the same comparison as `planner validate` prints, as a Markdown document to publish."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from planner.catalog.speed import Speeds
from planner.catalog.spread import Spreads
from planner.estimator.levels import CACHED
from planner.measured.batches import OTHERWISE, assumed_batch
from planner.measured.columns import PEAKS, SPEED
from planner.measured.row import MeasuredRow
from planner.measured.summary import (
    NAMELESS,
    Errors,
    QuantityErrors,
    grouped,
    quantity_errors,
    skipped_by_reason,
    wrong_verdicts,
)
from planner.measured.validate import Comparison, Run, Validation
from planner.report import measured_words as words
from planner.report.accuracy_figures import figures_section, left_out_section
from planner.report.accuracy_memory import intervals_section, memory_figures_section
from planner.report.markdown import escaped, table
from planner.report.scatter import scatter_svg
from planner.units import GIB

SHOWN_IDS = 12
DOUBTED = (*PEAKS, SPEED)
SLUGS = {
    "peak_allocated_gib": "allocated",
    "peak_reserved_gib": "reserved",
    "peak_process_gib": "process",
    SPEED: "speed",
}
"""Quantity -> end of its plot's file name."""
DOUBTS = {
    "outcome": ("presumed, not printed by the source", re.compile("presum")),
    "peak": (
        "GB of unknown size taken as GiB (then up to 7% too high), or not quite this quantity",
        re.compile("assum|peak =|G(i)?B"),
    ),
    SPEED: ("computed from other figures of the source", re.compile("tokens/s|throughput|step time")),
}
"""Why a measured value that is listed as assumed is doubtful, and which notes say more of it."""


def accuracy_report(validation: Validation, speeds: Speeds, spreads: Spreads, name: str) -> dict[str, str]:
    """File name -> text: the page, called `name`, and beside it one plot for each measured quantity.

    `speeds` and `spreads` are the figures of the models of time and of uncertainty. The same validation always gives
    the same texts.
    """
    plots = {quantity: f"{Path(name).stem}-{slug}.svg" for quantity, slug in SLUGS.items()}
    drawn = {plots[quantity]: text for quantity, text in accuracy_plots(validation).items()}
    return {name: accuracy_markdown(validation, speeds, spreads, plots), **drawn}


def accuracy_plots(validation: Validation) -> dict[str, str]:
    """Quantity -> SVG document of measured against predicted values by source, for what was measured."""
    found = {}
    for quantity, title in words.TITLES.items():
        groups: dict[str, list[tuple[float, float]]] = {}
        for each in validation.comparisons:
            if each.quantity == quantity:
                groups.setdefault(_source(each.row), []).append((each.measured, each.predicted.value))
        if groups:
            unit = "tokens/s per GPU" if quantity == SPEED else "GiB"
            found[quantity] = scatter_svg(groups, title=f"{title}: measured and predicted", unit=unit)
    return found


def accuracy_markdown(validation: Validation, speeds: Speeds, spreads: Spreads, plots: Mapping[str, str]) -> str:
    """The page; `plots` are the files of plots by quantity."""
    lines = _method(validation)
    measured = quantity_errors(validation)
    for each in measured:
        lines += _errors_section(each, plots[each.quantity])
        if each.quantity == SPEED:
            lines += left_out_section(speeds)
    lines += _verdict_section(validation.verdicts)
    lines += intervals_section(validation, spreads)
    for title, comparisons in words.worst_by_kind(validation).items():
        lines += _worst_section(title, comparisons, validation)
    lines += _doubt_section(validation)
    lines += _skipped_section(validation)
    if any(each.quantity in PEAKS for each in measured):
        lines += memory_figures_section(spreads)
    if any(each.quantity == SPEED for each in measured):
        lines += figures_section(speeds)
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
    meanings = f"{words.MEANINGS[0].upper()}{words.MEANINGS[1:]}; {words.WIDTH_MEANING}."
    heading = ["# Accuracy", "", f"Written by {command}, not by hand.", "", "## Method", ""]
    return [*heading, method, "", meanings, "", *_batches(validation)]


def _batches(validation: Validation) -> list[str]:
    """What is assumed of runs whose rows state neither accumulation nor global batch."""
    groups: dict[str, list[MeasuredRow]] = {}
    for run in validation.runs:
        if said := assumed_batch(run.row):
            groups.setdefault(said if said == OTHERWISE else f"{_source(run.row)}: {said}", []).append(run.row)
    if not groups:
        return []
    lines = [f"- {words.counted(len(rows), 'row')}, {escaped(said)}" for said, rows in sorted(groups.items())]
    return ["Rows that state neither gradient accumulation nor the global batch are taken to have", "", *lines, ""]


def _errors_section(found: QuantityErrors, plot: str) -> list[str]:
    title = words.TITLES[found.quantity]
    lines = [f"## {title}", "", f"![{title}: measured and predicted]({plot})", ""]
    if order := words.ordering(found):
        lines += [f"{order[0].upper()}{order[1:]}.", ""]
    for grouping, groups in found.groups.items():
        rows = [[name, *_error_cells(errors)] for name, errors in {**groups, "all": found.overall}.items()]
        lines += table([words.GROUPING_TITLES[grouping], *words.ERROR_HEADER, words.WIDTH_HEADER], rows)
    return lines


def _error_cells(errors: Errors) -> list[str]:
    return [*words.error_cells(errors), words.width_cell(errors)]


def _verdict_section(verdicts: Sequence[Run]) -> list[str]:
    if not verdicts:
        return []
    wrong = [f"- {escaped(words.verdict(run))}" for run in wrong_verdicts(verdicts)]
    lines = table(words.VERDICT_HEADER, words.verdict_rows(verdicts))
    return ["## Does it fit its GPU?", "", *lines, *wrong, *([""] if wrong else [])]


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
    parts += [f"batch not stated: {batch}"] if (batch := assumed_batch(row)) else []
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
            if column == "outcome" or (column in DOUBTED and getattr(run.row, column) is not None):
                doubts.setdefault((_source(run.row), column), []).append(run.row)
    if not doubts:
        return []
    rows = [[source, column, str(len(some)), _doubt(column, some)] for (source, column), some in doubts.items()]
    lines = table(["source", "column", "rows", "reason"], rows, right_from=len(rows[0]))
    return ["## Doubtful measurements", "", "They count in every figure above all the same.", "", *lines]


def _doubt(column: str, rows: Iterable[MeasuredRow]) -> str:
    """Why a measured value is doubtful, with what the rows' notes say of it."""
    reason, words_of_doubt = DOUBTS.get(column, DOUBTS["peak"])
    parts = dict.fromkeys(part.strip() for row in rows for part in row.notes.split(";"))
    return "; ".join([reason, *(part for part in parts if words_of_doubt.search(part))])


def _skipped_section(validation: Validation) -> list[str]:
    if not validation.skipped:
        return ["## Skipped rows", "", "None.", ""]
    rows = [[str(len(ids)), reason, _listed(ids)] for reason, ids in skipped_by_reason(validation).items()]
    return ["## Skipped rows", "", *table(["rows", "reason", "ids"], rows, right_from=len(rows[0]))]


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return f"{', '.join(ids[:SHOWN_IDS])}{more}"
