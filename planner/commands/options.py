"""Options that several commands have, and what they mean; light, so that help appears at once."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from planner.catalog import Catalog


class Format(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
ProfileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="What `planner calibrate` learned from your own runs."),
]
TodayOption = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Stands in for today where a scenario has no as_of, such as 2026-01-31."),
]
WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Threads of CP-SAT; the plan does not depend on it.")]
GapOption = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="SHARE",
        help="How far above the least cost an answer still counts as optimal; of portfolios only.",
    ),
]


def known_catalog(profile: Path | None) -> Catalog:
    """The shipped catalogs, with what a profile says."""
    from planner.catalog import load_catalog

    if profile is None:
        return load_catalog()
    from planner.measured.profile import with_profile

    return with_profile(profile, load_catalog())


def day(as_of: datetime | None) -> date | None:
    """The day that stands in for today, if one is given."""
    return as_of.date() if as_of else None
