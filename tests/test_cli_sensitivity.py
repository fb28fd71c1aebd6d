"""`planner sensitivity`, and what the search says to whoever watches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_runs import GOOD, finish, run, start, write_scenarios
from jsonschema import Draft202012Validator

from planner import console
from planner.errors import ExitCode


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with scenarios."""
    write_scenarios(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_goes_to_stdout() -> None:
    """And nothing to stderr where nobody watches."""
    code, out, err = finish(start("sensitivity", "good.yaml"))
    assert (code, err) == (ExitCode.PLAN, "")
    for heading in ("Deadline", "Number of GPUs", "GPU memory", "Prices", "How far the plan reaches", "Proof"):
        assert f"\n{heading}" in out
    assert "every threshold is proved" in out


def test_json_follows_the_schema_and_repeats() -> None:
    """The same on every run but for the seconds; the plan is that of `solve`."""
    whole, again = (json.loads(run("sensitivity", "good.yaml", "--format", "json").stdout) for _ in range(2))
    again["proof"]["seconds"] = whole["proof"]["seconds"]
    assert whole == again
    Draft202012Validator(json.loads(run("schema", "sensitivity").stdout)).validate(whole)
    assert whole["complete"]
    answer = json.loads(run("solve", "good.yaml", "--format", "json").stdout)
    assert whole["best"]["plan"] == answer["plan"]
    assert whole["best"]["cost"] == answer["estimate"]["cost"]["amount"]


def test_without_a_plan_the_conflict_is_told() -> None:
    """Exit code 3, and the document says why."""
    result = run("sensitivity", "impossible.yaml", "--format", "json")
    assert result.exit_code == ExitCode.INFEASIBLE
    document = json.loads(result.stdout)
    assert (document["best"], document["limits"]) == (None, [])
    assert document["conflict"] is not None


def test_undecided_is_said() -> None:
    """Exit code 4."""
    result = run("sensitivity", "good.yaml", "--time-limit", "0.001")
    assert result.exit_code == ExitCode.UNDECIDED
    assert "Undecided" in result.stdout


def test_bad_input_is_told_with_its_place() -> None:
    """A wrong file, a missing one, and one with many jobs."""
    wrong = run("sensitivity", "bad.yaml")
    assert (wrong.exit_code, wrong.stdout) == (ExitCode.BAD_INPUT, "")
    assert "bad.yaml:1:1 jbo: unknown key" in wrong.stderr
    assert run("sensitivity", "none.yaml").exit_code == ExitCode.BAD_INPUT
    Path("many.yaml").write_text(GOOD.replace("job:", "jobs:\n  -", 1), encoding="utf-8")
    many = run("sensitivity", "many.yaml")
    assert many.exit_code == ExitCode.BAD_INPUT
    assert "jobs: many jobs, where one is planned" in many.stderr


@pytest.mark.parametrize("command", [("solve",), ("frontier",), ("sensitivity",)])
def test_the_search_says_how_far_it_is(command: tuple[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal's stderr: offers, keys done, the best plan so far and a bound; in a log nothing."""
    told: list[str] = []
    monkeypatch.setattr(console.Progress, "__call__", lambda _, text: told.append(text))
    assert run(*command, "good.yaml").exit_code == ExitCode.PLAN
    pattern = r"RTX 4090: 1 offer, [\d,]+ of [\d,]+ keys, (no plan yet|best so far \S+.*), bound \S+"
    assert any(re.search(pattern, text) for text in told)
