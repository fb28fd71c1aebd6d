"""What the `plan` section means: the search narrowed to its values, and what contradicts it elsewhere in the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from planner.catalog import Catalog
from planner.catalog.names import fold
from planner.catalog.offer import Offer
from planner.errors import Problem, did_you_mean
from planner.scenario.model import Search
from planner.scenario.plan_schema import PlanSchema
from planner.scenario.schema import ScenarioSchema
from planner.scenario.yaml_lines import Document
from planner.units import shown

MOST_MACHINE_GPUS = 576
OFFER = ("plan", "offer")
SEARCHED = tuple(each.name for each in fields(Search) if each.name in PlanSchema.model_fields)


def given_values(plan: PlanSchema) -> dict[str, object]:
    """Decision -> value, of what the plan states and a search can limit; three keys are apart."""
    values = {name: getattr(plan, name) for name in SEARCHED if name not in ("lora", "offer", "virtual_stages")}
    return {name: value for name, value in values.items() if value is not None}


def narrowed(search: Search, written: ScenarioSchema, offers: Sequence[Offer], catalog: Catalog) -> Search:
    """The search with only the values of the plan; an offer or a number of GPUs that it names is allowed in any case,
    and a trainer runs on the engine that has the plan's sharding.

    The plan must be without problems (see `plan_problems`).
    """
    plan = written.plan
    if plan is None:
        return search
    changes: dict[str, Any] = {name: (value,) for name, value in given_values(plan).items()}
    if plan.stack is not None and plan.sharding is not None:
        changes["stack"] = (catalog.engine(plan.stack, plan.sharding).name,)
    changes["lora"] = replace(search.lora, **plan.adapters)
    if plan.virtual_stages is not None:
        changes["virtual_stages"] = plan.virtual_stages
    if plan.gpus is not None:
        changes["max_gpus"] = max(search.max_gpus, plan.gpus)
    if plan.offer is not None:
        (meant, *_) = matching_offers(plan, offers)
        changes["offer"] = (meant.name,)
        changes["pricing"] = tuple(dict.fromkeys((*search.pricing, meant.kind)))
    return replace(search, **changes)


def matching_offers(plan: PlanSchema, offers: Sequence[Offer]) -> list[Offer]:
    """The offers that have the name, the GPU and the number of machines that the plan states."""
    named = [offer for offer in offers if fold(offer.name) == fold(plan.offer or "")]
    named = [offer for offer in named if plan.gpu is None or offer.gpu == plan.gpu]
    if plan.nodes is None or plan.gpus is None:
        return named
    together = plan.gpus // plan.nodes
    return [offer for offer in named if min(plan.gpus, offer.gpus_per_node) == together]


def plan_problems(
    search: Search, written: ScenarioSchema, offers: Sequence[Offer], document: Document
) -> Iterator[Problem]:
    """Everything in the plan that contradicts itself, the search, or the offers."""
    plan = written.plan
    if plan is None:
        return
    for name, value in given_values(plan).items():
        if not search.allows(name, value):
            message = f"{shown(value)} contradicts search.{name}, which allows {_shown_all(getattr(search, name))}"
            yield document.problem(("plan", name), message, "Change one of them")
    if "max_gpus" in written.search.model_fields_set and (plan.gpus or 0) > search.max_gpus:
        message = f"{plan.gpus} contradicts search.max_gpus, which is {search.max_gpus}"
        yield document.problem(("plan", "gpus"), message, "Change one of them")
    stages = plan.virtual_stages
    if "virtual_stages" in written.search.model_fields_set and stages not in (None, search.virtual_stages):
        message = f"{stages} contradicts search.virtual_stages, which is {search.virtual_stages}"
        yield document.problem(("plan", "virtual_stages"), message, "Change one of them")
    yield from _adapter_problems(search, written, plan, document)
    faults = list(_node_faults(plan))
    yield from (document.problem(("plan", "nodes"), fault) for fault in faults)
    if plan.offer is not None and not faults:
        yield from _offer_problems(search, written, plan, offers, document)


def _node_faults(plan: PlanSchema) -> Iterator[str]:
    """Why so many GPUs cannot be on so many machines, whoever rents them out."""
    if plan.nodes is None:
        return
    if plan.gpus is None:
        yield "a number of machines needs plan.gpus beside it"
    elif plan.gpus % plan.nodes:
        yield f"{plan.gpus} GPUs cannot be spread evenly over {plan.nodes} machines"
    elif plan.gpus // plan.nodes > MOST_MACHINE_GPUS:
        yield f"{plan.gpus // plan.nodes} GPUs in one machine, at most {MOST_MACHINE_GPUS} are possible"


def _shown_all(values: Sequence[object]) -> str:
    return ", ".join(shown(value) for value in values)


def _adapter_problems(
    search: Search, written: ScenarioSchema, plan: PlanSchema, document: Document
) -> Iterator[Problem]:
    """The shape of the adapters written twice."""
    for name in ("lora_rank", "lora_targets"):
        if plan.lora is not None and getattr(plan, name) is not None:
            yield document.problem(("plan", name), "does not go with lora", "Give one of them", at_key=True)
    searched = search.lora
    if "lora" in written.search.model_fields_set and replace(searched, **plan.adapters) != searched:
        key = "lora" if plan.lora is not None else "lora_rank" if plan.lora_rank is not None else "lora_targets"
        message = f"contradicts search.lora, which is rank {searched.rank}, {searched.targets}"
        yield document.problem(("plan", key), message, "Change one of them")


def _offer_problems(
    search: Search, written: ScenarioSchema, plan: PlanSchema, offers: Sequence[Offer], document: Document
) -> Iterator[Problem]:
    """An offer by a name that none has, or one that other keys exclude."""
    name = plan.offer or ""
    of_gpu = [offer for offer in offers if plan.gpu is None or offer.gpu == plan.gpu]
    meant = [offer for offer in of_gpu if fold(offer.name) == fold(name)]
    if not meant:
        whose = f" of {plan.gpu}" if plan.gpu else ""
        hint = did_you_mean(name, dict.fromkeys(offer.name for offer in of_gpu)) if of_gpu else "No offer is known"
        yield document.problem(OFFER, f"unknown offer {shown(name)}{whose}", f"{hint} (`planner catalog offers`)")
        return
    if not matching_offers(plan, offers):
        sizes = ", ".join(str(offer.gpus_per_node) for offer in meant)
        message = f"its machines have {sizes} GPUs, so {plan.gpus} GPUs are not on {plan.nodes} of them"
        yield document.problem(("plan", "nodes"), message)
    (offer, *_) = meant
    provider = plan.provider or offer.provider
    if provider != offer.provider:
        yield document.problem(("plan", "provider"), f"{shown(provider)} contradicts the offer of {offer.provider}")
    elif not search.allows("provider", provider):
        message = f"contradicts search.provider, which allows {_shown_all(search.provider or ())}"
        yield document.problem(OFFER, message, "Change one of them")
    if "pricing" in written.search.model_fields_set and not search.allows("pricing", offer.kind):
        message = f"contradicts search.pricing, which allows {_shown_all(search.pricing)}"
        yield document.problem(OFFER, message, "Change one of them")
