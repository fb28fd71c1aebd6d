"""Reading a portfolio: every problem at once, each with file, line and column."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from planner.catalog import Catalog
from planner.errors import InputError, Problem
from planner.scenario.messages import problems_of
from planner.scenario.model import Scenario
from planner.scenario.portfolio import Portfolio
from planner.scenario.portfolio_resolve import resolve_portfolio
from planner.scenario.portfolio_schema import PortfolioSchema
from planner.scenario.read import form_problems, own_providers, scenario_in
from planner.scenario.reading import PortfolioReading
from planner.scenario.source import read_text
from planner.scenario.yaml_lines import Document, KeyPath, parse_yaml
from planner.units import shown

NOT_WITH_JOBS: dict[KeyPath, str] = {
    ("job",): "Give one of them",
    ("plan",): "A plan is one job's",
    ("prefer",): "A portfolio is planned for the least net present cost",
    ("limits", "deadline"): "Give within, or start and finish, to each job",
}
"""Keys of a single job, and what a portfolio has instead."""


def is_portfolio(document: Document) -> bool:
    """Whether a document asks for many jobs: it has `jobs`, whatever they are."""
    return "jobs" in document.value


def read_portfolio(path: Path, *, catalog: Catalog, today: date | None = None) -> Portfolio:
    """The portfolio in a YAML file; `today` stands in for the date of the clock where the file has no `as_of`.

    Error: InputError with every problem of the file, in file order.
    """
    document = parse_yaml(read_text(path), str(path))
    return portfolio_in(document, folder=path.parent, catalog=catalog, today=today)


def read_question(path: Path, *, catalog: Catalog, today: date | None = None) -> Scenario | Portfolio:
    """The portfolio in a YAML file if it has `jobs`, else the scenario of its one job. Error: InputError."""
    return question_in(parse_yaml(read_text(path), str(path)), folder=path.parent, catalog=catalog, today=today)


def question_in(
    document: Document, *, folder: Path, catalog: Catalog, today: date | None = None
) -> Scenario | Portfolio:
    """The portfolio in a document if it has `jobs`, else the scenario of its one job. Error: InputError."""
    read = portfolio_in if is_portfolio(document) else scenario_in
    return read(document, folder=folder, catalog=catalog, today=today)


def portfolio_in(document: Document, *, folder: Path, catalog: Catalog, today: date | None = None) -> Portfolio:
    """The portfolio in a document, which goes on to know where everything is written. Error: InputError."""
    reading = PortfolioReading(catalog, folder, today or date.today(), own_providers(document))
    problems = [*document.problems, *_job_problems(document)]
    try:
        written = PortfolioSchema.model_validate(document.value, context=reading)
    except ValidationError as error:
        problems += problems_of(error, document, PortfolioSchema, _of_a_single_job)
    if problems:
        raise InputError(problems)
    return resolve_portfolio(written, document, reading)


def _of_a_single_job(path: KeyPath) -> tuple[str, str] | None:
    """Message and hint for a key that only files with one `job` have."""
    hint = NOT_WITH_JOBS.get(path)
    return (hint and ("does not go with jobs", hint)) or None


def _job_problems(document: Document) -> Iterator[Problem]:
    """What is wrong with the jobs whatever their values are: names that are given twice, data in two forms."""
    jobs = document.value.get("jobs")
    first: dict[str, int] = {}
    for index, job in enumerate(jobs if isinstance(jobs, list) else ()):
        path = ("jobs", index)
        yield from form_problems(document, path, job)
        name = job.get("name") if isinstance(job, dict) else None
        if isinstance(name, str | int | float) and (before := first.setdefault(str(name).strip(), index)) != index:
            message = f"{shown(name)} is the name of jobs.{before} too"
            yield document.problem((*path, "name"), message, "Answers name jobs: each needs its own name")
