"""What a pipeline's stages wait for each other."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.formula import call, formula
from planner.estimator.kernels import attention_seconds, multiplication_seconds
from planner.estimator.memory_bound import elementwise_seconds
from planner.estimator.workload import Workload


@formula
def bubble_seconds(
    workload: Workload,
    *,
    gpu: Gpu,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Seconds per optimizer step in which a pipeline stage waits: its own work x (p - 1) / (m v), v virtual stages.

    Source: 1F1B pipeline and its interleaved schedule, arXiv 2104.04473, section 2.2.
    Valid for: stages of equal length.
    Error: see docs/accuracy.md.
    """
    if "pipeline" not in stack.parallelisms:
        return 0.0
    decisions = locals()
    terms = multiplication_seconds, attention_seconds, elementwise_seconds
    busy: float = sum(call(term, workload, decisions) for term in terms)
    return busy * (pipeline_parallel - 1) / (gradient_accumulation * workload.virtual_stages)
