"""A user's own runs with a measured speed: rows of measurements files, and logs of trainers with their scenarios."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from planner.catalog import Architecture, Catalog
from planner.decisions import Plan
from planner.errors import InputError, Problem, did_you_mean
from planner.estimator.duration import step_seconds
from planner.estimator.workload import Workload
from planner.measured.columns import BY_NAME, SPEED, CellProblem
from planner.measured.reading import Skipped
from planner.measured.row import MeasuredRow
from planner.measured.run import configuration, measured_plan
from planner.measured.trainer_logs import Expected, is_trainer_log, logged_step_seconds
from planner.measured.validate import Interval, Prediction, Run, validate_files
from planner.scenario.read import scenario_in
from planner.scenario.source import read_text
from planner.scenario.yaml_lines import parse_yaml
from planner.solver.given import evaluate_given
from planner.solver.world import World

Listener = Callable[[str], None]
NO_SPEED = "states no speed"


@dataclass(frozen=True)
class OwnRun:
    """One run: its job and plan, and the seconds of an optimizer step as predicted and as measured."""

    name: str
    gpu: str
    stack: str
    configuration: Hashable
    """What runs that only repeat each other have in common."""
    predicted_seconds: float
    measured_seconds: float

    @property
    def log_residual(self) -> float:
        """Logarithm of measured over predicted seconds."""
        return math.log(self.measured_seconds / self.predicted_seconds)


@dataclass(frozen=True)
class OwnRuns:
    """All runs of some files, what was left out, and everything that is wrong."""

    files: tuple[str, ...]
    runs: tuple[OwnRun, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[Problem, ...]
    ignored: Mapping[str, tuple[str, ...]]
    """File -> columns that the format does not know."""


def read_own_runs(
    paths: Sequence[Path],
    scenarios: Sequence[Path],
    catalog: Catalog,
    *,
    architectures: Path | None = None,
    listen: Listener = lambda _: None,
) -> OwnRuns:
    """The runs of measurements files (CSV) and trainer logs (JSON).

    `scenarios` are those of the logs: one for all, or one for each in their order. Error: InputError if they are not.
    """
    logs = [path for path in paths if is_trainer_log(path)]
    of_log = _scenarios_of(logs, scenarios)
    parts = []
    for path in paths:
        listen(f"{path}")
        if is_trainer_log(path):
            parts.append(_of_log(path, of_log[path], catalog))
        else:
            parts.append(_of_table(path, catalog, architectures, listen))
    return OwnRuns(
        files=tuple(str(path) for path in paths),
        runs=tuple(run for part in parts for run in part.runs),
        skipped=tuple(each for part in parts for each in part.skipped),
        problems=tuple(each for part in parts for each in part.problems),
        ignored={file: columns for part in parts for file, columns in part.ignored.items()},
    )


def _scenarios_of(logs: Sequence[Path], scenarios: Sequence[Path]) -> dict[Path, Path]:
    """The scenario of each log."""
    if not logs and scenarios:
        message = "--scenario is that of a trainer's log, and there is none"
        raise InputError([Problem(str(scenarios[0]), 0, 0, "", message, "A measurements file says what was run")])
    if logs and not scenarios:
        hint = "Give the scenario with the plan that was run: --scenario FILE"
        raise InputError([Problem(str(path), 0, 0, "", "does not say what was run", hint) for path in logs])
    if len(scenarios) > 1 and len(scenarios) != len(logs):
        message = f"is one of {len(scenarios)} scenarios for {len(logs)} logs"
        hint = "Give --scenario once for all logs, or once for each in their order"
        raise InputError([Problem(str(scenarios[-1]), 0, 0, "", message, hint)])
    return dict(zip(logs, scenarios if len(scenarios) > 1 else [*scenarios] * len(logs), strict=True))


def _of_log(path: Path, scenario: Path, catalog: Catalog) -> OwnRuns:
    """The run of a trainer's log."""
    try:
        document = parse_yaml(read_text(scenario), str(scenario))
        world = World(scenario_in(document, folder=scenario.parent, catalog=catalog), catalog)
        plan, workload = evaluate_given(world, document).plan, world.workload
        measured = logged_step_seconds(path, Expected(workload.global_batch, workload.tokens_per_step))
    except InputError as error:
        return OwnRuns((str(path),), (), (), error.problems, {})
    return OwnRuns((str(path),), (_own_run(str(path), workload, plan, measured),), (), (), {})


def _own_run(name: str, workload: Workload, plan: Plan, measured: float) -> OwnRun:
    predicted, _ = step_seconds(workload, plan)
    return OwnRun(name, plan.gpu.name, plan.stack.name, configuration(workload, plan), predicted, measured)


def _of_table(path: Path, catalog: Catalog, architectures: Path | None, listen: Listener) -> OwnRuns:
    """The runs of a measurements file; a GPU that the catalog lacks is a problem of the row."""
    unknown: list[Problem] = []

    def predicted(row: MeasuredRow, known: Catalog, models: Mapping[str, Architecture]) -> Prediction:
        unknown.extend(_unknown_gpu(path, row, known))
        return _speed(row, known, models)

    found = validate_files([path], catalog, architectures=architectures, predictor=predicted, listen=listen)
    silent = [Skipped(run.row.line, run.row.id, NO_SPEED) for run in found.runs if not _measured_seconds(run)]
    return OwnRuns(
        files=found.files,
        runs=tuple(_of_rows(found.runs)),
        skipped=tuple(sorted([*found.skipped, *silent], key=lambda each: each.line)),
        problems=(*found.problems, *unknown),
        ignored=found.ignored,
    )


def _unknown_gpu(path: Path, row: MeasuredRow, catalog: Catalog) -> Iterator[Problem]:
    try:
        catalog.gpu(row.gpu)
    except LookupError:
        hint = did_you_mean(row.gpu, [gpu.name for gpu in catalog.gpus])
        message = f'the GPU "{row.gpu}" is not in the catalog'
        yield CellProblem(str(path), row.line, list(BY_NAME).index("gpu") + 1, "gpu", message, hint)


def _speed(row: MeasuredRow, catalog: Catalog, models: Mapping[str, Architecture]) -> Prediction:
    """The prediction of a row's speed alone. Error: InexpressibleError."""
    workload, plan = measured_plan(row, catalog, models)
    seconds, parts = step_seconds(workload, plan)
    speed = Interval(workload.tokens_per_step / seconds / plan.gpus)
    return Prediction({SPEED: speed}, 1.0, True, {}, {}, parts, workload, plan)


def _of_rows(runs: Iterable[Run]) -> Iterator[OwnRun]:
    for run in runs:
        measured, workload = _measured_seconds(run), run.prediction.workload
        if measured and workload is not None:
            yield _own_run(run.row.id, workload, run.prediction.plan, measured)


def _measured_seconds(run: Run) -> float | None:
    """Seconds of a step as the row states them, or as they follow from its speed."""
    row, workload = run.row, run.prediction.workload
    if row.tokens_per_second_per_gpu and workload is not None:
        return workload.tokens_per_step / row.tokens_per_second_per_gpu / row.gpus
    return row.step_seconds
