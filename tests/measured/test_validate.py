"""Predictions beside measurements: errors, verdicts, what is skipped, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from measured_files import predict_by_batch, write_runs, write_shapes
from rich.cells import cell_len

from planner.catalog import Architecture, Catalog, load_catalog
from planner.errors import InputError
from planner.measured.left_out import left_out
from planner.measured.row import MeasuredRow
from planner.measured.run import InexpressibleError
from planner.measured.summary import (
    Ordering,
    confusion,
    errors_of,
    ordering_of,
    quantity_errors,
    skipped_by_reason,
    wrong_verdicts,
)
from planner.measured.validate import Prediction, Validation, validate_files, worst
from planner.report.accuracy import accuracy_report
from planner.report.validation import validation_page
from planner.report.validation_document import validation_document, validation_json_schema

CATALOG = load_catalog()
OOM = {"peak_allocated_gib": "", "outcome": "oom"}
SPEED = {"peak_allocated_gib": "", "tokens_per_second_per_gpu": "500"}


def predict(row: MeasuredRow, catalog: Catalog, models: Mapping[str, Architecture]) -> Prediction:
    """As `predict_by_batch`, but one GPU cannot be said."""
    if row.gpu == "abacus":
        raise InexpressibleError("the GPU abacus is not in the catalog")
    return predict_by_batch(row, catalog, models)


def accuracy_page(validation: Validation) -> str:
    """The Markdown page."""
    return accuracy_report(validation, CATALOG.speeds, CATALOG.spreads, "page.md")["page.md"]


def validated(*paths: Path, architectures: Path | None = None) -> Validation:
    """The files, predicted by batch."""
    return validate_files(paths, CATALOG, architectures=architectures, predictor=predict)


@pytest.fixture
def mixed(tmp_path: Path) -> Validation:
    """Three good rows, one out of memory, a speed, one that cannot be said and one that is wrong."""
    batch = {"global_batch": ""}
    return validated(
        write_runs(
            tmp_path / "runs.csv",
            {"peak_process_gib": "10", "peak_reserved_gib": "10"},
            {"micro_batch": "2", "source": "elsewhere|x", "assumed": "peak_allocated_gib", **batch},
            {"micro_batch": "6", "peak_allocated_gib": "12", "notes": "*odd* data", **batch},
            {**OOM, "assumed": "outcome", "notes": "no figure printed: out of memory presumed"},
            {"id": "run-5-thr", **SPEED},
            {"gpu": "abacus"},
            {"micro_batch": "0"},
        )
    )


def test_errors_are_relative_to_what_was_measured(mixed: Validation) -> None:
    """Each measured quantity of each run has one, in the order of the file."""
    found = [(each.row.id, each.quantity, round(each.error_fraction, 9)) for each in mixed.comparisons]
    assert found == [
        ("run-1-mem", "peak_allocated_gib", 0.0),
        ("run-1-mem", "peak_reserved_gib", 0.1),
        ("run-1-mem", "peak_process_gib", 0.2),
        ("run-2-mem", "peak_allocated_gib", -0.5),
        ("run-3-mem", "peak_allocated_gib", 0.25),
        ("run-5-thr", "tokens_per_second_per_gpu", -0.2),
    ]
    assert [each.inside for each in mixed.comparisons] == [True, True, False, False, False, None]


def test_statistics_of_errors(mixed: Validation) -> None:
    """Of 0, -50% and +25%: median 25%, mean 25%, p90 45%, bias 0, one of three inside."""
    errors = errors_of(each for each in mixed.comparisons if each.quantity == "peak_allocated_gib")
    assert (errors.rows, errors.median, errors.mean, errors.worst, errors.bias) == (3, 0.25, 0.25, 0.5, 0.0)
    assert errors.p90 == pytest.approx(0.45)
    assert errors.inside == pytest.approx(1 / 3)
    assert errors.reach == pytest.approx((1.1 / 0.9) ** 0.5)


def test_order_of_pairs(mixed: Validation, tmp_path: Path) -> None:
    """Only pairs of one source count, whose measured values are more than 10% apart; a tie is a wrong order."""
    assert [each.ordering for each in quantity_errors(mixed)] == [Ordering(1, 1), *[Ordering(0, 0)] * 3]
    speeds = [("1", "100"), ("2", "109"), ("4", "90"), ("4", "300")]
    changes = [
        {**SPEED, "tokens_per_second_per_gpu": speed, "micro_batch": batch, "global_batch": ""}
        for batch, speed in speeds
    ]
    found = ordering_of(validated(write_runs(tmp_path / "speeds.csv", *changes)).comparisons)
    assert found == Ordering(pairs=5, right=2)
    assert found.fraction == 0.4


def test_groups_are_those_of_the_rows(mixed: Validation) -> None:
    """By source, stack, method and GPU, each quantity for itself; groups add up to the whole."""
    allocated, *others = quantity_errors(mixed)
    assert {name: errors.rows for name, errors in allocated.groups["source"].items()} == {
        "somewhere": 2,
        "elsewhere|x": 1,
    }
    assert [each.quantity for each in others] == ["peak_reserved_gib", "peak_process_gib", "tokens_per_second_per_gpu"]
    for groups in allocated.groups.values():
        assert sum(errors.rows for errors in groups.values()) == allocated.overall.rows


def test_every_row_about_memory_has_a_verdict(mixed: Validation) -> None:
    """Not the speed; the confusion counts them, and names the wrong ones with the dangerous ones first."""
    assert [run.row.id for run in mixed.verdicts] == ["run-1-mem", "run-2-mem", "run-3-mem", "run-4-mem"]
    counts = confusion(mixed.verdicts)
    assert (counts.ok_fits, counts.ok_not, counts.oom_fits, counts.oom_not) == (2, 1, 1, 0)
    assert [run.row.id for run in wrong_verdicts(mixed.verdicts)] == ["run-4-mem", "run-3-mem"]


@pytest.mark.parametrize(
    ("changes", "has"),
    [
        ({"id": "a-thr", **SPEED}, False),
        ({"id": "a-mem", **SPEED}, True),
        ({"id": "a-thr", "tokens_per_second_per_gpu": "5"}, True),
        ({"id": "a-thr", **OOM}, True),
        ({"id": "a", "peak_allocated_gib": ""}, True),
    ],
)
def test_which_rows_have_a_verdict(tmp_path: Path, changes: dict[str, str], has: bool) -> None:
    """Those of memory files, with a peak, out of memory, or with nothing but an outcome."""
    assert bool(validated(write_runs(tmp_path / "runs.csv", changes)).verdicts) is has


def test_nothing_is_skipped_in_silence(mixed: Validation) -> None:
    """Rows and skipped rows are all rows of the file; each skipped one has its reason."""
    assert len(mixed.runs) + len(mixed.skipped) == 7
    reasons = skipped_by_reason(mixed)
    assert reasons.pop("the GPU abacus is not in the catalog") == ["run-6-mem"]
    assert reasons == {'malformed: micro_batch: expected a whole number of at least 1, found "0"': ["run-7-mem"]}


def test_the_worst_runs_come_first_and_once(mixed: Validation) -> None:
    """By their worst quantity."""
    assert [(each.row.id, each.quantity) for each in worst(mixed.comparisons, 3)] == [
        ("run-2-mem", "peak_allocated_gib"),
        ("run-3-mem", "peak_allocated_gib"),
        ("run-1-mem", "peak_process_gib"),
    ]


def test_a_peak_has_the_terms_of_its_level(mixed: Validation) -> None:
    """The context counts for the process only."""
    terms = {each.quantity: each.peak_terms for each in mixed.comparisons[:3]}
    assert terms["peak_allocated_gib"] == ("forward", {"weights": 2.5 * 2**30, "activations": 7.5 * 2**30})
    assert terms["peak_process_gib"][1]["context"] == 2**30


def test_models_are_found_beside_the_file_or_where_told(tmp_path: Path) -> None:
    """An unknown one is told with line and column, and the rest is compared."""
    runs = write_runs(tmp_path / "runs.csv", {"model": "own/model"}, {})
    alone = validated(runs)
    assert [str(each) for each in alone.problems] == [
        f'{runs}:2 column model: no architecture is known of "own/model". Describe it in a file for --architectures'
    ]
    assert [run.row.id for run in alone.runs] == ["run-2-mem"]
    elsewhere = tmp_path / "models"
    elsewhere.mkdir()
    assert len(validated(runs, architectures=write_shapes(elsewhere / "shapes.csv", {})).runs) == 2
    write_shapes(tmp_path / "architectures.csv", {})
    assert len(validated(runs).runs) == 2


def test_a_wrong_architecture_costs_its_rows_only(tmp_path: Path) -> None:
    """It is told once, however many rows and files use it."""
    shapes = write_shapes(tmp_path / "architectures.csv", {"vocab": "0"})
    first = write_runs(tmp_path / "a.csv", {"model": "own/model"}, {})
    second = write_runs(tmp_path / "b.csv", {"id": "b-1-mem", "model": "own/model"})
    found = validated(first, second)
    assert [(each.file, each.line, each.path) for each in found.problems] == [(str(shapes), 2, "vocab")]
    assert [each.reason for each in found.skipped] == [f"malformed architecture: {shapes}:2"] * 2
    assert len(found.runs) == 1


def test_several_files_are_one_comparison(tmp_path: Path) -> None:
    """An id of another file is told, a file that cannot be read does not end it, other columns are named."""
    first, second = write_runs(tmp_path / "a.csv", {}), write_runs(tmp_path / "b.csv", {}, {})
    second.write_text(second.read_text(encoding="utf-8").replace("\n", ",\n").replace("notes,", "notes,more", 1))
    found = validated(first, tmp_path / "nowhere.csv", second)
    assert found.files == (str(first), str(second))
    assert [str(each) for each in found.problems][1:] == [f"{second}:2 column id: is also the id of {first}:2"]
    assert "nowhere.csv: no such file" in str(found.problems[0])
    assert found.ignored == {str(second): ("more",)}
    assert [run.row.id for run in found.runs] == ["run-1-mem", "run-2-mem"]


def test_an_unusable_architectures_file_ends_it(tmp_path: Path) -> None:
    """Without the models there is nothing to compare."""
    with pytest.raises(InputError, match="no such file"):
        validated(write_runs(tmp_path / "a.csv", {}), architectures=tmp_path / "nowhere.csv")


def test_the_document_is_that_of_its_schema(mixed: Validation) -> None:
    """Every figure of the comparison, in the order of the file."""
    document = json.loads(json.dumps(validation_document(mixed), allow_nan=False))
    Draft202012Validator.check_schema(validation_json_schema())
    Draft202012Validator(validation_json_schema()).validate(document)
    assert document["rows"][1] == {
        "id": "run-1-mem",
        "quantity": "peak_reserved_gib",
        "measured": 10.0,
        "predicted": pytest.approx(11.0),
        "low": pytest.approx(9.9),
        "high": pytest.approx(12.1),
        "error_fraction": pytest.approx(0.1),
    }
    assert document["rows"][-1]["low"] is None
    assert document["verdicts"][3] == {"id": "run-4-mem", "outcome": "oom", "fits": True, "probability": 1.0}
    assert [each["id"] for each in document["skipped"]] == ["run-6-mem", "run-7-mem"]
    assert document["summary"]["verdicts"] == {"ok_fits": 2, "ok_not": 1, "oom_fits": 1, "oom_not": 0}
    allocated = document["summary"]["quantities"]["peak_allocated_gib"]
    assert allocated["overall"]["median_error_fraction"] == 0.25
    assert allocated["by_source"]["elsewhere|x"]["rows"] == 1
    assert allocated["ordering"] == {"pairs": 1, "right": 1, "right_fraction": 1.0}
    assert document["summary"]["quantities"]["tokens_per_second_per_gpu"]["ordering"]["right_fraction"] is None


def test_the_page_has_every_part(mixed: Validation) -> None:
    """Errors, verdicts, worst rows with their terms, skipped rows; no line is wider than the page."""
    text = validation_page(mixed, width=80).plain()
    assert text.startswith("5 runs predicted, 2 skipped:")
    lines = [line.split() for line in text.splitlines()]
    assert ["all", "3", "25.0%", "25.0%", "45.0%", "50.0%", "+0.0%", "33%"] in lines
    assert ["out", "of", "memory", "1", "0"] in lines
    assert "ran out of memory, said to fit with 100.0%: run-4-mem" in text
    assert "-50.0% run-2-mem: allocated memory 10.0 GiB measured, 5.0 predicted" in text
    assert "GiB in phase forward: activations 3.8, weights 1.2" in text
    assert "a step takes the longest of compute 2 s (linear), plus serial 500 ms (launch)" in " ".join(text.split())
    assert "90% interval: x/1.11 in the median" in text
    assert "order: 100.0% of 1 pair right" in " ".join(text.split())
    assert "1: the GPU abacus is not in the catalog\n     run-6-mem\n" in text
    assert all(cell_len(line) <= 80 for line in text.splitlines())


def test_the_markdown_page_explains_and_escapes(mixed: Validation) -> None:
    """The worst rows with what their row says, doubtful values with the reason, and nothing that Markdown would eat."""
    text = accuracy_page(mixed)
    assert "| elsewhere\\|x | 1 | 50.0% | 50.0% | 50.0% | 50.0% | -50.0% | 0% | x/1.11 |" in text
    assert "- the same run: reserved memory 10.0 GiB measured, 11.0 predicted (9.9 to 12.1), error +10.0%" in text
    assert "- notes of the row: \\*odd\\* data" in text
    assert "the largest, activations, is 75% of them; predicted - measured: +3.0 GiB" in text
    assert "| somewhere | outcome | 1 | presumed, not printed by the source; no figure printed: out of memory" in text
    assert "| elsewhere\\|x | peak\\_allocated\\_gib | 1 | GB of unknown size" in text
    assert "| 1 | the GPU abacus is not in the catalog | run-6-mem |" in text


@pytest.mark.parametrize("shown", [validation_page, accuracy_page, validation_document])
def test_nothing_measured_is_no_failure(tmp_path: Path, shown: Callable[[Validation], object]) -> None:
    """A file with a header and no rows gives an empty comparison."""
    assert shown(validated(write_runs(tmp_path / "runs.csv")))


def test_a_variant_of_a_gpu_has_the_memory_that_the_notes_name(tmp_path: Path) -> None:
    """The same share of it can be used."""
    notes = "a variant with 96 GB of memory"
    file = write_runs(tmp_path / "runs.csv", {"gpu": "H100 SXM"}, {"gpu": "H100 SXM", "notes": notes})
    usual, larger = (run.prediction.plan.gpu.memory_bytes for run in validate_files([file], CATALOG).runs)
    assert larger == pytest.approx(usual * 96 / 80, rel=1e-4)


def test_one_source_alone_has_nobody_to_judge_it(tmp_path: Path) -> None:
    """Two sources judge each other; a prediction that states no plan is left alone."""
    runs = write_runs(tmp_path / "runs.csv", {}, {"source": "elsewhere"})
    both = validate_files([runs], CATALOG)
    judged = left_out(both, CATALOG.spreads)
    assert [(each.source, each.rows["peak_allocated_gib"]) for each in judged] == [("somewhere", 1), ("elsewhere", 1)]
    assert left_out(validate_files([write_runs(tmp_path / "one.csv", {})], CATALOG), CATALOG.spreads) == []
    assert left_out(validate_files([runs], CATALOG, predictor=predict_by_batch), CATALOG.spreads) == []
