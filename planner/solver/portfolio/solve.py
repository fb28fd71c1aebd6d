"""Solves a portfolio: the proved best mix, the two simple strategies beside it, and what would change the decision."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from planner.catalog import Catalog
from planner.scenario.portfolio import Portfolio
from planner.solver.portfolio.answer import (
    CaseOutcome,
    PortfolioAnswer,
    PortfolioProof,
    Strategy,
    StrategyName,
    Threshold,
)
from planner.solver.portfolio.concurrency import Crowd
from planner.solver.portfolio.economics import break_evens, rent_spread
from planner.solver.portfolio.infeasible import conflict_of
from planner.solver.portfolio.job_plans import JobPlans
from planner.solver.portfolio.model import Effort, Rules, Solution, Status, payments_of, solve_problem
from planner.solver.portfolio.payments import EXPECTED, Case
from planner.solver.portfolio.problem import Builder, Problem
from planner.solver.portfolio.thresholds import enclosed_thresholds, price_thresholds
from planner.solver.session import Progress

GAP = 1e-4
"""Share of the cost below which answers count as equally good, as between single plans."""
QUESTION = Effort(deterministic_seconds=0.5, rounds=6)
"""Of one answer on the way to a threshold: a hard one leaves the threshold open instead of using up the time."""
RULES: dict[StrategyName, Rules] = {
    "all rented": Rules(buy=False, keep=False),
    "all bought": Rules(rent=False, reserve=False),
    "best mix": Rules(),
}


@dataclass
class PortfolioSolver:
    """One portfolio being solved: plans and problems are worked out once for all questions."""

    portfolio: Portfolio
    catalog: Catalog
    seconds: float = 60.0
    workers: int = 1
    gap: float = GAP
    progress: Progress | None = None
    models: int = 0
    branches: int = 0
    _problems: dict[Case, Problem] = field(default_factory=dict)
    _crowds: dict[tuple[float, bool], list[Crowd]] = field(default_factory=dict)
    """What cannot be done at once, by what makes it so: whether runs are longer, and whether there are more of them."""

    def __post_init__(self) -> None:
        self.started = time.monotonic()

    @cached_property
    def plans(self) -> JobPlans:
        """Proved plans of the jobs."""
        return JobPlans(self.portfolio, self.catalog, self.seconds, self.workers, self.progress)

    def left(self) -> float:
        """Seconds left of the time limit."""
        return max(0.01, self.seconds - (time.monotonic() - self.started))

    def report(self, text: str) -> None:
        """Say what is being done, if anyone listens."""
        if self.progress is not None:
            self.progress(text)

    def problem(self, case: Case = EXPECTED) -> Problem:
        """The problem in a case."""
        key = replace(case, name="")
        if key not in self._problems:
            self._problems[key] = Builder(self.portfolio, self.plans, case).problem()
        return self._problems[key]

    def solve(
        self, rules: Rules, case: Case = EXPECTED, hint: Solution | None = None, effort: Effort | None = None
    ) -> Solution:
        """The best solution under some rules in a case."""
        found = solve_problem(
            self.problem(case),
            rules,
            seconds=self.left(),
            workers=self.workers,
            gap=self.gap,
            hint=hint,
            effort=effort,
            known=self._crowds.setdefault((case.hours_reach, case.runs > 1), []),
        )
        self.models += found.rounds
        self.branches += found.branches
        return found

    def price(self, solution: Solution, case: Case) -> Decimal:
        """What a solution would cost in another case."""
        problem = self.problem(case)
        payments = payments_of(problem, solution.choices, solution.stays)
        return sum(map(problem.prices.present_value, payments), Decimal(0))


def solve_portfolio(
    portfolio: Portfolio,
    catalog: Catalog,
    *,
    seconds: float = 60.0,
    workers: int = 1,
    gap: float = GAP,
    explain: bool = True,
    progress: Progress | None = None,
) -> PortfolioAnswer:
    """The answer to a portfolio; without `explain` only the strategies and the proof.

    `seconds` bounds the whole search; `gap` is the share of the cost by which an answer that counts as optimal may be
    worse than the best one.
    """
    return answered(PortfolioSolver(portfolio, catalog, seconds, workers, gap, progress), explain)


def answered(solver: PortfolioSolver, explain: bool) -> PortfolioAnswer:
    """The answer of a solver."""
    solver.report("all rented")
    rented = Strategy("all rented", solver.solve(RULES["all rented"]))
    hint = rented.solution if rented.solution.choices else None
    solver.report("best mix")
    best = Strategy("best mix", solver.solve(RULES["best mix"], hint=hint))
    if not best.solution.choices and hint is not None and best.solution.status == "unknown":
        best = Strategy("best mix", replace(rented.solution, status="feasible", bound=float("-inf")))
    solver.report("all bought")
    bought = Strategy("all bought", solver.solve(RULES["all bought"]))
    answer = PortfolioAnswer(
        portfolio=solver.portfolio,
        catalog=solver.catalog,
        status=_status(best.solution, proved=solver.plans.proof.proved),
        best=best if best.solution.choices else None,
        strategies=(rented, bought, best),
        proof=_proof(solver, best),
    )
    if answer.best is None:
        conflict = conflict_of(solver.problem(), solver.plans) if answer.status == "infeasible" else None
        return replace(answer, conflict=conflict)
    if not explain:
        return answer
    answer = replace(
        answer,
        break_even=tuple(break_evens(solver.problem(), best.solution, solver.plans)),
        thresholds=tuple(_thresholds(solver, best.solution)),
        outcomes=tuple(_outcomes(solver, answer.strategies)),
    )
    return replace(answer, proof=_proof(solver, best))


def _status(found: Solution, *, proved: bool) -> Status:
    """What is known; if the plans of single jobs are not all `proved`, that they are the best ones or none is not."""
    if proved:
        return found.status
    return "feasible" if found.choices else "unknown"


def _proof(solver: PortfolioSolver, best: Strategy) -> PortfolioProof:
    cost = best.net_present_cost or Decimal(0)
    bound = Decimal(repr(min(best.solution.bound - best.solution.rounding, float(cost))))
    gap = float((cost - bound) / abs(cost)) if cost else 0.0
    problem = solver.problem()
    return PortfolioProof(
        bound=bound,
        gap=gap,
        plans=solver.plans.count,
        choices=len(problem.choices),
        stays=len(problem.stays),
        models=solver.models,
        branches=solver.branches,
        seconds=time.monotonic() - solver.started,
        rounding=Decimal(repr(best.solution.rounding)),
    )


def _thresholds(solver: PortfolioSolver, today: Solution) -> Iterator[Threshold]:
    """What changes the decision, thing by thing."""
    if today.status != "optimal":
        return

    def solve(case: Case) -> Solution:
        solver.report(f"what changes the decision: {case.name}")
        return solver.solve(Rules(), case, hint=today, effort=QUESTION)

    yield from price_thresholds("rents", today, solve, solver.price)
    yield from enclosed_thresholds("runs", today, solve)
    if solver.portfolio.buyable or solver.portfolio.owned:
        yield from enclosed_thresholds("resale", today, solve)
        yield from price_thresholds("electricity", today, solve, solver.price)
    if solver.portfolio.buyable:
        yield from price_thresholds("purchases", today, solve, solver.price)


def cases(solver: PortfolioSolver, rented: Solution) -> Iterator[Case]:
    """What may come instead of what is expected, the two ends of one uncertainty after each other."""
    yield EXPECTED
    yield Case("every run takes as long as 1 in 20 does", hours_reach=1)
    yield Case("every run is as fast as 1 in 20 is", hours_reach=-1)
    spread = rent_spread(rented, solver.catalog)
    if spread > 1:
        yield Case("rents are high", rents=Decimal(repr(round(spread, 4))))
        yield Case("rents are low", rents=Decimal(repr(round(1 / spread, 4))))
    if solver.portfolio.buyable or solver.portfolio.owned:
        yield Case("machines are dear and bring little", purchases_at=1, resale_at=-1)
        yield Case("machines are cheap and bring much", purchases_at=-1, resale_at=1)


def _outcomes(solver: PortfolioSolver, strategies: tuple[Strategy, ...]) -> Iterator[CaseOutcome]:
    rented = next(each for each in strategies if each.name == "all rented")
    for case in cases(solver, rented.solution):
        solver.report(f"if {case.name}")
        costs: dict[StrategyName, Decimal | None] = {}
        statuses: set[Status] = set()
        hint: Solution | None = None
        for strategy in strategies:
            found = strategy.solution
            if found.choices and case != EXPECTED:
                found = solver.solve(Rules(stays=found.stays), case)
            costs[strategy.name] = Strategy(strategy.name, found).net_present_cost
            statuses.add(found.status)
            hint = found if found.choices else hint
        free = solver.solve(Rules(), case, hint=hint) if case != EXPECTED else strategies[-1].solution
        known = [cost for cost in (Strategy("best mix", free).net_present_cost, *costs.values()) if cost is not None]
        proved = statuses | {free.status} <= {"optimal", "infeasible"}
        yield CaseOutcome(case, min(known, default=None), costs, proved)
