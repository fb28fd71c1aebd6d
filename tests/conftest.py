"""What several test files need: the shipped scenarios, solved once, and golden files."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.report.frontier import frontier_report
from planner.report.text import report
from planner.scenario.read import read_scenario
from planner.solver.answer import Answer
from planner.solver.frontier import Frontier, frontier
from planner.solver.solve import solve
from planner.solver.world import World

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden"
UPDATE = "--update-golden"
WORK = re.compile(r"^  work .*?(?=^  \w)", re.MULTILINE | re.DOTALL)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes what golden files and the README should contain instead of comparing."""
    parser.addoption(UPDATE, action="store_true", help="write golden files and the README's output anew")


@cache
def _solved(name: str) -> Answer:
    catalog = load_catalog()
    scenario = read_scenario(ROOT / "scenarios" / f"{name}.yaml", catalog=catalog)
    return solve(World(scenario, catalog))


@cache
def _frontier(name: str) -> Frontier:
    return frontier(_solved(name).world)


def _masked_work(found: re.Match[str]) -> str:
    """The proof's line of work on one line, without what depends on the machine and on the version of CP-SAT."""
    text = " ".join(found[0].split())
    return re.sub(r"[\d,]+ branches|[\d.]+ (s|ms)\b", "...", text) + "\n"


@pytest.fixture(scope="session")
def answer_of() -> Callable[[str], Answer]:
    """The answer to a shipped scenario, by the name of its file without ending; solved once."""
    return _solved


@pytest.fixture(scope="session")
def frontier_of() -> Callable[[str], Frontier]:
    """The frontier of a shipped scenario, by the name of its file without ending; found once."""
    return _frontier


@pytest.fixture(scope="session")
def frontier_report_of() -> Callable[[str], str]:
    """What `planner frontier` prints of a shipped scenario when nobody watches."""
    return lambda name: frontier_report(_frontier(name), width=80, ascii_only=True).plain()


@pytest.fixture(scope="session")
def comparable() -> Callable[[str], str]:
    """A report without the seconds and branches of its proof."""
    return lambda text: WORK.sub(_masked_work, text)


@pytest.fixture(scope="session")
def report_of() -> Callable[[str], str]:
    """What `planner solve` prints of a shipped scenario when nobody watches."""
    return lambda name: report(_solved(name), width=80, ascii_only=True).plain()


@pytest.fixture(scope="session")
def updating(request: pytest.FixtureRequest) -> bool:
    """Whether recorded output is to be written anew."""
    return bool(request.config.getoption(UPDATE))


@pytest.fixture(scope="session")
def check_golden(updating: bool) -> Callable[[str, str], None]:
    """Compares text with the golden file of a name, or writes that file under `--update-golden`."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if updating:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{name} is missing: run pytest {UPDATE}"
        assert text == path.read_text(encoding="utf-8"), f"{name} differs: run pytest {UPDATE} if the change is wanted"

    return check
