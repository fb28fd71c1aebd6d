"""The command `planner sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner import console
from planner.commands.options import Format, FormatOption, ProfileOption, TodayOption, day, known_catalog


def sensitivity(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in YAML.")],
    output: FormatOption = Format.text,
    time_limit: Annotated[
        float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="Longest search.")
    ] = 600.0,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Threads of CP-SAT; the answer does not depend on it.")
    ] = 1,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.SENSITIVITY."""
    with console.guarded():
        from planner.commands.codes import EXIT_CODES
        from planner.report.sensitivity.document import sensitivity_document
        from planner.report.sensitivity.page import sensitivity_report
        from planner.scenario.read import read_scenario
        from planner.solver.sensitivity.solve import sensitivity as examine
        from planner.solver.world import World

        catalog = known_catalog(profile)
        world = World(read_scenario(file, catalog=catalog, today=day(as_of)), catalog)
        progress = console.Progress()
        try:
            found = examine(world, seconds=time_limit, workers=workers, progress=progress)
        finally:
            progress.clear()
        document = sensitivity_document(found)
        if output is Format.json:
            console.print_json(document)
        else:
            width, ascii_only = console.page_width(), console.ascii_only()
            console.print_page(sensitivity_report(document, found, width=width, ascii_only=ascii_only))
    raise typer.Exit(EXIT_CODES[found.answer.status])
