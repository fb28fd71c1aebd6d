"""What own runs say of GPUs and stacks as a page for a terminal: errors before and after, skipped rows, the profile."""

from __future__ import annotations

import math

from planner.estimator.uncertainty import INTERVAL, quantile
from planner.measured.calibrate import Calibrated, OwnCalibration
from planner.measured.own_runs import OwnRuns
from planner.measured.reading import Skipped
from planner.measured.summary import Errors
from planner.report import measured_words as words
from planner.report.page import Page

SHOWN_IDS = 3
HEADER = ["", "runs", "median", "p90", "bias", "in 90%", "range"]
MEANINGS = (
    "error = (predicted - measured) / measured, of speed; before: as without a profile; after: each run predicted by "
    "what the runs of all other configurations say; bias is the median of the signed errors, median and p90 are of "
    "absolute ones; in 90%: runs inside the 90% interval; range: the factor to both ends of that interval, after: with "
    "all runs"
)


def calibration_page(read: OwnRuns, found: OwnCalibration, *, width: int = 80) -> Page:
    """The whole calibration on a page."""
    page = Page(width)
    page.paragraph(
        f"{words.counted(len(read.runs), 'run')}, {len(read.skipped)} skipped: {', '.join(read.files)}", "bold"
    )
    page.heading("Error of speed, before and after")
    rows, styles = [HEADER], [""]
    for each in found.groups:
        rows += [[_title(each), *[""] * (len(HEADER) - 1)], *_rows(each)]
        styles += ["bold", "", ""]
    if len(found.groups) > 1:
        rows.append(["all", *[""] * (len(HEADER) - 1)])
        rows += [["  before", *_cells(found.before), ""], ["  after", *_cells(found.after), ""]]
        styles += ["bold", "", ""]
    page.table(rows, right=range(1, len(HEADER)), header=True, styles=styles)
    page.blank()
    page.paragraph(MEANINGS, "dim")
    page.heading("What the profile says")
    for each in found.groups:
        page.labelled("-", _said(each), cells=2)
    _skipped(page, read.skipped)
    return page


def _title(each: Calibrated) -> str:
    return f"{each.observed.gpu} with {each.observed.stack}"


def _rows(each: Calibrated) -> list[list[str]]:
    """Errors before and after, each with the range that it is predicted with."""
    return [
        ["  before", *_cells(each.before), reach_text(each.published_spread)],
        ["  after", *_cells(each.after), reach_text(each.own.spread)],
    ]


def _cells(errors: Errors) -> list[str]:
    """One line of the table without its range."""
    rows, median, _, p90, _, bias, inside = words.error_cells(errors)
    return [rows, median, p90, bias, inside]


def reach_text(spread: float) -> str:
    """The factor to both ends of the 90% interval.

    >>> reach_text(0.1)
    'x/1.24'
    """
    return f"x/{math.exp(quantile(0.5 + INTERVAL / 2) * spread):.2f}"


def _said(each: Calibrated) -> str:
    """One GPU type with one stack in words."""
    observed, expected = each.observed, _more_or_less(each.own.seconds_factor)
    repeats = f" in {words.counted(each.runs, 'run')}" if each.runs > observed.configurations else ""
    return (
        f"{_title(each)}: {words.counted(observed.configurations, 'configuration')}{repeats}, which took "
        f"{_more_or_less(math.exp(observed.log_residual))} time than predicted; {expected} is expected of the next, "
        f"{reach_text(each.own.spread)} instead of "
        f"{reach_text(each.published_spread)}"
    )


def _more_or_less(factor: float) -> str:
    """A factor as a difference.

    >>> _more_or_less(1.1), _more_or_less(0.95)
    ('10.0% more', '5.0% less')
    """
    return f"{100 * abs(factor - 1):.1f}% {'more' if factor >= 1 else 'less'}"


def _skipped(page: Page, skipped: tuple[Skipped, ...]) -> None:
    if not skipped:
        return
    page.heading("Skipped", words.counted(len(skipped), "row"))
    reasons: dict[str, list[str]] = {}
    for each in skipped:
        reasons.setdefault(each.reason, []).append(each.id)
    for reason, ids in reasons.items():
        more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
        page.paragraph(f"{len(ids)}: {reason}", indent="  ")
        page.paragraph(f"{', '.join(ids[:SHOWN_IDS])}{more}", "dim", indent="     ")
