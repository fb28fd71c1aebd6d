"""`planner compare` and `planner what-if`: answers to several scenarios, or to one and its changes, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from planner import console
from planner.catalog import Catalog
from planner.commands.codes import EXIT_CODES
from planner.commands.several import worst
from planner.errors import ExitCode, InputError, Problem
from planner.report.comparison.document import comparison_document
from planner.report.comparison.page import comparison_report
from planner.report.comparison.rows import Column
from planner.scenario.model import Scenario
from planner.scenario.overrides import Setting, changed, parse_setting
from planner.scenario.portfolio import Portfolio
from planner.scenario.portfolio_read import question_in
from planner.scenario.source import read_text
from planner.scenario.yaml_lines import Document, parse_yaml
from planner.solver.answer import Answer
from planner.solver.portfolio.answer import PortfolioAnswer
from planner.solver.portfolio.solve import solve_portfolio
from planner.solver.solve import solve
from planner.solver.world import World

AS_IT_IS = "as it is"
CHANGED = "changed"
FEWEST, MOST = 2, 12
"""Answers that can be compared."""


@dataclass(frozen=True)
class Comparing:
    """How each scenario is searched, and how the comparison is printed."""

    catalog: Catalog
    seconds: float
    workers: int
    gap: float
    today: date | None
    as_json: bool


@dataclass(frozen=True)
class _Asked:
    """What one column asks."""

    title: str
    settings: tuple[Setting, ...]
    document: Document
    question: Scenario | Portfolio


def print_what_if(file: Path, changes: Sequence[str], how: Comparing) -> ExitCode:
    """A file and the same with all of some changes; the code of the changed one's answer."""
    settings = tuple(_settings(changes))
    columns = _answered([*_asked(file, [(AS_IT_IS, ()), (CHANGED, settings)], how)], how)
    _print(columns, how)
    return EXIT_CODES[columns[-1].answer.status]


def print_comparison(files: Sequence[Path], changes: Sequence[str], how: Comparing) -> ExitCode:
    """Several files, or one file as it is and with each of some changes; the worst code of all answers."""
    settings = list(_settings(changes))
    _check_count(files, settings)
    if settings:
        titles = [(AS_IT_IS, ()), *((each.text, (each,)) for each in settings)]
        asked = list(_asked(files[0], titles, how))
    else:
        asked = _of_files(files, how)
    _check_kinds(asked)
    columns = _answered(asked, how)
    _print(columns, how)
    return worst(EXIT_CODES[each.answer.status] for each in columns)


def _settings(changes: Sequence[str]) -> Iterator[Setting]:
    """Every change. Error: InputError with the problems of all of them."""
    problems: list[Problem] = []
    found: list[Setting] = []
    for each in changes:
        try:
            found.append(parse_setting(each))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    yield from found


def _check_count(files: Sequence[Path], settings: Sequence[Setting]) -> None:
    """Several files, or one with changes, and not too many. Error: InputError."""
    message, hint = "", ""
    if settings and len(files) > 1:
        message, hint = "--set goes with one file", "Write the changes into files, or compare one file with its changes"
    elif len(files) + len(settings) < FEWEST:
        message, hint = "nothing to compare it with", "Give another file, or a change such as --set search.method=lora"
    elif len(files) + len(settings) > MOST:
        message = f"{len(files) + len(settings)} answers, at most {MOST} can be compared"
    if message:
        raise InputError([Problem(str(files[0]), 0, 0, "", message, hint)])


def _check_kinds(asked: Sequence[_Asked]) -> None:
    """Single jobs and portfolios have nothing in common. Error: InputError."""
    first = asked[0].question
    problems = [
        Problem(each.document.file, 0, 0, "", f"cannot be compared with {first.file}: only one of them has jobs")
        for each in asked
        if isinstance(each.question, Portfolio) != isinstance(first, Portfolio)
    ]
    if problems:
        raise InputError(problems)


def _of_files(files: Sequence[Path], how: Comparing) -> list[_Asked]:
    """What each file asks. Error: InputError with the problems of all of them."""
    problems: list[Problem] = []
    found: list[_Asked] = []
    names = {path.name for path in files}
    for path in files:
        try:
            found += _asked(path, [(path.name if len(names) == len(files) else str(path), ())], how)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return found


def _asked(path: Path, columns: Sequence[tuple[str, tuple[Setting, ...]]], how: Comparing) -> Iterator[_Asked]:
    """What a file asks with some changes, column by column; problems of the file itself are told once."""
    document = parse_yaml(read_text(path), str(path))
    problems: list[Problem] = []
    for title, settings in columns:
        try:
            changed_document = changed(document, settings)
            question = question_in(changed_document, folder=path.parent, catalog=how.catalog, today=how.today)
            yield _Asked(title, settings, changed_document, question)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(dict.fromkeys(problems))


def _answered(asked: Sequence[_Asked], how: Comparing) -> list[Column]:
    """The answer to every column, with progress for whoever watches."""
    progress = console.Progress()
    columns = []
    try:
        for number, each in enumerate(asked, start=1):
            heard = _numbered(progress, number, len(asked))
            settings = tuple(setting.text for setting in each.settings)
            columns.append(Column(each.title, settings, each.document.value, _answer(each.question, how, heard)))
    finally:
        progress.clear()
    return columns


def _numbered(progress: console.Progress, number: int, count: int) -> console.Listener:
    return lambda text: progress(f"{number} of {count}: {text}")


def _answer(question: Scenario | Portfolio, how: Comparing, progress: console.Listener) -> Answer | PortfolioAnswer:
    """The plan with its proof; what speaks against other plans is not worked out, but why there is none is."""
    if isinstance(question, Portfolio):
        return solve_portfolio(
            question,
            how.catalog,
            seconds=how.seconds,
            workers=how.workers,
            gap=how.gap,
            explain=False,
            progress=progress,
        )
    world = World(question, how.catalog)
    found = solve(world, seconds=how.seconds, workers=how.workers, explain=False, progress=progress)
    if found.status != "infeasible":
        return found
    return solve(world, seconds=how.seconds, workers=how.workers, progress=progress)


def _print(columns: Sequence[Column], how: Comparing) -> None:
    document = comparison_document(columns)
    if how.as_json:
        console.print_json(document)
        return
    page = comparison_report(document, columns, width=console.page_width(), ascii_only=console.ascii_only())
    console.print_page(page)
