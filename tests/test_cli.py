"""The command line: what goes where, and what it prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from cli_runs import GOOD, finish, run, start, write_scenarios
from jsonschema import Draft202012Validator

import planner
from planner.errors import ExitCode
from planner.report.schema import answer_json_schema
from planner.scenario.schema import scenario_json_schema

COMMANDS = (
    "solve",
    "frontier",
    "sensitivity",
    "what-if",
    "compare",
    "estimate",
    "validate",
    "calibrate",
    "schema",
    "formulas",
    "catalog",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a good, an impossible and a bad scenario."""
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_plan_goes_to_stdout_and_nothing_else_anywhere() -> None:
    """Exit code 0, a sentence first, stderr empty."""
    code, out, err = finish(start("solve", "good.yaml"))
    assert (code, err) == (ExitCode.PLAN, "")
    assert re.match(r"(Fine-tune|Train all parameters of) Qwen/Qwen2.5-0.5B", out)
    assert out.isascii()


@pytest.mark.usefixtures("folder")
def test_no_plan_is_an_answer() -> None:
    """Exit code 3, on stdout like any other answer."""
    code, out, err = finish(start("solve", "impossible.yaml"))
    assert (code, err) == (ExitCode.INFEASIBLE, "")
    assert out.startswith("No plan fits: ")


@pytest.mark.usefixtures("folder")
def test_bad_input_is_told_on_stderr_problem_by_problem() -> None:
    """Exit code 2, one line for each problem and one that counts them; stdout empty."""
    code, out, err = finish(start("solve", "bad.yaml"))
    assert (code, out) == (ExitCode.BAD_INPUT, "")
    *problems, last = err.splitlines()
    assert all(line.startswith("bad.yaml:") for line in problems)
    assert last == f"{len(problems)} problems in bad.yaml"
    assert len(problems) >= 3


@pytest.mark.usefixtures("folder")
def test_too_little_time_is_undecided() -> None:
    """Exit code 4, and the answer says so."""
    code, out, err = finish(start("solve", "good.yaml", "--time-limit", "0.001"))
    assert (code, err) == (ExitCode.UNDECIDED, "")
    assert out.startswith("Undecided: ")


@pytest.mark.usefixtures("folder")
def test_json_of_one_file_is_one_document() -> None:
    """Valid by the schema that the program prints."""
    result = run("solve", "good.yaml", "--format", "json")
    assert result.exit_code == ExitCode.PLAN
    Draft202012Validator(json.loads(run("schema", "answer").stdout)).validate(json.loads(result.stdout))
    assert result.stderr == ""


@pytest.mark.usefixtures("folder")
def test_json_of_several_files_is_a_list_in_their_order() -> None:
    """Null for a file that cannot be used; the worst exit code of all."""
    result = run("solve", "impossible.yaml", "bad.yaml", "good.yaml", "--format", "json")
    first, second, third = json.loads(result.stdout)
    assert (first["status"], second, third["status"]) == ("infeasible", None, "optimal")
    assert "problems in bad.yaml" in result.stderr
    assert result.exit_code == ExitCode.BAD_INPUT


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["good.yaml", "good.yaml"], ExitCode.PLAN),
        (["impossible.yaml", "nowhere.yaml", "good.yaml"], ExitCode.BAD_INPUT),
    ],
)
def test_several_reports_have_titles_and_end_with_the_worst_code(files: list[str], code: ExitCode) -> None:
    """Each report stands under the name of its file, in their order."""
    result = run("solve", *files)
    assert result.exit_code == code
    titles = [line.removeprefix("=== ") for line in result.stdout.splitlines() if line.startswith("=== ")]
    assert titles == [name for name in files if name != "nowhere.yaml"]


@pytest.mark.usefixtures("folder")
def test_bad_input_without_answer_prints_no_document() -> None:
    """Nobody parses half an answer."""
    result = run("solve", "bad.yaml", "--format", "json")
    assert (result.exit_code, result.stdout) == (ExitCode.BAD_INPUT, "")


def test_unreadable_files_are_named(folder: Path) -> None:
    """A missing file, a folder and a binary file: a line each, no traceback."""
    (folder / "binary.yaml").write_bytes(b"\x00\x01\xff")
    for name in ("nowhere.yaml", ".", "binary.yaml"):
        result = run("solve", name)
        assert result.exit_code == ExitCode.BAD_INPUT
        assert result.stderr.splitlines()[0].startswith(name)


@pytest.mark.usefixtures("folder")
def test_as_of_stands_in_for_today_only() -> None:
    """A date in the scenario wins over the option, the option over the clock."""
    Path("dateless.yaml").write_text(GOOD.replace("as_of: 2026-06-30\n", ""), encoding="utf-8")
    for name, as_of, age in (("dateless", "2026-01-31", 30), ("good", "2026-01-31", 180)):
        result = run("solve", f"{name}.yaml", "--as-of", as_of, "--format", "json")
        assert json.loads(result.stdout)["estimate"]["price"]["age_days"] == age


@pytest.mark.usefixtures("folder")
def test_a_frontier_goes_to_stdout() -> None:
    """Exit code 0, a sentence first, stderr empty; as JSON a document by the schema that the program prints."""
    code, out, err = finish(start("frontier", "good.yaml"))
    assert (code, err) == (ExitCode.PLAN, "")
    assert re.match(r"Cheapest: |The cheapest plan is also the fastest: ", out)
    assert out.isascii()
    result = run("frontier", "good.yaml", "--format", "json", "--points", "2")
    document = json.loads(result.stdout)
    Draft202012Validator(json.loads(run("schema", "frontier").stdout)).validate(document)
    assert (result.exit_code, result.stderr) == (ExitCode.PLAN, "")
    assert 1 <= len(document["points"]) <= 2


@pytest.mark.usefixtures("folder")
def test_a_frontier_without_plans_is_explained_as_solve_does() -> None:
    """Exit codes 3, 2 and 4; the same page as that of `solve` up to the seconds of its proof."""
    result = run("frontier", "impossible.yaml")
    assert result.exit_code == ExitCode.INFEASIBLE
    explained = run("solve", "impossible.yaml").stdout
    assert [part.partition("\nProof")[0] for part in (result.stdout, explained)] == [
        explained.partition("\nProof")[0]
    ] * 2
    bad = run("frontier", "bad.yaml", "--format", "json")
    assert (bad.exit_code, bad.stdout) == (ExitCode.BAD_INPUT, "")
    assert "problems in bad.yaml" in bad.stderr
    late = run("frontier", "good.yaml", "--time-limit", "0.001")
    assert late.exit_code == ExitCode.UNDECIDED
    assert late.stdout.startswith("Undecided: ")


@pytest.mark.usefixtures("folder")
def test_details_print_more() -> None:
    """Assumptions and prices among it."""
    short, long = run("solve", "good.yaml").stdout, run("solve", "good.yaml", "--details").stdout
    assert "\nPrices used\n" in long
    assert "\nPrices used\n" not in short
    assert len(long.splitlines()) > len(short.splitlines()) + 20


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """A sentence, an example of its own, and a word on every option and argument."""
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"planner {command}" in result.stdout.partition("Example")[2]
    described = [line for line in result.stdout.splitlines() if re.match(r"  (--|[A-Z\[])\S+", line)]
    assert described
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_help_names_every_command() -> None:
    """And no other."""
    listed = run("--help").stdout.partition("Commands:")[2]
    assert tuple(line.split()[0] for line in listed.splitlines() if line.strip()) == COMMANDS


def test_version_is_that_of_the_package() -> None:
    """One line."""
    assert run("--version").stdout == f"planner {planner.__version__}\n"


def test_without_arguments_help_is_shown() -> None:
    """By the program and by the commands that need an argument."""
    for arguments in ((), ("solve",), ("frontier",), ("catalog",)):
        assert "Usage: planner" in run(*arguments).output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["solve", "x.yaml", "--workers", "0"],
        ["solve", "x.yaml", "--as-of", "soon"],
        ["catalog", "cats"],
        ["frontier", "x.yaml", "--points", "1"],
        ["frontier", "x.yaml", "--points", "21"],
        ["frontier", "x.yaml", "y.yaml"],
    ],
)
def test_wrong_usage_is_bad_input(arguments: list[str]) -> None:
    """Exit code 2, explained on stderr."""
    result = run(*arguments)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "Error: " in result.stderr
    assert result.stdout == ""


def test_schemas_are_those_of_the_package() -> None:
    """Of scenarios, unless the answer's is asked for."""
    assert json.loads(run("schema").stdout) == json.loads(run("schema", "scenario").stdout) == scenario_json_schema()
    assert json.loads(run("schema", "answer").stdout) == answer_json_schema()
    assert Draft202012Validator(scenario_json_schema()).is_valid(
        yaml.safe_load(GOOD.replace("as_of: 2026-06-30\n", "").replace(", observed: 2026-01-01", ""))
    )


def test_catalogs_are_listed_and_searched() -> None:
    """As a table and as JSON; what matches nothing is told on stderr."""
    assert "H100 SXM" in run("catalog", "gpus", "h100").stdout
    listed = json.loads(run("catalog", "offers", "spot", "h100", "--format", "json", "--as-of", "2030-01-01").stdout)
    assert listed
    assert all(each["stale"] and each["kind"] == "spot" for each in listed)
    nothing = run("catalog", "models", "no-such-model")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no-such-model" in nothing.stderr


def test_formulas_are_printed_and_chosen() -> None:
    """As text and as JSON; an unknown name is bad input with a hint."""
    assert "weight_bytes" in run("formulas").stdout
    assert [each["name"] for each in json.loads(run("formulas", "master_bytes", "--format", "json").stdout)] == [
        "master_bytes"
    ]
    unknown = run("formulas", "wieght_bytes")
    assert unknown.exit_code == ExitCode.BAD_INPUT
    assert 'Did you mean "weight_bytes"' in unknown.stderr
