"""One scenario being solved: what all searches on its GPU types share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial

from planner.catalog import Gpu, Offer
from planner.solver.bounds import FamilyBounds, KnownBounds, family_bounds
from planner.solver.candidate import Candidate, Objective, amount_of
from planner.solver.offers import DroppedOffer, undominated
from planner.solver.search import MachineSearch, Proof
from planner.solver.world import World
from planner.units import Money, format_bytes, format_money, format_seconds

Progress = Callable[[str], None]


@dataclass
class Solver:
    """One scenario being solved: its bounds and its offers are worked out once for all searches."""

    world: World
    seconds: float = 60.0
    workers: int = 1
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.offers: dict[str, tuple[Offer, ...]] = {}
        self.dropped: list[DroppedOffer] = []
        self.known_bounds = KnownBounds()
        for gpu in self.world.gpus:
            kept, dropped = undominated(self.world, [offer for offer in self.world.offers if offer.gpu == gpu.name])
            self.offers[gpu.name] = kept
            self.dropped.extend(dropped)

    @cached_property
    def bounds(self) -> list[FamilyBounds]:
        """Bounds of all families, shared by all GPU types."""
        return family_bounds(self.world, self.known_bounds)

    @property
    def objective(self) -> Objective:
        """What the scenario prefers."""
        return self.world.scenario.prefer

    @cached_property
    def machines(self) -> dict[str, MachineSearch]:
        """The search on each GPU type for the scenario's own objective and limits."""
        return {gpu.name: self.machine(gpu) for gpu in self.world.gpus}

    def machine(self, gpu: Gpu, world: World | None = None, objective: Objective | None = None) -> MachineSearch:
        """A search on one GPU type, perhaps in a world with other limits or for another objective."""
        return MachineSearch(world or self.world, gpu, self.offers[gpu.name], self.bounds, objective or self.objective)

    def run(
        self,
        machine: MachineSearch,
        proof: Proof,
        *,
        method: str | None = None,
        cutoff: float = float("inf"),
        any_plan: bool = False,
    ) -> Candidate | None:
        """Solve a machine within the time that is left."""
        return machine.solve(
            proof,
            seconds=self.left(),
            workers=self.workers,
            method=method,
            cutoff=cutoff,
            any_plan=any_plan,
            listen=None if self.progress is None else partial(self._tell, machine),
        )

    def _tell(self, machine: MachineSearch, done: int, keys: int, best: Candidate | None, bound: float) -> None:
        """How far the search on a GPU type is."""
        shown = partial(_amount_text, objective=machine.objective, currency=machine.world.scenario.currency)
        known = "no plan yet" if best is None else f"best so far {shown(amount_of(best.estimate, machine.objective))}"
        offers = f"{len(machine.offers)} offer{'' if len(machine.offers) == 1 else 's'}"
        self.report(f"{machine.gpu.name}: {offers}, {done:,} of {keys:,} keys, {known}, bound {shown(bound)}")

    def left(self) -> float:
        """Seconds left of the time limit."""
        return max(0.0, self.seconds - (time.monotonic() - self.started))

    def of(self, world: World) -> Solver:
        """A solver of a related scenario that shares this one's time limit, and the bounds of the same job."""
        other = Solver(world, self.left(), self.workers, self.progress)
        if world.workload == self.world.workload:
            other.known_bounds = self.known_bounds
        return other

    def report(self, text: str) -> None:
        """Say what is being done, if anyone listens."""
        if self.progress is not None:
            self.progress(text)


def _amount_text(amount: float, objective: Objective, currency: str) -> str:
    """What is minimised, with its unit."""
    match objective:
        case "memory":
            return format_bytes(amount)
        case "time":
            return format_seconds(amount)
    return format_money(Money(Decimal(repr(amount)), currency))
