"""A model, a GPU, an offer and a stack with round numbers, and a plan that tests vary."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from planner.catalog.architecture import Architecture
from planner.catalog.gpu import Gpu
from planner.catalog.offer import Offer
from planner.catalog.speed import Speed
from planner.catalog.stack import Precision, Sharding, Stack
from planner.estimator.workload import Workload

SOURCE: dict[str, Any] = {"source": "made up for tests", "retrieved": date(2026, 1, 1)}
MODEL = Architecture(
    name="toy", family="llama", layers=4, hidden=64, intermediate=96, heads=4, kv_heads=2, head_dim=16, vocab=1000,
    tied_embeddings=False, max_positions=4096, **SOURCE,
)  # fmt: skip
"""Blocks: q 64 x 64, k and v 64 x 32, o 64 x 64, gate, up and down 64 x 96: 30,720 weights, 4 times 122,880. Norms:
(2 x 4 + 1) x 64 = 576. Embedding and head: 64,000 each. Altogether 251,456."""
MIXTURE = MODEL.model_copy(update={"experts": 8, "experts_per_token": 2, "moe_intermediate": 96})
TIED = MODEL.model_copy(update={"tied_embeddings": True})
SPEED = Speed(
    matmul_fraction=1.0, fp8_fraction=1.0, attention={"flash-attention-2": 0.5}, sustained_fraction=0.5,
    tile_elements=100, attention_ramp_tokens=8, expert_fraction=0.5, memory_fraction=0.8, bytes_per_written_byte=2.0,
    operation_seconds=1e-5, link_fraction=0.8, host_hop_fraction=0.5, hop_seconds=1e-6, node_hop_seconds=1e-5,
    contention_fraction=0.25, spread=0.1,
)  # fmt: skip
GPU = Gpu(
    name="toy", vendor="NVIDIA", architecture="toy", form_factor="SXM", memory_mib=80_000, memory_nominal_gib=80,
    memory_type="HBM", memory_bandwidth_gbs=1000, fp32_tflops=10, tf32_tflops=50, bf16_tflops=100, fp16_tflops=100,
    fp8_tflops=200, nvlink_gbs=200, link="switch", pcie_generation=4, pcie_gbs=20, compute_capability="8.0",
    quality="made up", known_speed=SPEED, **SOURCE,
)  # fmt: skip
OFFER = Offer(
    provider="toy", gpu="toy", gpus_per_node=4, kind="on-demand", price_per_gpu_hour=Decimal(2), currency="USD",
    host_ram_gib_per_gpu=64, inter_node_gbit_s=80, observed=date(2026, 1, 1), quality="made up", **SOURCE,
)  # fmt: skip
SHARDINGS = ("none", "ddp", "zero1", "zero2", "zero3", "fsdp", "hsdp")


def _precision(method: str, base: str, master: str, grad: str, **more: Any) -> Precision:
    return Precision(
        method=method, base_dtype=base, compute_dtypes=("bf16",), master_weights=master, grad_dtype=grad, **more
    )


STACK = Stack(
    name="toy",
    title="Toy",
    versions="1",
    precisions=(
        _precision("full", "bf16", "none", "bf16"),
        _precision("full", "bf16", "fp32", "bf16"),
        _precision("full", "fp32", "fp32", "fp32", autocast=True),
        _precision("lora", "bf16", "fp32", "fp32", autocast=True, adapter_dtype="fp32"),
        _precision("lora", "bf16", "none", "bf16", adapter_dtype="bf16"),
        _precision("qlora", "nf4", "fp32", "fp32", autocast=True, adapter_dtype="fp32"),
    ),
    optimizers=("adamw", "adamw-8bit", "paged-adamw-8bit", "lion", "adafactor", "sgd"),
    parallelisms=("tensor", "pipeline", "context", "expert"),
    shardings=tuple(Sharding(name=name, methods=("full", "lora", "qlora")) for name in SHARDINGS),
    attentions=("sdpa", "flash", "eager"),
    checkpointings=("none", "full", "selective"),
    losses=("full", "fused", "chunked"),
    mlp_tiling=True,
    logit_forward_bytes=10,
    logit_backward_bytes=12,
    optimizer_temporary_states=1,
    kbit_upcast=True,
    **SOURCE,
)
PLAN: dict[str, Any] = {
    "gpu": GPU,
    "offer": OFFER,
    "gpus": 1,
    "gpus_per_node": 1,
    "stack": STACK,
    "method": "full",
    "base_dtype": "bf16",
    "compute_dtype": "bf16",
    "master_weights": "none",
    "grad_dtype": "bf16",
    "optimizer": "adamw",
    "sharding": "none",
    "offload": "none",
    "tensor_parallel": 1,
    "pipeline_parallel": 1,
    "context_parallel": 1,
    "expert_parallel": 1,
    "data_parallel": 1,
    "attention": "sdpa",
    "checkpointing": "none",
    "checkpointed_layers": 0,
    "loss": "full",
    "loss_chunks": 1,
    "mlp_chunks": 1,
    "micro_batch": 2,
    "gradient_accumulation": 1,
}
LORA = {"method": "lora", "master_weights": "fp32", "grad_dtype": "fp32"}
QLORA = {**LORA, "method": "qlora", "base_dtype": "nf4"}
MIXED = {"base_dtype": "fp32", "master_weights": "fp32", "grad_dtype": "fp32"}


def job(architecture: Architecture = MODEL, sequence_length: int = 8, global_batch: int = 2, **more: Any) -> Workload:
    """100 steps, adapters of rank 4 on all linear layers: 4 x (4 x 928) = 14,848 parameters for the toy model."""
    fixed: dict[str, Any] = {"steps": 100, "lora_rank": 4, "lora_targets": "all-linear", **more}
    return Workload(architecture, sequence_length, global_batch, **fixed)


def on_four_gpus(sharding: str, **more: Any) -> dict[str, Any]:
    """Four data-parallel ranks in one machine."""
    return {"sharding": sharding, "data_parallel": 4, "gpus": 4, "gpus_per_node": 4, **more}
