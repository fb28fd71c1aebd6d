"""Everything about how one answer depends on its limits and prices."""

from __future__ import annotations

import time
from collections.abc import Iterator

from planner.solver.search import Proof
from planner.solver.sensitivity.answer import LimitEffect, PriceEffect, Sensitivity
from planner.solver.sensitivity.limits import Budget, Deadline, GpuMemory, Gpus, Limit, OomRisk
from planner.solver.sensitivity.prices import price_effects
from planner.solver.sensitivity.reach import reaches
from planner.solver.sensitivity.search import Searches
from planner.solver.sensitivity.staircase import limit_effect
from planner.solver.session import Progress, Solver
from planner.solver.solve import solve
from planner.solver.world import World

KINDS: tuple[type[Limit], ...] = (Deadline, Budget, Gpus, GpuMemory, OomRisk)


def sensitivity(
    world: World, *, seconds: float = 600.0, workers: int = 1, progress: Progress | None = None
) -> Sensitivity:
    """How the best plan of a scenario depends on its limits and prices, and how far the plan itself reaches.

    `seconds` bounds the whole search: what is not proved by then says so, and what there was no time for is named.
    """
    started = time.monotonic()
    answer = solve(world, seconds=seconds, workers=workers, progress=progress)
    best, proof = answer.best, Proof(proved=answer.proof.proved)
    if best is None:
        return Sensitivity(world, answer, proof)
    teller = _Teller(progress)
    solver = Solver(world, max(0.0, seconds - (time.monotonic() - started)), workers, teller)
    searches = Searches(solver, proof)
    limits: list[LimitEffect] = []
    prices: list[PriceEffect] = []
    missing: list[str] = []
    for limit in _limits(searches):
        teller.begin(limit.key)
        if solver.left() > 0:
            limits.append(limit_effect(limit, best))
        else:
            missing.append(limit.key)
    for name, find in price_effects(searches, answer):
        teller.begin(name)
        if solver.left() > 0:
            prices.append(find())
        else:
            missing.append(name)
    proof.proved = proof.proved and not missing
    proof.seconds = time.monotonic() - started
    return Sensitivity(world, answer, proof, tuple(limits), tuple(prices), tuple(reaches(world, best)), tuple(missing))


def _limits(searches: Searches) -> Iterator[Limit]:
    """The limits that can matter: time where money is minimised, money where time is, and all that are given."""
    minimised = {"cost": "budget", "time": "deadline"}.get(searches.objective)
    for kind in KINDS:
        limit = kind(searches)
        if limit.current is not None or limit.key != minimised:
            yield limit


class _Teller:
    """Passes on what the solver says, behind what is looked at."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.subject = ""

    def begin(self, subject: str) -> None:
        """Look at another limit or price."""
        self.subject = subject
        self("")

    def __call__(self, text: str) -> None:
        """One line."""
        if self.progress is not None:
            self.progress(f"{self.subject}: {text}" if text else self.subject)
