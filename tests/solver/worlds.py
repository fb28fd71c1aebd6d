"""Random small worlds: jobs, offers and searches that an enumeration gets through in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle import Ask, Oracle

from planner.catalog import Catalog, Offer, load_catalog
from planner.catalog.architecture import Architecture
from planner.catalog.provider import Billing, Egress, Storage
from planner.catalog.speed import OwnSpeed
from planner.scenario.model import Assumptions, Job, Limits, Lora, MoneyTerms, Scenario, Search
from planner.unit_prices import parse_storage_price, parse_traffic_price
from planner.units import Money

TODAY = date(2026, 11, 23)
MADE_UP: dict[str, Any] = {"source": "made up for tests", "retrieved": TODAY}

SHARDING_CHOICES = (
    None,
    ("none", "ddp", "zero3", "fsdp"),
    None,
    ("zero1", "zero2", "none", "hsdp", "fsdp"),
    None,
)
"""Without "none" a single GPU has no plan; the methods of a stack have few ways each."""
OFFLOAD_CHOICES = (("none",), ("none", "optimizer"), ("activations", "none"), ("params+optimizer", "none"))


def catalog() -> Catalog:
    """The shipped catalogs."""
    return load_catalog()


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Decoders from a million to some ten billion parameters: dense or mixtures, tied or not, shared keys or not."""
    head_dim = draw(st.sampled_from((32, 64, 128)))
    heads = draw(st.sampled_from((4, 8, 12, 16, 32)))
    mixture: dict[str, Any] = {}
    if draw(st.integers(0, 3)) == 3:
        experts = draw(st.sampled_from((4, 6, 8)))
        mixture = {
            "experts": experts,
            "experts_per_token": draw(st.integers(1, 3)),
            "moe_intermediate": draw(st.sampled_from((256, 1024, 2048))),
            "fused_experts": draw(st.booleans()),
        }
    return Architecture(
        name="random",
        family=draw(st.sampled_from(("llama", "qwen2", "gpt2", "phi"))),
        layers=draw(st.sampled_from((1, 2, 5, 8, 12, 24, 32))),
        hidden=heads * head_dim,
        intermediate=draw(st.sampled_from((500, 2048, 8192, 11008))),
        heads=heads,
        kv_heads=draw(st.sampled_from((heads, heads // 2, 1))),
        head_dim=head_dim,
        vocab=draw(st.sampled_from((1000, 32_000, 128_256))),
        tied_embeddings=draw(st.booleans()),
        max_positions=4096,
        position=draw(st.sampled_from(("rope", "learned"))),
        norm=draw(st.sampled_from(("rmsnorm", "layernorm"))),
        gated_mlp=draw(st.booleans()),
        **mixture,
        **MADE_UP,
    )


@st.composite
def terms(draw: st.DrawFn) -> dict[str, Any]:
    """How an offer bills: in coarse units, with minima, disks and traffic, or as it is used."""
    if draw(st.booleans()):
        return {}
    unit, least = draw(st.sampled_from((1, 60, 3600, 600))), draw(st.sampled_from((0, 60, 3600, 200_000)))
    storage, egress = draw(st.sampled_from((None, "0.1", "3"))), draw(st.sampled_from((None, "0", "0.09", "0.5")))
    free = draw(st.sampled_from((0, 5)))
    priced: dict[str, Any] = {"observed": TODAY, **MADE_UP}
    kept = {"price": f"{storage} USD/GB/month", **priced}
    sent = {"price": f"{egress} CNY/GB", "free_gb": free, **priced}
    return {
        "billing": Billing(unit_seconds=unit, minimum_seconds=least, is_own=draw(st.booleans()), **MADE_UP),
        "storage": Storage.model_validate(kept) if storage else None,
        "egress": Egress.model_validate(sent) if egress else None,
        "term_seconds": draw(st.sampled_from((None, 86400.0))),
        "held": draw(st.booleans()),
    }


@st.composite
def money(draw: st.DrawFn) -> MoneyTerms:
    """Nothing beside the offers', or terms of the scenario's own."""
    if draw(st.booleans()):
        return MoneyTerms()
    return MoneyTerms(
        storage=draw(st.sampled_from((None, parse_storage_price("0.2 USD/GB/month")))),
        egress=draw(st.sampled_from((None, parse_traffic_price("0.05 EUR/GiB")))),
        download=draw(st.sampled_from(("weights", "checkpoint", "nothing"))),
        tax_fraction=draw(st.sampled_from((None, Decimal("0.19")))),
        billing_unit_seconds=draw(st.sampled_from((None, 600))),
    )


@st.composite
def offers(draw: st.DrawFn, gpu: str, number: int) -> Offer:
    """One price of one machine: every property that offers differ in."""
    return Offer(
        provider=f"provider {number}",
        gpu=gpu,
        gpus_per_node=draw(st.sampled_from((1, 2, 4, 8))),
        divisible=draw(st.sampled_from((True, True, False))),
        kind=draw(st.sampled_from(("on-demand", "spot", "on-demand", "spot", "reserved"))),
        **draw(terms()),
        price_per_gpu_hour=Decimal(draw(st.integers(20, 400))) / 100,
        currency=draw(st.sampled_from(("USD", "CNY"))),
        host_ram_gib_per_gpu=draw(st.sampled_from((None, 12.0, 30.5, 120.0))),
        disk_gib=draw(st.sampled_from((None, None, 40.0, 2000.0))),
        inter_node_gbit_s=draw(st.sampled_from((None, 10.0, 400.0))),
        observed=TODAY,
        quality="made up",
        **MADE_UP,
    )


def some(values: Sequence[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...] | None]:
    """Everything (None), or a few of the values in any order."""
    few = st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)
    return st.one_of(st.none(), few)


def few(values: Sequence[Any], most: int = 2) -> st.SearchStrategy[tuple[Any, ...]]:
    """A few of the values in any order."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)


@st.composite
def searches(draw: st.DrawFn, layers: int, batch: int, gpus: tuple[str, ...]) -> Search:
    """Restrictions that leave at most some ten thousand plans."""
    every = catalog().stacks
    stacks = draw(st.lists(st.sampled_from(every), min_size=2, max_size=2, unique_by=lambda each: each.name))
    stack = stacks[0]
    methods = {precision.method for precision in stack.precisions}
    divisors = [number for number in range(1, batch + 1) if batch % number == 0]
    whole = {"none": 0, "some": max(1, layers // 2), "all": layers}
    return Search(
        stack=tuple(each.name for each in stacks),
        method=draw(few(sorted(methods))),
        optimizer=draw(few(stack.optimizers)),
        attention=draw(st.sampled_from((("sdpa", "flash"), ("sdpa",), ("flash", "eager")))),
        checkpointing=draw(some(stack.checkpointings)),
        checkpointed_layers=draw(st.sampled_from((None, tuple(whole.values()), (0, layers)))),
        loss=draw(some(stack.losses)),
        loss_chunks=draw(st.sampled_from((None, (1, 3), (1, 8, 4)))),
        mlp_chunks=draw(st.sampled_from((None, (1,), (4, 1)))),
        micro_batch=draw(some(divisors, 3)),
        sharding=draw(st.sampled_from(SHARDING_CHOICES)),
        offload=draw(st.sampled_from(OFFLOAD_CHOICES)),
        tensor_parallel=draw(st.sampled_from((None, (1,), (2, 1), (1, 4)))),
        pipeline_parallel=draw(st.sampled_from((None, (1,), (1, 2), (1, 3)))),
        context_parallel=draw(st.sampled_from(((1,), (1,), (2, 1)))),
        expert_parallel=draw(st.sampled_from((None, (1,), (1, 2)))),
        gpu=gpus,
        max_gpus=draw(st.sampled_from((8, 4, 2, 12, 1))),
        pricing=("on-demand", "spot", "reserved"),
        lora=Lora(draw(st.sampled_from((4, 64))), draw(st.sampled_from(("all-linear", "q+v")))),
    )


@st.composite
def scenarios(draw: st.DrawFn, most_gpus: int = 1) -> Scenario:
    """A job, its offers and its search, without limits."""
    modern = [gpu.name for gpu in catalog().gpus if gpu.vendor in ("NVIDIA", "AMD") and gpu.peak_flops("bf16")]
    names = [*modern, *modern, *(gpu.name for gpu in catalog().gpus)]
    gpus = tuple(dict.fromkeys(draw(st.sampled_from(names)) for _ in range(most_gpus)))
    architecture = draw(architectures())
    batch = draw(st.sampled_from((1, 2, 6, 8, 16, 32)))
    length = draw(st.sampled_from((512, 128, 4096, 1024)))
    tokens = draw(st.sampled_from((2_000_000, 30_000_000, 500_000_000)))
    numbers = [
        (gpu, 10 * place + number) for place, gpu in enumerate(gpus) for number in range(draw(st.integers(1, 3)))
    ]
    return Scenario(
        file="random.yaml",
        name="random",
        job=Job("random", architecture, tokens, length, batch),
        as_of=TODAY,
        search=draw(searches(architecture.layers, batch, gpus)),
        currency=draw(st.sampled_from(("USD", "CNY"))),
        offers=tuple(draw(offers(gpu, number)) for gpu, number in numbers),
        catalog_offers=False,
        money=draw(money()),
        assumptions=Assumptions(startup_seconds=draw(st.sampled_from((None, 60.0)))),
    )


@dataclass(frozen=True)
class Tightness:
    """Where limits are put among the amounts of a world's plans: at which rank (0 least), times which factor."""

    deadline: tuple[float, float] | None
    budget: tuple[float, float] | None
    memory: tuple[float, float] | None
    """Among the peaks that fit the GPU; None leaves free what is usual."""


@st.composite
def tightnesses(draw: st.DrawFn) -> Tightness:
    """No limit, a loose one, one that only a few plans meet, a near miss, or an impossible one."""
    rank = st.sampled_from((0.0, 0.02, 0.1, 0.3, 1.0))
    factor = st.sampled_from((1.0, 1 + 1e-5, 1 - 1e-5, 1.3, 1 - 6e-5, 1.02, 0.8))
    limit = st.one_of(st.none(), st.tuples(rank, factor))
    memory = st.one_of(st.none(), st.tuples(rank, st.sampled_from((1.0, 1 + 1e-5, 1.3, 1 - 1e-5))))
    return Tightness(draw(limit), draw(limit), draw(memory))


def limited(oracle: Oracle, tightness: Tightness) -> Oracle:
    """The same plans under limits that are put among the amounts of those that fit the GPU."""
    gpu, plans, scenario = oracle.ask.gpu, oracle.plans, oracle.ask.scenario
    room = _among(plans.peak_bytes[plans.peak_bytes <= gpu.memory_bytes], tightness.memory)
    reserve = 0 if room is None else gpu.memory_bytes - int(room)
    fitting = plans.peak_bytes <= gpu.memory_bytes - reserve
    chosen = fitting if fitting.any() else np.ones(len(plans), dtype=bool)
    deadline = _among(plans.seconds[chosen], tightness.deadline)
    budget = _among(plans.cost[chosen], tightness.budget)
    money = None if budget is None else Money(Decimal(repr(budget)), scenario.currency)
    return oracle.under(replace(scenario, limits=Limits(deadline, money, gpu_memory_reserve_bytes=reserve)))


def _among(amounts: NDArray[np.float64], where: tuple[float, float] | None) -> float | None:
    if where is None or not len(amounts):
        return None
    rank, factor = where
    return float(np.sort(amounts)[int(rank * (len(amounts) - 1))]) * factor


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """The shipped catalogs, or those with own speeds of some stacks on some GPU types."""
    if draw(st.booleans()):
        return catalog()
    own = st.builds(OwnSpeed, seconds_factor=st.sampled_from((1.3, 0.8, 1.0)), spread=st.sampled_from((0.02, 0.1, 0.3)))
    few = draw(st.lists(st.one_of(own, st.none()), min_size=2, max_size=4))
    numbered = {
        stack.name: {gpu.name: few[(row + column) % len(few)] for column, gpu in enumerate(catalog().gpus)}
        for row, stack in enumerate(catalog().stacks)
    }
    known = {stack: {gpu: own for gpu, own in of.items() if own is not None} for stack, of in numbered.items()}
    return catalog().with_own_speeds(known)


def oracles(scenario: Scenario, known: Catalog | None = None) -> list[Oracle]:
    """The oracle of each GPU type on offer, in the catalog's order."""
    known = known or catalog()
    offered = {offer.gpu for offer in scenario.offers}
    return [Oracle(Ask(scenario, known, gpu)) for gpu in known.gpus if gpu.name in offered]


def trials(count: int) -> settings:
    """So many random worlds: the same ones every time, other ones every time where there are more than a hundred."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=count <= 100,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def sized(quick: int, heavy: int) -> pytest.MarkDecorator:
    """Run a test with `count` worlds, and among the heavy tests with more."""
    return pytest.mark.parametrize("count", [quick, pytest.param(heavy, marks=pytest.mark.heavy)])
