"""The search over blocks: numbers that CP-SAT can be trusted with, the same plan every time, honest without time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle
from worlds import catalog, limited, oracles, scenarios, tightnesses, trials

import planner.solver.search
from planner.errors import DisagreementError
from planner.scenario.model import Scenario
from planner.scenario.read import read_scenario
from planner.solver.answer import Answer
from planner.solver.model import BlockModel
from planner.solver.search import Proof
from planner.solver.session import Solver
from planner.solver.solve import solve
from planner.solver.world import World

FOLDER = Path(__file__).parents[2] / "scenarios"
TODAY = date(2026, 11, 23)
REAL = ("8b-fine-tune", "8b-full-8-h100", "13b-lora-deadline", "70b-qlora")


def real(name: str) -> World:
    """A shipped scenario."""
    return World(read_scenario(FOLDER / f"{name}.yaml", catalog=catalog(), today=TODAY), catalog())


def sums(model: BlockModel) -> Iterator[int]:
    """The largest and smallest values of each linear constraint's sum: one row of each table, and the variables."""
    proto = model.model.proto
    tables = [{literal.index for literal in each} for each in (model.state_literals, model.activation_literals)]
    for constraint in proto.constraints:
        terms = list(zip(constraint.linear.vars, constraint.linear.coeffs, strict=True))
        parts = [[c for v, c in terms if v in table] or [0] for table in tables]
        parts += [
            [c * bound for bound in proto.variables[v].domain] for v, c in terms if v not in tables[0] | tables[1]
        ]
        yield sum(max(part) for part in parts)
        yield -sum(min(part) for part in parts)


def real_models(world: World, objective: Any) -> list[BlockModel]:
    """Every model that is built to solve a scenario for an objective."""
    built: list[BlockModel] = []

    class Kept(BlockModel):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            built.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner.solver.search, "BlockModel", Kept)
        solver = Solver(world, seconds=600)
        for gpu in world.gpus:
            solver.run(solver.machine(gpu, objective=objective), Proof())
    return built


@pytest.mark.parametrize("objective", ["cost", "time", "memory"])
@pytest.mark.parametrize("name", REAL)
def test_real_models_are_valid_and_small(name: str, objective: Any) -> None:
    """All sums stay below 2^31: with larger ones CP-SAT 9.15 was seen to call feasible models infeasible."""
    models = real_models(real(name), objective)
    assert models
    assert all(model.model.validate() == "" and max(sums(model)) < 2**31 for model in models)


@trials(15)
@given(scenarios(), tightnesses(), st.sampled_from(("cost", "time", "memory")))
def test_random_models_are_valid_and_small(scenario: Scenario, tightness: Any, objective: Any) -> None:
    """So do those of random worlds, with limits."""
    (oracle,) = oracles(scenario)
    models = real_models(World(limited(oracle, tightness).ask.scenario, catalog()), objective)
    assert all(model.model.validate() == "" and max(sums(model)) < 2**31 for model in models)


def outline(answer: Answer) -> Any:
    """What must not depend on the run: everything but seconds."""
    rivals = [(each.decision, each.value, each.candidate, each.shortfall) for each in answer.gpus + answer.methods]
    return answer.status, answer.best, rivals, answer.changes, answer.conflict, answer.bound


@pytest.mark.parametrize("stack", [("torchtune",), ("hf-trainer", "deepspeed"), None])
def test_workers_and_repetitions_change_nothing(stack: tuple[str, ...] | None) -> None:
    """The same scenario has the same answer with 1, 2 and 4 workers, and again; the same conflict, too."""
    infeasible = stack == ("torchtune",)
    world = real("7b-full-one-24gb" if infeasible else "8b-fine-tune").relaxed(stack=stack)
    runs = (1, 4) if infeasible else (1, 2, 4, 1)
    first, *others = (outline(solve(world, seconds=600, workers=workers)) for workers in runs)
    assert all(other == first for other in others)


@trials(6)
@given(scenarios(), tightnesses())
def test_workers_change_no_plan_of_a_random_world(scenario: Scenario, tightness: Any) -> None:
    """Nor do they in random worlds."""
    (oracle,) = oracles(scenario)
    world = World(limited(oracle, tightness).ask.scenario, catalog())
    answers = [solve(world, seconds=600, workers=workers, explain=False) for workers in (1, 2, 4)]
    assert answers[0].best == answers[1].best == answers[2].best


@trials(8)
@given(scenarios(), tightnesses())
def test_no_time_is_no_answer(scenario: Scenario, tightness: Any) -> None:
    """Without time the status is "unknown", whether or not there is a plan, unless bounds alone exclude every plan."""
    (oracle,) = oracles(scenario)
    limits = limited(oracle, tightness)
    answer = solve(World(limits.ask.scenario, catalog()), seconds=0.0)
    assert answer.best is None
    assert answer.status in ("unknown", "infeasible")
    assert answer.status == "infeasible" or answer.conflict is None
    assert answer.status == "unknown" or not limits.feasible("cost").any()


def test_a_disagreement_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that the estimator does not confirm is never an answer."""
    wrong = World.estimate

    def doubled(world: World, plan: Any) -> Any:
        found = wrong(world, plan)
        return type(found)(**{**vars(found), "seconds": found.seconds * 1.01})

    monkeypatch.setattr(World, "estimate", doubled)
    with pytest.raises(DisagreementError, match="time"):
        solve(real("7b-qlora-4090"), explain=False)


def test_a_cost_that_the_estimator_does_not_confirm_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cent more than the model's staircase makes of the seconds is a bug too."""
    right = World.estimate

    def dearer(world: World, plan: Any) -> Any:
        found = right(world, plan)
        more = {**found.cost_parts, "unused": found.cost_parts["unused"] + Decimal("0.01")}
        return type(found)(**{**vars(found), "cost_parts": more})

    monkeypatch.setattr(World, "estimate", dearer)
    with pytest.raises(DisagreementError, match="cost"):
        solve(real("7b-qlora-4090"), explain=False)


def test_the_oracle_is_not_the_solver() -> None:
    """The oracle's modules import nothing of the solver."""
    source = Path(str(Oracle.__init__.__code__.co_filename)).read_text(encoding="utf-8")
    assert "from planner.solver" not in source
    assert "import planner.solver" not in source
