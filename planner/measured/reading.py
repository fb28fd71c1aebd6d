"""A measurements file as rows: blanks filled where that can be done, contradictions found, nothing lost in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from planner.measured.columns import BY_NAME, COLUMNS, DEGREES, PEAKS, QUANTISED, SPEED, STEP, CellProblem
from planner.measured.row import MeasuredRow
from planner.measured.table import Record, read_table

USUAL_GPUS_PER_NODE = 8
MOST_CONTRADICTION = 2.0
"""Factor between seconds of a step and those that speed and batch make: sources round, and leave out slow steps."""
Fault = tuple[str, str]
"""A column, and what is wrong with it."""


@dataclass(frozen=True)
class Skipped:
    """A row without a prediction, and why."""

    line: int
    id: str
    reason: str


@dataclass(frozen=True)
class Measurements:
    """One file: the rows that can be used, those that cannot, and everything that is wrong."""

    file: str
    rows: tuple[MeasuredRow, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[CellProblem, ...]
    ignored: tuple[str, ...]
    """Columns that the format does not know."""

    @property
    def count(self) -> int:
        """Rows of the file."""
        return len(self.rows) + len(self.skipped)

    def without(self, row: MeasuredRow, column: str, message: str, hint: str = "") -> Measurements:
        """The same, with one of its rows found wrong after all."""
        problem = _problem(self.file, row.line, (column, message), hint)
        return replace(
            self,
            rows=tuple(each for each in self.rows if each is not row),
            skipped=(*self.skipped, malformed(row.line, row.id, [problem])),
            problems=(*self.problems, problem),
        )


def malformed(line: int, name: str, problems: Iterable[CellProblem]) -> Skipped:
    """A row that is not predicted because its file is wrong."""
    reasons = [f"{each.path}: {each.message}" if each.path else each.message for each in problems]
    return Skipped(line, name, f"malformed: {'; '.join(reasons)}")


def read_measurements(path: Path) -> Measurements:
    """The rows of a measurements file. Error: InputError if the file as a whole cannot be used."""
    table = read_table(path, COLUMNS)
    problems = list(table.problems)
    rows: list[MeasuredRow] = []
    skipped: list[Skipped] = []
    lines: dict[str, int] = {}
    for record in table.records:
        faults = _faults(record, lines) if record.values else ()
        found = [*record.problems, *(_problem(str(path), record.line, fault) for fault in faults)]
        lines.setdefault(record.name, record.line)
        problems += found
        if found or not record.values:
            skipped.append(malformed(record.line, record.name, found))
        elif unstated := _unstated(record.values):
            skipped.append(Skipped(record.line, record.name, unstated))
        else:
            rows.append(_row(record.line, record.values))
    return Measurements(str(path), tuple(rows), tuple(skipped), tuple(problems), table.ignored)


def _problem(file: str, line: int, fault: Fault, hint: str = "") -> CellProblem:
    column, message = fault
    return CellProblem(file, line, list(BY_NAME).index(column) + 1, column, message, hint)


def _faults(record: Record, lines: Mapping[str, int]) -> Iterator[Fault]:
    """What contradicts something else."""
    values = record.values or {}
    if record.name in lines:
        yield "id", f"is also the id of line {lines[record.name]}"
    yield from _degree_faults(values)
    yield from _batch_faults(values)
    yield from _method_faults(values)
    yield from _peak_faults(values)
    yield from _speed_faults(values)


def _degree_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    gpus, per_node = values["gpus"], values["gpus_per_node"]
    if gpus and per_node and per_node > gpus:
        yield "gpus_per_node", f"is {per_node}, more than gpus, which is {gpus}"
    degrees = {name: values[name] for name in DEGREES if values[name]}
    product = prod(degrees.values())
    shown = " x ".join(f"{name} {degree}" for name, degree in degrees.items())
    if gpus and values["data_parallel"] and product != gpus:
        yield "gpus", f"is {gpus}, but {shown} makes {product}"
    elif gpus and gpus % product:
        yield "gpus", f"is {gpus}, of which {shown} is no divisor"


def _batch_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    factors = {name: values[name] for name in ("micro_batch", "gradient_accumulation", "data_parallel")}
    stated = values["global_batch"]
    if stated and all(factors.values()) and prod(factors.values()) != stated:
        shown = " x ".join(f"{name} {factor}" for name, factor in factors.items())
        yield "global_batch", f"is {stated}, but {shown} makes {prod(factors.values())}"


def _method_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    method, base = values["method"], values["base_dtype"]
    if method == "full":
        for name in ("lora_rank", "lora_targets"):
            if values[name]:
                yield name, f"is {values[name]}, but method full has no adapters"
    if method == "qlora" and base and base not in QUANTISED:
        yield "base_dtype", f"{base} is not quantised, but method is qlora. Allowed: {', '.join(QUANTISED)}"
    if method in ("full", "lora") and base in QUANTISED:
        yield "base_dtype", f"{base} is quantised, but method is {method}, not qlora"


def _peak_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    peaks = [(name, values[name]) for name in PEAKS if values[name]]
    for (smaller, low), (name, peak) in pairwise(peaks):
        if peak < low:
            yield name, f"is {peak:g}, less than {smaller}, which is {low:g}"
    if values["outcome"] == "oom":
        measured = [name for name, _ in peaks] + [name for name in (SPEED, STEP) if values[name]]
        yield from ((name, "is not blank, but the outcome is oom") for name in measured)


def _speed_faults(values: Mapping[str, Any]) -> Iterator[Fault]:
    """Speed and seconds of a step that contradict each other, where the batch is known."""
    speed, seconds, gpus, length = (values[name] for name in (SPEED, "step_seconds", "gpus", "sequence_length"))
    factors = [values[name] for name in ("micro_batch", "gradient_accumulation", "data_parallel")]
    batch = values["global_batch"] or (prod(factors) if all(factors) else None)
    if not all((speed, seconds, gpus, length, batch)):
        return
    implied = batch * length / (speed * gpus)
    if not 1 / MOST_CONTRADICTION <= implied / seconds <= MOST_CONTRADICTION:
        step = f"a step of {batch * length:,} tokens at {SPEED} {speed:g} on {gpus} GPUs takes {implied:.3g}"
        yield "step_seconds", f"is {seconds:g}, but {step}"


def _unstated(values: Mapping[str, Any]) -> str:
    """Why a row cannot be predicted although nothing in it is wrong; empty if it can."""
    missing = [column.name for column in COLUMNS if column.needed and values[column.name] is None]
    ranks = (values["data_parallel"] or 1) * (values["context_parallel"] or 1)
    if values["sharding"] is None and ranks > 1:
        missing.append("sharding")
    if values["outcome"] is None and not any(values[name] for name in (*PEAKS, SPEED, STEP)):
        missing.append("outcome")
    return f"not stated: {', '.join(missing)}" if missing else ""


def _row(line: int, values: Mapping[str, Any]) -> MeasuredRow:
    """The row with every blank filled that has a usual value; those columns count as assumed.

    An outcome that follows from what was measured does not.
    """
    usual = {**{column.name: column.default for column in COLUMNS}, **_usual(values)}
    filled = {name: usual[name] if value is None else value for name, value in values.items()}
    added = [name for name, value in values.items() if value is None and filled[name] and name != "outcome"]
    assumed = (*filled["assumed"], *(name for name in added if name not in filled["assumed"]))
    return MeasuredRow(line=line, **{**filled, "assumed": assumed})


def _usual(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that follow from others where they are not stated."""
    gpus = values["gpus"]
    others = prod(values[name] or 1 for name in DEGREES if name != "data_parallel")
    master = values["master_weights"] or ("fp32" if values["base_dtype"] == "fp32" else "none")
    half = values["compute_dtype"] if values["compute_dtype"] == "fp16" else "bf16"
    return {
        "gpus_per_node": gpus if gpus <= USUAL_GPUS_PER_NODE or gpus % USUAL_GPUS_PER_NODE else USUAL_GPUS_PER_NODE,
        "data_parallel": gpus // others,
        "master_weights": master,
        "grad_dtype": "fp32" if master == "fp32" else half,
        "sharding": "none",
        "outcome": "ok",
    }
