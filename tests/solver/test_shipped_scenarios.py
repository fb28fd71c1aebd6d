"""The shipped scenarios, cut down to what can be enumerated: solver and oracle agree on every objective."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from comparison import OBJECTIVES, agree, oracle_of

from planner.catalog import load_catalog
from planner.scenario.model import Scenario, Search
from planner.scenario.read import read_scenario, read_scenario_text
from planner.solver.solve import solve
from planner.solver.world import World

FOLDER = Path(__file__).parents[2] / "scenarios"
SHIPPED = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TODAY = date(2026, 11, 23)
CUT: dict[str, Any] = {
    "optimizer": ("adamw", "adamw-8bit"),
    "compute_dtype": ("bf16", "fp8"),
    "offload": ("none",),
    "attention": ("sdpa", "flash"),
    "loss_chunks": (1, 8),
    "mlp_chunks": (1, 2),
    "context_parallel": (1,),
    "expert_parallel": (1, 2),
}
"""What is left of decisions that a scenario leaves free."""
MOST_GPU_TYPES, MOST_OFFERS = 2, 3

OWN = {
    "7b full on one card": """
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 20M}, sequence_length: 1024, global_batch: 8}
search: {method: full, gpu: RTX 4090, max_gpus: 1, optimizer: [adamw, adamw-8bit, sgd]}
limits: {gpu_memory_reserve: 4 GiB}
""",
    "8b full on a node with ZeRO and offload": """
job: {model: meta-llama/Llama-3.1-8B, data: {tokens: 500M}, sequence_length: 4096, global_batch: 32}
search: {method: full, stack: deepspeed, gpu: H100 SXM, gpus: 8, offload: [none, optimizer, params+optimizer]}
limits: {deadline: 60h}
""",
    "8b full on a node with tensor parallelism": """
job: {model: meta-llama/Llama-3.1-8B, data: {tokens: 500M}, sequence_length: 8192, global_batch: 32}
search: {stack: [megatron, torchtitan], gpu: H100 SXM, max_gpus: 8, tensor_parallel: [2, 4], context_parallel: [1, 2]}
limits: {budget: 300 USD}
""",
    "a quote of one's own against the catalog, in time": """
job: {model: Qwen/Qwen2.5-7B, data: {tokens: 200M}, sequence_length: 4096, global_batch: 64}
offers:
  - {gpu: H800 SXM, price: 12 CNY/h, provider: mine, gpus_per_node: 8, inter_node_gbit_s: 400, host_ram_gib_per_gpu: 60}
  - {gpu: H800 SXM, price: 9 CNY/h, provider: spot market, gpus_per_node: 4, divisible: true, kind: spot}
search: {method: [full, lora], gpu: [H100 SXM, H800 SXM], max_gpus: 16, offload: [none, activations]}
limits: {budget: 900 CNY}
prefer: time
""",
}


def cut_down(scenario: Scenario) -> Scenario:
    """The scenario with a few GPU types, offers and values of each decision that it leaves free."""
    search = scenario.search
    free = {each.name for each in fields(Search) if getattr(search, each.name) is None}
    cuts = {name: values for name, values in CUT.items() if name in free}
    batch = scenario.job.global_batch
    if "micro_batch" in free:
        cuts["micro_batch"] = tuple(number for number in (1, 2, 4) if batch % number == 0)
    offers: list[Any] = []
    gpus = search.gpu or ("RTX 4090", "H100 SXM")
    for gpu in [*gpus[:1], *gpus[-1:]][:MOST_GPU_TYPES]:
        named = [offer for offer in scenario.usable_offers(load_catalog().offers) if offer.gpu == gpu]
        offers += [offer for offer in named[:: max(1, len(named) // MOST_OFFERS)] if offer not in offers]
    gpus = tuple(dict.fromkeys(offer.gpu for offer in offers))
    return scenario.replace(**cuts, gpu=gpus, offers=tuple(offers), catalog_offers=False)


def check(scenario: Scenario) -> None:
    """Every objective on every GPU type, and the answer over all of them."""
    world = World(scenario, load_catalog())
    best = []
    for gpu in world.gpus:
        oracle = oracle_of(world, gpu)
        found = {objective: agree(scenario, oracle, objective) for objective in OBJECTIVES}
        best.append(found[scenario.prefer])
    known = [each.estimate for each in best if each is not None]
    answer = solve(world, seconds=600, explain=False)
    assert answer.status == ("optimal" if known else "infeasible")
    if answer.best is not None:
        by_time = scenario.prefer == "time"
        amounts = [(each.seconds, each.cost) if by_time else (each.cost, each.seconds) for each in known]
        chosen = answer.best.estimate
        assert min(amounts) == ((chosen.seconds, chosen.cost) if by_time else (chosen.cost, chosen.seconds))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenario(name: str) -> None:
    """Cut down, each shipped scenario has the oracle's optimum."""
    check(cut_down(read_scenario(FOLDER / f"{name}.yaml", catalog=load_catalog(), today=TODAY)))


@pytest.mark.parametrize("name", OWN)
def test_scenario(name: str) -> None:
    """So have scenarios that the shipped ones do not cover."""
    check(cut_down(read_scenario_text(OWN[name], "s.yaml", folder=FOLDER, catalog=load_catalog(), today=TODAY)))
