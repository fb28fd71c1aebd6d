"""Given plans: completed, checked against every rule, estimated, and held against every limit. Nothing is searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from planner.catalog import Gpu, Offer
from planner.catalog.offer import UnpricedOffer
from planner.decisions import Plan
from planner.errors import InputError, Problem
from planner.estimator.estimate import Estimate
from planner.estimator.formula import call, scope
from planner.rules import RULES, Rule
from planner.scenario.given import GivenDecisions, decided, section
from planner.scenario.yaml_lines import Document, KeyPath
from planner.solver.alternatives import bindings_of
from planner.solver.answer import LimitName
from planner.solver.candidate import COST_ROUNDING, LIMIT_TOLERANCE, Candidate
from planner.solver.offers import undominated
from planner.solver.world import World

MACHINE_GPUS = 8
"""GPUs of one machine where no offer says; servers with 8 GPUs are the usual ones. An assumption of the planner."""
NO_LIMIT = "no limit"
"""The reason of a check for a limit that the scenario does not set."""


@dataclass(frozen=True)
class Check:
    """A limit, and whether a plan keeps it; `holds` is None if that is not known, for the `reason` given."""

    limit: LimitName
    used: float | None
    """Bytes, seconds or money; None if not known."""
    available: float | None
    """None if there is no such limit, or if it is not published."""
    holds: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Evaluation:
    """A given plan with its estimate, and whether it keeps the limits."""

    world: World
    candidate: Candidate
    checks: tuple[Check, ...]
    unpriced: str = ""
    """Why no price is known, if none is."""

    @property
    def plan(self) -> Plan:
        """One value of every decision."""
        return self.candidate.plan

    @property
    def estimate(self) -> Estimate:
        """What the plan needs, takes and costs."""
        return self.candidate.estimate

    @property
    def fits(self) -> bool | None:
        """Whether all limits hold; None if a limit of the user cannot be checked. Unpublished ones do not count."""
        if any(check.holds is False for check in self.checks):
            return False
        return None if any(check.holds is None and check.available is not None for check in self.checks) else True


def evaluate_given(world: World, document: Document) -> Evaluation:
    """The evaluation of the plan that a scenario gives; `document` is the file that it was read from.

    Error: InputError with a problem for each decision that is open, and one for each rule that the plan breaks.
    """
    given = GivenDecisions(world.scenario, world.workload, world.catalog, document)
    known = given.known
    _refuse([*given.open, *_broken(world, document, [rule for rule in RULES if decided(rule, known)], known)])
    later = [rule for rule in RULES if not decided(rule, known)]
    plans = [_plan(world, known, offer) for offer in world.offers if offer.gpu == known["gpu"].name]
    legal = [plan.offer for plan in plans if not any(_broken(world, document, later, _decisions(plan)))]
    if legal:
        kept, _ = undominated(world, legal)
        return min((_evaluated(world, _plan(world, known, offer)) for offer in kept), key=_order)
    if named := _named_offer(document):
        _refuse(_broken(world, document, later, _decisions(plans[0])) if plans else [_not_offered(document, named)])
    plan = _plan(world, known, _unpriced(world, known["gpu"], known["gpus"]))
    _refuse(_broken(world, document, [rule for rule in later if "offer" not in scope(rule.holds)], _decisions(plan)))
    return _evaluated(world, plan, _why_unpriced(world, plans, later))


def _refuse(problems: Iterable[Problem]) -> None:
    """InputError if there are any."""
    told = list(problems)
    if told:
        raise InputError(told)


def _named_offer(document: Document) -> KeyPath:
    """Where the user names an offer or its provider, so that no other one and no unknown price would do."""
    for part, key in (("plan", "offer"), ("plan", "provider"), ("search", "provider")):
        if (document.value.get(part) or {}).get(key) is not None:
            return (part, key)
    return ()


def _not_offered(document: Document, named: KeyPath) -> Problem:
    hint = "`planner catalog offers` lists what is; leave it out for an estimate without a price"
    return document.problem(named, "this GPU is not offered there at the prices allowed", hint)


def _plan(world: World, known: dict[str, Any], offer: Offer) -> Plan:
    """The plan on the machines of an offer."""
    lora = world.scenario.search.lora if known["method"] != "full" else None
    return Plan(
        **known, offer=offer, lora_rank=lora.rank if lora else None, lora_targets=lora.targets if lora else None
    )


def _decisions(plan: Plan) -> dict[str, Any]:
    """Decision -> value, catalog records as such, with what follows from the offer."""
    return {**vars(plan), "gpus_per_node": plan.gpus_per_node, "nodes": plan.nodes}


def _broken(world: World, document: Document, rules: Sequence[Rule], values: dict[str, Any]) -> Iterator[Problem]:
    """A problem for each of these rules that the values break, with the values that it is about."""
    for rule in rules:
        if not call(rule.holds, world.workload, values):
            shown = ", ".join(f"{name} {_shown(values[name])}" for name in scope(rule.holds))
            yield document.problem(section(document), rule.sentence, f"Here: {shown}" if shown else "")


def _shown(value: Any) -> str:
    return str(getattr(value, "name", value))


def _unpriced(world: World, gpu: Gpu, gpus: int) -> Offer:
    """Machines of the usual size, or as many as the plan states, at no known price."""
    nodes = world.scenario.nodes
    together = gpus // nodes if nodes else min(gpus, MACHINE_GPUS)
    return UnpricedOffer(
        gpu=gpu.name, gpus_per_node=together, observed=world.scenario.as_of, retrieved=world.scenario.as_of
    )


def _why_unpriced(world: World, plans: Sequence[Plan], rules: Sequence[Rule]) -> str:
    """Why there is no price: no offer at all, or none that the plan can use."""
    if not plans:
        return "nobody offers this GPU at the prices allowed: give your own price under offers"
    broken = [
        rule.sentence for plan in plans for rule in rules if not call(rule.holds, world.workload, _decisions(plan))
    ]
    return f"none of the {len(plans)} known offers of this GPU serves the plan: {'; '.join(dict.fromkeys(broken))}"


def _evaluated(world: World, plan: Plan, unpriced: str = "") -> Evaluation:
    candidate = Candidate(plan, world.estimate(plan), ())
    return Evaluation(world, candidate, tuple(_checks(world, candidate, unpriced)), unpriced)


def _order(evaluation: Evaluation) -> tuple[int, float, float]:
    """Of several offers the one that breaks fewest limits, then the cheapest (or fastest)."""
    broken = sum(check.holds is False for check in evaluation.checks)
    amounts = (float(evaluation.estimate.cost), evaluation.estimate.seconds)
    return (broken, *(amounts[::-1] if evaluation.world.scenario.prefer == "time" else amounts))


def _checks(world: World, candidate: Candidate, unpriced: str) -> Iterator[Check]:
    """Every limit, in the order of reports; GPU memory is counted as for the plan of an answer."""
    estimate = candidate.estimate
    memory = next(each for each in bindings_of(world, candidate) if each.limit == "gpu_memory")
    unpublished = "not known without an offer" if unpriced else "the provider does not publish it"
    yield _check("gpu_memory", memory.used, memory.available)
    yield _check("host_memory", sum(estimate.host_memory.values()), estimate.host_capacity_bytes, unpublished)
    yield _check("disk", estimate.disk_bytes, estimate.disk_capacity_bytes, unpublished)
    limits = world.scenario.limits
    deadline, budget = limits.deadline_seconds, None if limits.budget is None else world.budget
    yield _check("deadline", estimate.counted_seconds, deadline, NO_LIMIT, (deadline or 0.0) * LIMIT_TOLERANCE)
    if unpriced:
        yield Check("budget", None, budget, None, "no price is known" if budget is not None else NO_LIMIT)
    else:
        yield _check(
            "budget", float(estimate.cost), budget, NO_LIMIT, COST_ROUNDING + (budget or 0.0) * LIMIT_TOLERANCE
        )


def _check(limit: LimitName, used: float, available: float | None, unknown: str = "", rounding: float = 0.0) -> Check:
    """Whether a limit holds, up to `rounding`; `unknown` says why there is none."""
    if available is None:
        return Check(limit, used, None, None, unknown)
    return Check(limit, used, available, used <= available + rounding)
