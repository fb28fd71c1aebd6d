"""The CP-SAT model of one block: choose one state row and one activation row of the same key.

    exactly one state row, exactly one activation row, of one key
    for every memory phase and the host:  state bytes + activation bytes <= capacity of the key's machine
    for every resource:                   cost  >= fixed + rate x (resource + serial seconds)
                                          hours >= likewise
    cost <= budget (and the incumbent),   hours <= deadline
    minimise cost, then hours, then the place in the order of simplicity (or hours first)

Time is billed in whole units and at least a minimum, so that the exact cost is a staircase above that bound. It never
falls as seconds grow: "costs at most c" is "takes at most so many seconds", key by key. A stage that minimises such an
amount takes the plan with the least bound, asks for plans whose exact amount is a step lower, and repeats that with
the plan it gets until there is none.

Sums are linear in row literals. Costs and hours are compared in whole steps (`Resolution`) and counted in thousandths
of a step, or in steps where thousandths would be too many: all sums stay below 2^31. Capacities and limits are posted
as places: an activation row may be chosen if its place among all activation rows is not beyond the last one that the
state row leaves room for. That is exact, and its coefficients are small: with amounts of 2^28 and more in them, CP-SAT
9.15's presolve was seen to call feasible models infeasible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from planner.errors import DisagreementError
from planner.estimator.memory import ROUNDED_BYTES as KIB
from planner.solver.block import Rows
from planner.solver.candidate import LIMIT_TOLERANCE, STEP_TOLERANCE, steps
from planner.solver.charges import ChargeTable
from planner.solver.tabulate import MEMORY, PHASE_COUNT, RESOURCES, SERIAL_COLUMN

LARGEST = 2**30 - 1
"""Larger amounts are cut off here, so that the sum of two rows stays below 2^31."""
PARTS = (1000, 1)
"""Parts of a step in which amounts are counted, the finer ones first."""


@dataclass(frozen=True)
class Scales:
    """What one second of a step is worth, key by key: amount = fixed + rate x seconds, compared in steps of `unit`.

    `limit` is what the user allows (of all keys, or of each); amounts above `cutoff` are of no interest, give or take
    a part of a step. With `billed`, the line is only a bound of the exact amount.
    """

    fixed: NDArray[np.float64]
    rate: NDArray[np.float64]
    limit: float | NDArray[np.float64]
    cutoff: float
    unit: float
    billed: Billed | None = None

    def most(self, amount: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """The longest steps, key by key, whose amount is at most so much; below 0 if there are none."""
        if self.billed is not None:
            return self.billed.most_step_seconds(amount)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.fixed <= amount, (amount - self.fixed) / self.rate, -1.0)


@dataclass(frozen=True)
class Billed:
    """The exact amounts of keys whose time is billed in units: jobs take `fixed` + `factor` x step seconds."""

    charges: ChargeTable
    fixed: NDArray[np.float64]
    factor: NDArray[np.float64]

    def most_step_seconds(self, cost: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """The longest steps, key by key, of jobs that cost at most so much; below 0 if there are none."""
        most: NDArray[np.float64] = (self.charges.most_seconds(cost) - self.fixed) / self.factor
        return most

    def cost(self, key: int, step_seconds: float) -> float:
        """What a job of a key with such a step costs."""
        return float(self.charges[[key]].cost(self.fixed[key] + self.factor[key] * step_seconds)[0])


@dataclass(frozen=True)
class Outcome:
    """What CP-SAT said of a block: the rows chosen (None if there are none) and whether that is proved."""

    state: int | None
    activation: int | None
    proved: bool
    branches: int
    literals: int


class BlockModel:
    """One block as a CP-SAT model.

    `amounts` are minimised one after the other (cost and hours, or hours and cost), after the peak if it has a limit
    of its own here (then `capacity` does not bound the GPU's phases).
    """

    def __init__(
        self,
        states: Rows,
        activations: Rows,
        capacity: NDArray[np.float64],
        amounts: tuple[Scales, Scales],
        ranks: tuple[NDArray[np.int64], NDArray[np.int64]],
        peak_limit: float | None = None,
        parts: int = PARTS[0],
    ) -> None:
        self.states, self.activations = states, activations
        self.model = cp_model.CpModel()
        self.state_literals = [self.model.new_bool_var("") for _ in range(len(states))]
        self.activation_literals = [self.model.new_bool_var("") for _ in range(len(activations))]
        self.model.add_exactly_one(self.state_literals)
        self.model.add_exactly_one(self.activation_literals)
        self._link_keys()
        self._bound_memory(capacity)
        self.clipped: list[bool] = []
        """Stage by stage: whether some row is too large to be counted, and so left out."""
        self.objectives: list[cp_model.LinearExprT] = []
        if peak_limit is not None:
            self.objectives.append(self._peak(peak_limit))
        self.scales: list[Scales | None] = [None] * len(self.objectives)
        self.objectives += [self._amount(scales, parts) for scales in amounts]
        self.scales += amounts
        self.objectives.append(self._weighted(ranks[0], ranks[1]))
        self.scales.append(None)

    def _link_keys(self) -> None:
        """Both rows belong to the same key."""
        for key in np.unique(self.states.key):
            here = [self.state_literals[i] for i in np.flatnonzero(self.states.key == key)]
            there = [self.activation_literals[i] for i in np.flatnonzero(self.activations.key == key)]
            self.model.add(sum(here) == sum(there))

    def _weighted(self, state_values: NDArray[Any], activation_values: NDArray[Any]) -> cp_model.LinearExpr:
        states = np.clip(state_values, -LARGEST, LARGEST).astype(np.int64).tolist()
        activations = np.clip(activation_values, -LARGEST, LARGEST).astype(np.int64).tolist()
        return cp_model.LinearExpr.weighted_sum(
            [*self.state_literals, *self.activation_literals], [*states, *activations]
        )

    def _bound_memory(self, capacity: NDArray[np.float64]) -> None:
        """Every phase and the host hold what is alive at once; a capacity that is not known is infinite."""
        for column in range(MEMORY.stop):
            room = capacity[self.states.key, column] - self.states.values[:, column]
            self._at_most(self.activations.values[:, column], room)

    def _at_most(
        self, activation: NDArray[np.float64], room: NDArray[np.float64], model: cp_model.CpModel | None = None
    ) -> None:
        """The amount of the activation row is not above the room that the state row leaves, in places."""
        levels, place = np.unique(activation, return_inverse=True)
        last = np.searchsorted(levels, room, side="right") - 1
        if last.min() < len(levels) - 1:
            (model or self.model).add(self._weighted(-last, place) <= 0)

    def _bound_seconds(self, most: NDArray[np.float64], model: cp_model.CpModel | None = None) -> None:
        """No resource keeps a step busy for longer than its key allows."""
        for resource in range(RESOURCES.start, RESOURCES.stop):
            seconds = self.states.values[:, resource] + self.states.values[:, SERIAL_COLUMN]
            self._at_most(self.activations.values[:, resource], most[self.states.key] - seconds, model)

    def _peak(self, limit: float) -> cp_model.IntVar:
        """KiB of the largest phase (or more than one KiB where they would be too many), to learn what is needed."""
        phases = slice(0, PHASE_COUNT)
        most = self.states.values[:, phases].max() + self.activations.values[:, phases].max()
        unit = KIB * 2.0 ** max(0, math.ceil(math.log2(most / KIB / LARGEST)))
        peak = self.model.new_int_var(0, int(min(LARGEST, limit / unit + 2)), "")
        for phase in range(PHASE_COUNT):
            state, activation = self.states.values[:, phase], self.activations.values[:, phase]
            self.model.add(self._weighted(np.ceil(state / unit), np.ceil(activation / unit)) <= peak)
        self.clipped.append(False)
        return peak

    def _amount(self, scales: Scales, parts: int) -> cp_model.IntVar:
        """Whole steps of an amount, rounded up: at least what the busiest resource makes of it."""
        state_rate, activation_rate = scales.rate[self.states.key], scales.rate[self.activations.key]
        part = scales.unit / parts
        top = int(min(LARGEST - 1, scales.cutoff / part * (1 + 1e-9)))
        amount = self.model.new_int_var(0, top, "")
        clipped = False
        self._bound_seconds(scales.most(scales.limit * (1 + LIMIT_TOLERANCE)))
        if scales.billed is not None:
            self._bound_seconds(scales.most(scales.cutoff + STEP_TOLERANCE * scales.unit))
            least = np.rint(scales.billed.charges.least / part)[self.states.key]
            clipped = bool(least.max() >= LARGEST)
            self.model.add(self._weighted(least, np.zeros(len(self.activations))) <= amount)
        for resource in range(RESOURCES.start, RESOURCES.stop):
            seconds = self.states.values[:, resource] + self.states.values[:, SERIAL_COLUMN]
            state = scales.fixed[self.states.key] + state_rate * seconds
            activation = activation_rate * self.activations.values[:, resource]
            state, activation = np.rint(state / part), np.rint(activation / part)
            clipped = clipped or max(state.max(), activation.max()) >= LARGEST
            self.model.add(self._weighted(state, activation) <= amount)
        self.clipped.append(clipped)
        in_steps = self.model.new_int_var(0, top // parts + 1, "")
        self.model.add(parts * in_steps + int(parts * STEP_TOLERANCE) >= amount)
        return in_steps

    def trusts(self, outcome: Outcome) -> bool:
        """Whether no row that was too large to be counted can be in a better plan than the one found (or not found)."""
        return not any(self.clipped[1:]) and (outcome.state is not None or not self.clipped[0])

    def solve(self, seconds: float, workers: int) -> Outcome:
        """Minimise cost, hours and rank one after the other, each kept at its optimum for the next."""
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = workers
        solver.parameters.random_seed = 0
        # Ctrl-C is Python's to handle: CP-SAT's own handler would end the process without a word.
        solver.parameters.catch_sigint_signal = False
        # Models of a few hundred literals gain nothing from presolve, whose answers are not always right (see above).
        solver.parameters.cp_model_presolve = False
        solver.parameters.max_time_in_seconds = seconds
        chosen: tuple[int, int] | None = None
        branches, proved = 0, True
        for stage, objective in enumerate(self.objectives):
            self.model.minimize(objective)
            status = solver.solve(self.model)
            branches += solver.num_branches
            if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                if chosen is not None and status == cp_model.INFEASIBLE:
                    raise DisagreementError("CP-SAT calls a model infeasible that it has just solved")
                proved = proved and status == cp_model.INFEASIBLE
                break
            chosen = self._chosen(solver)
            proved = proved and status == cp_model.OPTIMAL
            scales = self.scales[stage]
            if scales is not None and scales.billed is not None:
                found, more, exact = self._exact(solver, chosen, scales, scales.billed)
                chosen, branches, proved = found, branches + more, proved and exact
                self._hint(chosen)
            elif stage < len(self.objectives) - 1:
                self.model.add(objective <= solver.value(objective))
                self._hint(chosen)
        state, activation = chosen or (None, None)
        literals = len(self.state_literals) + len(self.activation_literals)
        return Outcome(state, activation, proved, branches, literals)

    def _exact(
        self,
        solver: cp_model.CpSolver,
        chosen: tuple[int, int],
        scales: Scales,
        billed: Billed,
    ) -> tuple[tuple[int, int], int, bool]:
        """The rows with the least exact amount in steps, which becomes a limit; branches, and whether it is proved."""
        least, branches, proved = solver.best_objective_bound, 0, True
        level = self._level(chosen, scales, billed)
        while level > least:
            trial = self.model.clone()
            self._bound_seconds(scales.most((level - 1 + STEP_TOLERANCE) * scales.unit), trial)
            status = solver.solve(trial)
            branches += solver.num_branches
            if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                proved = status == cp_model.INFEASIBLE
                break
            chosen = self._chosen(solver)
            lower = self._level(chosen, scales, billed)
            if lower >= level:
                raise DisagreementError("CP-SAT chose rows that cost more than they may")
            level = lower
        self._bound_seconds(scales.most((level + STEP_TOLERANCE) * scales.unit))
        return chosen, branches, proved

    def _level(self, chosen: tuple[int, int], scales: Scales, billed: Billed) -> int:
        """The exact amount of two rows in whole steps."""
        state, activation = (
            rows.values[row] for rows, row in zip((self.states, self.activations), chosen, strict=True)
        )
        step = (state[RESOURCES] + activation[RESOURCES]).max() + state[SERIAL_COLUMN]
        return steps(billed.cost(int(self.states.key[chosen[0]]), step), scales.unit)

    def _chosen(self, solver: cp_model.CpSolver) -> tuple[int, int]:
        state = next(i for i, literal in enumerate(self.state_literals) if solver.boolean_value(literal))
        activation = next(i for i, literal in enumerate(self.activation_literals) if solver.boolean_value(literal))
        return state, activation

    def _hint(self, chosen: tuple[int, int]) -> None:
        """The plan of the last stage, complete, as the starting point of the next."""
        self.model.model_proto.clear_solution_hint()
        for number, literal in enumerate(self.state_literals):
            self.model.add_hint(literal, number == chosen[0])
        for number, literal in enumerate(self.activation_literals):
            self.model.add_hint(literal, number == chosen[1])
