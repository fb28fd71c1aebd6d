"""Rates that a GPU keeps up: of matrix multiplications, attention, memory and PCIe."""

from __future__ import annotations

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.workload import Workload


def matmul_rate(gpu: Gpu, compute_dtype: str) -> float:
    """FLOP/s that matrix multiplications of this dtype keep up in training."""
    speed = gpu.speed
    peak = gpu.peak_flops(compute_dtype) or 0.0
    best = speed.fp8_fraction if compute_dtype == "fp8" else speed.matmul_fraction
    return peak * best * speed.correction * speed.sustained_fraction


def plain_dtype(compute_dtype: str) -> str:
    """The dtype of what is not computed in fp8: head and attention."""
    return "bf16" if compute_dtype == "fp8" else compute_dtype


def attention_rate(workload: Workload, gpu: Gpu, stack: Stack, compute_dtype: str) -> float:
    """FLOP/s of attention with the stack's kernel.

    Written out its products are batched ones as narrow as a head, which are taken to reach no more.
    """
    rate = matmul_rate(gpu, plain_dtype(compute_dtype))
    seen = min(workload.sequence_length, workload.architecture.sliding_window or workload.sequence_length)
    return rate * gpu.speed.attention[stack.attention_kernel] * seen / (seen + gpu.speed.attention_ramp_tokens)


def bandwidth(gpu: Gpu) -> float:
    """Memory bandwidth of the GPU, bytes per second; that of the slowest GPU in the catalog if unpublished."""
    return (gpu.memory_bandwidth_gbs or 300.0) * 1e9


def streaming_rate(gpu: Gpu) -> float:
    """Bytes per second that large element-wise kernels move."""
    return bandwidth(gpu) * gpu.speed.memory_fraction


def write_rate(gpu: Gpu) -> float:
    """Bytes per second that element-wise work writes."""
    return streaming_rate(gpu) / gpu.speed.bytes_per_written_byte


def pcie_bandwidth(gpu: Gpu) -> float:
    """Bytes per second and direction between GPU and host; PCIe 3.0 x16 if unpublished."""
    return (gpu.pcie_gbs or 15.75) * 1e9
