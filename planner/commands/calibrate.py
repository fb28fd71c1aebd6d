"""`planner calibrate`: what a user's own runs say of the speed of their GPUs and stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from planner import console
from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.measured.calibrate import calibrate_own
from planner.measured.own_runs import OwnRuns, read_own_runs
from planner.measured.profile import profile_of, write_profile
from planner.report.calibration import calibration_page
from planner.report.calibration_document import calibration_document


def print_calibration(
    paths: Sequence[Path],
    scenarios: Sequence[Path],
    catalog: Catalog,
    *,
    architectures: Path | None,
    profile: Path | None,
    as_json: bool,
) -> None:
    """Calibrate with all runs that can be used, print it, and write the profile if nothing was wrong.

    Error: InputError with everything that is wrong; then no profile is written.
    """
    progress = console.Progress()
    try:
        read = read_own_runs(paths, scenarios, catalog, architectures=architectures, listen=progress)
    finally:
        progress.clear()
    for file, columns in read.ignored.items():
        console.tell(f"{file}: ignored, since the format has no such column: {', '.join(columns)}")
    if not read.runs:
        raise InputError(read.problems or _nothing(read))
    found = calibrate_own(read.runs, catalog)
    if as_json:
        console.print_json(calibration_document(read, found))
    else:
        console.print_page(calibration_page(read, found, width=console.page_width()))
    if read.problems:
        if profile is not None:
            console.tell(f"{profile}: not written, because of the problems below")
        raise InputError(read.problems)
    if profile is not None:
        write_profile(profile, profile_of(found, read.files, catalog))
        console.tell(f"{profile}: written; use it with --profile {profile}")


def _nothing(read: OwnRuns) -> list[Problem]:
    """Why there is nothing to calibrate with: the reasons of the rows, each once."""
    reasons = "; ".join(dict.fromkeys(each.reason for each in read.skipped))
    message = f"no run with a speed{f' ({reasons})' if reasons else ''}"
    hint = "Give tokens_per_second_per_gpu or step_seconds"
    return [Problem(file, 0, 0, "", message, hint) for file in read.files[:1]]
