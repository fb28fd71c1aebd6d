"""Measured speeds that no GPU can have reached: the file says something else than it means."""

from __future__ import annotations

from collections.abc import Mapping

from planner.catalog import Architecture, Catalog, Gpu
from planner.estimator.flops import model_flops_per_token
from planner.measured.columns import SPEED
from planner.measured.reading import Measurements
from planner.measured.row import MeasuredRow
from planner.measured.run import InexpressibleError, measured_plan

MOST_OF_PEAK = 1.3
"""GeForce cards run above the clock that their published peak assumes: up to 1.21 times it in matrix multiplications
(catalogs/efficiency.yaml); a little is left for what sources round."""
SUBSTITUTES = {"fp32": ("fp32", "tf32"), "bf16": ("bf16", "fp16")}
"""Compute dtype -> dtypes whose units its multiplications may use; others use their own."""


def with_possible_speeds(
    read: Measurements, catalog: Catalog, architectures: Mapping[str, Architecture]
) -> Measurements:
    """The file without rows whose speed needs more FLOP/s than their GPU has."""
    for row in read.rows:
        if excess := _excess(row, catalog, architectures):
            read = read.without(row, SPEED, excess)
    return read


def _excess(row: MeasuredRow, catalog: Catalog, architectures: Mapping[str, Architecture]) -> str:
    """By how much the speed of a row exceeds what is possible; empty if it does not, or if nobody can tell.

    Counted are the FLOPs that the method cannot do without: nothing repeated, attention causal.
    """
    if row.tokens_per_second_per_gpu is None:
        return ""
    try:
        workload, plan = measured_plan(row, catalog, architectures)
    except InexpressibleError:
        return ""
    flops = model_flops_per_token(workload, plan.stack, row.method, causal=True)
    peak = _peak_flops(plan.gpu, row.compute_dtype)
    share = row.tokens_per_second_per_gpu * flops / peak if peak else 0.0
    if share <= MOST_OF_PEAK:
        return ""
    return (
        f"{row.tokens_per_second_per_gpu:,.10g} tokens/s need {share:.3g} times the peak of {row.gpu} in "
        f"{row.compute_dtype}; at most {MOST_OF_PEAK:g} times are possible"
    )


def _peak_flops(gpu: Gpu, compute_dtype: str) -> float:
    """The published dense peak of the fastest units that a dtype may use, FLOP/s."""
    return max(gpu.peak_flops(each) or 0.0 for each in SUBSTITUTES.get(compute_dtype, (compute_dtype,)))
