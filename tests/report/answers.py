"""Answers made by hand: round numbers that no formula, price or solver can change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from planner.catalog import Offer, load_catalog
from planner.decisions import Plan
from planner.estimator.cost import PARTS, Charges, Tariff
from planner.estimator.duration import OVERLAPPED, SERIAL
from planner.estimator.estimate import Estimate
from planner.estimator.memory import HOST, PHASES, peak
from planner.estimator.uncertainty import Peak
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario_text
from planner.solver.answer import Answer, Binding, Change, Conflict, Relaxation, Rival, Shortfall
from planner.solver.candidate import Candidate
from planner.solver.offers import DroppedOffer
from planner.solver.search import Proof
from planner.solver.world import World
from planner.units import GIB

SCENARIO = """\
as_of: 2026-06-30
job:
  model: meta-llama/Llama-3.1-8B
  data: {tokens: 120M}
  sequence_length: 4096
  global_batch: 64
offers:
  - {gpu: H100 SXM, price: 2.40 USD/h, provider: hopper, kind: spot, observed: 2026-03-01}
  - {gpu: RTX 4090, price: 0.3475 USD/h, provider: ada, observed: 2026-06-01, host_ram_gib_per_gpu: 64}
catalog_offers: false
search: {gpu: [H100 SXM, RTX 4090, H800 SXM], method: [full, lora, qlora], optimizer: adamw, max_gpus: 8}
limits: {deadline: 48h, budget: 200 USD}
"""
STATES = {"weights": 15.0, "adapters": 0.1, "optimizer_states": 0.3, "context": 0.6, "gradients": 0.1}
PEAKS = {"activations": 40.0, "logits": 8.5, "temporaries": 0.5, "allocator": 3.0}


def scenario(text: str = SCENARIO) -> Scenario:
    """The scenario in `text`."""
    return read_scenario_text(text, "toy.yaml", folder=Path(), catalog=load_catalog(), today=date(2026, 6, 30))


def memory(scale: float = 1.0) -> dict[str, dict[str, int]]:
    """Every term of every phase; most are 0."""
    sizes = {**STATES, **{name: scale * size for name, size in PEAKS.items()}}
    phases = {
        phase: {name: int(sizes.get(name, 0.0) * GIB) for name in terms}
        for phase, terms in PHASES.items()
    }  # fmt: skip
    phases["backward_end"]["activations"] = int(1.5 * GIB)
    return phases


def estimate(*, hours: float, cost: str, capacity_gib: float = 79.6, scale: float = 1.0, **changes: Any) -> Estimate:
    """An estimate whose parts add up: a tenth of the time is start-up, a hundredth is lost."""
    phases = memory(scale)
    phase, peak_bytes = peak(phases)
    total = Decimal(cost)
    startup, lost = total / 10, total / 100
    money = {**dict.fromkeys(PARTS, Decimal(0)), "training": total - startup - lost, "startup": startup, "lost": lost}
    parts = {name: dict.fromkeys(terms, 0.0) for name, terms in {**OVERLAPPED, "serial": SERIAL}.items()}
    parts["compute"]["multiplications"] = 20.0
    parts["launch"]["kernel_launches"] = 2.5
    parts["serial"]["optimizer"] = 0.5
    values: dict[str, Any] = {
        "memory": phases,
        "peak_phase": phase,
        "peak_bytes": peak_bytes,
        "required": {name: int(1.05 * sum(terms.values())) for name, terms in phases.items()},
        "needed": Peak(peak_bytes, int(0.97 * peak_bytes), int(1.03 * peak_bytes)),
        "fit_probability": 0.9964,
        "capacity_bytes": int(capacity_gib * GIB),
        "host_memory": dict.fromkeys(HOST, 0) | {"loading": 12 * GIB},
        "host_capacity_bytes": None,
        "disk_bytes": 16 * GIB,
        "disk_capacity_bytes": None,
        "step_seconds": 20.5,
        "step_parts": parts,
        "seconds": hours * 3600,
        "startup_seconds": hours * 360,
        "training_seconds": hours * 3600 * 0.89,
        "lost_seconds": hours * 36,
        "checkpoint_interval_seconds": 900.0,
        "charges": Charges(Tariff(Decimal("2.40")), 1, 16 * GIB, 84_000_000),
        "cost_parts": money,
        "currency": "USD",
        "tokens_per_second": 12_787.5,
        "speed_reach": 1.25,
        "counted_seconds": hours * 3600,
    }
    return Estimate(**values | changes)


def plan(offer: Offer, **changes: Any) -> Plan:
    """LoRA on one GPU of an offer."""
    catalog = load_catalog()
    stack = catalog.stack("hf-trainer").model_copy(
        update={"title": "Transformers Trainer", "versions": "transformers 5", "source": "made up for tests"}
    )
    values: dict[str, Any] = {
        "gpu": catalog.gpu(offer.gpu),
        "offer": offer,
        "gpus": 1,
        "stack": stack,
        "method": "lora",
        "lora_rank": 16,
        "lora_targets": "all-linear",
        "base_dtype": "bf16",
        "compute_dtype": "bf16",
        "master_weights": "fp32",
        "grad_dtype": "fp32",
        "optimizer": "adamw",
        "sharding": "none",
        "offload": "none",
        **{f"{name}_parallel": 1 for name in ("tensor", "pipeline", "context", "expert", "data")},
        "attention": "sdpa",
        "checkpointing": "none",
        "checkpointed_layers": 0,
        "loss": "full",
        "loss_chunks": 1,
        "mlp_chunks": 1,
        "micro_batch": 2,
        "gradient_accumulation": 32,
    }
    return Plan(**values | changes)


FULL = {"method": "full", "lora_rank": None, "lora_targets": None}


def feasible(text: str = SCENARIO, **changes: Any) -> Answer:
    """An optimal answer with alternatives, changes of every kind and a dropped offer."""
    world = World(scenario(text), load_catalog())
    hopper, ada = world.scenario.offers
    best = plan(hopper)
    chosen = Candidate(best, estimate(hours=3.125, cost="7.515004", **changes), ())
    four = {"gpus": 4, "data_parallel": 4, "sharding": "zero3", "gradient_accumulation": 8, "compute_dtype": "bf16"}
    on_ada = Candidate(plan(ada, **four), estimate(hours=8.1, cost="11.26", **changes), ())
    full_plan = replace(
        best, gpus=4, data_parallel=4, sharding="zero1", method="full", lora_rank=None, lora_targets=None
    )
    full = Candidate(full_plan, estimate(hours=0.9, cost="8.60", **changes), ())
    short = Shortfall("gpu_memory", 88.2 * GIB, 79.6 * GIB, None)
    return Answer(
        world=world,
        status="optimal",
        best=chosen,
        proof=Proof(keys=20_317, rows=299, models=3, branches=12, seconds_to_best=0.25, seconds=0.75),
        raw_combinations=24_170_943_283_200,
        bound=float(chosen.estimate.cost),
        step=0.001,
        gpus=(Rival("gpu", "RTX 4090", on_ada),),
        methods=(Rival("method", "full", full), Rival("method", "qlora", None, short)),
        changes=tuple(_changes(best, changes)),
        bindings=(
            Binding("gpu_memory", chosen.estimate.required_bytes, chosen.estimate.capacity_bytes),
            Binding("deadline", chosen.estimate.seconds, world.deadline_seconds),
            Binding("budget", float(chosen.estimate.cost), world.budget),
            Binding("max_gpus", 1, 8),
        ),
        dropped_offers=(DroppedOffer(hopper.model_copy(update={"provider": "dearer"}), hopper),),
        unoffered_gpus=(load_catalog().gpu("H800 SXM"),),
    )


def _changes(best: Plan, more: dict[str, Any]) -> list[Change]:
    """One that fits, one outside of the search, one that does not fit and would be cheaper, one that is illegal."""

    def changed(hours: float, cost: str, scale: float = 1.0, **decisions: Any) -> Candidate:
        return Candidate(replace(best, **decisions), estimate(hours=hours, cost=cost, scale=scale, **more), ())

    return [
        Change("optimizer", "sgd", changed(3.0, "7.20", optimizer="sgd")),
        Change("attention", "flash", changed(3.125, "7.515004", attention="flash")),
        Change("checkpointing", "full", changed(4.2, "10.1"), follows={"checkpointed_layers": 32}),
        Change("micro_batch", 4, changed(3.0, "7.21", 2.0), ("gpu_memory",), follows={"gradient_accumulation": 16}),
        Change("sharding", "fsdp", None, rules=("the stack must have this sharding and offload for the method",)),
    ]


def infeasible() -> Answer:
    """Full fine-tuning on two RTX 4090: six limits exclude each other."""
    text = SCENARIO.replace(
        "gpu: [H100 SXM, RTX 4090, H800 SXM], method: [full, lora, qlora]", "gpu: RTX 4090, method: full"
    )
    world = World(scenario(text.replace("max_gpus: 8", "max_gpus: 2")), load_catalog())
    ada = world.scenario.offers[1]
    two = {"gpus": 2, "data_parallel": 2, "gradient_accumulation": 16}
    small = {"capacity_gib": 23.9875, "scale": 0.3}
    lora = Candidate(plan(ada), estimate(hours=9.25, cost="3.21", capacity_gib=24, scale=0.1), ())
    sharded = plan(ada, **two, **FULL, sharding="zero3", checkpointing="full", checkpointed_layers=32)
    closest = Candidate(sharded, estimate(hours=5.5, cost="3.82", **small), ())
    needed, available = float(closest.estimate.required_bytes), float(closest.estimate.capacity_bytes)
    return Answer(
        world=world,
        status="infeasible",
        best=None,
        proof=Proof(seconds=0.5),
        raw_combinations=17_000_000_000,
        bound=0.0,
        conflict=Conflict(
            (
                Relaxation("search.method", "full", "lora", lora),
                Relaxation("max_gpus", 2.0, None, None),
                Relaxation("gpu_memory", available, needed, closest),
            ),
            proved=True,
            closest=(Shortfall("gpu_memory", needed, available, closest),),
        ),
    )


def in_yuan() -> Answer:
    """An answer in CNY with a price in USD, time preferred."""
    text = SCENARIO.replace("budget: 200 USD", "budget: 1500 CNY") + "prefer: time\n"
    answer = feasible(text, currency="CNY")
    return replace(answer, bound=3.125 * 3600)


def undecided() -> Answer:
    """Neither a plan nor a proof in the time given."""
    answer = infeasible()
    return replace(answer, status="unknown", conflict=None, proof=Proof(keys=5, seconds=60.0, proved=False))


def unproved() -> Answer:
    """A plan that may not be the best."""
    answer = feasible()
    return replace(answer, status="feasible", bound=5.0, proof=replace(answer.proof, proved=False))
