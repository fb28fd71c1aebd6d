"""The memory model in the page on accuracy: intervals on sources left out of them, every figure with its evidence."""

from __future__ import annotations

from collections import Counter

from planner.catalog.spread import Spreads
from planner.estimator import buffers, uncertainty
from planner.measured.columns import PEAKS
from planner.measured.left_out import LeftOut, left_out
from planner.measured.validate import Validation
from planner.report import measured_words as words
from planner.report.markdown import table

LEFT_OUT = (
    "Peaks follow from code and shape and the figures below; how far they may be off is made from published runs, by "
    "stack and method. Here every source is judged by what all others make of that, as if it were new: measured values "
    "in their 90% interval, and verdicts at the default risk."
)
FIGURES = (
    "Constants of the memory model that do not follow from code or shape, and the fractions by which its terms may be "
    "off; those of derived terms are by stack and method (`catalogs/uncertainty.yaml`)."
)
SIMULATED = "least limit at which two steps of 400 plans run on a simulated allocator, quantile regression"
CONTEXT = "medians of torch's out-of-memory messages, see planner/estimator/buffers.py"
BY_HAND = "set by hand, see planner/catalog/spread.py"


def intervals_section(validation: Validation, spreads: Spreads) -> list[str]:
    """Coverage and verdicts of sources left out of the intervals; nothing where there are not two of them."""
    found = left_out(validation, spreads)
    if not found:
        return []
    header = ["source", *(f"{words.TITLES[quantity].lower()} in 90%" for quantity in PEAKS)]
    header += ["ran, said to fit", "out of memory, said not to"]
    every = LeftOut("all", *(sum(counts, Counter()) for counts in zip(*map(_counts, found), strict=True)))
    rows = [[each.source, *_cells(each)] for each in (*found, every)]
    return ["### Memory of sources left out of the intervals", "", LEFT_OUT, "", *table(header, rows)]


def _counts(each: LeftOut) -> tuple[Counter[str], Counter[str], Counter[tuple[str, bool]]]:
    return each.rows, each.inside, each.verdicts


def _cells(each: LeftOut) -> list[str]:
    inside = [_of(each.inside[quantity], each.rows[quantity]) for quantity in PEAKS]
    fits, refused = each.verdicts["ok", True], each.verdicts["oom", False]
    return [*inside, _of(fits, fits + each.verdicts["ok", False]), _of(refused, refused + each.verdicts["oom", True])]


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "-"


def memory_figures_section(spreads: Spreads) -> list[str]:
    """Every constant and fraction of the memory model."""
    rows = [
        ["fragments of saved activations", f"{buffers.KEPT_FRAGMENTS:g}", SIMULATED],
        ["fragments of a block's temporaries", f"{buffers.MOVING_FRAGMENTS:g}", SIMULATED],
        ["fragments of gradients and gathered weights", f"{buffers.ENGINE_FRAGMENTS:g}", SIMULATED],
        *([f"context, {name}", f"{mib} MiB", CONTEXT] for name, mib in buffers.CONTEXT_MIB.items()),
        ["context, other GPUs", f"{buffers.DEFAULT_CONTEXT_MIB} MiB", CONTEXT],
        *([f"communicators, link {link}", f"{mib} MiB", CONTEXT] for link, mib in buffers.NCCL_MIB.items()),
        ["uncertainty of counted terms", f"{spreads.counted:g}", BY_HAND],
        ["uncertainty of the context", f"{spreads.context:g}", BY_HAND],
        ["uncertainty of what the allocator needs", f"{spreads.allocator:g}", BY_HAND],
        ["uncertainty of what it holds besides", f"{spreads.cached:g}", spreads.source],
        ["uncertainty of derived terms, stacks without runs", f"{spreads.derived_otherwise:g}", spreads.source],
        [
            "more for terms that grow with samples of varying length",
            f"{uncertainty.VARYING_FRACTION:g}",
            "least limit of 17 plans with ten orders of samples each on a simulated allocator",
        ],
    ]
    return [
        "## Figures of the memory model",
        "",
        FIGURES,
        "",
        *table(["figure", "value", "evidence"], rows, right_from=3),
    ]
