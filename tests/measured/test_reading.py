"""Measurements files: every problem is told with its place, and everything else is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from measured_files import PUBLISHED, RUN, write_runs

from planner.errors import InputError
from planner.measured import table
from planner.measured.columns import COLUMNS
from planner.measured.reading import Measurements, read_measurements

FACTORS = "micro_batch 4 x gradient_accumulation 3 x data_parallel 2"
SPARE = dict.fromkeys(("tensor_parallel", "pipeline_parallel", "context_parallel"), "")


def read(tmp_path: Path, *changes: dict[str, str]) -> Measurements:
    """A file with these changes to a good row, one row each."""
    return read_measurements(write_runs(tmp_path / "runs.csv", *changes))


def told(found: Measurements) -> list[str]:
    """Its problems without the directory."""
    return [str(each).removeprefix(str(Path(found.file).parent) + "/") for each in sorted(found.problems)]


@pytest.mark.parametrize("name", ["memory.csv", "throughput.csv"])
def test_published_files_are_read_whole(name: str) -> None:
    """Every line of the published files is a row."""
    path = PUBLISHED / name
    found = read_measurements(path)
    assert len(found.rows) == len(path.read_text(encoding="utf-8").splitlines()) - 1 > 200
    assert (found.skipped, found.problems, found.ignored) == ((), (), ())


def test_columns_are_those_of_the_published_header() -> None:
    """In the same order."""
    header = (PUBLISHED / "memory.csv").read_text(encoding="utf-8").partition("\n")[0]
    assert header.split(",") == [column.name for column in COLUMNS]


def test_every_column_is_described() -> None:
    """The description that comes with the files names every column."""
    described = (PUBLISHED / "COLUMNS.md").read_text(encoding="utf-8")
    assert all(column.name in described for column in COLUMNS)


def test_values_have_their_types(tmp_path: Path) -> None:
    """Numbers, lists and text; what is blank and has no usual value stays unknown."""
    row = read(tmp_path, {"mlp_chunks": "", "gradient_accumulation": "", "assumed": "gpu; date"}).rows[0]
    assert (row.line, row.gpus, row.peak_allocated_gib, row.assumed) == (2, 2, 10.0, ("gpu", "date"))
    assert (row.mlp_chunks, row.gradient_accumulation, row.peak_process_gib) == (None, None, None)
    assert row.notes == RUN["notes"]


def test_usual_values_stand_for_blanks(tmp_path: Path) -> None:
    """They follow from other columns where they can, and count as assumed."""
    blanks = ("gpus_per_node", "data_parallel", "pipeline_parallel", "attention", "grad_dtype", "offload", "outcome")
    row = read(tmp_path, {**dict.fromkeys(blanks, ""), "gpus": "16", "tensor_parallel": "4", "global_batch": ""}).rows[
        0
    ]
    assert (row.gpus_per_node, row.data_parallel, row.pipeline_parallel) == (8, 4, 1)
    assert (row.attention, row.grad_dtype, row.offload, row.outcome) == ("sdpa", "bf16", "none", "ok")
    assert set(row.assumed) == {"gpu", *blanks} - {"outcome"}


@pytest.mark.parametrize("name", ["gpu", "micro_batch", "base_dtype", "sharding", "checkpointing"])
def test_what_decides_everything_must_be_stated(tmp_path: Path, name: str) -> None:
    """A blank is no fault of the file, but the row cannot be predicted."""
    found = read(tmp_path, {name: ""}, {})
    assert [(each.id, each.reason) for each in found.skipped] == [("run-1-mem", f"not stated: {name}")]
    assert (len(found.rows), found.problems) == (1, ())


def test_a_row_that_says_nothing_measured_is_not_predicted(tmp_path: Path) -> None:
    """Without peak, speed and outcome."""
    found = read(tmp_path, {"peak_allocated_gib": "", "outcome": ""}, {"peak_allocated_gib": ""})
    assert [each.reason for each in found.skipped] == ["not stated: outcome"]
    assert len(found.rows) == 1


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("micro_batch", "0", 'expected a whole number of at least 1, found "0"'),
        ("sequence_length", "0", 'expected a whole number of at least 1, found "0"'),
        ("gpus", "-8", 'expected a whole number of at least 1, found "-8"'),
        ("gpus", "2.0", 'expected a whole number of at least 1, found "2.0"'),
        ("gpus", "٢", 'expected a whole number of at least 1, found "٢"'),
        ("global_batch", "9" * 40, None),
        ("peak_allocated_gib", "nan", 'expected a number above 0, found "nan"'),
        ("peak_allocated_gib", "inf", 'expected a number above 0, found "inf"'),
        ("peak_allocated_gib", "1e999", 'expected a number above 0, found "1e999"'),
        ("peak_allocated_gib", "-1", 'expected a number above 0, found "-1"'),
        ("peak_allocated_gib", "0", 'expected a number above 0, found "0"'),
        ("peak_allocated_gib", "1,5", 'expected a number above 0, found "1,5"'),
        ("method", "Lora", 'unknown value "Lora". Allowed: full, lora, qlora'),
        ("attention", "flsh", 'unknown value "flsh". Allowed: flash, sdpa, eager'),
        ("stack", "trl", None),
        ("lora_targets", "q+w", None),
        ("date", "May 2025", 'expected a date such as 2025, 2025-01 or 2025-01-31, found "May 2025"'),
        ("assumed", "gpu;hidden", None),
        ("id", "", "is blank"),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_told_with_line_and_column(tmp_path: Path, name: str, cell: str, message: str | None) -> None:
    """And what is allowed; the other rows are read."""
    found = read(tmp_path, {}, {name: cell}, {})
    assert len(found.problems) == 1
    text = told(found)[0]
    assert text.startswith(f"runs.csv:3 column {name}: ")
    assert message is None or text == f"runs.csv:3 column {name}: {message}"
    assert [row.line for row in found.rows] == [2, 4]
    assert [each.line for each in found.skipped] == [3]
    assert found.skipped[0].reason.startswith("malformed: ")


@pytest.mark.parametrize(
    ("changes", "column", "message"),
    [
        ({"gpus": "4", **SPARE}, "gpus", "is 4, but data_parallel 2 makes 2"),
        ({"gpus": "4", "data_parallel": "", "tensor_parallel": "3"}, "gpus", None),
        ({"gpus_per_node": "8"}, "gpus_per_node", "is 8, more than gpus, which is 2"),
        ({"global_batch": "25"}, "global_batch", f"is 25, but {FACTORS} makes 24"),
        ({"peak_process_gib": "9.5"}, "peak_process_gib", "is 9.5, less than peak_allocated_gib, which is 10"),
        ({"outcome": "oom"}, "peak_allocated_gib", "is not blank, but the outcome is oom"),
        (
            {"tokens_per_second_per_gpu": "1000", "step_seconds": "3"},
            "step_seconds",
            "is 3, but a step of 12,288 tokens at tokens_per_second_per_gpu 1000 on 2 GPUs takes 6.14",
        ),
        ({"tokens_per_second_per_gpu": "1000", "step_seconds": "13", "global_batch": ""}, "step_seconds", None),
        ({"method": "full", "lora_targets": ""}, "lora_rank", "is 16, but method full has no adapters"),
        ({"method": "qlora"}, "base_dtype", None),
        ({"base_dtype": "nf4"}, "base_dtype", "nf4 is quantised, but method is lora, not qlora"),
        ({"id": "run-1-mem"}, "id", "is also the id of line 2"),
    ],
)  # fmt: skip
def test_contradictions_are_told(tmp_path: Path, changes: dict[str, str], column: str, message: str | None) -> None:
    """With the values on both sides."""
    found = read(tmp_path, {}, changes)
    assert len(found.problems) == 1
    text = told(found)[0]
    assert text.startswith(f"runs.csv:3 column {column}: ")
    assert message is None or text.endswith(f": {message}")
    assert [row.line for row in found.rows] == [2]


@pytest.mark.parametrize(
    "changes",
    [
        {"step_seconds": "6.144"},
        {"step_seconds": "3.1", "global_batch": "", "gradient_accumulation": ""},
        {"step_seconds": "12.2"},
    ],
)
def test_speed_and_step_within_a_factor_of_two_are_believed(tmp_path: Path, changes: dict[str, str]) -> None:
    """And any two of which no batch is known."""
    read = read_measurements(write_runs(tmp_path / "runs.csv", {"tokens_per_second_per_gpu": "1000", **changes}))
    assert not read.problems


def test_all_problems_of_a_row_are_told_at_once(tmp_path: Path) -> None:
    """Wrong cells and contradictions among the others, from left to right."""
    found = read(tmp_path, {"gpus": "4", "micro_batch": "0", "attention": "x", "date": "soon"})
    assert [each.path for each in sorted(found.problems)] == ["gpus", "micro_batch", "attention", "date"]
    assert len(found.skipped) == 1


def test_broken_lines_do_not_take_others_with_them(tmp_path: Path) -> None:
    """Too few cells, too many, an open quote, a byte that is no UTF-8."""
    path = write_runs(tmp_path / "runs.csv", {}, {}, {"notes": "café"})
    lines = path.read_bytes().splitlines()
    broken = [b"a,b,c", lines[1] + b",more", b'"open,a,b', lines[3].replace("é".encode(), b"\xe9")]
    path.write_bytes(b"\r\n".join([*lines[:2], *broken, b"", lines[2]]) + b"\r\n")
    found = read_measurements(path)
    assert [(row.id, row.line) for row in found.rows] == [("run-1-mem", 2), ("run-2-mem", 8)]
    assert told(found) == [
        "runs.csv:3: 3 cells, the header has 45. A blank cell needs its comma too",
        "runs.csv:4: 46 cells, the header has 45. Text with a comma needs quotes",
        "runs.csv:5: not a line of a CSV file: ',' expected after '\"'",
        "runs.csv:6: not UTF-8 text",
    ]
    assert [each.id for each in found.skipped] == ["a", "run-1-mem", "line 5", "line 6"]


def test_a_quote_that_never_closes_costs_one_line(tmp_path: Path) -> None:
    """Although a reader of CSV takes the rest of the file into that cell."""
    path = write_runs(tmp_path / "runs.csv", {"notes": ""}, {"notes": ""})
    first, second, third = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([first, f'{second}"open', third]), encoding="utf-8")
    found = read_measurements(path)
    assert told(found) == ["runs.csv:2: a quote is not closed"]
    assert [row.id for row in found.rows] == ["run-2-mem"]


def test_cells_may_have_several_lines(tmp_path: Path) -> None:
    """A row is placed where it begins."""
    found = read(tmp_path, {"notes": "one\ntwo"}, {"micro_batch": "x"})
    assert found.rows[0].notes == "one\ntwo"
    assert [each.line for each in found.problems] == [4]


def test_columns_may_be_more_fewer_and_in_any_order(tmp_path: Path) -> None:
    """Unknown ones are named; missing ones are told and count as blank."""
    names = [column.name for column in COLUMNS if column.name not in ("notes", "compile")]
    order = [*reversed(names), "colour"]
    cells = {**RUN, "colour": "red"}
    path = tmp_path / "runs.csv"
    path.write_text("\n".join([",".join(order), ",".join(cells[name] for name in order)]), encoding="utf-8")
    found = read_measurements(path)
    assert found.ignored == ("colour",)
    assert told(found) == ["runs.csv:1: the header lacks compile, notes"]
    assert (found.rows[0].id, found.rows[0].notes) == ("run-1-mem", "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"\xff\n", "the header is not UTF-8 text"),
        (b"model,gpu\na,b\n", "the header has no column id"),
        (b"id,model,id\n", 'the header has the column "id" twice'),
        (b"id" + b"," * table.MOST_BYTES, "larger than 32 MiB"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """In one sentence that names the file."""
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^\S+runs\.csv(:1)?: ") as refusal:
        read_measurements(path)
    assert message in str(refusal.value)


def test_missing_files_and_directories_are_refused(tmp_path: Path) -> None:
    """With the files that are there."""
    write_runs(tmp_path / "runs.csv", {})
    with pytest.raises(InputError, match=r'no such file. Did you mean "runs.csv"'):
        read_measurements(tmp_path / "run.csv")
    with pytest.raises(InputError, match="a directory, not a file"):
        read_measurements(tmp_path)


@given(st.lists(st.text(alphabet=st.sampled_from('ab",\n\r;0 é\x00'), max_size=30), max_size=6))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """No content makes the reader fail otherwise, and every line after the header is accounted for."""
    path = tmp_path_factory.mktemp("fuzz") / "runs.csv"
    path.write_text("id,model,gpu\n" + "\n".join(lines), encoding="utf-8", newline="")
    try:
        found = read_measurements(path)
    except InputError:
        return
    assert all(each.reason for each in found.skipped)
    assert not found.rows
