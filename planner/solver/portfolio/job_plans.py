"""How a single job can be done: its proved best plans, rented by the hour or on the machines of a pool.

These are points of the job's Pareto frontier of cost (on a pool: GPU-hours) against time, one for each length of time
that some occurrence has. Each distinct job is planned once, and all its searches share their bounds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal

from planner.catalog import Catalog
from planner.decisions import Plan
from planner.estimator.estimate import Estimate
from planner.scenario.model import MoneyTerms, Scenario
from planner.scenario.portfolio import Portfolio, PortfolioJob
from planner.solver.portfolio.pools import Pool
from planner.solver.search import Proof
from planner.solver.session import Progress, Solver
from planner.solver.solve import best_plan
from planner.solver.world import World

POOLED_SHARE, RENTED_SHARE = 0.5, 0.8
"""Shares of the time limit after which no plans on pools, or by the hour, are looked for: choosing takes time too."""


@dataclass(frozen=True)
class JobPlan:
    """A proved plan of one job: rented (`pool` None), or on a pool, where only its hours and GPUs count."""

    pool: Pool | None
    plan: Plan
    estimate: Estimate

    @property
    def gpus(self) -> int:
        """GPUs at work at once."""
        return self.plan.gpus

    @property
    def hours(self) -> float:
        """Expected duration."""
        return self.estimate.seconds / 3600

    @property
    def counted_hours(self) -> float:
        """What a deadline counts: exceeded with 1 - the confidence asked for only."""
        return self.estimate.counted_seconds / 3600

    @property
    def gpu_hours(self) -> float:
        """Hours of single GPUs."""
        return self.gpus * self.hours

    @property
    def machines(self) -> int:
        """Machines of the pool that it needs at once."""
        return self.plan.nodes

    def rent(self, hours_factor: float = 1.0) -> Decimal:
        """What the run is billed if it takes so many times the expected hours, without tax; 0 on a pool."""
        if self.pool is not None:
            return Decimal(0)
        return self.estimate.charges.cost(self.estimate.seconds * hours_factor)


class JobPlans:
    """Plans of all jobs of a portfolio, worked out when they are first asked for, within `seconds` for all together."""

    def __init__(
        self,
        portfolio: Portfolio,
        catalog: Catalog,
        seconds: float = 600.0,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.portfolio, self.catalog = portfolio, catalog
        self.seconds, self.workers, self.progress = seconds, workers, progress
        self.started = time.monotonic()
        self.proof = Proof()
        self._first: dict[Scenario, Solver] = {}
        self._known: dict[tuple[Scenario, Pool | None, float, int], JobPlan | None] = {}

    @property
    def count(self) -> int:
        """Distinct plans that are known."""
        return len({id(plan) for plan in self._known.values() if plan is not None})

    def left(self) -> float:
        """Seconds left of the time limit."""
        return max(0.0, self.seconds - (time.monotonic() - self.started))

    def rented(self, job: PortfolioJob, within_hours: float) -> JobPlan | None:
        """The cheapest plan by the hour that ends in time; None if there is none."""
        return self._best(job, None, within_hours, job.scenario.search.max_gpus)

    def pooled(self, job: PortfolioJob, pool: Pool, within_hours: float) -> tuple[JobPlan, ...]:
        """Plans on a pool that end in time and that no other one beats in both GPU-hours and machines at once."""
        plans: list[JobPlan] = []
        if not job.scenario.search.allows("gpu", pool.gpu):
            return ()
        most = job.scenario.search.max_gpus if pool.is_networked else min(pool.gpus, job.scenario.search.max_gpus)
        while most >= 1:
            found = self._best(job, pool, within_hours, most)
            if found is None:
                break
            plans.append(found)
            if found.machines == 1:
                break
            most = (found.machines - 1) * pool.gpus
        return tuple(plans)

    def fastest_hours(self, job: PortfolioJob) -> float | None:
        """The shortest time in which the job surely ends, by the hour; None if it cannot be done at all."""
        world = World(_anonymous(job.scenario).replace(prefer="time"), self.catalog)
        found = best_plan(Solver(world, self.seconds, self.workers), self.proof)
        return None if found is None else found.estimate.counted_seconds / 3600

    def _best(self, job: PortfolioJob, pool: Pool | None, within_hours: float, most_gpus: int) -> JobPlan | None:
        """The best plan, which is also the best for less time or fewer GPUs as far as it keeps them."""
        scenario = _anonymous(job.scenario)
        key = scenario, pool, within_hours, most_gpus
        if key not in self._known:
            looser = (
                found
                for (other, place, hours, gpus), found in self._known.items()
                if (other, place) == (scenario, pool)
                and hours >= within_hours
                and gpus >= most_gpus
                and (found is None or (found.counted_hours <= within_hours and found.gpus <= most_gpus))
            )
            found = next(looser, None)
            share = RENTED_SHARE if pool is None else POOLED_SHARE
            if found is None and self.left() < (1 - share) * self.seconds:
                self.proof.proved = False
                return None
            self._known[key] = found or self._solve(scenario, pool, within_hours, most_gpus, job.name)
        return self._known[key]

    def _solve(
        self, scenario: Scenario, pool: Pool | None, within_hours: float, most_gpus: int, name: str
    ) -> JobPlan | None:
        if self.progress is not None:
            self.progress(f"{name}: {pool.name if pool else 'rented'}")
        asked = scenario.replace(deadline_seconds=within_hours * 3600)
        if pool is not None:
            asked = asked.replace(
                gpu=(pool.gpu,),
                provider=None,
                pricing=("on-demand",),
                offers=(pool.offer(self.portfolio),),
                catalog_offers=False,
                money=MoneyTerms(download="nothing"),
                currency=self.portfolio.currency,
            )
        # Not another `max_gpus`: all searches of a job share the bounds of its schedules.
        world = World(asked, self.catalog, most_gpus=most_gpus)
        first = self._first.get(scenario)
        solver = Solver(world, workers=self.workers) if first is None else first.of(world)
        solver.seconds = self.left()
        self._first.setdefault(scenario, solver)
        found = best_plan(solver, self.proof)
        return None if found is None else JobPlan(pool, found.plan, found.estimate)


def _anonymous(scenario: Scenario) -> Scenario:
    """The scenario without what does not change its plans, so that equal jobs are planned once."""
    return replace(scenario, name="", file="", notes=())
