"""The published runs: they are all predicted, and docs/accuracy.md says how well."""

from __future__ import annotations

from measured_files import ROOT, published_runs

from planner.report.accuracy import accuracy_markdown

PAGE = ROOT / "docs" / "accuracy.md"


def test_the_page_is_what_the_planner_writes(updating: bool) -> None:
    """No figure in it is edited by hand."""
    published = published_runs()
    text = accuracy_markdown(published)
    if updating:
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8"), "run pytest --update-golden if the change is wanted"


def test_no_published_run_is_left_out() -> None:
    """Every row is predicted or skipped with a reason, and none is wrong."""
    published = published_runs()
    assert published.problems == ()
    assert len(published.runs) + len(published.skipped) == 278


def test_intervals_enclose_predictions() -> None:
    """Every peak has its interval, and levels are in order."""
    published = published_runs()
    for run in published.runs:
        levels = [run.prediction.quantities[f"peak_{level}_gib"] for level in ("allocated", "reserved", "process")]
        assert all(each.low is not None and each.high is not None for each in levels)
        assert all((each.low or 0) <= each.value <= (each.high or 0) for each in levels)
        assert [each.value for each in levels] == sorted(each.value for each in levels)
        assert 0 <= run.prediction.fit_probability <= 1
