"""The command line: commands parse, call, print and set the exit code; everything else lives elsewhere."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner import __version__, console
from planner.commands import help as help_texts
from planner.commands.codes import EXIT_CODES, FIT_CODES
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
from planner.commands.schemas import Described
from planner.commands.sensitivity import sensitivity
from planner.commands.what_if import compare, what_if
from planner.errors import ExitCode, InputError, Problem

if TYPE_CHECKING:
    from planner.catalog import Catalog
    from planner.measured.validate import Validation
    from planner.scenario.model import Scenario
    from planner.solver.given import Evaluation


class CatalogName(StrEnum):
    """The catalogs."""

    gpus = "gpus"
    models = "models"
    offers = "offers"
    providers = "providers"
    purchases = "purchases"
    stacks = "stacks"


AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Day to which ages of prices are counted, such as 2026-01-31.  [default: today]"
    ),
]

app = typer.Typer(
    help=help_texts.PROGRAM,
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


@app.command(help=help_texts.SOLVE, short_help="Find the best plan and prove it.", no_args_is_help=True)
def solve(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenarios in YAML.")],
    output: FormatOption = Format.text,
    details: Annotated[
        bool, typer.Option("--details", help="Print every term, change, price and dropped offer.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="Longest search for each file.")
    ] = 60.0,
    workers: WorkersOption = 1,
    gap: GapOption = 0.0001,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.SOLVE."""
    with console.guarded():
        from planner.commands.solve import Search, print_answers

        code = print_answers(
            files,
            known_catalog(profile),
            Search(time_limit, workers, gap),
            today=day(as_of),
            details=details,
            as_json=output is Format.json,
        )
    raise typer.Exit(code)


def _scenario(path: Path, catalog: Catalog, as_of: datetime | None) -> Scenario | None:
    """The scenario of a file; None after its problems have been told."""
    from planner.scenario.read import read_scenario

    try:
        return read_scenario(path, catalog=catalog, today=day(as_of))
    except InputError as error:
        console.tell_problems(error)
        return None


@app.command(help=help_texts.FRONTIER, short_help="Find what less time costs.", no_args_is_help=True)
def frontier(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario in YAML.")],
    output: FormatOption = Format.text,
    points: Annotated[int, typer.Option(min=2, max=20, help="Most points to find and prove.")] = 20,
    time_limit: Annotated[
        float, typer.Option(min=0.001, max=86_400, metavar="SECONDS", help="Longest search.")
    ] = 600.0,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Threads of CP-SAT; the points do not depend on it.")
    ] = 1,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.FRONTIER."""
    with console.guarded():
        from planner.commands.frontier import print_frontier

        catalog, as_json = known_catalog(profile), output is Format.json
        scenario = _scenario(file, catalog, as_of)
        code = ExitCode.BAD_INPUT
        if scenario is not None:
            status = print_frontier(
                scenario, catalog, points=points, seconds=time_limit, workers=workers, as_json=as_json
            )
            code = EXIT_CODES[status]
    raise typer.Exit(code)


app.command(help=help_texts.SENSITIVITY, short_help="Find what would change the plan.", no_args_is_help=True)(
    sensitivity
)
app.command("what-if", help=help_texts.WHAT_IF, short_help="Change keys of a scenario.", no_args_is_help=True)(what_if)
app.command(help=help_texts.COMPARE, short_help="Put answers side by side.", no_args_is_help=True)(compare)


@app.command(help=help_texts.ESTIMATE, short_help="Estimate given plans.", no_args_is_help=True)
def estimate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Scenarios in YAML.")],
    output: FormatOption = Format.text,
    details: Annotated[bool, typer.Option("--details", help="Print every term and assumption.")] = False,
    profile: ProfileOption = None,
    as_of: TodayOption = None,
) -> None:
    """See help.ESTIMATE."""
    with console.guarded():
        from planner.commands.several import print_documents, worst
        from planner.report.document import given_document

        catalog = known_catalog(profile)
        evaluations = [_evaluation(path, catalog, as_of) for path in files]
        if output is Format.json:
            print_documents([given_document(each) if each else None for each in evaluations])
        else:
            _print_evaluations(evaluations, details)
        code = worst(FIT_CODES[each.fits] if each else ExitCode.BAD_INPUT for each in evaluations)
    raise typer.Exit(code)


def _evaluation(path: Path, catalog: Catalog, as_of: datetime | None) -> Evaluation | None:
    """The evaluation of the plan in a file; None after its problems have been told."""
    from planner.scenario.read import scenario_in
    from planner.scenario.source import read_text
    from planner.scenario.yaml_lines import parse_yaml
    from planner.solver.given import evaluate_given
    from planner.solver.world import World

    try:
        document = parse_yaml(read_text(path), str(path))
        today = day(as_of)
        scenario = scenario_in(document, folder=path.parent, catalog=catalog, today=today)
        return evaluate_given(World(scenario, catalog), document)
    except InputError as error:
        console.tell_problems(error)
        return None


def _print_evaluations(evaluations: list[Evaluation | None], details: bool) -> None:
    """One page after the other, under the names of the files if there are several."""
    from planner.commands.several import print_title
    from planner.report.given import given_report

    for each in evaluations:
        if each is None:
            continue
        if len(evaluations) > 1:
            print_title(each.world.scenario.file)
        page = given_report(each, details=details, width=console.page_width(), ascii_only=console.ascii_only())
        console.print_page(page)


@app.command(help=help_texts.VALIDATE, short_help="Compare predictions with measured runs.", no_args_is_help=True)
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Measured runs in CSV.")],
    architectures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Models of the runs that the catalog lacks.  [default: architectures.csv beside each file]",
        ),
    ] = None,
    output: FormatOption = Format.text,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write the comparison as a Markdown document, with plots (SVG) beside it."
        ),
    ] = None,
    profile: ProfileOption = None,
) -> None:
    """See help.VALIDATE."""
    with console.guarded():
        from planner.measured.validate import validate_files

        catalog, progress = known_catalog(profile), console.Progress()
        try:
            found = validate_files(files, catalog, architectures=architectures, listen=progress)
        finally:
            progress.clear()
        if found.files:
            _print_validation(found, output, report)
        for file, columns in found.ignored.items():
            console.tell(f"{file}: ignored, since the format has no such column: {', '.join(columns)}")
        if found.problems:
            raise InputError(found.problems)


def _print_validation(found: Validation, output: Format, report: Path | None) -> None:
    """A comparison on stdout, and as a document in the file `report` with plots beside it."""
    from planner.catalog import load_catalog
    from planner.report.accuracy import accuracy_report
    from planner.report.validation import validation_page
    from planner.report.validation_document import validation_document

    if output is Format.json:
        console.print_json(validation_document(found))
    else:
        console.print_page(validation_page(found, width=console.page_width()))
    if report:
        catalog = load_catalog()
        for name, text in accuracy_report(found, catalog.speeds, catalog.spreads, report.name).items():
            _write_report(report.with_name(name), text)


def _write_report(path: Path, text: str) -> None:
    """Text into a file. Error: InputError if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError([Problem(str(path), 0, 0, "", f"cannot be written: {error.strerror}")]) from None


@app.command(help=help_texts.CALIBRATE, short_help="Learn from your own measured runs.", no_args_is_help=True)
def calibrate(
    files: Annotated[list[Path], typer.Argument(metavar="RUN", help="Measured runs in CSV, or logs of a trainer.")],
    profile: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the profile there.")
    ] = None,
    scenario: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="What the logs are of: once for all, or once for each in their order."),
    ] = None,
    architectures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Models of the runs that the catalog lacks.  [default: architectures.csv beside each file]",
        ),
    ] = None,
    output: FormatOption = Format.text,
) -> None:
    """See help.CALIBRATE."""
    with console.guarded():
        from planner.catalog import load_catalog
        from planner.commands.calibrate import print_calibration

        as_json = output is Format.json
        print_calibration(
            files, scenario or (), load_catalog(), architectures=architectures, profile=profile, as_json=as_json
        )


@app.command(help=help_texts.SCHEMA, short_help="Print the JSON schema of scenarios or documents.")
def schema(
    of: Annotated[
        Described,
        typer.Argument(
            metavar="[WHAT]",
            show_choices=False,
            help="scenario, answer, portfolio, frontier, sensitivity, comparison, estimate, validation or calibration.",
        ),
    ] = Described.scenario,
) -> None:
    """See help.SCHEMA."""
    with console.guarded():
        from planner.commands.schemas import schema_of

        console.print_json(schema_of(of))


@app.command(help=help_texts.FORMULAS, short_help="Print the formulas behind every number.")
def formulas(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Parts of names of formulas.")] = None,
    output: FormatOption = Format.text,
) -> None:
    """See help.FORMULAS."""
    with console.guarded():
        from planner.report.formulas import chosen_formulas, formulas_as_plain, formulas_page

        chosen = chosen_formulas(names or ())
        if output is Format.json:
            console.print_json(formulas_as_plain(chosen))
        else:
            console.print_page(formulas_page(chosen, width=console.page_width()))


@app.command(
    "catalog",
    help=help_texts.CATALOG,
    short_help="List GPUs, models, offers, providers, machines to buy or stacks.",
    no_args_is_help=True,
)
def list_catalog(
    name: Annotated[
        CatalogName, typer.Argument(metavar="CATALOG", help="gpus, models, offers, providers, purchases or stacks.")
    ],
    search: Annotated[list[str] | None, typer.Argument(metavar="SEARCH", help="Words to look for.")] = None,
    output: FormatOption = Format.text,
    as_of: AsOfOption = None,
) -> None:
    """See help.CATALOG."""
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
