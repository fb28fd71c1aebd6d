"""The words in which measured runs and their predictions are spoken of, on the terminal and in documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from planner.measured.columns import SPEED
from planner.measured.summary import CLEAR_RATIO, Errors, QuantityErrors, confusion
from planner.measured.validate import Comparison, Run, Validation, worst
from planner.units import GIB, format_seconds

TITLES = {
    "peak_allocated_gib": "Allocated memory",
    "peak_reserved_gib": "Reserved memory",
    "peak_process_gib": "Process memory",
    SPEED: "Speed",
}
GROUPING_TITLES = {"source": "source", "stack": "stack", "method": "method", "gpu": "GPU"}
ERROR_HEADER = ["rows", "median", "mean", "p90", "worst", "bias", "in 90%"]
MEANINGS = (
    "error = (predicted - measured) / measured; bias is the median of the signed errors, the other columns are of "
    "absolute ones; p90: 90% of the rows are better; in 90%: rows whose measured value lies in the predicted 90% "
    "interval"
)
WIDTH_HEADER = "width"
WIDTH_MEANING = "width: median factor from the middle of the 90% interval to its ends"
VERDICT_HEADER = ["", "said to fit", "said not to fit"]
WORST_ROWS = 10
SHOWN_TERMS = 5
SERIAL = "serial"
NEGLIGIBLE_FRACTION = 0.005
"""Terms below this share of the whole are not worth a word."""


def counted(count: int, word: str) -> str:
    """A number and its noun.

    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{count} {word}{'' if count == 1 else 's'}"


def error_cells(errors: Errors) -> list[str]:
    """One line of a table of errors, in the order of ERROR_HEADER."""
    absolute = (errors.median, errors.mean, errors.p90, errors.worst)
    inside = "-" if errors.inside is None else f"{errors.inside:.0%}"
    return [str(errors.rows), *(f"{each:.1%}" for each in absolute), f"{errors.bias:+.1%}", inside]


def width_cell(errors: Errors) -> str:
    """`x/1.25`: the typical 90% interval of some runs."""
    return "-" if errors.reach is None else f"x/{errors.reach:.2f}"


def ordering(found: QuantityErrors) -> str:
    """`order: 96.1% of 4,410 pairs right, ...`; empty where no pair differs."""
    share = found.ordering.fraction
    if share is None:
        return ""
    pairs = f"{found.ordering.pairs:,} {'pair' if found.ordering.pairs == 1 else 'pairs'}"
    least = f"{CLEAR_RATIO - 1:.0%}"
    return f"order: {share:.1%} of {pairs} right (runs of one source whose measured values differ by more than {least})"


def verdict_rows(verdicts: Sequence[Run]) -> list[list[str]]:
    """The confusion table, without VERDICT_HEADER."""
    counts = confusion(verdicts)
    return [
        ["ran", str(counts.ok_fits), str(counts.ok_not)],
        ["out of memory", str(counts.oom_fits), str(counts.oom_not)],
    ]


def verdict(run: Run) -> str:
    """`ran out of memory, said to fit with 99.3%: a-1-mem (1 x A10G)`."""
    outcome = "ran out of memory" if run.row.outcome == "oom" else "ran"
    said = "said to fit" if run.prediction.fits else "said to fit only"
    return f"{outcome}, {said} with {run.prediction.fit_probability:.1%}: {run.row.id} ({run.row.gpus} x {run.row.gpu})"


def worst_by_kind(validation: Validation) -> dict[str, list[Comparison]]:
    """The worst predictions of memory and those of speed, as far as there are any."""
    speed = [each for each in validation.comparisons if each.quantity == SPEED]
    memory = [each for each in validation.comparisons if each.quantity != SPEED]
    found = {
        "Worst predictions of memory": worst(memory, WORST_ROWS),
        "Worst predictions of speed": worst(speed, WORST_ROWS),
    }
    return {title: comparisons for title, comparisons in found.items() if comparisons}


def compared(each: Comparison) -> str:
    """`process memory 12.1 GiB measured, 16.3 predicted (15.0 to 17.2)`."""
    digits, unit = (0, "tokens/s per GPU") if each.quantity == SPEED else (1, "GiB")
    low, high = each.predicted.low, each.predicted.high
    interval = "" if low is None or high is None else f" ({low:.{digits}f} to {high:.{digits}f})"
    values = f"{each.measured:.{digits}f} {unit} measured, {each.predicted.value:.{digits}f} predicted"
    return f"{TITLES[each.quantity].lower()} {values}{interval}"


def run_in_short(each: Comparison) -> str:
    """What was run, in the values of the columns."""
    row = each.row
    degrees = {"tensor": row.tensor_parallel, "pipeline": row.pipeline_parallel, "context": row.context_parallel}
    rank = f" rank {row.lora_rank}" if row.lora_rank else ""
    parts = [
        f"{row.stack}: {row.model}",
        f"{row.method}{rank} {row.lora_targets}".rstrip(),
        f"{row.base_dtype} base",
        f"{row.micro_batch} x {row.sequence_length} tokens",
        f"checkpointing {row.checkpointing}",
        f"attention {row.attention}",
        *([f"loss {row.loss}"] if row.loss else []),
        row.optimizer,
        f"{row.gpus} x {row.gpu}",
        *([row.sharding] if row.sharding != "none" else []),
        *(f"{name} parallel {degree}" for name, degree in degrees.items() if degree > 1),
        *([f"offload {row.offload}"] if row.offload != "none" else []),
    ]
    return ", ".join(parts)


def breakdown(each: Comparison) -> str:
    """The largest terms of the prediction: GiB in the phase of the peak, or seconds of a step by resource and term."""
    if each.quantity == SPEED:
        return f"a step takes the longest of {_resources(each.prediction.step)}"
    phase, terms = each.peak_terms
    sizes = {name.replace("_", " "): size / GIB for name, size in terms.items()}
    return f"GiB in phase {phase.replace('_', ' ')}: {_largest(sizes, lambda size: f'{size:.1f}')}"


def _resources(step: Mapping[str, Mapping[str, float]]) -> str:
    """`compute 2.5 s (attention 0.5 s, ...), pcie 0.1 s (state offload), plus serial 0.2 s (optimizer)`."""
    seconds = {resource: sum(terms.values()) for resource, terms in step.items()}
    least = NEGLIGIBLE_FRACTION * sum(seconds.values())
    beside = [name for name in sorted(seconds, key=lambda name: -seconds[name]) if name != SERIAL]
    shown = [_resource(name, step[name]) for name in beside if seconds[name] > least]
    serial = f", plus {_resource(SERIAL, step[SERIAL])}" if seconds.get(SERIAL, 0.0) > least else ""
    return f"{', '.join(shown)}{serial}"


def _resource(name: str, terms: Mapping[str, float]) -> str:
    total = f"{name} {format_seconds(sum(terms.values()))}"
    parts = {term.replace("_", " "): seconds for term, seconds in terms.items() if seconds}
    return f"{total} ({_largest(parts, format_seconds) if len(parts) > 1 else ''.join(parts)})"


def _largest(parts: Mapping[str, float], shown: Callable[[float], str]) -> str:
    """The largest parts that are not negligible, and the others together."""
    least = NEGLIGIBLE_FRACTION * sum(parts.values())
    ordered = sorted((name for name in parts if parts[name] > least), key=lambda name: -parts[name])[:SHOWN_TERMS]
    rest = sum(parts.values()) - sum(parts[name] for name in ordered)
    words = [f"{name} {shown(parts[name])}" for name in ordered]
    return ", ".join(words + ([f"others {shown(rest)}"] if rest > least else []))
