"""The documents: their commands exist, their output is true, and nothing is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import planner
from planner.catalog import load_catalog
from planner.cli import app
from planner.report.sensitivity.document import sensitivity_document
from planner.scenario.portfolio_read import portfolio_in
from planner.scenario.schema import scenario_json_schema
from planner.scenario.yaml_lines import parse_yaml
from planner.solver.sensitivity.answer import Sensitivity
from planner.solver.sensitivity.limits import Deadline
from planner.solver.sensitivity.search import Searches
from planner.solver.sensitivity.staircase import limit_effect
from planner.solver.session import Solver

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")]
README = DOCUMENTS[0].read_text(encoding="utf-8")
SOLVE = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/planner solve scenarios/8b-fine-tune.yaml"
TEST = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest"


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """The words of every call of `planner` in code, after its name and without comments."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in lines + spans:
        for part in re.split(r"&&|;|#", line):
            words = part.split()
            if words and words[0].rsplit("/", 1)[-1] == "planner" and len(words) > 1:
                yield words[1:]


def flags_in_help(*command: str) -> set[str]:
    """The long options that the help of a command explains."""
    shown = CliRunner().invoke(app, [*command, "--help"], prog_name="planner").stdout
    return set(re.findall(r"--[a-z-]+", shown[shown.index("\nOptions:") :]))


@pytest.fixture(scope="module")
def program() -> dict[str, set[str]]:
    """Every command and its options; those of the program itself under the empty name."""
    names = [each.name or each.callback.__name__ for each in app.registered_commands if each.callback]
    return {"": flags_in_help()} | {name: flags_in_help(name) for name in names}


def test_the_first_screen_is_two_commands() -> None:
    """After the first sentence: one command that installs and solves, one that installs and tests."""
    assert [block.strip() for block in blocks(README, "sh")[:2]] == [SOLVE, TEST]
    assert README.index(TEST) < 1000


@pytest.mark.parametrize(
    ("place", "name", "printer"),
    [
        (0, "8b-fine-tune", "report_of"),
        (1, "7b-full-two-4090", "report_of"),
        (2, "8b-fine-tune", "frontier_report_of"),
    ],
)
def test_printed_output_is_true(
    place: int,
    name: str,
    printer: str,
    request: pytest.FixtureRequest,
    comparable: Callable[[str], str],
    updating: bool,
) -> None:
    """The output shown is what the command prints, up to seconds."""
    printed: str = request.getfixturevalue(printer)(name)
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    shown = blocks(text, "text")[place]
    if updating:
        DOCUMENTS[0].write_text(text.replace(shown, printed), encoding="utf-8")
    else:
        assert comparable(shown) == comparable(printed)


def test_the_printed_calibration_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, updating: bool) -> None:
    """Of the published runs on an RTX 5090."""
    header, *rows = (ROOT / "measurements/published/throughput.csv").read_text(encoding="utf-8").splitlines()
    own = [row for row in rows if ",RTX 5090," in row]
    assert len(own) == 6
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text("\n".join([header, *own, ""]), encoding="utf-8")
    architectures = str(ROOT / "measurements/published/architectures.csv")
    result = CliRunner().invoke(app, ["calibrate", "runs.csv", "--architectures", architectures], prog_name="planner")
    assert result.exit_code == 0
    text = DOCUMENTS[0].read_text(encoding="utf-8")
    start = text.index("```text\n", text.index("six published runs on an RTX 5090")) + len("```text\n")
    end = text.index("```\n", start)
    if updating:
        DOCUMENTS[0].write_text(text[:start] + result.stdout + text[end:], encoding="utf-8")
    else:
        assert text[start:end] == result.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_exist(document: Path, program: dict[str, set[str]]) -> None:
    """Every command and flag that a document mentions is understood."""
    for words in commands(document.read_text(encoding="utf-8")):
        known = program["" if words[0].startswith("-") else words[0]]
        assert {word for word in words if word.startswith("-")} <= known


def test_commands_are_documented(program: dict[str, set[str]]) -> None:
    """Every command is called in the README, and every flag is named there."""
    called = {words[0] for words in commands(README)}
    assert set(program) - {""} <= called
    assert set().union(*program.values()) <= set(re.findall(r"--[a-z-]+", README))


def keys_of(schema: dict[str, Any], section: str) -> set[str]:
    """The keys of a section of a scenario, with the section's name."""
    written = schema["$defs"]["ScenarioSchema"]["properties"][section]
    name = written["$ref"].rsplit("/", 1)[-1]
    return {f"{section}.{key}" for key in schema["$defs"][name]["properties"]}


def keys_in_table(heading: str) -> set[str]:
    """The keys that the tables of a section of the README explain, several in one row or not."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[a-z_.]+`(?:, `[a-z_.]+`)*) \|", section, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([a-z_.]+)`", row)}


def test_every_key_of_a_scenario_is_documented() -> None:
    """The table of keys names every top-level key and every key of the job, and none that does not exist."""
    schema, keys = scenario_json_schema(), keys_in_table("Writing a scenario")
    assert {key for key in keys if "." not in key} == set(schema["$defs"]["ScenarioSchema"]["properties"]) - {"job"}
    assert {key for key in keys if key.startswith("job.")} == keys_of(schema, "job")
    assert {key for key in keys if key.startswith("search.")} <= keys_of(schema, "search")


def test_every_key_of_a_portfolio_is_documented() -> None:
    """The same, with the keys that a job has beyond those of a job that is alone."""
    schema, keys = scenario_json_schema(), keys_in_table("Rent or buy: a portfolio")
    assert {key for key in keys if "." not in key} == set(schema["$defs"]["PortfolioSchema"]["properties"])
    known, alone = (set(schema["$defs"][name]["properties"]) for name in ("PortfolioJobSchema", "JobSchema"))
    assert {key for key in keys if "." in key} == {f"jobs.{key}" for key in known - alone - {"search"}}


def test_the_portfolio_shown_can_be_read() -> None:
    """It is what the reader accepts."""
    (text,) = (block for block in blocks(README, "yaml") if "jobs:" in block)
    document = parse_yaml(text, "p.yaml")
    assert len(portfolio_in(document, folder=ROOT, catalog=load_catalog(), today=date(2026, 11, 23)).jobs) == 2


def test_every_scenario_is_listed_once() -> None:
    """The table of scenarios is complete."""
    listed = re.findall(r"^\| \[([\w-]+)\]\(scenarios/([\w-]+)\.yaml\) \|", README, re.MULTILINE)
    assert all(title == file for title, file in listed)
    assert sorted(file for _, file in listed) == sorted(path.stem for path in (ROOT / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Relative links name files of the project."""
    links = re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_changelog_has_this_version() -> None:
    """The newest numbered entry is the package's version, with catalogs of the stated sizes."""
    text = DOCUMENTS[2].read_text(encoding="utf-8")
    catalog = load_catalog()
    sizes = f"{len(catalog.gpus)} GPU types, {len(catalog.models)} models, {len(catalog.offers)} dated offers"
    assert re.findall(r"^## \[(\d\S*)\]", text, re.MULTILINE)[0] == planner.__version__
    assert sizes in " ".join(text.split())


def test_ci_runs_the_same_command() -> None:
    """What is checked before a merge is what the README tells a newcomer to run."""
    assert TEST in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_what_is_said_of_a_deadline_is_true(answer_of: Callable[[str], Any]) -> None:
    """The sentences of `planner sensitivity` that the README quotes."""
    answer = answer_of("13b-lora-deadline")
    searches = Searches(Solver(answer.world, 60.0))
    effect = limit_effect(Deadline(searches), answer.best)
    document = sensitivity_document(Sensitivity(answer.world, answer, searches.proof, (effect,)))
    quoted = re.search(r"^> One more hour.*?\n\n", README, re.MULTILINE | re.DOTALL)
    assert quoted
    assert " ".join(quoted[0].replace("> ", "").split()) == " ".join(document["limits"][0]["sentences"])
