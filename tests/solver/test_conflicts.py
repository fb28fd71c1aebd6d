"""Why a scenario has no plan: minimal conflicts, and nearest values that work while one step less does not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from worlds import Tightness, catalog, limited, oracles, scenarios, tightnesses

from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario_text
from planner.solver.answer import Conflict, Relaxation
from planner.solver.infeasible import limits_of, without
from planner.solver.session import Solver
from planner.solver.solve import solve
from planner.solver.world import World
from planner.units import Money

TODAY = date(2026, 11, 23)
QUICK = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
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
limits: {budget: 20 USD}
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
    """Whether a world has a plan, by a search of its own."""
    answer = solve(world, seconds=600, explain=False)
    assert answer.status in ("optimal", "infeasible")
    return answer.best is not None


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
            kept = getattr(world.scenario.search, decision) or ()
            number = decision not in ("gpu", "provider", "pricing") and isinstance(kept[0], int)
            return world.relaxed(**{decision: (int(value) if number else value,)})


def check_conflict(world: World, conflict: Conflict) -> None:
    """Every claim of a conflict, by searches of their own."""
    assert conflict.proved
    assert not possible(world)
    sets = {(*each.together, "|", *_own_set(conflict, each)) for each in conflict.relaxations}
    for each in sets:
        together, own = each[: each.index("|")], each[each.index("|") + 1 :]
        others = [name for name in limits_of(world) if name not in together and name not in own]
        assert not possible(without(world, [*together, *others])), f"{own} do not exclude each other"
        for name in own:
            assert possible(without(world, [*together, *others, name])), f"{own} is not minimal: {name}"
    for relaxation in conflict.relaxations:
        check_relaxation(relaxed(world, relaxation), relaxation)


def _own_set(conflict: Conflict, relaxation: Relaxation) -> tuple[str, ...]:
    """The limits of the set that a relaxation belongs to."""
    return tuple(each.limit for each in conflict.relaxations if each.together == relaxation.together)


def check_relaxation(world: World, relaxation: Relaxation) -> None:
    """The nearest value works, and one step less does not; without one nothing of this limit alone helps."""
    name, nearest = relaxation.limit, relaxation.nearest
    if nearest is None:
        assert not possible(without(world, [name]))
        return
    assert relaxation.candidate is not None
    for bad, value in _one_less(world, relaxation):
        assert not possible(bad), f"{name}: {value} works too, not only {nearest}"
    if name in ("deadline", "budget", "max_gpus") or name.startswith("search."):
        assert possible(with_limit(world, name, nearest)), f"{name}: {nearest} does not work"
    if name == "gpu_memory":
        assert isinstance(nearest, float) and isinstance(relaxation.current, float)
        assert possible(_with_memory(world, nearest - relaxation.current))


def _one_less(world: World, relaxation: Relaxation) -> Iterator[tuple[World, float]]:
    """The world with a little less than the nearest value: a step of the comparison, one GPU, or one KiB."""
    name, nearest = relaxation.limit, relaxation.nearest
    if name in ("deadline", "budget"):
        assert isinstance(nearest, float)
        solver = Solver(without(world, [name]))
        machines = [
            solver.machine(gpu, objective="time" if name == "deadline" else "cost") for gpu in solver.world.gpus
        ]
        step = max(each.resolution.seconds if name == "deadline" else each.resolution.cost for each in machines)
        if nearest > step * 1.01:
            yield with_limit(world, name, nearest - step * 1.01), nearest - step
    if name == "max_gpus":
        assert isinstance(nearest, float)
        yield with_limit(world, name, nearest - 1), nearest - 1
    if name == "gpu_memory":
        assert isinstance(nearest, float) and isinstance(relaxation.current, float)
        yield _with_memory(world, nearest - relaxation.current - 1024), nearest - 1024


def _with_memory(world: World, more_bytes: float) -> World:
    """The world with more memory on every GPU."""
    (gpu,) = world.gpus if len(world.gpus) == 1 else (None,)
    reserve = world.scenario.limits.gpu_memory_reserve_bytes
    free = reserve if reserve is not None else 0
    if reserve is None and gpu is not None:
        free = world.scenario.limits.reserve_bytes(gpu.memory_bytes)
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


@QUICK
@given(scenarios(), tightnesses())
def test_conflicts_of_random_worlds(scenario: Scenario, tightness: Tightness) -> None:
    """So does each claim of the conflicts of random worlds."""
    (oracle,) = oracles(scenario)
    world = World(limited(oracle, tightness).ask.scenario, catalog())
    answer = solve(world, seconds=600)
    assert (answer.conflict is None) == (answer.best is not None)
    if answer.conflict is not None:
        check_conflict(world, answer.conflict)
