"""The decisions that a scenario fixes, by its plan or by leaving one value, and what follows from them.

Nothing is chosen here: a decision of which the job, the stack and the rules leave several values stays open, and is
reported with these values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import Any

from planner import decisions
from planner.catalog import Catalog
from planner.errors import Problem
from planner.estimator.formula import call, scope
from planner.estimator.workload import Workload
from planner.rules import RULES, Rule
from planner.scenario.model import Scenario
from planner.scenario.yaml_lines import Document, KeyPath

PRECISION = ("method", "base_dtype", "compute_dtype", "master_weights", "grad_dtype")
MODEL_PARALLEL = ("tensor_parallel", "pipeline_parallel", "context_parallel")
MOST_LISTED = 16
"""More values than this are not listed in a message."""


def section(document: Document) -> KeyPath:
    """Where a plan is given: the plan section, else search, else the whole file."""
    return next((path for path in (("plan",), ("search",)) if path in document.places), ())


def decided(rule: Rule, known: dict[str, Any]) -> bool:
    """Whether everything that a rule is about is known."""
    return all(name in known for name in scope(rule.holds))


class GivenDecisions:
    """Decision -> value as far as given or following (`known`), and a problem for each one that is `open`.

    `known` has catalog records for gpu and stack, and neither offer nor what follows from it.
    """

    def __init__(self, scenario: Scenario, workload: Workload, catalog: Catalog, document: Document) -> None:
        self.search = scenario.search
        self.workload = workload
        self.document = document
        self.known: dict[str, Any] = {}
        self.open: list[Problem] = []
        self._machines(catalog)
        self._precision()
        self._numbers(workload.global_batch)
        self._names()

    def _machines(self, catalog: Catalog) -> None:
        gpus = {each.name: each for each in catalog.gpus}
        stacks = {each.name: each for each in catalog.stacks}
        for name, records in (("gpu", gpus), ("stack", stacks)):
            if name == "stack" and (engine := self._engine(catalog)):
                self.known[name] = engine
            else:
                self._take(name, records)
            if name in self.known:
                self.known[name] = records[self.known[name]]
        self.stacks = [self.known["stack"]] if "stack" in self.known else list(stacks.values())

    def _engine(self, catalog: Catalog) -> str | None:
        """The engine of a trainer that has the given sharding, where the search allows one trainer."""
        names = self.search.stack or ()
        sharding = self._single("sharding") or ("none" if self._single("gpus") == 1 else None)
        if len(names) < 2 or sharding is None or set(names) != {each.name for each in catalog.engines(names[0])}:
            return None
        return catalog.engine(names[0], sharding).name

    def _precision(self) -> None:
        """The dtypes follow from the method and the storage of the weights where the stack has one way only."""
        self._take("offload", decisions.OFFLOADS, default="none")
        for name in PRECISION:
            rows = self._agreeing(PRECISION) or self._agreeing(PRECISION[:2])
            if name in ("method", "base_dtype") or {"stack", "method", "base_dtype"} <= set(self.known):
                known_values = next(each.values for each in decisions.DECISIONS if each.name == name)
                self._take(name, dict.fromkeys(row[name] for row in rows) or known_values)

    def _rows(self) -> Iterator[dict[str, str]]:
        for stack in self.stacks:
            for precision in stack.precisions:
                for dtype in precision.compute_dtypes:
                    yield {name: getattr(precision, name, dtype) for name in PRECISION}

    def _agreeing(self, names: Sequence[str]) -> list[dict[str, str]]:
        """The precisions that have the known values of these decisions, and none that the search excludes."""
        return [row for row in self._rows() if all(self._agrees(name, row[name]) for name in names)]

    def _agrees(self, name: str, value: str) -> bool:
        return bool(self.known.get(name, value) == value) and self.search.allows(name, value)

    def _numbers(self, batch: int) -> None:
        for name in (*MODEL_PARALLEL, "expert_parallel"):
            self._take(name, (), default=1)
        self._gpus()
        data = self.known.get("data_parallel")
        if data is None:
            self._take("micro_batch", divisors(batch))
        elif batch % data:
            self._impossible("data_parallel", f"the global batch of {batch} is not divisible by data_parallel {data}")
        else:
            self._batches(batch // data)

    def _gpus(self) -> None:
        """The number of GPUs, or of replicas, that follows from the other and from the degrees."""
        gpus, data = self._single("gpus"), self._single("data_parallel")
        if gpus is None and self.search.max_gpus == 1:
            gpus = 1
        if gpus is None and data is None:
            self._missing("gpus", ())
        if not all(name in self.known for name in MODEL_PARALLEL):
            return
        split = prod(self.known[name] for name in MODEL_PARALLEL)
        if gpus is not None and data is None and gpus % split:
            parts = " x ".join(f"{name} {self.known[name]}" for name in MODEL_PARALLEL if self.known[name] > 1)
            self._impossible("gpus", f"{gpus} GPUs are not divisible by {parts}")
        elif gpus is not None:
            self._derive("gpus", gpus)
            self._derive("data_parallel", gpus // split if data is None else data)
        elif data is not None:
            self._derive("data_parallel", data)
            self._derive("gpus", data * split)

    def _batches(self, sequences: int) -> None:
        """Micro-batch and accumulation: each follows from the other and the sequences of one replica."""
        micro, accumulation = "micro_batch", "gradient_accumulation"
        if self._single(micro) is not None or self._single(accumulation) is None:
            self._take(micro, divisors(sequences))
        given, follows = (micro, accumulation) if micro in self.known else (accumulation, micro)
        value = self.known.get(micro, self._single(accumulation))
        if value is None:
            return
        self.known[given] = value
        if self._single(follows) is not None:
            self.known[follows] = self._single(follows)
        elif sequences % value:
            self._impossible(given, f"the {sequences} sequences of one replica are not divisible by {given} {value}")
        else:
            self._derive(follows, sequences // value)

    def _names(self) -> None:
        layers = self.workload.architecture.layers
        if {"data_parallel", "context_parallel"} <= set(self.known):
            self._take("sharding", self._shardings())
        for name in ("optimizer", "attention", "checkpointing", "loss"):
            order = next(each.values for each in decisions.DECISIONS if each.name == name)
            offered = {value for stack in self.stacks for value in offered_by(stack, name)}
            self._take(name, [value for value in order if value in offered] or order)
        if "checkpointing" in self.known:
            self._take("checkpointed_layers", (), default=0 if self.known["checkpointing"] == "none" else layers)
        if "loss" in self.known:
            self._take("loss_chunks", decisions.LOSS_CHUNKS)
        self._take("mlp_chunks", decisions.MLP_CHUNKS, default=1)

    def _shardings(self) -> list[str]:
        """What splits the replicas' states: nothing on one rank, else what the stacks have for method and offload."""
        if self.known["data_parallel"] * self.known["context_parallel"] == 1:
            return ["none"]
        method, offload = self.known.get("method"), self.known.get("offload")
        offered = {
            each.name
            for stack in self.stacks
            for each in stack.shardings
            if method in (None, *each.methods) and offload in (None, *each.offloads)
        }
        return [name for name in decisions.SHARDINGS if name in offered - {"none"}]

    def _single(self, name: str) -> Any:
        """The one value that the search leaves of a decision; None if there are several or all."""
        allowed = getattr(self.search, name)
        return allowed[0] if allowed is not None and len(allowed) == 1 else None

    def _take(self, name: str, values: Iterable[Any], default: Any = None) -> None:
        """Know the value that is given, the only legal one of `values`, or the default if the search is silent."""
        single, values = self._single(name), list(values)
        allowed = [value for value in values if self.search.allows(name, value)]
        left = [value for value in allowed if self._is_legal(name, value)] or allowed
        if single is not None:
            self.known[name] = single
        elif default is not None and getattr(self.search, name) is None:
            self.known[name] = default
        elif len(left) == 1:
            self.known[name] = left[0]
        else:
            self._missing(name, left or getattr(self.search, name) or values)

    def _is_legal(self, name: str, value: Any) -> bool:
        """Whether no rule about this decision and known ones speaks against a value."""
        if name in ("gpu", "stack"):
            return True
        known = {**self.known, name: value}
        rules = (rule for rule in RULES if name in scope(rule.holds) and decided(rule, known))
        return all(call(rule.holds, self.workload, known) for rule in rules)

    def _derive(self, name: str, value: int) -> None:
        """Know what follows from other decisions, unless the search excludes it."""
        if self.search.allows(name, value):
            self.known[name] = value
        else:
            allowed = ", ".join(map(str, getattr(self.search, name)))
            self._impossible(name, f"{value} follows from the other decisions, but search.{name} allows {allowed}")

    def _impossible(self, name: str, message: str) -> None:
        """A number that does not go with the others, told at the place where it or its section is written."""
        paths = (("plan", name), ("search", name), section(self.document))
        path = next(path for path in paths if path in self.document.places or path is paths[-1])
        self.open.append(self.document.problem(path, message))

    def _missing(self, name: str, values: Sequence[Any]) -> None:
        """A decision with several values left, and how to give one."""
        hint = f"Give plan.{name}: {values_text(name, values)}"
        searched = ("search", name)
        if getattr(self.search, name) is not None and searched in self.document.places:
            count = len(getattr(self.search, name))
            problem = self.document.problem(searched, f"{count} values are allowed, but an estimate needs one", hint)
        else:
            problem = self.document.problem(section(self.document), f"{name} is missing", hint)
        self.open.append(problem)


def offered_by(stack: Any, decision: str) -> tuple[str, ...]:
    """The values of a named decision that a stack has."""
    values: tuple[str, ...] = getattr(stack, {"loss": "losses"}.get(decision, f"{decision}s"))
    return values


def values_text(name: str, values: Sequence[Any]) -> str:
    """Values in a hint, or where to find them.

    >>> values_text("micro_batch", [1, 2, 4]), values_text("gpus", ())
    ('1, 2 or 4', 'a whole number')
    """
    if name in ("gpu", "stack") and len(values) > MOST_LISTED:
        return f"a name that `planner catalog {name}s` lists"
    if not values:
        return "a whole number"
    *others, last = map(str, values[:MOST_LISTED])
    more = ", ..." if len(values) > MOST_LISTED else ""
    return f"{', '.join(others)} or {last}{more}" if others else last


def divisors(number: int) -> list[int]:
    """Divisors of `number`, ascending.

    >>> divisors(12)
    [1, 2, 3, 4, 6, 12]
    """
    return [value for value in range(1, number + 1) if number % value == 0]
