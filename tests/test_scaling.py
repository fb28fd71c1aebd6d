"""docs/scaling.md: more GPUs are faster, never more than in proportion, and never cheaper."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.scaling import COMMAND, JOBS, MOST_GPUS, Job, markdown, points
from planner.catalog import load_catalog

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scaling.md"


def test_the_page_is_what_the_command_prints(updating: bool) -> None:
    """And says by which command."""
    text = markdown(load_catalog())
    if updating:
        PAGE.write_text(text, encoding="utf-8")
    assert text == PAGE.read_text(encoding="utf-8"), "run pytest --update-golden if the change is wanted"
    assert COMMAND in text
    assert COMMAND in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stack)
def test_growth_is_monotone(job: Job) -> None:
    """Tokens per second grow with the GPUs, those per GPU never do, and no token gets cheaper."""
    every = list(points(job, load_catalog()))
    assert len(every) >= 7
    assert every[-1].plan.gpus == MOST_GPUS
    for fewer, more in pairwise(every):
        assert more.plan.gpus == 2 * fewer.plan.gpus
        assert more.found.tokens_per_second > fewer.found.tokens_per_second
        assert more.tokens_per_second_per_gpu <= fewer.tokens_per_second_per_gpu
        assert more.dollars_per_million_tokens >= fewer.dollars_per_million_tokens


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stack)
def test_every_gpu_has_the_same_tokens(job: Job) -> None:
    """The comparison is one of equal work."""
    shares = {each.workload.global_batch / each.plan.gpus for each in points(job, load_catalog())}
    assert len(shares) == 1
