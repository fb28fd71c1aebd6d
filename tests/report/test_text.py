"""The report for people."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from answers import SCENARIO, feasible, in_yuan, infeasible, undecided, unproved
from rich.cells import cell_len

from planner.estimator.memory import PHASES
from planner.report.infeasible import pooling
from planner.report.memory import PHASE_TITLES
from planner.report.text import report
from planner.solver.answer import Answer
from planner.units import format_bytes

ANSWERS: dict[str, Callable[[], Answer]] = {
    "feasible": feasible,
    "infeasible": infeasible,
    "cny": in_yuan,
    "undecided": undecided,
    "unproved": unproved,
}


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("name", ANSWERS)
def test_reports_are_as_agreed(name: str, details: bool, check_golden: Callable[[str, str], None]) -> None:
    """Every line of the report of every sort of answer."""
    text = report(ANSWERS[name](), details=details).plain()
    check_golden(f"report_{name}{'_details' if details else ''}.txt", text)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
@pytest.mark.parametrize("name", ANSWERS)
def test_no_line_is_wider_than_the_page(name: str, width: int) -> None:
    """At any width, in cells, with and without details."""
    for details in (False, True):
        for line in report(ANSWERS[name](), details=details, width=width).lines:
            assert cell_len(line.plain) <= width


def test_reports_are_ascii_unless_asked() -> None:
    """A file or a pipe gets ASCII bars, a terminal gets blocks."""
    assert report(feasible()).plain().isascii()
    assert "█" in report(feasible(), ascii_only=False).plain()


def test_a_report_fits_a_screen_or_two() -> None:
    """At most 95 lines without details, eight of which name what is assumed."""
    assert len(report(feasible()).lines) <= 95


def test_user_text_is_never_markup() -> None:
    """Brackets in a provider's name are printed, and style nothing."""
    hostile = "[red]oops[/red] [link=x]"
    page = report(feasible(SCENARIO.replace("provider: hopper", f'provider: "{hostile}"')))
    assert f"from {hostile} (spot" in page.plain().replace("\n", " ")
    assert not any("link" in str(span.style) for line in page.lines for span in line.spans)


def test_control_characters_never_reach_the_terminal() -> None:
    """An offer whose name holds an escape sequence is printed without it."""
    answer = feasible()
    assert answer.best is not None
    offer = answer.best.plan.offer.model_copy(update={"provider": "a\x1b[31mb\nc"})
    candidate = replace(answer.best, plan=replace(answer.best.plan, offer=offer))
    text = report(replace(answer, best=candidate), details=True).plain()
    assert "a?[31mb c" in text
    assert "\x1b" not in text


def test_old_prices_are_flagged_where_they_decide() -> None:
    """121 days are too old, 29 are not."""
    assert "$2.40/GPU-h of 2026-03-01, 121 days old: STALE" in report(feasible()).plain()
    fresh = report(feasible(SCENARIO.replace("2026-03-01", "2026-06-01"))).plain()
    assert "STALE" not in fresh


def test_a_limit_binds_that_blocks_a_better_change() -> None:
    """Memory is used to 85%, but the cheaper plan with a larger micro-batch does not fit."""
    assert "Limits: GPU memory binds" in report(feasible()).plain()
    answer = feasible()
    free = replace(answer, changes=tuple(each for each in answer.changes if not each.broken))
    assert "Limits: none binds" in report(free).plain()


def test_the_cost_parts_add_up_in_cents() -> None:
    """7.52 = 0.75 + 6.69 + 0.08, whatever each part alone would round to."""
    assert "Cost: $7.52 = 0.75 start-up + 6.69 training + 0.08 saving" in report(feasible()).plain()


@pytest.mark.parametrize(
    ("sharding", "part"),
    [
        ("ddp", "with ddp every GPU keeps all weights"),
        ("zero1", "splits optimizer states, of which each GPU still holds"),
    ],
)
def test_why_memory_does_not_pool_is_said_in_figures(sharding: str, part: str) -> None:
    """Replicas share nothing; sharded states leave the rest on every GPU."""
    answer = infeasible()
    assert answer.conflict is not None
    candidate = answer.conflict.closest[0].candidate
    assert candidate is not None
    text = pooling(replace(candidate, plan=replace(candidate.plan, sharding=sharding)), answer.world)
    assert part in text
    assert format_bytes(2 * candidate.estimate.capacity_bytes) + " together" in text


def test_one_gpu_has_nothing_to_pool() -> None:
    """The sentence differs where the search allows more GPUs than the nearest plan uses."""
    answer = infeasible()
    assert answer.conflict is not None
    candidate = answer.conflict.closest[0].candidate
    assert candidate is not None
    single = replace(candidate, plan=replace(candidate.plan, gpus=1))
    assert pooling(single, answer.world).startswith("Of up to 2 GPUs this plan uses one")
    alone = replace(answer.world, scenario=answer.world.scenario.replace(max_gpus=1))
    assert pooling(single, alone).startswith("The search allows one GPU")


def test_every_phase_has_a_title() -> None:
    """In the order of the estimator."""
    assert list(PHASE_TITLES) == list(PHASES)


def test_many_gpu_types_are_shown_best_first() -> None:
    """The eight cheapest, then how many are left for --details."""
    answer = feasible()
    rival = answer.gpus[0]
    assert rival.candidate is not None
    many = []
    for number in range(12, 0, -1):
        estimate = replace(rival.candidate.estimate, cost_parts={"training": Decimal(10 + number)})
        many.append(replace(rival, value=f"GPU {number}", candidate=replace(rival.candidate, estimate=estimate)))
    text = report(replace(answer, gpus=tuple(many))).plain()
    assert re.findall(r"^  GPU (\d+) ", text, re.MULTILINE) == [str(number) for number in range(1, 9)]
    assert "5 more GPU types with --details" in text
    assert "more GPU types" not in report(replace(answer, gpus=tuple(many)), details=True).plain()
