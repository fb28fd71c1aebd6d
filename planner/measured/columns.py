"""The columns of a measurements file: what a cell may hold, and what a blank one stands for."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.decisions import LORA_MODULES
from planner.errors import Problem, did_you_mean
from planner.units import shown

MOST_COUNT = 10**9
MOST_AMOUNT = 1e12
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", re.ASCII)


@dataclass(frozen=True, order=True)
class CellProblem(Problem):
    """Something wrong in a table, where a column has a name."""

    def __str__(self) -> str:
        """The place as `FILE:LINE column NAME`.

        >>> str(CellProblem("runs.csv", 3, 7, "gpus", 'expected a whole number, found "two"'))
        'runs.csv:3 column gpus: expected a whole number, found "two"'
        """
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = f"{place} column {self.path}" if self.path else place
        return f"{where}: {self.message}{f'. {self.hint}' if self.hint else ''}"


class CellError(ValueError):
    """A cell that cannot be used: what was expected and found, and what to write instead."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


Reader = Callable[[str], Any]


@dataclass(frozen=True)
class Column:
    """One column: its name, how a cell is read, and what a blank cell gives.

    A blank cell of a `needed` column leaves nothing to compute with; else it gives `default` (or nothing), and the
    column counts as assumed where there is a default.
    """

    name: str
    read: Reader
    needed: bool = False
    default: Any = None


def text(cell: str) -> str:
    """Any text."""
    return cell


def whole(least: int = 1) -> Reader:
    """A whole number of at least `least`."""

    def read(cell: str) -> int:
        if not _WHOLE.fullmatch(cell) or not least <= int(cell) <= MOST_COUNT:
            raise CellError(f"expected a whole number of at least {least}, found {shown(cell)}")
        return int(cell)

    return read


def decimal(cell: str) -> float:
    """A number above 0, with a decimal point.

    >>> decimal("10.4939")
    10.4939
    """
    value = float(cell) if _DECIMAL.fullmatch(cell) else math.nan
    if not 0 < value <= MOST_AMOUNT:
        raise CellError(f"expected a number above 0, found {shown(cell)}")
    return value


def one_of(*values: str) -> Reader:
    """One of some words."""

    def read(cell: str) -> str:
        if cell not in values:
            raise CellError(f"unknown value {shown(cell)}", f"Allowed: {', '.join(values)}")
        return cell

    return read


def truth(cell: str) -> bool:
    """`true` or `false`."""
    return bool(one_of("true", "false")(cell) == "true")


def modules(cell: str) -> str:
    """`all-linear`, or modules joined by `+`."""
    unknown = [each for each in cell.split("+") if each not in LORA_MODULES]
    if cell != "all-linear" and unknown:
        raise CellError(
            f"unknown module {shown(unknown[0])}", f"Allowed: all-linear, or {', '.join(LORA_MODULES)} joined by +"
        )
    return cell


def day(cell: str) -> str:
    """A year, month or day."""
    if not _DATE.fullmatch(cell):
        raise CellError(f"expected a date such as 2025, 2025-01 or 2025-01-31, found {shown(cell)}")
    return cell


def names(cell: str) -> tuple[str, ...]:
    """Names of columns joined by `;`."""
    listed = tuple(each.strip() for each in cell.split(";") if each.strip())
    for each in listed:
        if each not in BY_NAME:
            raise CellError(f"{shown(each)} is not a column", did_you_mean(each, BY_NAME))
    return listed


DEGREES = ("data_parallel", "tensor_parallel", "pipeline_parallel", "context_parallel")
PEAKS = ("peak_allocated_gib", "peak_reserved_gib", "peak_process_gib")
SPEED = "tokens_per_second_per_gpu"
STEP = "step_seconds"
STACKS = (
    "hf-trainer", "hf-fsdp", "deepspeed", "torchtune", "torchtitan", "litgpt", "megatron", "megatron-bridge", "nemo",
    "llm-foundry", "llmq", "ms-swift", "axolotl", "unsloth", "llama-factory", "fsdp_qlora", "internevo", "simumax",
    "other",
)  # fmt: skip
QUANTISED = ("int8", "nf4", "nf4-double", "fp4", "int4-gptq")

COLUMNS = (
    Column("id", text, needed=True),
    Column("source", text, default=""),
    Column("source_ref", text, default=""),
    Column("model", text, needed=True),
    Column("gpu", text, needed=True),
    Column("gpus", whole(), needed=True),
    Column("gpus_per_node", whole()),
    Column("method", one_of("full", "lora", "qlora"), needed=True),
    Column("lora_rank", whole()),
    Column("lora_targets", modules, default=""),
    Column("base_dtype", one_of("fp32", "bf16", "fp16", "fp8", *QUANTISED), needed=True),
    Column("compute_dtype", one_of("fp32", "tf32", "bf16", "fp16", "fp8"), default="bf16"),
    Column("master_weights", one_of("fp32", "none"), default=""),
    Column("grad_dtype", one_of("fp32", "bf16", "fp16"), default=""),
    Column(
        "optimizer",
        one_of("adamw", "adamw-8bit", "paged-adamw", "paged-adamw-8bit", "adafactor", "sgd", "lion", "muon", "other"),
        default="adamw",
    ),
    Column("optimizer_state_dtype", text, default=""),
    Column("sequence_length", whole(), needed=True),
    Column("micro_batch", whole(), needed=True),
    Column("gradient_accumulation", whole()),
    Column("global_batch", whole()),
    Column("checkpointing", one_of("none", "full", "selective"), needed=True),
    Column("attention", one_of("flash", "sdpa", "eager"), default="sdpa"),
    Column("loss", one_of("full", "chunked", "fused"), default=""),
    Column("mlp_chunks", whole()),
    Column("sharding", one_of("none", "ddp", "zero1", "zero2", "zero3", "fsdp", "hsdp"), default=""),
    Column("data_parallel", whole()),
    Column("tensor_parallel", whole(), default=1),
    Column("pipeline_parallel", whole(), default=1),
    Column("context_parallel", whole(), default=1),
    Column("expert_parallel", whole(), default=1),
    Column("offload", one_of("none", "optimizer", "params+optimizer", "activations", "all"), default="none"),
    Column("compile", one_of("yes", "no"), default=""),
    Column("fused_kernels", one_of("none", "liger", "unsloth", "foak", "other"), default="none"),
    Column("stack", one_of(*STACKS), default="other"),
    Column("interconnect", text, default=""),
    Column("peak_allocated_gib", decimal),
    Column("peak_reserved_gib", decimal),
    Column("peak_process_gib", decimal),
    Column("outcome", one_of("ok", "oom"), default=""),
    Column("tokens_per_second_per_gpu", decimal),
    Column("step_seconds", decimal),
    Column("software", text, default=""),
    Column("date", day, default=""),
    Column("assumed", names, default=()),
    Column("notes", text, default=""),
)
"""The columns of a measurements file, in the order of its header."""
BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}

ARCHITECTURE_COLUMNS = (
    Column("model", text, needed=True),
    *(
        Column(name, whole(), needed=True)
        for name in ("layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab")
    ),
    Column("tied_embeddings", truth, needed=True),
    Column("gated_mlp", truth, needed=True),
    Column("attention_type", one_of("MHA", "GQA", "MQA", "MLA")),
    *(Column(name, whole(0), default=0) for name in ("experts", "experts_per_token", "moe_intermediate")),
    Column("shared_experts", whole(0), default=0),
    Column("max_positions", whole()),
    *(Column(name, truth, default=False) for name in ("qkv_bias", "o_bias", "mlp_bias")),
    Column("norm", one_of("RMSNorm", "LayerNorm", "LayerNorm(no bias)"), needed=True),
    Column("position_embedding", one_of("learned", "rope", "alibi", "none"), needed=True),
    Column("source", text, default=""),
)
"""The columns of an architectures file."""
