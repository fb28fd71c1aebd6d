"""A portfolio as a CP-SAT model: every run gets one choice, stays count machines, and both are paid for.

    for every run:              exactly one of its choices
    for every pool and month:   GPU-hours of the choices there <= GPU-hours of the machines there
    where a plan needs several machines at once: they are there in every month of the run
    for every crowd found:      work that must lie in some stretches <= what machines can do in them (see `concurrency`)
    for machines owned already: every one is sold in some month, or kept to the end
    payments of a month <= the monthly budget;  machines bought <= max_spend;  all payments <= the budget
    minimise the present value of all payments, resale subtracted

Amounts are posted in whole units, small enough that all rounding together is below `ROUNDING_SHARE` of the total.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Literal, NamedTuple

from ortools.sat.python import cp_model

from planner.solver.portfolio.concurrency import TOLERANCE, Crowd, crowds
from planner.solver.portfolio.groups import Option, groups_of
from planner.solver.portfolio.payments import CENT, Payment
from planner.solver.portfolio.problem import Choice, Problem, Stay

ROUNDING_SHARE = 1e-5
LEAST_UNIT = 1e-4
MOST_UNITS = 2**26
"""Limits are posted in no more units than this: CP-SAT 9.15 was seen to err with larger coefficients."""
Status = Literal["optimal", "feasible", "infeasible", "unknown"]
NAMES: dict[cp_model.CpSolverStatus, Status] = {
    cp_model.OPTIMAL: "optimal",
    cp_model.FEASIBLE: "feasible",
    cp_model.INFEASIBLE: "infeasible",
    cp_model.UNKNOWN: "unknown",
}


@dataclass(frozen=True)
class Rules:
    """What a strategy allows; None is everything."""

    rent: bool = True
    buy: bool = True
    reserve: bool = True
    keep: bool = True
    """Whether machines that are owned already may be kept; if not, they are sold at once."""
    stays: dict[int, int] | None = None
    """Machines of every stay, if they are decided already."""


ANYTHING = Rules()


class Effort(NamedTuple):
    """How much is done at most for one answer, the same on every machine."""

    deterministic_seconds: float
    """CP-SAT's own count of its work on one model; a second of it takes about as long."""
    rounds: int


@dataclass(frozen=True)
class Solution:
    """What CP-SAT says of a problem under some rules."""

    problem: Problem
    status: Status
    choices: tuple[int, ...] = ()
    """Place of the choice of every run; none without a solution."""
    stays: dict[int, int] = field(default_factory=dict)
    """Place of a stay -> machines, where there are any."""
    bound: float = 0.0
    """No solution has a lower present value, but for `rounding`."""
    rounding: float = 0.0
    """Currency by which amounts posted and exact ones may differ."""
    seconds: float = 0.0
    branches: int = 0
    rounds: int = 0
    """How often the model was solved, each time with the crowds found before."""

    @property
    def chosen(self) -> tuple[Choice, ...]:
        """The choice of every run."""
        return tuple(self.problem.choices[place] for place in self.choices)

    @property
    def machines(self) -> list[list[int]]:
        """Machines at work of every pool, month by month."""
        return machines_of(self.problem, self.stays)

    @cached_property
    def payments(self) -> tuple[Payment, ...]:
        """All payments, staff among them."""
        return payments_of(self.problem, self.choices, self.stays)

    @cached_property
    def present_value(self) -> Decimal:
        """Exact; resale subtracted."""
        return sum(map(self.problem.prices.present_value, self.payments), Decimal(0))


def machines_of(problem: Problem, stays: dict[int, int]) -> list[list[int]]:
    """Machines at work of every pool, month by month."""
    table = [[0] * problem.portfolio.months for _ in problem.pools]
    for place, count in stays.items():
        stay = problem.stays[place]
        for month in range(stay.ready, min(stay.last, problem.portfolio.months)):
            table[stay.pool][month] += count
    return table


def payments_of(problem: Problem, choices: Iterable[int], stays: dict[int, int]) -> tuple[Payment, ...]:
    """All payments of a solution, staff among them."""
    payments = [payment for place in choices for payment in problem.choices[place].payments]
    for place, count in stays.items():
        payments += [payment._replace(amount=count * payment.amount) for payment in problem.stays[place].payments]
    staff = problem.prices.site.staff_per_month
    if staff:
        owned = [problem.stays[place] for place in stays if problem.pools[problem.stays[place].pool].machine]
        months = {month for stay in owned for month in range(stay.ready, stay.last)}
        payments += [Payment(month, "staff", staff) for month in sorted(months)]
    return tuple(payments)


class PortfolioModel:
    """One problem under some rules, with the crowds that are known."""

    def __init__(self, problem: Problem, rules: Rules, known: Sequence[Crowd] = ()) -> None:
        self.problem, self.rules = problem, rules
        self.model = cp_model.CpModel()
        self.groups = groups_of(problem, known)
        self.counts = [
            [
                self.model.new_int_var(0, len(group.runs), "") if self._allows(option.choice) else 0
                for option in group.options
            ]
            for group in self.groups
        ]
        self.stay_counts = [self._stay_count(place, stay) for place, stay in enumerate(problem.stays)]
        self.machines = [self._at_work(pool) for pool in range(len(problem.pools))]
        self.staffed = self._staffed()
        self.unit = self._unit()
        for group, counts in zip(self.groups, self.counts, strict=True):
            self.model.add(sum(counts) == len(group.runs))
        self._keep_owned()
        self._bound_loads()
        self._bound_money()
        for crowd in known:
            self._forbid(crowd)
        self.model.minimize(self._present_value())

    def _options(self) -> Iterator[tuple[Option, cp_model.IntVar]]:
        """All options that the rules allow, and how many runs take them."""
        for group, counts in zip(self.groups, self.counts, strict=True):
            for option, count in zip(group.options, counts, strict=True):
                if not isinstance(count, int):
                    yield option, count

    def _allows(self, choice: Choice) -> bool:
        return choice.pool is not None or self.rules.rent

    def _stay_count(self, place: int, stay: Stay) -> cp_model.IntVar | int:
        if self.rules.stays is not None:
            return self.rules.stays.get(place, 0)
        most = self.problem.most_machines[stay.pool]
        if stay.owned is not None:
            most = self.problem.portfolio.owned[stay.owned].count if self.rules.keep or stay.last == 0 else 0
        elif self.problem.pools[stay.pool].reservation is not None:
            most = most if self.rules.reserve else 0
        else:
            most = most if self.rules.buy else 0
        return self.model.new_int_var(0, most, "") if most else 0

    def _at_work(self, pool: int) -> list[cp_model.LinearExprT]:
        """Machines of a pool, month by month, as sums of stays."""
        stays = [(stay, self.stay_counts[place]) for place, stay in enumerate(self.problem.stays) if stay.pool == pool]
        sums: list[cp_model.LinearExprT] = []
        for month in range(self.problem.portfolio.months):
            there = [count for stay, count in stays if stay.works(month) and not _is_zero(count)]
            if all(isinstance(count, int) for count in there):
                sums.append(sum(there))
                continue
            machines = self.model.new_int_var(0, self.problem.most_machines[pool], "")
            self.model.add(sum(there) == machines)
            sums.append(machines)
        return sums

    def _staffed(self) -> list[cp_model.IntVar]:
        """Months in which a machine is owned, if that costs anything."""
        if not self.problem.prices.site.staff_per_month:
            return []
        literals = [self.model.new_bool_var("") for _ in range(self.problem.portfolio.months)]
        for pool, machines in enumerate(self.machines):
            if self.problem.pools[pool].machine is None:
                continue
            for there, literal in zip(machines, literals, strict=True):
                if not _is_zero(there):
                    self.model.add(there <= max(1, self.problem.most_machines[pool]) * literal)
        return literals

    def _unit(self) -> float:
        """The unit in which present values are posted: all rounding together is a small share of the cheapest plans."""
        cheapest = sum(
            len(group.runs) * min((abs(self._value(option.choice.payments)) for option in group.options), default=0.0)
            for group in self.groups
        )
        return max(LEAST_UNIT, ROUNDING_SHARE * cheapest / max(1, len(self.problem.runs)))

    def _value(self, payments: Iterable[Payment]) -> float:
        return float(sum(map(self.problem.prices.present_value, payments), Decimal(0)))

    def _keep_owned(self) -> None:
        if self.rules.stays is not None:
            return
        for number, owned in enumerate(self.problem.portfolio.owned):
            counts = [self.stay_counts[place] for place, stay in enumerate(self.problem.stays) if stay.owned == number]
            self.model.add(sum(counts) == owned.count)

    def _bound_loads(self) -> None:
        loads: dict[tuple[int, int], list[tuple[int, cp_model.LinearExprT]]] = {}
        needed: dict[tuple[int, int, int], list[tuple[int, cp_model.LinearExprT]]] = {}
        for number, (group, counts) in enumerate(zip(self.groups, self.counts, strict=True)):
            for option, count in zip(group.options, counts, strict=True):
                if isinstance(count, int) or option.choice.pool is None:
                    continue
                for month, load in option.choice.loads.items():
                    if month >= self.problem.portfolio.months:
                        continue  # It is late: `concurrency` finds no room for it.
                    pool = option.choice.pool
                    loads.setdefault((pool, month), []).append((load, count))
                    if option.choice.plan.machines == 1:
                        needed.setdefault((number, pool, month), []).append((1, count))
                    else:
                        self._need(option, count, len(group.runs), self.machines[pool][month])
        for (pool, month), terms in loads.items():
            self.model.add(_weighted(terms) <= self.problem.room(pool) * self.machines[pool][month])
        for (number, pool, month), terms in needed.items():
            # Implied, but a tighter relaxation: half of the runs need half a machine at least.
            self.model.add(_weighted(terms) <= len(self.groups[number].runs) * self.machines[pool][month])

    def _need(self, option: Option, count: cp_model.IntVar, runs: int, machines: cp_model.LinearExprT) -> None:
        """Machines that a plan needs at once are there if any run takes it."""
        taken: cp_model.LinearExprT = count
        if runs > 1:
            taken = self.model.new_bool_var("")
            self.model.add(count <= runs * taken)
        self.model.add(option.choice.plan.machines * taken <= machines)

    def _forbid(self, crowd: Crowd) -> None:
        """Runs whose work must lie in a crowd's stretches find machines there."""
        terms = [
            (work, count)
            for option, count in self._options()
            if option.choice.pool == crowd.pool and (work := crowd.work(self.problem, option.choice))
        ]
        room = [crowd.room(self.problem, month) * machines for month, machines in enumerate(self.machines[crowd.pool])]
        self.model.add(_weighted(terms) <= sum(room) + TOLERANCE)

    def _bound_money(self) -> None:
        portfolio = self.problem.portfolio
        if portfolio.max_spend is not None:
            self._at_most(self._purchases(), portfolio.max_spend)
        if portfolio.monthly_budget is not None:
            for month in range(portfolio.months):
                self._at_most(self._paid(partial(_in_month, month)), portfolio.monthly_budget)
        if portfolio.budget is not None:
            self._at_most(self._paid(_ever), portfolio.budget)

    def _purchases(self) -> list[tuple[Decimal, cp_model.LinearExprT]]:
        return [(stay.price, self.stay_counts[place]) for place, stay in enumerate(self.problem.stays) if stay.price]

    def _paid(self, amount: Callable[[Payment], Decimal]) -> list[tuple[Decimal, cp_model.LinearExprT]]:
        """What is paid, without resale, as `amount` counts each payment."""
        terms: list[tuple[Decimal, cp_model.LinearExprT]] = [
            (sum(map(amount, option.choice.payments), Decimal(0)), count) for option, count in self._options()
        ]
        for stay, count in zip(self.problem.stays, self.stay_counts, strict=True):
            if not _is_zero(count):
                terms.append((sum(map(amount, stay.payments), Decimal(0)), count))
        staff = self.problem.prices.site.staff_per_month
        terms += [(amount(Payment(month, "staff", staff)), literal) for month, literal in enumerate(self.staffed)]
        return terms

    def _at_most(self, terms: list[tuple[Decimal, cp_model.LinearExprT]], limit: Decimal) -> None:
        """In cents, which is exact; in larger units, rounded up, where cents would be too many."""
        unit = max(CENT, limit / MOST_UNITS)
        posted = [(math.ceil(amount / unit), variable) for amount, variable in terms if amount]
        self.model.add(_weighted(posted) <= math.floor(limit / unit))

    def _present_value(self) -> cp_model.LinearExprT:
        terms: list[tuple[int, cp_model.LinearExprT]] = [
            (round(self._value(option.choice.payments) / self.unit), count) for option, count in self._options()
        ]
        for stay, count in zip(self.problem.stays, self.stay_counts, strict=True):
            if not _is_zero(count):
                terms.append((round(self._value(stay.payments) / self.unit), count))
        staff = self.problem.prices.site.staff_per_month
        for month, literal in enumerate(self.staffed):
            terms.append((round(self._value([Payment(month, "staff", staff)]) / self.unit), literal))
        return _weighted(terms)

    def hint(self, solution: Solution) -> None:
        """Start from a solution of the same problem."""
        chosen = set(solution.choices)
        for option, count in self._options():
            self.model.add_hint(count, sum(place in chosen for place in option.places))
        for place, machines in enumerate(self.stay_counts):
            if not isinstance(machines, int):
                self.model.add_hint(machines, solution.stays.get(place, 0))

    def solution(self, solver: cp_model.CpSolver, status: Status) -> Solution:
        """What the solver has found: the first runs of a group take its first option, and so on."""
        choices = [-1] * len(self.problem.runs)
        for group, counts in zip(self.groups, self.counts, strict=True):
            left = 0
            for option, count in zip(group.options, counts, strict=True):
                taken = count if isinstance(count, int) else solver.value(count)
                for member in range(left, left + taken):
                    choices[group.runs[member]] = option.places[member]
                left += taken
        stays = {
            place: value
            for place, count in enumerate(self.stay_counts)
            if (value := count if isinstance(count, int) else solver.value(count))
        }
        rounding = 0.5 * self.unit * (len(choices) + sum(stays.values()) + len(self.staffed))
        return Solution(self.problem, status, tuple(choices), stays, solver.best_objective_bound * self.unit, rounding)


def solve_problem(
    problem: Problem,
    rules: Rules = ANYTHING,
    *,
    seconds: float = 60.0,
    workers: int = 1,
    gap: float = 0.0,
    hint: Solution | None = None,
    effort: Effort | None = None,
    known: list[Crowd] | None = None,
) -> Solution:
    """Solve, look for crowds, forbid them and solve again until there is none.

    `gap` is the share of the total by which the answer may be worse than the best one, and still counts as optimal.
    Beyond `effort` the answer is unknown. `known` are crowds met before, to which those met now are added.
    """
    started = time.monotonic()
    known = [] if known is None else known
    rounds = branches = 0
    while True:
        model = PortfolioModel(problem, rules, known)
        if hint is not None:
            model.hint(hint)
        solver = _solver(max(0.01, seconds - (time.monotonic() - started)), workers, gap)
        if effort is not None:
            solver.parameters.max_deterministic_time = effort.deterministic_seconds
        status = NAMES[solver.solve(model.model)]
        rounds, branches = rounds + 1, branches + solver.num_branches
        taken = time.monotonic() - started
        if status not in ("optimal", "feasible"):
            return Solution(problem, status, seconds=taken, rounds=rounds, branches=branches)
        found = model.solution(solver, status)
        chosen = [problem.choices[each] for each in found.choices]
        new = crowds(problem, chosen, found.machines)
        if not new:
            return replace(found, seconds=taken, rounds=rounds, branches=branches)
        if effort is not None and rounds >= effort.rounds:
            return Solution(problem, "unknown", seconds=taken, rounds=rounds, branches=branches)
        known += new
        hint = found


def _solver(seconds: float, workers: int, gap: float) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.random_seed = 0
    # Ctrl-C is Python's to handle: CP-SAT's own handler would end the process without a word.
    solver.parameters.catch_sigint_signal = False
    solver.parameters.relative_gap_limit = gap
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.linearization_level = 2
    # Machines must be whole, which the relaxation does not see: restarts prove it sooner, and probing finds nothing.
    solver.parameters.search_branching = cp_model.PORTFOLIO_WITH_QUICK_RESTART_SEARCH
    solver.parameters.cp_model_probing_level = 0
    # Sums that rows share would become variables of their own; they hide the structure that relaxations and cuts use
    # (400 runs, 36 months, 12 kinds of machines: 3 s to the proof, or no solution in 40 s).
    solver.parameters.find_big_linear_overlap = False
    return solver


def _weighted(terms: Sequence[tuple[int, cp_model.LinearExprT]]) -> cp_model.LinearExprT:
    return cp_model.LinearExpr.weighted_sum([each for _, each in terms], [weight for weight, _ in terms])


def _is_zero(count: cp_model.LinearExprT) -> bool:
    return isinstance(count, int) and count == 0


def _in_month(month: int, payment: Payment) -> Decimal:
    """What is paid in a month under a monthly budget: neither machines bought nor resale."""
    if payment.kind in ("purchases", "resale") or not payment.month <= month < payment.month + payment.months:
        return Decimal(0)
    return payment.amount


def _ever(payment: Payment) -> Decimal:
    """What is paid at all, without resale."""
    return Decimal(0) if payment.kind == "resale" else payment.amount * payment.months
