"""Why a scenario has no plan: minimal conflicts, and nearest values that work while one step less does not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from worlds import Tightness, catalog, catalogs, limited, oracles, scenarios, sized, tightnesses, trials

from planner.catalog import Catalog
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario_text
from planner.solver.answer import Conflict, Relaxation
from planner.solver.infeasible import _minimal, limits_of, without
from planner.solver.search import Proof
from planner.solver.session import Solver
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import Money

TODAY = date(2026, 11, 23)
SCENARIOS = {
    "memory and GPUs": """
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 20M}, sequence_length: 2048, global_batch: 16}
search: {method: full, gpu: RTX 4090, max_gpus: 2, offload: none, optimizer: adamw, stack: hf-fsdp}
""",
    "two kinds of GPU, one of them too small and one too expensive": """
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 20M}, sequence_length: 2048, global_batch: 16}
offers:
  - {gpu: RTX 4090, price: 0.4 USD/h, provider: mine, gpus_per_node: 1}
  - {gpu: H100 SXM, price: 90 USD/h, provider: mine, gpus_per_node: 1}
catalog_offers: false
search: {method: full, max_gpus: 1, optimizer: adamw, stack: hf-trainer, base_dtype: bf16}
limits: {budget: 20 USD, gpu_memory_reserve: 1 GiB}
""",
    "deadline and budget": """
job: {model: meta-llama/Llama-3.1-8B, data: {tokens: 120M}, sequence_length: 4096, global_batch: 64}
search: {method: lora, gpu: A100 80GB SXM, max_gpus: 4, stack: hf-trainer, provider: [verda, runpod], optimizer: adamw}
limits: {deadline: 2h, budget: 4 USD}
""",
    "too few GPUs for the deadline": """
job: {model: meta-llama/Llama-3.1-8B, data: {tokens: 120M}, sequence_length: 4096, global_batch: 48}
search: {method: lora, gpu: H100 SXM, max_gpus: 2, stack: hf-trainer, optimizer: adamw, loss: full, micro_batch: 1}
offers: [{gpu: H100 SXM, price: 2 USD/h, provider: mine, gpus_per_node: 1, inter_node_gbit_s: 100}]
catalog_offers: false
limits: {deadline: 50 min}
""",
    "nobody rents it": """
job: {model: meta-llama/Llama-3.1-8B, data: {tokens: 20M}, sequence_length: 4096, global_batch: 64}
search: {method: qlora, gpu: H800 SXM, max_gpus: 1, stack: torchtune, optimizer: adamw}
""",
    "host memory for the states": """
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 20M}, sequence_length: 1024, global_batch: 8}
offers: [{gpu: RTX 4090, price: 0.4 USD/h, provider: mine, gpus_per_node: 4, host_ram_gib_per_gpu: 16, disk_gib: 900}]
catalog_offers: false
search: {method: full, stack: deepspeed, gpus: 4}
""",
    "a disk for the checkpoints": """
job: {model: meta-llama/Llama-2-7b-hf, data: {tokens: 20M}, sequence_length: 1024, global_batch: 8}
offers: [{gpu: H100 SXM, price: 2 USD/h, provider: mine, gpus_per_node: 1, disk_gib: 100}]
catalog_offers: false
search: {method: full, stack: hf-trainer, max_gpus: 1}
""",
}


def possible(world: World) -> bool:
    """Whether a world has a plan, by a search of its own on every GPU type."""
    solver = Solver(world, seconds=600)
    for machine in solver.machines.values():
        proof = Proof()
        if solver.run(machine, proof, any_plan=True) is not None:
            return True
        assert proof.proved
    return False


def relaxed(world: World, relaxation: Relaxation) -> World:
    """The world with the other conflicts out of the way."""
    return without(world, relaxation.together)


def with_limit(world: World, name: str, value: Any) -> World:
    """The world with one limit at another value; for GPU memory the value is how much less stays free."""
    match name:
        case "deadline":
            return world.relaxed(deadline_seconds=value)
        case "budget":
            return world.relaxed(budget=Money(Decimal(repr(value)), world.scenario.currency))
        case "max_gpus":
            return world.relaxed(max_gpus=int(value))
        case _:
            decision = name.removeprefix("search.")
            kept = getattr(world.scenario.search, decision)
            return world.relaxed(**{decision: (int(value) if isinstance(kept[0], int) else value,)})


def check_conflict(world: World, conflict: Conflict) -> None:
    """Every claim of a conflict, by searches of their own."""
    assert conflict.proved
    assert not possible(world)
    limits = limits_of(world)
    minimal = [each.limit for each in conflict.relaxations]
    if any(each.together for each in conflict.relaxations):
        minimal = _minimal(Solver(world, seconds=600), limits, [], Proof())
        assert {*minimal} <= {each.limit for each in conflict.relaxations}
    others = [name for name in limits if name not in minimal]
    assert not possible(without(world, others)), f"{minimal} do not exclude each other"
    for name in minimal:
        assert possible(without(world, [*others, name])), f"{minimal} is not minimal: {name}"
    for relaxation in conflict.relaxations:
        check_relaxation(relaxed(world, relaxation), relaxation)


def check_relaxation(world: World, relaxation: Relaxation) -> None:
    """The nearest value works, and one step less does not; without one nothing of this limit alone helps."""
    name, nearest, current = relaxation.limit, relaxation.nearest, relaxation.current
    if nearest is None:
        assert relaxation.candidate is None
        assert not possible(without(world, [name]))
        return
    assert relaxation.candidate is not None
    if name == "gpu_memory":
        assert isinstance(nearest, float)
        assert isinstance(current, float)
        assert possible(with_memory(world, nearest - current)), f"{nearest} bytes do not fit"
        assert not possible(with_memory(world, nearest - current - 1024)), f"less than {nearest} bytes fit"
    elif name not in ("host_memory", "disk"):
        assert possible(with_limit(world, name, nearest)), f"{name}: {nearest} does not work"
    if name in ("deadline", "budget", "max_gpus"):
        assert isinstance(nearest, float)
        less = nearest - step_of(world, name)
        if less > 0:
            assert not possible(with_limit(world, name, less)), f"{name}: {less} works too, not only {nearest}"


def step_of(world: World, name: str) -> float:
    """A little more than the step in which values of a limit are compared."""
    if name == "max_gpus":
        return 1.0
    solver = Solver(without(world, [name]))
    machines = [solver.machine(gpu, objective="time" if name == "deadline" else "cost") for gpu in solver.world.gpus]
    steps = [each.resolution for each in machines if len(each.keys)]
    return max(each.seconds if name == "deadline" else each.cost for each in steps) * 1.01


def with_memory(world: World, more_bytes: float) -> World:
    """The world with more memory on every GPU."""
    free = world.scenario.limits.gpu_memory_reserve_bytes
    return world.relaxed(gpu_memory_reserve_bytes=free - int(more_bytes))


@pytest.mark.parametrize("name", SCENARIOS)
def test_conflict(name: str) -> None:
    """Each claim of the conflict of a scenario without a plan holds."""
    scenario = read_scenario_text(SCENARIOS[name], "s.yaml", folder=Path(), catalog=catalog(), today=TODAY)
    world = World(scenario, catalog())
    answer = solve(world, seconds=600)
    assert answer.status == "infeasible"
    assert answer.conflict is not None
    assert answer.conflict.relaxations
    check_conflict(world, answer.conflict)


@sized(1, 150)
def test_conflicts_of_random_worlds(count: int) -> None:
    """So does each claim of the conflicts of random worlds."""

    @trials(count * 3)
    @given(scenarios(), catalogs(), tightnesses())
    def worlds(scenario: Scenario, own_speeds: Catalog, tightness: Tightness) -> None:
        (oracle,) = oracles(scenario, own_speeds)
        oracle = limited(oracle, tightness)
        if not oracle.feasible("cost", slack=1e-6).any():
            world = World(oracle.ask.scenario, own_speeds)
            answer = solve(world, seconds=600)
            assert answer.conflict is not None
            check_conflict(world, answer.conflict)

    worlds()
