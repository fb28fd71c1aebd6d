"""The commands `planner what-if` and `planner compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner import console
from planner.commands.options import (
    Format,
    FormatOption,
    GapOption,
    ProfileOption,
    TodayOption,
    WorkersOption,
    day,
    known_catalog,
)

ChangesOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A key of the scenario by its path, and its value in YAML."),
]
LimitOption = Annotated[
    float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="Longest search for each answer.")
]


def what_if(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in YAML.")],
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the scenario by its path, and its value in YAML."),
    ],
    output: FormatOption = Format.text,
    time_limit: LimitOption = 60.0,
    workers: WorkersOption = 1,
    gap: GapOption = 0.0001,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.WHAT_IF."""
    with console.guarded():
        from planner.commands.comparing import Comparing, print_what_if

        how = Comparing(known_catalog(profile), time_limit, workers, gap, day(as_of), output is Format.json)
        code = print_what_if(file, changes, how)
    raise typer.Exit(code)


def compare(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenarios in YAML.")],
    changes: ChangesOption = None,
    output: FormatOption = Format.text,
    time_limit: LimitOption = 60.0,
    workers: WorkersOption = 1,
    gap: GapOption = 0.0001,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.COMPARE."""
    with console.guarded():
        from planner.commands.comparing import Comparing, print_comparison

        how = Comparing(known_catalog(profile), time_limit, workers, gap, day(as_of), output is Format.json)
        code = print_comparison(files, changes or (), how)
    raise typer.Exit(code)
