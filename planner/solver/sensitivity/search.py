"""The searches behind a sensitivity: best plans in worlds that differ a little, and the least that a plan needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from planner.catalog import Gpu
from planner.estimator.uncertainty import slow_factor
from planner.solver.candidate import Candidate, Objective, Resolution, amount_of
from planner.solver.search import Proof
from planner.solver.session import Solver
from planner.solver.solve import best_plan
from planner.solver.world import World
from planner.units import Money


@dataclass
class Searches:
    """All searches of one scenario, which share bounds, time and the proof."""

    solver: Solver
    proof: Proof = field(default_factory=Proof)

    @property
    def world(self) -> World:
        """The scenario as it is."""
        return self.solver.world

    @property
    def objective(self) -> Objective:
        """What the scenario prefers."""
        return self.solver.objective

    def amount(self, candidate: Candidate) -> float:
        """What is minimised of a plan: money or seconds."""
        return amount_of(candidate.estimate, self.objective)

    def step(self, candidate: Candidate) -> float:
        """Amounts that differ by less count as equal: between a thousandth and a ten-thousandth of the plan's own."""
        fine = Resolution.fine(float(candidate.estimate.cost), candidate.estimate.seconds)
        return fine.of_objective(self.objective)

    def best(self, world: World) -> Candidate | None:
        """The best plan of another world."""
        return best_plan(self.solver.of(world), self.proof)

    def capped(self, world: World, amount: float) -> World:
        """The world in which plans are as good as an amount of what is minimised."""
        if self.objective == "time":
            return replace(world, within_seconds=min(world.within_seconds, amount))
        capped = Money(Decimal(repr(min(world.budget, amount))), world.scenario.currency)
        return world.relaxed(budget=capped)

    def any_within(self, world: World) -> Candidate | None:
        """Some plan of a world."""
        solver = self.solver.of(world)
        for machine in sorted(solver.machines.values(), key=lambda each: each.least()):
            found = solver.run(machine, self.proof, any_plan=True)
            if found is not None:
                return found
        return None

    def cheapest(self, world: World) -> Candidate | None:
        """The plan that costs least."""
        return self._least(world, "cost")

    def _least(self, world: World, objective: Objective) -> Candidate | None:
        solver = self.solver.of(world)
        machines = [solver.machine(gpu, objective=objective) for gpu in world.gpus]
        best: Candidate | None = None
        for machine in sorted(machines, key=lambda each: each.least()):
            cutoff = amount_of(best.estimate, objective) if best else float("inf")
            found = solver.run(machine, self.proof, cutoff=cutoff)
            if found is not None and (best is None or amount_of(found.estimate, objective) < cutoff):
                best = found
        return best

    def soonest(self, world: World) -> Candidate | None:
        """The plan that a deadline counts least of."""
        best: Candidate | None = None
        for part, factor in sorted(_alike(world), key=lambda pair: pair[1]):
            limit = float("inf") if best is None else best.estimate.counted_seconds / factor
            found = self._least(replace(part, within_seconds=min(part.within_seconds, limit)), "time")
            if found is not None and (best is None or found.estimate.counted_seconds < best.estimate.counted_seconds):
                best = found
        return best

    def least_lacking(self, world: World) -> Candidate | None:
        """The plan that needs least memory beyond what its GPU has."""
        lifted = World(world.scenario, world.catalog, world.lifted | {"gpu_memory"}, world.within_seconds)
        solver = self.solver.of(lifted)
        best: Candidate | None = None
        for gpu in lifted.gpus:
            machine = solver.machine(gpu, objective="memory")
            cutoff = float("inf") if best is None else lacking_bytes(best) + float(gpu.memory_bytes)
            found = solver.run(machine, self.proof, cutoff=cutoff)
            if found is not None and (best is None or lacking_bytes(found) < lacking_bytes(best)):
                best = found
        return best


def lacking_bytes(candidate: Candidate) -> float:
    """Bytes of a plan beyond what its GPU offers a process; negative where some are left."""
    return float(candidate.estimate.required_bytes - candidate.plan.gpu.memory_bytes)


def _alike(world: World) -> Iterator[tuple[World, float]]:
    """The world in parts of GPU types and stacks whose durations a deadline stretches by one factor."""
    groups: dict[tuple[float, tuple[str, ...]], list[str]] = {}
    for gpu in world.gpus:
        for factor, names in _stacks_by_factor(world, gpu).items():
            groups.setdefault((factor, tuple(names)), []).append(gpu.name)
    for (factor, stacks), gpus in groups.items():
        yield world.relaxed(gpu=tuple(gpus), stack=stacks), factor


def _stacks_by_factor(world: World, gpu: Gpu) -> dict[float, list[str]]:
    alike: dict[float, list[str]] = {}
    for stack in world.stacks:
        alike.setdefault(slow_factor(world.workload, gpu, stack), []).append(stack.name)
    return alike
