"""An oracle for the solver: writes down every plan of a small world, evaluates each, and sorts them.

It shares no code with `planner.solver`: decisions and their values come from the scenario, the catalog and
`planner.decisions`, legality from `planner.rules`, amounts from the estimator's formulas, the order from the
documentation. For one choice of all names, the numbers of all plans are arrays, which the formulas accept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import decisions
from planner.catalog import Catalog, Gpu, Offer, Stack
from planner.decisions import Plan
from planner.estimator.duration import OVERLAPPED, SERIAL, lost_fraction, startup_seconds
from planner.estimator.estimate import Estimate, estimate
from planner.estimator.formula import call, scope
from planner.estimator.host import disk_bytes, result_bytes
from planner.estimator.memory import HOST, PHASES
from planner.estimator.uncertainty import DERIVED, KINDS, quantile
from planner.estimator.workload import Workload
from planner.rules import RULES, Rule, broken_rules
from planner.scenario.model import Scenario
from planner.scenario.tariff import tariff_of

GIB = 2**30
KIB = 1024
SCHEDULE = (
    "tensor_parallel",
    "pipeline_parallel",
    "context_parallel",
    "expert_parallel",
    "data_parallel",
    "micro_batch",
    "gradient_accumulation",
)
LOCAL = ("checkpointed_layers", "loss_chunks", "mlp_chunks")
NUMBERS = ("gpus", *SCHEDULE, *LOCAL)
FAMILY = ("method", "base_dtype", "compute_dtype", "master_weights", "grad_dtype")
ORDER = (
    "offer",
    "gpus",
    "stack",
    "precision",
    "offload",
    *SCHEDULE,
    "sharding",
    "optimizer",
    "attention",
    "checkpointing",
    "checkpointed_layers",
    "loss",
    "loss_chunks",
    "mlp_chunks",
)
"""Which of two equally good plans is simpler: the one with the smaller value of the first of these that differs."""

STATES: dict[str, tuple[str, ...]] = {"sharding": decisions.SHARDINGS, "optimizer": decisions.OPTIMIZERS}
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "attention": decisions.ATTENTIONS,
    "checkpointing": decisions.CHECKPOINTINGS,
    "loss": decisions.LOSSES,
}

RECORDS = ("gpu", "offer", "stack")

Numbers = NDArray[np.int64]
Amounts = NDArray[np.float64]


@dataclass(frozen=True)
class Ask:
    """One question to the oracle: the scenario, what it is asked against, and one GPU type."""

    scenario: Scenario
    catalog: Catalog
    gpu: Gpu

    @cached_property
    def workload(self) -> Workload:
        job, known, lora = self.scenario.job, self.scenario.assumptions, self.scenario.search.lora
        return Workload(
            job.architecture,
            job.sequence_length,
            job.global_batch,
            job.steps,
            lora.rank,
            lora.targets,
            known.startup_seconds,
            known.download_gbit_s,
            known.checkpoint_interval_seconds,
            data_tokens=math.ceil(job.tokens / job.epochs),
            download=self.scenario.money.download,
        )

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The user's own offers of the GPU, then the catalog's, as far as the search admits them."""
        search = self.scenario.search
        known = [*self.scenario.offers, *(self.catalog.offers if self.scenario.catalog_offers else ())]
        return tuple(
            offer
            for offer in known
            if offer.gpu == self.gpu.name
            and (search.gpu is None or offer.gpu in search.gpu)
            and (search.provider is None or offer.provider in search.provider)
            and offer.kind in search.pricing
        )

    @property
    def capacity_bytes(self) -> int:
        return self.gpu.memory_bytes - self.scenario.limits.gpu_memory_reserve_bytes

    def slower(self, stack: Stack) -> float:
        """What a deadline counts, as a multiple of what is expected; own runs with the stack tell more of it."""
        confidence, own = self.scenario.limits.deadline_confidence, stack.own_speeds.get(self.gpu.name)
        return math.exp(max(0.0, quantile(confidence)) * (own.spread if own else self.gpu.speed.spread))

    @property
    def deadline_seconds(self) -> float:
        return self.scenario.limits.deadline_seconds or math.inf

    @property
    def budget(self) -> float:
        budget = self.scenario.limits.budget
        if budget is None:
            return math.inf
        return float(self.catalog.currencies.convert(budget.amount, budget.currency, self.scenario.currency))

    def converted(self, amount: Decimal, currency: str) -> Decimal:
        return self.catalog.currencies.convert(amount, currency, self.scenario.currency)

    def cost(self, offer: Offer, method: str, gpus: Numbers, seconds: Amounts) -> Amounts:
        """As documented: price x GPUs x whole billing units, at least a minimum, then storage, download and tax."""
        money, workload = self.scenario.money, self.workload
        stated = offer.billing and (offer.billing.is_own or money.billing_unit_seconds is None)
        unit = offer.billing.unit_seconds if offer.billing and stated else money.billing_unit_seconds or 1
        minimum: float = offer.billing.minimum_seconds if offer.billing else 0
        if offer.kind == "reserved":
            minimum = 0 if offer.held or offer.term_seconds is None else max(minimum, offer.term_seconds)
        whole = np.maximum(np.ceil(seconds / unit - 1e-9) * unit, seconds)
        price = float(self.converted(offer.price_per_gpu_hour, offer.currency))
        total = price * gpus * np.maximum(whole, minimum) / 3600
        storage = money.storage or (offer.storage.price if offer.storage and offer.disk_gib is None else None)
        if storage is not None:
            per_byte = float(self.converted(storage.per_byte, storage.currency))
            total = total + per_byte * math.ceil(disk_bytes(workload, method=method) / KIB) * KIB * whole / (730 * 3600)
        free = offer.egress.free_bytes if offer.egress and money.egress is None else 0
        egress = money.egress or (offer.egress.price if offer.egress else None)
        if egress is not None:
            per_byte = float(self.converted(egress.per_byte, egress.currency))
            total = total + per_byte * max(0, math.ceil(result_bytes(workload, method=method)) - free)
        taxed: Amounts = total * (1 + float(money.tax_fraction or 0))
        return taxed

    def estimate(self, plan: Plan) -> Estimate:
        tariff = tariff_of(plan.offer, self.scenario, self.catalog.currencies)
        return estimate(self.workload, plan, tariff=tariff, currency=self.scenario.currency, reserve_bytes=0)


def whole_numbers(ask: Ask, name: str) -> list[int]:
    """The values of a number, ascending: those that the user lists, else those that are documented."""
    search, workload = ask.scenario.search, ask.workload
    listed = getattr(search, name)
    if listed is not None:
        return sorted(set(listed))
    batch, layers = workload.global_batch, workload.architecture.layers
    divisors = [number for number in range(1, batch + 1) if batch % number == 0]
    powers = [1 << exponent for exponent in range(20) if 1 << exponent <= search.max_gpus]
    match name:
        case "gpus":
            return list(range(1, search.max_gpus + 1))
        case "tensor_parallel" | "context_parallel":
            return [number for number in powers if number <= 8]
        case "pipeline_parallel":
            return [number for number in powers if number <= min(16, layers)]
        case "expert_parallel":
            return [number for number in powers if number <= max(1, workload.architecture.experts)]
        case "data_parallel":
            return [number for number in divisors if number <= search.max_gpus]
        case "micro_batch":
            return [number for number in divisors if number <= 64]
        case "gradient_accumulation":
            return divisors
        case "checkpointed_layers":
            return sorted({0, *(max(1, layers * part // 8) for part in range(1, 9))})
        case "loss_chunks":
            return list(decisions.LOSS_CHUNKS)
        case _:
            return list(decisions.MLP_CHUNKS)


def names_of(ask: Ask, decision: str, values: tuple[str, ...]) -> list[str]:
    """The values of a named decision that the user allows, simplest first."""
    listed = getattr(ask.scenario.search, decision)
    return [value for value in values if listed is None or value in listed]


def schedule_grid(ask: Ask) -> dict[str, Numbers]:
    """All schedules that share out exactly the batch and the GPUs, whatever the stack: equally long arrays."""
    batch = ask.workload.global_batch
    gpus = set(whole_numbers(ask, "gpus"))
    rows = []
    for row in product(*(whole_numbers(ask, name) for name in SCHEDULE)):
        tensor, pipeline, context, _, data, micro, accumulation = row
        needed = tensor * pipeline * context * data
        if micro * accumulation * data == batch and needed in gpus and needed <= ask.scenario.search.max_gpus:
            rows.append((needed, *row))
    table = np.array(rows, dtype=np.int64).reshape(len(rows), len(SCHEDULE) + 1)
    return {name: table[:, column] for column, name in enumerate(("gpus", *SCHEDULE))}


def numbers_grid(ask: Ask) -> dict[str, Numbers]:
    """All combinations of all numbers: equally long arrays."""
    schedules = schedule_grid(ask)
    local = np.array(list(product(*(whole_numbers(ask, name) for name in LOCAL))), dtype=np.int64)
    count = len(schedules["gpus"])
    grid = {name: np.repeat(column, len(local)) for name, column in schedules.items()}
    return grid | {name: np.tile(local[:, column], count) for column, name in enumerate(LOCAL)}


def whole_plan_names(ask: Ask) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """Offer, stack, precision and offload, with their places in the order of simplicity."""
    search = ask.scenario.search
    named = search.stack
    stacks = [each for each in ask.catalog.stacks if (each.common if named is None else each.name in named)]
    offloads = names_of(ask, "offload", decisions.OFFLOADS)
    for (offer_place, offer), (stack_place, stack) in product(enumerate(ask.offers), enumerate(stacks)):
        for place, precision in enumerate(precisions(ask, stack)):
            for offload in offloads:
                names = {"gpu": ask.gpu, "offer": offer, "stack": stack, "offload": offload, **precision}
                yield (
                    names,
                    {
                        "offer": offer_place,
                        "stack": stack_place,
                        "precision": place,
                        "offload": decisions.OFFLOADS.index(offload),
                    },
                )


def precisions(ask: Ask, stack: Stack) -> list[dict[str, str]]:
    """Ways of a stack to store and compute that the user allows, in the stack's order."""
    search = ask.scenario.search
    ways = [
        dict(zip(FAMILY, (way.method, way.base_dtype, dtype, way.master_weights, way.grad_dtype), strict=True))
        for way in stack.precisions
        for dtype in way.compute_dtypes
    ]
    listed = {name: getattr(search, name, None) for name in FAMILY}
    return [way for way in ways if all(allowed is None or way[name] in allowed for name, allowed in listed.items())]


def named_choices(ask: Ask, known: dict[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """All combinations of some named decisions."""
    values = [names_of(ask, decision, all_values) for decision, all_values in known.items()]
    return [dict(zip(known, row, strict=True)) for row in product(*values)]


@dataclass(frozen=True)
class Plans:
    """Legal plans that the host and the disk can hold, as equally long columns."""

    peak_bytes: Amounts
    seconds: Amounts
    cost: Amounts
    place: Numbers
    """plans x ORDER."""
    names: tuple[dict[str, Any], ...]
    """Choices of all names."""
    which: Numbers
    """Which of `names` each plan has."""
    numbers: dict[str, Numbers]

    def __len__(self) -> int:
        return len(self.which)

    def where(self, mask: NDArray[np.bool_]) -> Plans:
        """The plans that a mask selects."""
        numbers = {name: column[mask] for name, column in self.numbers.items()}
        amounts = self.peak_bytes[mask], self.seconds[mask], self.cost[mask]
        return Plans(*amounts, self.place[mask], self.names, self.which[mask], numbers)


class Oracle:
    """All plans of one GPU type, and the best of them for each objective."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self._values: dict[Any, Any] = {}

    @cached_property
    def grid(self) -> dict[str, Numbers]:
        return numbers_grid(self.ask)

    @cached_property
    def plans(self) -> Plans:
        """Every legal plan."""
        states, activations = named_choices(self.ask, STATES), named_choices(self.ask, ACTIVATIONS)
        parts: list[dict[str, Any]] = []
        choices: list[dict[str, Any]] = []
        everything = np.ones(len(self.grid["gpus"]), dtype=bool)
        for whole, place in whole_plan_names(self.ask):
            legal = self._legal(everything, {}, whole)
            for state in states if legal.any() else ():
                legal_state = self._legal(legal, whole, state)
                for activation in activations if legal_state.any() else ():
                    before = {**whole, **state}
                    names = {**before, **activation}
                    rows = np.flatnonzero(self._legal(legal_state, before, activation) & self._held(names))
                    if len(rows):
                        parts.append(self._part(names, place, rows, len(choices)))
                        choices.append(names)
        return self._joined(parts, tuple(choices))

    def _arguments(self, names: dict[str, Any]) -> dict[str, Any]:
        per_node = np.minimum(self.grid["gpus"], names["offer"].gpus_per_node)
        return {**names, **self.grid, "gpus_per_node": per_node}

    def _evaluate(self, function: Callable[..., Any], names: dict[str, Any]) -> Any:
        """A formula or rule for the whole grid, computed once for all choices that agree in what it reads."""
        key = (function, *_read(_names_read((function,)), names))
        known = self._values.get(key)
        if known is None:
            known = self._values[key] = call(function, self.ask.workload, self._arguments(names))
        return known

    def _legal(self, mask: NDArray[np.bool_], before: dict[str, Any], more: dict[str, Any]) -> NDArray[np.bool_]:
        """Which rows of `mask` also meet the rules that can be told once `more` names are known."""
        for rule in _rules_between(frozenset(before), frozenset(more)):
            holds = self._evaluate(rule.holds, {**before, **more})
            mask = mask & np.asarray(holds, dtype=bool)
            if not mask.any():
                break
        return mask

    def _held(self, names: dict[str, Any]) -> NDArray[np.bool_]:
        """Which rows the machine's memory and disk can hold, as far as the offer states them."""
        offer = names["offer"]
        mask = np.ones(len(self.grid["gpus"]), dtype=bool)
        if offer.host_ram_gib_per_gpu is not None:
            per_node = np.minimum(self.grid["gpus"], offer.gpus_per_node)
            room = np.floor(offer.host_ram_gib_per_gpu * per_node * GIB)
            mask &= self._total_bytes(HOST, names) <= room
        if offer.disk_gib is not None:
            mask &= self._rounded(disk_bytes, names) <= math.floor(offer.disk_gib * GIB)
        return mask

    def _rounded(self, function: Callable[..., Any], names: dict[str, Any], margin: float = 1.0) -> Any:
        """Memory of a term with its margin, rounded up to whole KiB, for the whole grid."""
        key = ("KiB", function, margin, *_read(_names_read((function,)), names))
        known = self._values.get(key)
        if known is None:
            value = call(function, self.ask.workload, self._arguments(names))
            known = self._values[key] = np.ceil(np.asarray(value) * margin / KIB) * KIB
        return known

    def _margin(self, term: str, names: dict[str, Any]) -> float:
        """What a term of GPU memory is multiplied by, so that the accepted risk is left."""
        if term in HOST:
            return 1.0
        fraction: float = names["stack"].spread.fraction(names["method"], KINDS.get(term, DERIVED))
        reach: float = quantile(1 - self.ask.workload.oom_risk)
        return 1.0 + max(0.0, reach) * fraction

    def _total_bytes(self, terms: dict[str, Callable[..., Any]], names: dict[str, Any]) -> Amounts:
        """The sum of terms, each with its margin and rounded up to whole KiB."""
        functions = tuple(terms.values())
        key = (functions, id(names["stack"]), names["method"], *_read(_names_read(functions), names))
        if key not in self._values:
            total = np.zeros(len(self.grid["gpus"]))
            for name, function in terms.items():
                total = total + self._rounded(function, names, self._margin(name, names))
            self._values[key] = total
        known: Amounts = self._values[key]
        return known

    def _step_seconds(self, names: dict[str, Any]) -> Amounts:
        zero = np.zeros(len(self.grid["gpus"]))
        resources = [
            sum((self._evaluate(term, names) for term in terms.values()), zero) for terms in OVERLAPPED.values()
        ]
        serial: Amounts = sum((self._evaluate(term, names) for term in SERIAL.values()), zero)
        busiest: Amounts = np.maximum.reduce(resources)
        own = names["stack"].own_speeds.get(self.ask.gpu.name)
        return (busiest + serial) * (own.seconds_factor if own else 1.0)

    def _part(self, names: dict[str, Any], place: dict[str, int], rows: Numbers, choice: int) -> dict[str, Any]:
        """Amounts and places of some rows of the grid with these names."""
        phases = [self._total_bytes(terms, names) for terms in PHASES.values()]
        lost = np.broadcast_to(self._evaluate(lost_fraction, names), self.grid["gpus"].shape)
        training = self.ask.workload.steps * self._step_seconds(names) * (1 + lost)
        seconds = (self._evaluate(startup_seconds, names) + training)[rows]
        gpus = self.grid["gpus"][rows]
        return {
            "peak_bytes": np.maximum.reduce(phases)[rows],
            "seconds": seconds,
            "cost": self.ask.cost(names["offer"], names["method"], gpus, seconds),
            "place": self._place(names, place, rows),
            "which": np.full(len(rows), choice),
            "rows": rows,
        }

    def _place(self, names: dict[str, Any], place: dict[str, int], rows: Numbers) -> Numbers:
        """The row of each plan in the order of simplicity: plans x ORDER."""
        lists = STATES | ACTIVATIONS
        fixed = place | {decision: values.index(names[decision]) for decision, values in lists.items()}
        columns = [np.full(len(rows), fixed[name]) if name in fixed else self.grid[name][rows] for name in ORDER]
        return np.stack(columns, axis=1)

    def _joined(self, parts: list[dict[str, Any]], names: tuple[dict[str, Any], ...]) -> Plans:
        empty = {
            "peak_bytes": np.zeros(0),
            "seconds": np.zeros(0),
            "cost": np.zeros(0),
            "place": np.zeros((0, len(ORDER)), dtype=np.int64),
            "which": np.zeros(0, dtype=np.int64),
            "rows": np.zeros(0, dtype=np.int64),
        }
        columns = {name: np.concatenate([none, *(part[name] for part in parts)]) for name, none in empty.items()}
        rows = columns.pop("rows")
        return Plans(**columns, names=names, numbers={name: column[rows] for name, column in self.grid.items()})

    def under(self, scenario: Scenario) -> Oracle:
        """The same plans under other limits: `scenario` may differ in its limits only."""
        other = Oracle(Ask(scenario, self.ask.catalog, self.ask.gpu))
        other.__dict__["grid"], other.__dict__["plans"] = self.grid, self.plans
        return other

    def among(self, offers: Sequence[Offer]) -> Oracle:
        """The same question with some of the offers only, in the same order."""
        kept = [number for number, names in enumerate(self.plans.names) if names["offer"] in offers]
        return self._with(kept)

    def of_method(self, method: str) -> Oracle:
        """The same question with one method only."""
        kept = [number for number, names in enumerate(self.plans.names) if names["method"] == method]
        return self._with(kept)

    def _with(self, choices: list[int]) -> Oracle:
        """The same question with some choices of names only."""
        other = Oracle(self.ask)
        mask = np.isin(self.plans.which, choices)
        other.__dict__["grid"], other.__dict__["plans"] = self.grid, self.plans.where(mask)
        return other

    def feasible(self, objective: str, slack: float = 0.0) -> NDArray[np.bool_]:
        """Which plans meet all limits; those of time and money give or take a fraction (and an amount) of `slack`.

        Where memory is what is minimised, the GPU's own is no limit.
        """
        plans, ask = self.plans, self.ask
        slower = np.array([ask.slower(names["stack"]) for names in plans.names] or [1.0])
        counted = plans.seconds * slower[plans.which]
        in_time: NDArray[np.bool_] = counted <= ask.deadline_seconds * (1 + slack)
        mask: NDArray[np.bool_] = in_time & (plans.cost <= ask.budget * (1 + slack) + slack)
        return mask if objective == "memory" else mask & (plans.peak_bytes <= ask.capacity_bytes)

    def amount(self, objective: str) -> Amounts:
        """What the objective minimises, plan by plan."""
        return {"cost": self.plans.cost, "time": self.plans.seconds, "memory": self.plans.peak_bytes}[objective]

    def least(self, objective: str, slack: float = 0.0) -> float:
        """The exact minimum of the amount over all feasible plans; infinite without any."""
        return float(self.amount(objective)[self.feasible(objective, slack)].min(initial=math.inf))

    def best(
        self, objective: str, cost_step: float, seconds_step: float, tolerance: float = 0.002, slack: float = 0.0
    ) -> int | None:
        """The place of the best plan in the documented order, None if there is none.

        Amounts are compared in whole steps, rounded up; what is above a step by less than `tolerance` is that step.
        """
        rows = np.flatnonzero(self.feasible(objective, slack))
        if not len(rows):
            return None
        cost = np.ceil(self.plans.cost[rows] / cost_step - tolerance)
        seconds = np.ceil(self.plans.seconds[rows] / seconds_step - tolerance)
        amounts = {
            "cost": [cost, seconds],
            "time": [seconds, cost],
            "memory": [self.plans.peak_bytes[rows], cost, seconds],
        }[objective]
        keys = [*amounts, *self.plans.place[rows].T]
        return int(rows[np.lexsort(keys[::-1])[0]])

    def acceptable(self, objective: str, cost_step: float, seconds_step: float) -> list[int | None]:
        """Every place that `best` can give when amounts near a whole step or near a limit are rounded either way."""
        found: dict[int | None, None] = {}
        for tolerance, slack in product((0.0005, 0.002, 0.0035), (0.0, -1e-6, 1e-6)):
            found[self.best(objective, cost_step, seconds_step, tolerance, slack)] = None
        return list(found)

    def plan(self, place: int) -> Plan:
        """One plan as the estimator takes it."""
        names = self.plans.names[self.plans.which[place]]
        numbers: dict[str, Any] = {name: int(column[place]) for name, column in self.plans.numbers.items()}
        lora = self.ask.scenario.search.lora if names["method"] != "full" else None
        return Plan(
            **names, **numbers, lora_rank=lora.rank if lora else None, lora_targets=lora.targets if lora else None
        )

    def place_of(self, plan: Plan) -> int | None:
        """Where a plan is among all legal ones, None if it is not."""
        mask = np.ones(len(self.plans), dtype=bool)
        for name, column in self.plans.numbers.items():
            mask &= column == getattr(plan, name)
        same = [
            number
            for number, names in enumerate(self.plans.names)
            if all(getattr(plan, name) == value for name, value in names.items())
        ]
        rows = np.flatnonzero(mask & np.isin(self.plans.which, same))
        return int(rows[0]) if len(rows) else None


@cache
def _names_read(functions: tuple[Callable[..., Any], ...]) -> tuple[str, ...]:
    """The decisions that some functions read, apart from those that are arrays."""
    read = {name: None for function in functions for name in scope(function)}
    return tuple(name for name in read if name not in NUMBERS)


def _read(decisions_read: tuple[str, ...], names: dict[str, Any]) -> list[Any]:
    """What tells one choice of names from another for a function that reads these decisions."""
    return [
        names["offer"].gpus_per_node if name == "gpus_per_node" else id(names[name]) if name in RECORDS else names[name]
        for name in decisions_read
    ]


@cache
def _rules_between(before: frozenset[str], more: frozenset[str]) -> tuple[Rule, ...]:
    """The rules that read one of `more` names (or none at all), and otherwise only those known before."""
    numbers = {*NUMBERS, "gpus_per_node"}
    known = before | more | numbers
    return tuple(
        rule
        for rule in RULES
        if set(scope(rule.holds)) <= known and (not before or not set(scope(rule.holds)) <= before | numbers)
    )


def every_plan(ask: Ask) -> Iterator[tuple[Plan, Estimate]]:
    """Every legal plan with its estimate, one by one in plain Python: checks the arrays above on tiny spaces."""
    lora = ask.scenario.search.lora
    for (whole, _), local in product(whole_plan_names(ask), named_choices(ask, STATES | ACTIVATIONS)):
        names: dict[str, Any] = {**whole, **local, "lora_rank": None, "lora_targets": None}
        if whole["method"] != "full":
            names.update(lora_rank=lora.rank, lora_targets=lora.targets)
        for row in product(*(whole_numbers(ask, name) for name in NUMBERS)):
            numbers: dict[str, Any] = dict(zip(NUMBERS, row, strict=True))
            plan = Plan(**names, **numbers)
            if not broken_rules(ask.workload, plan):
                found = ask.estimate(plan)
                if _held_by_machine(found):
                    yield plan, found


def _held_by_machine(found: Estimate) -> bool:
    host, disk = found.host_capacity_bytes, found.disk_capacity_bytes
    host_is_enough = host is None or sum(found.host_memory.values()) <= host
    return host_is_enough and (disk is None or found.disk_bytes <= disk)
