"""`planner what-if` and `planner compare`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_runs import GOOD, finish, run, start, write_scenarios
from jsonschema import Draft202012Validator

from planner.errors import ExitCode

JOBS = """\
as_of: 2026-06-30
horizon: 2 months
jobs:
  - {name: once, model: Qwen/Qwen2.5-0.5B, data: {tokens: 10M}, sequence_length: 1024, global_batch: 16}
offers: {gpu: RTX 4090, price: 0.40 USD/h, observed: 2026-01-01}
catalog_offers: false
search: {stack: hf-trainer, method: full, optimizer: adamw, gpu: RTX 4090, max_gpus: 1,
  attention: sdpa, loss: full, checkpointing: none, offload: none, micro_batch: [1, 2]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with scenarios and a portfolio."""
    write_scenarios(tmp_path)
    (tmp_path / "many.yaml").write_text(JOBS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_change_stands_beside_the_file(folder: Path) -> None:
    """On stdout, and the file is not touched."""
    code, out, err = finish(start("what-if", "good.yaml", "--set", "search.method=full"))
    assert (code, err) == (ExitCode.PLAN, "")
    assert out.startswith("as it is\n")
    assert "* search.method" in out
    assert (folder / "good.yaml").read_text(encoding="utf-8") == GOOD


def test_json_follows_the_schema() -> None:
    """One document with both answers, the same as the answers that `solve` prints of either."""
    result = run("what-if", "good.yaml", "--set", "search.method=full", "--set", "name=x", "--format", "json")
    document = json.loads(result.stdout)
    Draft202012Validator(json.loads(run("schema", "comparison").stdout)).validate(document)
    assert (result.exit_code, result.stderr) == (ExitCode.PLAN, "")
    Path("full.yaml").write_text(GOOD.replace("[full, lora]", "full"), encoding="utf-8")
    answers = [json.loads(run("solve", name, "--format", "json").stdout) for name in ("good.yaml", "full.yaml")]
    rows = {each["key"]: each["values"] for each in document["rows"]}
    assert rows["cost"] == [each["estimate"]["cost"]["amount"] for each in answers]
    assert rows["method"] == [each["plan"]["method"] for each in answers]
    assert document["columns"][1]["set"] == ["search.method=full", "name=x"]


def test_a_change_that_makes_it_impossible_is_explained() -> None:
    """Exit code 3 and the conflict; the other way round a plan."""
    result = run("what-if", "good.yaml", "--set", "limits.budget=0.01 USD")
    assert result.exit_code == ExitCode.INFEASIBLE
    assert "No plan fits: " in result.stdout
    assert "What would help" in result.stdout
    Path("poor.yaml").write_text(GOOD + "limits: {budget: 0.01 USD}\n", encoding="utf-8")
    back = run("what-if", "poor.yaml", "--set", "limits=null")
    assert back.exit_code == ExitCode.PLAN


def test_a_wrong_change_is_bad_input() -> None:
    """Every one is named; nothing on stdout."""
    result = run("what-if", "good.yaml", "--set", "limits.deadline=3", "--set", "jbo=1", "--format", "json")
    assert (result.exit_code, result.stdout) == (ExitCode.BAD_INPUT, "")
    assert "--set limits.deadline=3 limits.deadline: expected a duration" in result.stderr
    assert "--set jbo=1 jbo: unknown key" in result.stderr
    assert "good.yaml" not in result.stderr
    both = run("what-if", "good.yaml", "--set", "jbo", "--set", "=1")
    assert "2 problems in --set =1, --set jbo" in both.stderr


def test_problems_of_the_file_are_told_once() -> None:
    """With their places."""
    result = run("compare", "bad.yaml", "--set", "name=x", "--set", "name=y")
    lines = result.stderr.splitlines()
    assert result.exit_code == ExitCode.BAD_INPUT
    assert len(lines) == len(set(lines)) >= 3


def test_undecided_is_said() -> None:
    """Exit code 4."""
    result = run("what-if", "good.yaml", "--set", "name=x", "--time-limit", "0.001")
    assert result.exit_code == ExitCode.UNDECIDED
    assert "Undecided" in result.stdout


def test_portfolios_can_be_changed() -> None:
    """By the same paths."""
    result = run("what-if", "many.yaml", "--set", "jobs[0].data.tokens=20M", "--format", "json")
    document = json.loads(result.stdout)
    Draft202012Validator(json.loads(run("schema", "comparison").stdout)).validate(document)
    assert document["kind"] == "portfolio"
    costs = next(each["values"] for each in document["rows"] if each["key"] == "net_present_cost")
    assert costs[1] > costs[0]


def test_files_and_changes_are_compared() -> None:
    """Several files, or one with several changes; the worst code counts."""
    Path("poor.yaml").write_text(GOOD + "limits: {budget: 0.01 USD}\n", encoding="utf-8")
    files = run("compare", "good.yaml", "poor.yaml")
    assert files.exit_code == ExitCode.INFEASIBLE
    assert "=== poor.yaml" in files.stdout
    changes = run("compare", "good.yaml", "--set", "search.method=full", "--set", "search.method=lora")
    assert changes.exit_code == ExitCode.PLAN
    assert changes.stdout.count("\nsearch.method=") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["good.yaml"], "good.yaml: nothing to compare it with. Give another file, or a change such as"),
        (["good.yaml", "good.yaml", "--set", "name=x"], "good.yaml: --set goes with one file. Write the changes"),
        (["good.yaml", *["--set", "name=x"] * 12], "good.yaml: 13 answers, at most 12 can be compared"),
        (["good.yaml", "many.yaml"], "many.yaml: cannot be compared with good.yaml: only one of them has jobs"),
        (["good.yaml", "nowhere.yaml", "bad.yaml"], "nowhere.yaml: no such file"),
        (["good.yaml", "bad.yaml"], "bad.yaml:1:1 jbo: unknown key"),
    ],
)
def test_what_cannot_be_compared_is_bad_input(arguments: list[str], message: str) -> None:
    """Exit code 2, and nothing on stdout."""
    result = run("compare", *arguments)
    assert (result.exit_code, result.stdout) == (ExitCode.BAD_INPUT, "")
    assert message in result.stderr
