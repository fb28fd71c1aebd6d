"""`planner validate`: what goes where, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from measured_files import write_runs, write_shapes
from typer.testing import CliRunner, Result

from planner.cli import app
from planner.errors import ExitCode


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(app, ["validate", *arguments], prog_name="planner")


def test_a_good_file_is_compared(folder: Path) -> None:
    """Exit code 0, a page on stdout, nothing on stderr."""
    write_runs(folder / "runs.csv", {}, {})
    result = run("runs.csv")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("2 runs predicted, 0 skipped: runs.csv\n\nAllocated memory\n")


def test_bad_rows_are_told_and_the_others_compared(folder: Path) -> None:
    """Exit code 2; problems with their place on stderr, unknown columns once."""
    path = write_runs(folder / "runs.csv", {}, {"micro_batch": "0", "model": "nobody/knows"}, {"model": "own/model"})
    path.write_text(path.read_text(encoding="utf-8").replace("\n", ",\n").replace("notes,\n", "notes,mood\n", 1))
    write_shapes(folder / "shapes.csv", {"vocab": "0"})
    result = run("runs.csv", "--architectures", "shapes.csv", "--format", "json")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.stderr.splitlines() == [
        "runs.csv: ignored, since the format has no such column: mood",
        'runs.csv:3 column micro_batch: expected a whole number of at least 1, found "0"',
        'shapes.csv:2 column vocab: expected a whole number of at least 1, found "0"',
        "2 problems in runs.csv, shapes.csv",
    ]
    document = json.loads(result.stdout)
    assert [each["id"] for each in document["rows"]] == ["run-1-mem"]
    assert [each["id"] for each in document["skipped"]] == ["run-2-mem", "run-3-mem"]


@pytest.mark.parametrize(
    ("gpu", "dtype", "speed", "share"),
    [
        ("A100 80GB SXM", "bf16", "40,000", "3.43 times the peak of A100 80GB SXM in bf16"),
        ("RTX 4090", "bf16", "9,000", "1.46 times the peak of RTX 4090 in bf16"),
        ("V100 32GB SXM", "bf16", "9,000", "1.93 times the peak of V100 32GB SXM in bf16"),
    ],
)
def test_impossible_speeds_are_refused_row_by_row(folder: Path, gpu: str, dtype: str, speed: str, share: str) -> None:
    """Above 1.3 times the dense peak; the same GPU at a third of the speed, and every other row, is compared."""
    row = {"gpu": gpu, "compute_dtype": dtype, "peak_allocated_gib": ""}
    number = int(speed.replace(",", ""))
    speeds = [{**row, "tokens_per_second_per_gpu": str(each)} for each in (number, number // 3)]
    write_runs(folder / "runs.csv", {}, *speeds)
    result = run("runs.csv", "--format", "json")
    assert result.exit_code == ExitCode.BAD_INPUT
    assert result.stderr.splitlines() == [
        f"runs.csv:3 column tokens_per_second_per_gpu: {speed} tokens/s need {share}; at most 1.3 times are possible",
        "1 problem in runs.csv",
    ]
    document = json.loads(result.stdout)
    assert [each["id"] for each in document["rows"]] == ["run-1-mem", "run-3-mem"]
    assert [each["id"] for each in document["skipped"]] == ["run-2-mem"]


def test_a_file_that_is_none_prints_nothing(folder: Path) -> None:
    """Exit code 2 and one problem for each such file; beside a good one the good one is compared."""
    write_runs(folder / "runs.csv", {})
    for name in (".", "nowhere.csv"):
        result = run(name)
        assert (result.exit_code, result.stdout) == (ExitCode.BAD_INPUT, "")
        assert result.stderr.startswith(f"{name}: ")
    assert run("nowhere.csv", "runs.csv").stdout.startswith("1 run predicted, 0 skipped: runs.csv")


def test_the_schema_is_printed(folder: Path) -> None:
    """And is that of the document."""
    write_runs(folder / "runs.csv", {}, {"peak_allocated_gib": "", "outcome": "oom"})
    schema = CliRunner().invoke(app, ["schema", "validation"], prog_name="planner").stdout
    Draft202012Validator(json.loads(schema)).validate(json.loads(run("runs.csv", "--format", "json").stdout))


def test_the_report_is_written(folder: Path) -> None:
    """Beside what is printed; the same on every run."""
    write_runs(folder / "runs.csv", {}, {"assumed": "peak_allocated_gib"})
    assert run("runs.csv", "--report", "page.md").stdout == run("runs.csv").stdout
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert page.startswith("# Accuracy\n")
    assert "\n## Doubtful measurements\n" in page
    assert "![Allocated memory: measured and predicted](page-allocated.svg)" in page
    assert (folder / "page-allocated.svg").read_text(encoding="utf-8").startswith("<svg ")
    unwritable = run("runs.csv", "--report", "nowhere/page.md")
    assert unwritable.exit_code == ExitCode.BAD_INPUT
    assert unwritable.stderr.startswith("nowhere/page.md: cannot be written: No such file or directory\n")
