"""The command line: commands parse, call, print and set the exit code; everything else lives elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner import __version__, console
from planner.errors import ExitCode, InputError

if TYPE_CHECKING:
    from planner.catalog import Catalog
    from planner.scenario.model import Scenario
    from planner.solver.answer import Answer

WORST_FIRST = (ExitCode.BAD_INPUT, ExitCode.UNDECIDED, ExitCode.INFEASIBLE, ExitCode.PLAN)
"""Several files end with the first of these that any of them has."""
EXIT_CODES = {
    "optimal": ExitCode.PLAN,
    "feasible": ExitCode.PLAN,
    "infeasible": ExitCode.INFEASIBLE,
    "unknown": ExitCode.UNDECIDED,
}
HELP = """The cheapest way to train a model that really fits and finishes in time, with a proof.

\b
  planner solve scenario.yaml            the answer, for people
  planner solve scenario.yaml --format json
  planner catalog offers H100 spot       what is known of prices
  planner schema > scenario.schema.json  for editors

Results go to stdout, everything else to stderr. Nothing is fetched from the network.
"""
SOLVE_HELP = """Find the best plan for each scenario FILE, prove it, and say why it is the best.

\b
Examples:
  planner solve scenario.yaml
  planner solve scenario.yaml --details
  planner solve a.yaml b.yaml --format json > answers.json

One FILE with --format json prints one document (see `planner schema answer`). Several print a list of documents in the
order of the files, null for a file that cannot be used.

\b
Exit code:
  0  a plan (its proof says whether it is the best)
  2  bad input
  3  proved that no plan exists
  4  undecided in the time given
Of several files the worst counts: 2 before 4 before 3 before 0.
"""
SCHEMA_HELP = """Print the JSON schema of a scenario file, or of the answer that --format json prints.

\b
Examples:
  planner schema > scenario.schema.json
  planner schema answer
"""
FORMULAS_HELP = """Print the formulas behind every number: unit, source, validity and error.

\b
Examples:
  planner formulas
  planner formulas activation weight
"""
CATALOG_HELP = """List what the catalog knows, or what of it matches every SEARCH word.

Words are looked for in names, aliases and providers; case, blanks and punctuation do not matter.

\b
Examples:
  planner catalog gpus
  planner catalog offers H100 spot
  planner catalog models llama --format json
"""


class Format(StrEnum):
    """How results are printed."""

    text = "text"
    json = "json"


class Described(StrEnum):
    """What a JSON schema is printed of."""

    scenario = "scenario"
    answer = "answer"


class CatalogName(StrEnum):
    """The catalogs."""

    gpus = "gpus"
    models = "models"
    offers = "offers"
    stacks = "stacks"


FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Day to which ages of prices are counted, such as 2026-01-31.  [default: today]"
    ),
]

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"planner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version


@app.command(help=SOLVE_HELP, short_help="Find the best plan and prove it.", no_args_is_help=True)
def solve(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenarios in YAML.")],
    output: FormatOption = Format.text,
    details: Annotated[
        bool, typer.Option("--details", help="Print every term, change, price and dropped offer.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="Longest search for each file.")
    ] = 60.0,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Threads of CP-SAT; the plan does not depend on it.")
    ] = 1,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Stands in for today where a scenario has no as_of, such as 2026-01-31."
        ),
    ] = None,
) -> None:
    """See SOLVE_HELP."""
    with console.guarded():
        from planner.catalog import load_catalog

        catalog = load_catalog()
        scenarios = [_scenario(path, catalog, as_of) for path in files]
        answers = (_answer(each, catalog, time_limit, workers) if each else None for each in scenarios)
        printed = _print_json(list(answers)) if output is Format.json else _print_reports(answers, details, len(files))
        codes = {EXIT_CODES[each.status] if each else ExitCode.BAD_INPUT for each in printed}
    raise typer.Exit(next(code for code in WORST_FIRST if code in codes))


def _scenario(path: Path, catalog: Catalog, as_of: datetime | None) -> Scenario | None:
    """The scenario of a file; None after its problems have been told."""
    from planner.scenario.read import read_scenario

    try:
        return read_scenario(path, catalog=catalog, today=as_of.date() if as_of else None)
    except InputError as error:
        console.tell_problems(error)
        return None


def _answer(scenario: Scenario, catalog: Catalog, seconds: float, workers: int) -> Answer:
    """The answer to one scenario, with progress for whoever watches."""
    from planner.solver.solve import solve as solve_world
    from planner.solver.world import World

    progress = console.Progress()
    try:
        return solve_world(World(scenario, catalog), seconds=seconds, workers=workers, progress=progress)
    finally:
        progress.clear()


def _print_json(answers: list[Answer | None]) -> list[Answer | None]:
    """One document for one scenario, a list for several; nothing for one that cannot be used. Returns the answers."""
    from planner.report.document import document

    documents = [document(each) if each else None for each in answers]
    if len(documents) > 1:
        console.print_json(documents)
    elif documents[0] is not None:
        console.print_json(documents[0])
    return answers


def _print_reports(answers: Iterable[Answer | None], details: bool, files: int) -> list[Answer | None]:
    """Each report as soon as its answer is known, under the name of its file if there are several."""
    from planner.report.page import Page
    from planner.report.text import report

    printed = []
    for each in answers:
        printed.append(each)
        if each is None:
            continue
        if files > 1:
            title = Page(console.page_width())
            title.line(f"=== {each.world.scenario.file}", "bold")
            console.print_page(title)
        console.print_page(report(each, details=details, width=console.page_width(), ascii_only=console.ascii_only()))
    return printed


@app.command(help=SCHEMA_HELP, short_help="Print the JSON schema of scenarios or answers.")
def schema(
    of: Annotated[Described, typer.Argument(metavar="[WHAT]", help="scenario or answer.")] = Described.scenario,
) -> None:
    """See SCHEMA_HELP."""
    with console.guarded():
        if of is Described.scenario:
            from planner.scenario.schema import scenario_json_schema

            console.print_json(scenario_json_schema())
        else:
            from planner.report.schema import answer_json_schema

            console.print_json(answer_json_schema())


@app.command(help=FORMULAS_HELP, short_help="Print the formulas behind every number.")
def formulas(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Parts of names of formulas.")] = None,
    output: FormatOption = Format.text,
) -> None:
    """See FORMULAS_HELP."""
    with console.guarded():
        from planner.report.formulas import chosen_formulas, formulas_as_plain, formulas_page

        chosen = chosen_formulas(names or ())
        if output is Format.json:
            console.print_json(formulas_as_plain(chosen))
        else:
            console.print_page(formulas_page(chosen, width=console.page_width()))


@app.command("catalog", help=CATALOG_HELP, short_help="List GPUs, models, offers or stacks.", no_args_is_help=True)
def list_catalog(
    name: Annotated[CatalogName, typer.Argument(metavar="CATALOG", help="gpus, models, offers or stacks.")],
    search: Annotated[list[str] | None, typer.Argument(metavar="SEARCH", help="Words to look for.")] = None,
    output: FormatOption = Format.text,
    as_of: AsOfOption = None,
) -> None:
    """See CATALOG_HELP."""
    with console.guarded():
        from planner.catalog import load_catalog
        from planner.report.catalog import catalog_page, matching, records_as_plain

        found = matching(load_catalog(), name.value, search or ())
        today = as_of.date() if as_of else date.today()
        if output is Format.json:
            console.print_json(records_as_plain(found, today=today))
        elif found:
            console.print_page(catalog_page(name.value, found, today=today, width=console.page_width()))
        else:
            console.tell(f"Nothing in {name.value} matches {' '.join(search or ())}")


def main() -> None:
    """The entry point of the program."""
    try:
        app(prog_name="planner")
    except KeyboardInterrupt:
        console.interrupted()
