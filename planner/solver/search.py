"""Finds the proved best plan on one GPU type, key by key in the order of a lower bound.

A *key* is everything of a plan but the rows local to one table: offer, family and schedule. Keys are sorted by a bound
on what is minimised, and taken in blocks; each block is one CP-SAT model, with the best plan so far as cut-off. When
the next key's bound is worse than that plan, it is proved: nothing that was left out can beat it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Gpu, Offer
from planner.decisions import Plan
from planner.errors import DisagreementError
from planner.estimator.estimate import GIB, Estimate
from planner.solver.block import Rows, activation_rows, fitting, joined, state_rows
from planner.solver.bounds import FamilyBounds
from planner.solver.candidate import (
    COST_ROUNDING,
    Candidate,
    Objective,
    Resolution,
    amount_of,
    amounts_in_steps,
    steps,
)
from planner.solver.keys import Keys, keys_of, whole_plan
from planner.solver.model import PARTS, Billed, BlockModel, Outcome, Scales
from planner.solver.tabulate import HOST_COLUMN, MEMORY
from planner.solver.world import World

FIRST_BLOCK = 6
UNBOUNDED_BYTES = float(2**50)
"""More than any plan needs, where the question is how much it needs: 1 PiB."""
TOLERANCE = 1e-6
"""Relative difference between the model's sums and the estimator's that rounding can explain."""

Listener = Callable[[int, int, Candidate | None, float], None]
"""Who is told of keys done, of how many, the best plan so far, and a bound on what is left."""


@dataclass
class Proof:
    """What was done to prove an answer; counts add up over machines."""

    keys: int = 0
    rows: int = 0
    models: int = 0
    branches: int = 0
    seconds_to_best: float = 0.0
    seconds: float = 0.0
    proved: bool = True

    def add(self, other: Proof) -> None:
        """Count another search's work as part of this one's."""
        self.keys += other.keys
        self.rows += other.rows
        self.models += other.models
        self.branches += other.branches
        self.proved = self.proved and other.proved


@dataclass(frozen=True)
class MachineSearch:
    """The search on one GPU type with some offers of it."""

    world: World
    gpu: Gpu
    offers: tuple[Offer, ...]
    bounds: list[FamilyBounds]
    objective: Objective = "cost"
    steps: Resolution | None = None
    """The steps in which plans are compared; if not given, those of this GPU type."""

    @cached_property
    def resolution(self) -> Resolution:
        """The steps in which plans on this GPU type are compared."""
        if self.steps is not None:
            return self.steps
        if not len(self.keys):
            return Resolution(0.001, 1.0)
        return Resolution.of(float(self.keys.cost_bound.min()), float(self.keys.seconds_bound.min()), self.objective)

    @cached_property
    def keys(self) -> Keys:
        """All keys that may be in a plan, the one with the best bound first."""
        keys = keys_of(self.world, self.gpu, self.offers, self.bounds, fitting=self.objective != "memory")
        return keys.where(np.argsort(self._bound(keys), kind="stable"))

    def tightened(self, world: World, objective: Objective, steps: Resolution) -> MachineSearch:
        """The search in a world that differs in an earlier deadline only, for cost or time: no key is made anew."""
        other = MachineSearch(world, self.gpu, self.offers, self.bounds, objective, steps)
        keys = self.keys.within(world.within_seconds)
        other.__dict__["keys"] = keys.where(np.argsort(other._bound(keys), kind="stable"))
        return other

    def _bound(self, keys: Keys) -> NDArray[np.float64]:
        bounds = {"cost": keys.cost_bound, "time": keys.seconds_bound, "memory": keys.peak_bound}
        return bounds[self.objective]

    def least(self, method: str | None = None) -> float:
        """A bound on the objective over all keys (of one method); infinite without any."""
        return float(self._bound(self._keys_of(method)).min(initial=np.inf))

    def _keys_of(self, method: str | None) -> Keys:
        if method is None:
            return self.keys
        wanted = np.array([each.family.method == method for each in self.bounds], dtype=bool)
        return self.keys.where(wanted[self.keys.family])

    def solve(
        self,
        proof: Proof,
        *,
        seconds: float = 60.0,
        workers: int = 1,
        method: str | None = None,
        cutoff: float = float("inf"),
        any_plan: bool = False,
        listen: Listener | None = None,
    ) -> Candidate | None:
        """The best plan (of one method), or None if there is none better than `cutoff`; the work is added to `proof`.

        `any_plan` stops at the first plan found. If time runs out, `proof.proved` becomes False. `listen` is told
        before each block what is known.
        """
        started = time.monotonic()
        keys = self._keys_of(method)
        bound = self._bound(keys)
        proof.keys += len(keys)
        best: Candidate | None = None
        start, size, limit = 0, FIRST_BLOCK, cutoff
        while start < len(keys) and bound[start] <= limit and not (any_plan and best):
            left = seconds - (time.monotonic() - started)
            if left <= 0:
                proof.proved = False
                break
            if listen is not None:
                listen(start, len(keys), best, float(bound[start]))
            end = min(start + size, int(np.searchsorted(bound, limit, side="right")))
            found = self._solve_block(keys.where(slice(start, end)), proof, limit, left, workers)
            if found is not None and (best is None or found.order < best.order):
                best = found
                limit = self.tie_limit(best)
                proof.seconds_to_best = time.monotonic() - started
            start, size = end, size * 2
        return best

    @property
    def step(self) -> float:
        """The step of the objective: plans within one are equally good."""
        return self.resolution.of_objective(self.objective)

    def floor(self, best: Candidate) -> float:
        """What no plan is below if this one is proved the best: the lower edge of its step."""
        return (steps(amount_of(best.estimate, self.objective), self.step) - 1) * self.step

    def tie_limit(self, best: Candidate) -> float:
        """The largest amount of the objective that still ties with a plan."""
        return steps(amount_of(best.estimate, self.objective), self.step) * self.step * (1 + 1e-9)

    def _solve_block(self, keys: Keys, proof: Proof, limit: float, seconds: float, workers: int) -> Candidate | None:
        states, activations = self._rows(keys, limit)
        capacity = self._capacity(keys)
        states, activations = fitting(states, activations, capacity, len(keys))
        proof.rows += len(states) + len(activations)
        if not len(states) or not len(activations):
            return None
        ranks = self._ranks(keys, states, activations)
        peak_limit = limit if self.objective == "memory" else None
        scales = self._scales(keys, limit)
        for parts in PARTS:
            model = BlockModel(states, activations, capacity, scales, ranks, peak_limit, parts)
            outcome = model.solve(seconds, workers)
            proof.models += 1
            proof.branches += outcome.branches
            if model.trusts(outcome):
                break
        proof.proved = proof.proved and outcome.proved and model.trusts(outcome)
        return self._candidate(keys, states, activations, outcome)

    def _scales(self, keys: Keys, limit: float) -> tuple[Scales, Scales]:
        """What a second of a step is worth in money and in time, the objective first, with its cut-off."""
        cutoffs = {"cost": np.inf, "time": np.inf, self.objective: limit}
        charges = keys.charges
        billed = Billed(charges, keys.fixed_seconds, keys.factor)
        fixed, rate = charges.fee + keys.fixed_seconds * charges.rate, keys.factor * charges.rate
        cost = Scales(fixed, rate, self.world.budget + COST_ROUNDING, cutoffs["cost"], self.resolution.cost, billed)
        deadlines = keys.deadline_seconds
        hours = Scales(keys.fixed_seconds, keys.factor, deadlines, cutoffs["time"], self.resolution.seconds)
        return (hours, cost) if self.objective == "time" else (cost, hours)

    def _rows(self, keys: Keys, limit: float) -> tuple[Rows, Rows]:
        """State and activation rows of a block; state rows depend on the offer, activation rows on the family only."""
        states, activations = [], []
        for number in np.unique(keys.family):
            bounds = self.bounds[number]
            of_family = keys.family == number
            for place in np.unique(keys.offer[of_family]):
                members = np.flatnonzero(of_family & (keys.offer == place))
                decisions = whole_plan(self.gpu, self.offers[place], bounds, keys.schedule[members])
                states.append(state_rows(self.world, bounds.family, decisions, members))
            members = np.flatnonzero(of_family)
            decisions = {**bounds.family.values(), **bounds.schedules.where(keys.schedule[members]).columns}
            decisions["gpu"] = self.gpu
            decisions["gpus_per_node"] = self._per_node(keys)[members]
            schedule = keys.schedule[members]
            possible = self._possible(bounds, keys.where(members), limit)
            activations.append(activation_rows(self.world, bounds, decisions, members, schedule, possible))
        return joined(states), joined(activations)

    def _possible(self, bounds: FamilyBounds, keys: Keys, limit: float) -> NDArray[np.bool_]:
        """Which activation rows of some keys of a family may fit and stay within the limit of the objective."""
        room = min(self._room, limit) if self.objective == "memory" else self._room
        fits: NDArray[np.bool_] = bounds.peak[keys.schedule] <= room
        if self.objective == "memory" or limit == float("inf"):
            return fits
        step = bounds.row_seconds(self.world, self.gpu, keys.schedule)
        amount = keys.fixed_seconds[:, None] + keys.factor[:, None] * step
        if self.objective == "cost":
            amount = keys.charges[:, None].cost(amount)
        return fits & (amount <= limit)

    @property
    def _room(self) -> float:
        """Bytes of the GPU that a plan may use; no bound where the question is how much a plan needs."""
        return float(self.world.capacity_bytes(self.gpu)) if self.objective != "memory" else UNBOUNDED_BYTES

    def _per_node(self, keys: Keys) -> NDArray[np.int64]:
        largest = np.array([offer.gpus_per_node for offer in self.offers])
        per_node: NDArray[np.int64] = np.minimum(keys.gpus, largest[keys.offer])
        return per_node

    def _capacity(self, keys: Keys) -> NDArray[np.float64]:
        """Bytes that each key's machine has for every memory column."""
        capacity = np.full((len(keys), MEMORY.stop), self._room)
        checked = "host_memory" not in self.world.lifted
        host = np.array([(checked and offer.host_ram_gib_per_gpu) or np.inf for offer in self.offers])
        capacity[:, HOST_COLUMN] = np.floor(host[keys.offer] * self._per_node(keys) * GIB)
        return capacity

    def _ranks(self, keys: Keys, states: Rows, activations: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Place of each row in the order of simplicity: key first, then state, then activations."""
        key = states.key
        order = np.lexsort((states.rank, keys.schedule[key], keys.family[key], keys.gpus[key], keys.offer[key]))
        rank = np.empty(len(states), dtype=np.int64)
        rank[order] = np.arange(len(states))
        kinds, place = np.unique(activations.rank, return_inverse=True)
        return rank * len(kinds), place

    def _candidate(self, keys: Keys, states: Rows, activations: Rows, outcome: Outcome) -> Candidate | None:
        """Decode the chosen rows, estimate the plan again in exact numbers and check every limit."""
        if outcome.state is None or outcome.activation is None:
            return None
        key = int(states.key[outcome.state])
        local = {**states.local[outcome.state], **activations.local[outcome.activation]}
        plan = self._plan(keys, key, local)
        estimate = self.world.estimate(plan)
        self._confirm(keys, key, states.values[outcome.state] + activations.values[outcome.activation], estimate)
        place = (keys.offer[key], keys.gpus[key], keys.family[key], keys.schedule[key])
        rows = (states.rank[outcome.state], activations.rank[outcome.activation])
        amounts = amounts_in_steps(estimate, self.objective, self.resolution)
        return Candidate(plan, estimate, (*amounts, *map(int, place), *map(int, rows)))

    def _plan(self, keys: Keys, key: int, local: dict[str, Any]) -> Plan:
        bounds = self.bounds[keys.family[key]]
        lora = self.world.scenario.search.lora if bounds.family.method != "full" else None
        numbers: dict[str, Any] = {
            name: int(column[keys.schedule[key]]) for name, column in bounds.schedules.columns.items()
        }
        return Plan(
            gpu=self.gpu,
            offer=self.offers[keys.offer[key]],
            lora_rank=lora.rank if lora else None,
            lora_targets=lora.targets if lora else None,
            **bounds.family.values(),
            **numbers,
            **local,
        )

    def _confirm(self, keys: Keys, key: int, columns: NDArray[np.float64], estimate: Estimate) -> None:
        """The estimator must confirm what the model added up. DisagreementError otherwise: a bug."""
        totals = list(estimate.required.values())
        if [int(value) for value in columns[: len(totals)]] != totals:
            raise DisagreementError(f"memory: the model added up {columns[: len(totals)]}, the estimator {totals}")
        if self.objective != "memory" and estimate.required_bytes > estimate.capacity_bytes:
            raise DisagreementError("the chosen plan does not fit its GPU")
        disk = None if "disk" in self.world.lifted else estimate.disk_capacity_bytes
        if disk is not None and estimate.disk_bytes > disk:
            raise DisagreementError("the chosen plan does not fit its disk")
        busiest = columns[MEMORY.stop : -1].max() + columns[-1]
        seconds = float(keys.fixed_seconds[key] + keys.factor[key] * busiest)
        if abs(seconds - estimate.seconds) > TOLERANCE * seconds:
            raise DisagreementError(f"time: the model added up {seconds} s, the estimator {estimate.seconds} s")
        charged = [float(keys.charges[[key]].cost(seconds * (1 + sign * TOLERANCE))[0]) for sign in (-1, 1)]
        if not charged[0] - COST_ROUNDING <= float(estimate.cost) <= charged[1] + COST_ROUNDING:
            raise DisagreementError(f"cost: the model expects {charged}, the estimator {estimate.cost}")
        if estimate.counted_seconds > self.world.deadline_seconds * (1 + TOLERANCE):
            raise DisagreementError("the chosen plan is late")
        if float(estimate.cost) > self.world.budget * (1 + TOLERANCE) + COST_ROUNDING:
            raise DisagreementError("the chosen plan is over budget")
