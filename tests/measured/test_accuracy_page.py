"""The published runs: they are all predicted, and docs/accuracy.md says how well."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree

import pytest
from measured_files import ROOT, published_runs

from planner.catalog import load_catalog
from planner.measured.columns import PEAKS
from planner.measured.left_out import LeftOut, left_out
from planner.report.accuracy import accuracy_report

NAME = "accuracy.md"
PLOTS = [f"accuracy-{quantity}.svg" for quantity in ("allocated", "reserved", "process", "speed")]
SPEED_ONLY = {"llm-foundry", "nanotron", "dgxc", "llmq", "xtuner"}
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def report() -> dict[str, str]:
    """File name -> text, as `planner validate --report docs/accuracy.md` writes them."""
    return accuracy_report(published_runs(), load_catalog().speeds, load_catalog().spreads, NAME)


@pytest.mark.parametrize("name", [NAME, *PLOTS])
def test_the_page_is_what_the_planner_writes(name: str, report: dict[str, str], updating: bool) -> None:
    """No figure in it, and no dot, is edited by hand."""
    file = ROOT / "docs" / name
    if updating:
        file.write_text(report[name], encoding="utf-8")
    assert report[name] == file.read_text(encoding="utf-8"), "run pytest --update-golden if the change is wanted"


def test_the_page_shows_every_plot(report: dict[str, str]) -> None:
    """By name, and none is written that it does not show."""
    assert set(report) == {NAME, *PLOTS}
    assert all(f"]({plot})" in report[NAME] for plot in PLOTS)


def test_a_plot_has_a_dot_for_every_run(report: dict[str, str]) -> None:
    """Inside the field, each source in its colour and named with its number of runs."""
    speeds = [each for each in published_runs().comparisons if each.quantity == "tokens_per_second_per_gpu"]
    root = ElementTree.fromstring(report["accuracy-speed.svg"])
    groups = root.findall(f"{SVG}g")
    sources = {each.row.source for each in speeds}
    assert len(groups) == len({group.get("fill") for group in groups}) == len(sources)
    assert sum(len(group) for group in groups) == len(speeds)
    field = next(each for each in root.findall(f"{SVG}rect") if each.get("class") == "frame")
    left, side = float(field.attrib["x"]), float(field.attrib["width"])
    assert all(left <= float(dot.attrib["cx"]) <= left + side for group in groups for dot in group)
    texts = [each.text or "" for each in root.findall(f"{SVG}text")]
    for source in sources:
        count = sum(each.row.source == source for each in speeds)
        assert f"{source} ({count})" in texts


def test_the_figures_of_the_time_model_are_shown(report: dict[str, str]) -> None:
    """Errors on sources left out, every figure, and every GPU with its source."""
    speeds = load_catalog().speeds
    text = report[NAME].replace("\\", "")
    for errors in speeds.validation:
        cells = f"{errors.in_sample_median:.1%} | {errors.in_sample_p90:.1%} | {errors.left_out_median:.1%}"
        assert f"| {errors.source} | {errors.runs} | {cells} | {errors.left_out_p90:.1%} |" in text
    for name, figure in speeds.figures.items():
        assert f"| {name} | {figure.value:g} |" in text
    for gpu in speeds.gpus:
        assert f"| {gpu.gpu} | {gpu.matmul_fraction:g} |" in text


def test_intervals_hold_on_sources_that_they_were_not_made_from(report: dict[str, str]) -> None:
    """Source by source left out, 85 to 95% are inside; no run out of memory is said to fit. The page says so."""
    found = left_out(published_runs(), load_catalog().spreads)
    assert {each.source for each in found} == {each.row.source for each in published_runs().comparisons} - SPEED_ONLY
    for quantity in PEAKS:
        inside, rows = (sum(counts[quantity] for counts in each) for each in zip(*map(counted, found), strict=True))
        assert 0.85 <= inside / rows <= 0.95
        assert f" {inside} of {rows} |" in report[NAME]
    assert not sum(each.verdicts["oom", True] for each in found)
    assert sum(each.verdicts["ok", False] for each in found) <= 11


def counted(each: LeftOut) -> tuple[Counter[str], Counter[str]]:
    """Inside, and all."""
    return each.inside, each.rows


def test_no_published_run_is_left_out() -> None:
    """Every row is predicted or skipped with a reason, and none is wrong."""
    published = published_runs()
    assert published.problems == ()
    assert len(published.runs) + len(published.skipped) == 278 + 447


def test_intervals_enclose_predictions() -> None:
    """Every peak has its interval, and levels are in order."""
    published = published_runs()
    for run in published.runs:
        levels = [run.prediction.quantities[f"peak_{level}_gib"] for level in ("allocated", "reserved", "process")]
        assert all(each.low is not None and each.high is not None for each in levels)
        assert all((each.low or 0) <= each.value <= (each.high or 0) for each in levels)
        assert [each.value for each in levels] == sorted(each.value for each in levels)
        assert [each.low or 0 for each in levels] == sorted(each.low or 0 for each in levels)
        assert 0 <= run.prediction.fit_probability <= 1
