"""Seconds of a step from logs of the Hugging Face Trainer, and every way in which there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trainer_files import RESULTS, logged, write_results, write_state

from planner.errors import InputError
from planner.measured.trainer_logs import Expected, is_trainer_log, logged_step_seconds

EXPECTED = Expected(sequences=16, tokens=8192)


def seconds_of(path: Path) -> float:
    """Of a step, by a log."""
    return logged_step_seconds(path, EXPECTED)


def refusal(path: Path) -> str:
    """The message of a log that cannot be used, without its path."""
    with pytest.raises(InputError) as caught:
        seconds_of(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    return str(problem).removeprefix(str(path))


def test_results_tell_the_speed_that_is_rounded_least(tmp_path: Path) -> None:
    """Sequences per second have more digits than steps per second; either of them is enough."""
    path = tmp_path / "train_results.json"
    assert seconds_of(write_results(path)) == 2.0
    assert seconds_of(write_results(path, train_samples_per_second=9.395, train_steps_per_second=0.587)) == 16 / 9.395
    assert seconds_of(write_results(path, train_samples_per_second=None)) == 2.0
    assert seconds_of(write_results(path, train_steps_per_second=None)) == 2.0
    assert is_trainer_log(path)
    assert not is_trainer_log(tmp_path / "runs.csv")


def test_a_state_tells_the_whole_run_without_evaluations_in_it(tmp_path: Path) -> None:
    """The summary's time less evaluations before it; one after it was not timed."""
    evaluation = {"eval_loss": 1.0, "eval_runtime": 10.0, "step": 50}
    summary = {**RESULTS, "step": 100}
    after = {"eval_loss": 1.0, "eval_runtime": 70.0, "step": 100}
    path = write_state(tmp_path / "trainer_state.json", logged(50), evaluation, logged(100), summary, after)
    assert seconds_of(path) == (200.0 - 10.0) / 100


def test_timed_entries_leave_out_the_first_steps(tmp_path: Path) -> None:
    """From the first timed entry to the last step; the summary counts what comes after it too."""
    history = [logged(10, 60.0), logged(20, 78.0), {"eval_runtime": 4.0, "step": 20}, logged(30, 100.0)]
    path = write_state(tmp_path / "trainer_state.json", *history, {**RESULTS, "step": 30, "train_runtime": 130.0})
    assert seconds_of(path) == (100.0 - 60.0 - 4.0) / 20


def test_a_resumed_run_is_timed_from_where_it_was_resumed(tmp_path: Path) -> None:
    """The clock starts anew, the steps do not."""
    history = [logged(10, 60.0), logged(20, 78.0), logged(30, 50.0), logged(40, 72.0)]
    assert seconds_of(write_state(tmp_path / "trainer_state.json", *history)) == 2.2


TIMING = "Take trainer_state.json of a finished run, or train_results.json, or train with include_num_input_tokens_seen"
SILENT = f": says nothing of time: no train_runtime with a step, and no speed. {TIMING}"


def test_logs_without_timing(tmp_path: Path) -> None:
    """An unfinished run, and results of an evaluation alone; a time that is nothing is none."""
    path = tmp_path / "log.json"
    assert refusal(write_state(path, logged(10), logged(20))) == SILENT
    assert refusal(write_state(path)) == SILENT
    silent = {"train_samples_per_second": None, "train_steps_per_second": None}
    assert refusal(write_results(path, **silent)) == SILENT
    assert refusal(write_results(path, train_samples_per_second=0, train_steps_per_second=True)) == SILENT
    assert refusal(write_state(path, logged(10, 5.0), {"eval_runtime": 9.0}, logged(20, 6.0))) == SILENT


def test_a_speed_that_is_rounded_too_much(tmp_path: Path) -> None:
    """Three digits of a slow step are not enough."""
    path = write_results(tmp_path / "log.json", train_samples_per_second=None, train_steps_per_second=0.003)
    assert refusal(path) == f": train_steps_per_second is 0.003, which is rounded too much. {TIMING}"


def test_another_run_than_the_scenario(tmp_path: Path) -> None:
    """Batches and tokens of a step are compared."""
    path = tmp_path / "log.json"
    hint = "The scenario must be that of the run"
    assert (
        refusal(write_results(path, train_steps_per_second=0.25))
        == f": its steps have 32 sequences, those of the scenario 16. {hint}"
    )
    state = write_state(path, {**RESULTS, "step": 100}, num_input_tokens_seen=409_600)
    assert refusal(state) == f": its steps have 4,096 tokens, those of the scenario 8,192. {hint}"


def test_what_is_no_log(tmp_path: Path) -> None:
    """Missing, a directory, truncated, not text, or JSON of something else."""
    path = write_results(tmp_path / "log.json")
    text = path.read_text(encoding="utf-8")
    path.write_text(text[:30], encoding="utf-8")
    assert refusal(path).startswith(":1:")
    assert refusal(path).endswith("Is the file complete?")
    assert ": not JSON: " in refusal(path)
    path.write_bytes(b'{"epoch": "\xff"}')
    assert refusal(path) == ": not JSON. Is the file complete?"
    path.write_text("[" * 100_000, encoding="utf-8")
    assert refusal(path) == ": not JSON. Is the file complete?"
    other = ": not a log of a trainer. Allowed: trainer_state.json, train_results.json and all_results.json of the "
    values: tuple[object, ...] = ({"epochs": 1}, [], 3)
    for value in values:
        path.write_text(json.dumps(value), encoding="utf-8")
        assert refusal(path) == f"{other}Hugging Face Trainer"
    assert refusal(tmp_path / "none.json") == ": cannot be read: No such file or directory"
    assert refusal(tmp_path) == ": cannot be read: Is a directory"


def test_a_log_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never read beyond the limit."""
    monkeypatch.setattr("planner.measured.trainer_logs.MOST_BYTES", 10)
    assert refusal(write_results(tmp_path / "log.json")).startswith(": larger than 0 MiB. Is this the right file?")
