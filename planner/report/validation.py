"""Predictions beside measurements as a page for a terminal: errors by group, verdicts, the worst rows, skipped rows."""

from __future__ import annotations

from collections.abc import Sequence

from planner.measured.summary import QuantityErrors, quantity_errors, skipped_by_reason, wrong_verdicts
from planner.measured.validate import Comparison, Run, Validation
from planner.report import measured_words as words
from planner.report.page import Page

SHOWN_IDS = 3


def validation_page(validation: Validation, *, width: int = 80) -> Page:
    """The whole comparison on a page."""
    page = Page(width)
    runs = f"{words.counted(len(validation.runs), 'run')} predicted, {len(validation.skipped)} skipped"
    page.paragraph(f"{runs}: {', '.join(validation.files)}", "bold")
    measured = quantity_errors(validation)
    for each in measured:
        _errors_table(page, each)
    if measured:
        page.blank()
        page.paragraph(words.MEANINGS, "dim")
    _verdicts(page, validation.verdicts)
    for title, comparisons in words.worst_by_kind(validation).items():
        _worst_rows(page, title, comparisons)
    _skipped(page, validation)
    return page


def _errors_table(page: Page, found: QuantityErrors) -> None:
    columns = len(words.ERROR_HEADER)
    page.heading(words.TITLES[found.quantity])
    rows = [["", *words.ERROR_HEADER], ["all", *words.error_cells(found.overall)]]
    styles = ["", "bold"]
    for grouping, groups in found.groups.items():
        rows.append([f"by {words.GROUPING_TITLES[grouping]}", *[""] * columns])
        rows += [[f"  {name}", *words.error_cells(errors)] for name, errors in groups.items()]
        styles += ["dim", *[""] * len(groups)]
    page.table(rows, right=range(1, columns + 1), header=True, styles=styles)
    if found.overall.reach is not None:
        page.paragraph(f"90% interval: {words.width_cell(found.overall)} in the median", indent="  ")
    if order := words.ordering(found):
        page.paragraph(order, indent="  ")


def _verdicts(page: Page, verdicts: Sequence[Run]) -> None:
    if not verdicts:
        return
    page.heading("Does it fit its GPU?", words.counted(len(verdicts), "run"))
    page.table([words.VERDICT_HEADER, *words.verdict_rows(verdicts)], right=(1, 2), header=True)
    for run in wrong_verdicts(verdicts):
        page.paragraph(words.verdict(run), "yellow", indent="    ")


def _worst_rows(page: Page, title: str, comparisons: Sequence[Comparison]) -> None:
    page.heading(title)
    for each in comparisons:
        page.paragraph(f"{each.error_fraction:+.1%} {each.row.id}: {words.compared(each)}", "bold", indent="  ")
        page.paragraph(words.run_in_short(each), indent="    ")
        page.paragraph(words.breakdown(each), "dim", indent="    ")


def _skipped(page: Page, validation: Validation) -> None:
    if not validation.skipped:
        return
    page.heading("Skipped", words.counted(len(validation.skipped), "row"))
    for reason, ids in skipped_by_reason(validation).items():
        more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
        page.paragraph(f"{len(ids)}: {reason}", indent="  ")
        page.paragraph(f"{', '.join(ids[:SHOWN_IDS])}{more}", "dim", indent="     ")
