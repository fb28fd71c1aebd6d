"""A portfolio of one job on real offers: what `planner solve` says of that job alone."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.scenario.portfolio_read import portfolio_in
from planner.scenario.read import scenario_in
from planner.scenario.yaml_lines import parse_yaml
from planner.solver.portfolio.payments import to_cent
from planner.solver.portfolio.solve import solve_portfolio
from planner.solver.solve import solve
from planner.solver.world import World

JOB = "model: meta-llama/Llama-3.1-8B, data: {tokens: 300M}, sequence_length: 2048, global_batch: 16"
SEARCH = """
as_of: 2026-11-23
search: {method: lora, optimizer: adamw, gpu: [RTX A6000, L40S, H100 SXM], max_gpus: 4}
"""
CASES = (
    pytest.param("2 days", "", "optimal", id="time enough"),
    pytest.param("8 h", "", "optimal", id="in a hurry"),
    pytest.param("8 h", ", tax: 19%", "optimal", id="with tax"),
    pytest.param("10 minutes", "", "infeasible", id="too late"),
)
STEP = Decimal("0.001")
"""Single plans are compared in steps of about this share of their cost; which ones tie depends on the tax."""


@pytest.mark.parametrize(("within", "tax", "status"), CASES)
def test_one_job_without_purchases_is_that_job_alone(within: str, tax: str, status: str) -> None:
    """The same plan and the same cost to the cent; infeasible where the job alone is."""
    catalog = load_catalog()
    alone = f"job: {{{JOB}}}\nlimits: {{deadline: {within}}}\nmoney: {{currency: USD{tax}}}{SEARCH}"
    together = (
        f"jobs: [{{name: a, {JOB}, within: {within}}}]\nhorizon: 1 month\n"
        f"money: {{currency: USD, discount_rate: 0%/year{tax}}}{SEARCH}"
    )
    scenario = scenario_in(parse_yaml(alone, "a.yaml"), folder=Path(), catalog=catalog)
    portfolio = portfolio_in(parse_yaml(together, "p.yaml"), folder=Path(), catalog=catalog)
    single = solve(World(scenario, catalog), explain=False)
    answer = solve_portfolio(portfolio, catalog, explain=False)
    assert answer.status == single.status == status
    assert (answer.best is None) == (single.best is None)
    if answer.best is None or single.best is None:
        return
    (choice,) = answer.best.solution.chosen
    plan, cost = choice.plan.plan, single.best.estimate.cost
    assert (plan.offer, plan.gpus) == (single.best.plan.offer, single.best.plan.gpus)
    if tax:
        assert answer.best.net_present_cost is not None
        assert abs(answer.best.net_present_cost - cost) <= Decimal("0.005") + STEP * cost
    else:
        assert plan == single.best.plan
        assert answer.best.net_present_cost == to_cent(cost)
        assert choice.hours == pytest.approx(single.best.estimate.hours)


def test_without_time_nothing_is_known_of_a_job() -> None:
    """Plans that no time is left for are not called impossible."""
    catalog = load_catalog()
    together = f"jobs: [{{name: a, {JOB}, within: 2 days}}]\nhorizon: 1 month{SEARCH}"
    portfolio = portfolio_in(parse_yaml(together, "p.yaml"), folder=Path(), catalog=catalog)
    answer = solve_portfolio(portfolio, catalog, seconds=0.0)
    assert (answer.status, answer.best, answer.conflict) == ("unknown", None, None)
