"""`planner calibrate` and `--profile`: what goes where, every message, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from measured_files import write_runs
from trainer_files import SCENARIO, logged, write_results, write_scenario, write_state
from typer.testing import CliRunner, Result

from planner import __version__
from planner.catalog import load_catalog
from planner.cli import app
from planner.errors import ExitCode
from planner.measured.profile import time_model_of

SPEED = "tokens_per_second_per_gpu"
SLOW = {SPEED: "2000", "peak_allocated_gib": ""}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def planner(*arguments: str) -> Result:
    """A command in this process."""
    return CliRunner().invoke(app, list(arguments), prog_name="planner")


def calibrated(*arguments: str) -> dict[str, Any]:
    """The JSON document of a calibration without problems."""
    result = planner("calibrate", *arguments, "--format", "json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refused(*arguments: str) -> list[str]:
    """Lines on stderr of a command that fails with exit code 2."""
    result = planner(*arguments)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "Traceback" not in result.output
    return result.stderr.splitlines()


def profile(path: str = "profile.yaml") -> dict[str, Any]:
    """A profile of three slow runs of the same GPU and stack."""
    runs = [{**SLOW, "micro_batch": str(size), "gradient_accumulation": "", "global_batch": ""} for size in (2, 4, 8)]
    write_runs(Path("runs.csv"), *runs)
    result = planner("calibrate", "runs.csv", "-o", path)
    assert (result.exit_code, result.stderr) == (0, f"{path}: written; use it with --profile {path}\n")
    written: dict[str, Any] = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return written


def step_seconds(*arguments: str) -> dict[str, Any]:
    """The time of the plan of the trainer's scenario."""
    write_scenario(Path("plan.yaml"))
    result = planner("estimate", "plan.yaml", "--format", "json", *arguments)
    assert result.exit_code == 0, result.stderr
    estimate: dict[str, Any] = json.loads(result.stdout)["estimate"]
    return estimate


def test_runs_move_the_estimate_and_shrink_its_range() -> None:
    """The page says by how much; the profile has the same figures, and `estimate` uses them."""
    written = profile()
    (entry,) = written["speeds"]
    assert (entry["gpu"], entry["stack"]) == ("A100 80GB SXM", "hf-trainer")
    assert (entry["runs"], entry["configurations"]) == (3, 3)
    assert (written["planner"], written["created_from"]) == (__version__, ["runs.csv"])
    assert 1 < entry["seconds_factor"] < entry["measured_over_predicted"]
    plain, own = step_seconds(), step_seconds("--profile", "profile.yaml")
    assert own["step_seconds"] == pytest.approx(entry["seconds_factor"] * plain["step_seconds"], rel=1e-4)
    wide, narrow = (each["hours_interval"]["high"] / each["hours_interval"]["low"] for each in (plain, own))
    assert narrow < wide


def test_the_page() -> None:
    """Errors before and after at 80 columns, then what the profile says; skipped rows with their reason."""
    write_runs(
        Path("runs.csv"),
        SLOW,
        {**SLOW, "micro_batch": "2", "gradient_accumulation": "6"},
        {},
        {**SLOW, "optimizer": "other"},
        {**SLOW, "stack": "deepspeed", "sharding": "zero2"},
    )
    result = planner("calibrate", "runs.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "3 runs, 2 skipped: runs.csv"
    assert "  A100 80GB SXM with hf-trainer" in lines
    assert "  A100 80GB SXM with deepspeed" in lines
    assert "  all" in lines
    assert lines[-5:] == [
        "Skipped: 2 rows",
        "  1: states no speed",
        "     run-3-mem",
        "  1: the optimizer is not named",
        "     run-4-mem",
    ]


def test_the_document_is_that_of_the_schema() -> None:
    """After leaving out the only configuration nothing is known: the errors are those before."""
    write_runs(Path("runs.csv"), SLOW, {**SLOW, SPEED: "2100"}, {})
    document = calibrated("runs.csv")
    schema = json.loads(planner("schema", "calibration").stdout)
    Draft202012Validator(schema).validate(document)
    (group,) = document["groups"]
    assert (group["runs"], group["configurations"]) == (2, 1)
    assert group["before"] == group["after"]
    assert group["spread_after"] < group["spread_before"]
    assert document["skipped"] == [{"id": "run-3-mem", "reason": "states no speed"}]


def test_repeats_count_once() -> None:
    """Ten runs of one configuration say what one says."""
    write_runs(Path("once.csv"), SLOW)
    write_runs(Path("often.csv"), *[SLOW] * 10)
    once, often = (calibrated(name)["groups"][0] for name in ("once.csv", "often.csv"))
    assert once["seconds_factor"] == pytest.approx(often["seconds_factor"])
    assert once["spread_after"] == often["spread_after"]


def test_step_seconds_are_as_good_as_a_speed() -> None:
    """Of 12 x 2 x 512 tokens on 2 GPUs at 2,000 tokens per second and GPU."""
    write_runs(Path("speed.csv"), SLOW)
    write_runs(Path("step.csv"), {"peak_allocated_gib": "", "outcome": "", "step_seconds": "3.072"})
    speed, step = (calibrated(name)["groups"][0]["log_residual"] for name in ("speed.csv", "step.csv"))
    assert step == pytest.approx(speed)


def test_trainer_logs_are_runs_of_their_scenario() -> None:
    """One scenario for all logs, or one for each; with measured tables beside them."""
    write_scenario(Path("plan.yaml"))
    write_scenario(Path("other.yaml"), SCENARIO.replace("micro_batch: 4", "micro_batch: 2"))
    write_results(Path("train_results.json"))
    write_state(Path("trainer_state.json"), logged(10, 30.0), logged(20, 50.0))
    write_runs(Path("runs.csv"), SLOW)
    logs = ("train_results.json", "trainer_state.json")
    one = calibrated(*logs, "--scenario", "plan.yaml")["groups"]
    assert [(each["runs"], each["configurations"]) for each in one] == [(2, 1)]
    both = calibrated(*logs, "runs.csv", "--scenario", "plan.yaml", "--scenario", "other.yaml")["groups"]
    assert [(each["runs"], each["configurations"]) for each in both] == [(3, 3)]


def test_scenarios_that_do_not_match_the_logs() -> None:
    """None for a log, one without a log, and the wrong number."""
    write_results(Path("log.json"))
    write_runs(Path("runs.csv"), SLOW)
    assert refused("calibrate", "log.json") == [
        "log.json: does not say what was run. Give the scenario with the plan that was run: --scenario FILE",
        "1 problem in log.json",
    ]
    assert refused("calibrate", "runs.csv", "--scenario", "a.yaml")[0] == (
        "a.yaml: --scenario is that of a trainer's log, and there is none. A measurements file says what was run"
    )
    assert refused("calibrate", "log.json", "--scenario", "a.yaml", "--scenario", "b.yaml")[0] == (
        "b.yaml: is one of 2 scenarios for 1 logs. Give --scenario once for all logs, or once for each in their order"
    )


def test_bad_logs_and_scenarios_are_told_together() -> None:
    """Each with its place; the other runs are compared, and no profile is written."""
    write_scenario(Path("plan.yaml"))
    write_scenario(Path("open.yaml"), SCENARIO.replace("micro_batch: 4", ""))
    for name in ("good", "cut", "silent", "open"):
        write_results(Path(f"{name}.json"))
    Path("cut.json").write_text('{"train_runtime": ', encoding="utf-8")
    write_state(Path("silent.json"), logged(10))
    names = ("good", "cut", "silent", "open")
    scenarios = [part for name in names for part in ("--scenario", "open.yaml" if name == "open" else "plan.yaml")]
    result = planner("calibrate", *(f"{name}.json" for name in names), *scenarios, "-o", "profile.yaml")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.stdout.startswith("1 run, 0 skipped: ")
    lines = result.stderr.splitlines()
    assert lines[0] == "profile.yaml: not written, because of the problems below"
    assert lines[1].startswith("cut.json:1:19: not JSON: Expecting value. Is the file complete?")
    assert lines[2].startswith("open.yaml:3:")
    assert "micro_batch" in lines[2]
    assert lines[3].startswith("silent.json: says nothing of time")
    assert not Path("profile.yaml").exists()


def test_an_unknown_gpu_is_a_problem() -> None:
    """With its row; other rows are compared."""
    write_runs(Path("runs.csv"), {**SLOW, "gpu": "H10"}, SLOW)
    result = planner("calibrate", "runs.csv")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.stderr.startswith('runs.csv:2 column gpu: the GPU "H10" is not in the catalog. Did you mean "')
    assert result.stdout.startswith("1 run, 1 skipped: runs.csv\n")


def test_files_without_any_speed() -> None:
    """The reasons of the rows are told; a file that is none is told as such."""
    write_runs(Path("runs.csv"), {}, {**SLOW, "optimizer": "other"})
    assert refused("calibrate", "runs.csv")[0] == (
        "runs.csv: no run with a speed (states no speed; the optimizer is not named). "
        "Give tokens_per_second_per_gpu or step_seconds"
    )
    assert refused("calibrate", "none.csv")[0].startswith("none.csv: no such file")


def test_an_unknown_column_and_a_profile_that_cannot_be_written() -> None:
    """Told on stderr."""
    path = write_runs(Path("runs.csv"), SLOW)
    path.write_text(path.read_text(encoding="utf-8").replace("\n", ",\n").replace("notes,\n", "notes,mood\n", 1))
    assert refused("calibrate", "runs.csv", "-o", "nowhere/profile.yaml") == [
        "runs.csv: ignored, since the format has no such column: mood",
        "nowhere/profile.yaml: cannot be written: No such file or directory",
        "1 problem in nowhere/profile.yaml",
    ]


def test_every_command_takes_a_profile() -> None:
    """And says what the time rests on."""
    profile()
    write_scenario(Path("plan.yaml"))
    search = SCENARIO.replace("plan: ", "search: ").replace("gpus: 2", "gpus: [1, 2]")
    write_scenario(Path("search.yaml"), search)
    for command in (["solve", "search.yaml", "--details"], ["estimate", "plan.yaml", "--details"]):
        result = planner(*command, "--profile", "profile.yaml")
        assert result.exit_code == 0, result.stderr
        text = " ".join(result.stdout.split())
        assert "from 3 own runs of this GPU and stack (profile.yaml); see docs/accuracy.md" in text
        assert "own_seconds_factor" in text
    frontier = planner("frontier", "search.yaml", "--profile", "profile.yaml", "--format", "json")
    plain = planner("frontier", "search.yaml", "--format", "json")
    slow, usual = (json.loads(each.stdout)["points"][0]["hours"] for each in (frontier, plain))
    assert slow > usual
    errors = [
        json.loads(planner("validate", "runs.csv", "--format", "json", *more).stdout)["summary"]["quantities"][SPEED]
        for more in ([], ["--profile", "profile.yaml"])
    ]
    before, after = (each["overall"]["median_error_fraction"] for each in errors)
    assert after < before


def _changed(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def test_profiles_that_cannot_be_used() -> None:
    """Of another time model, changed by hand, of unknown things, twice the same, or no profile at all."""
    written = profile()
    write_scenario(Path("plan.yaml"))
    path = Path("profile.yaml")
    good = path.read_text(encoding="utf-8")
    command = ("estimate", "plan.yaml", "--profile", "profile.yaml")
    again = "Run `planner calibrate` again"
    fingerprint = time_model_of(load_catalog())
    stale = f"the time model is another one than that of the profile (planner {__version__}). {again}"
    factor = written["speeds"][0]["seconds_factor"]
    unknown = 'unknown GPU "H10". Did you mean "'
    stack = 'speeds.0.stack: unknown stack "hf-trainr". Did you mean "hf-trainer"'
    entry = good[good.index("- gpu:") :]
    cases = [
        ([(fingerprint, "sha256:0")], f"profile.yaml:4:13 time_model: {stale}"),
        (
            [(f"seconds_factor: {factor}", "seconds_factor: 1")],
            "profile.yaml:13:19 speeds.0.seconds_factor: is 1, but ",
        ),
        ([("runs: 3", "runs: many")], "profile.yaml:10:9 speeds.0.runs: input should be a valid integer"),
        ([("gpu: A100 80GB SXM", "gpu: H10")], f"profile.yaml:8:8 speeds.0.gpu: {unknown}"),
        ([("stack: hf-trainer", "stack: hf-trainr")], f"profile.yaml:9:10 {stack}"),
        (
            [(entry, entry + entry)],
            f"profile.yaml:15:3 speeds.1: A100 80GB SXM with hf-trainer is there twice. {again}",
        ),
        ([("version: 1\n", "version: 1\nversion: 1\n")], "profile.yaml:3:1 version: "),
        ([(entry, "  []\n")], "profile.yaml:7:1 speeds: tuple should have at least 1 item"),
        ([("version: 1", "version: 2")], f"profile.yaml:2:10 version: input should be 1. {again}"),
    ]
    for changes, message in cases:
        path.write_text(good, encoding="utf-8")
        _changed(path, *changes)
        assert refused(*command)[0].startswith(message), message
    for text in ("", "- 1\n"):
        path.write_text(text, encoding="utf-8")
        assert refused(*command)[0].endswith(". A profile is what `planner calibrate` writes")
    assert refused("estimate", "plan.yaml", "--profile", "none.yaml")[0].startswith("none.yaml: no such file")
