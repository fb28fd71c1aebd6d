"""What the planner decides: the decisions, their values (simplest first), and a `Plan` with one value of each.

Names and values are those of the measurements format, so that a plan, a measured run and an export speak of the
same thing. The order of `DECISIONS` and of their values is the tie-break: of two plans that cost the same and take the
same time, the one whose first differing decision has the earlier value is simpler and wins.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from planner.catalog.gpu import Gpu
from planner.catalog.offer import Offer
from planner.catalog.stack import Stack


class Decision(NamedTuple):
    """One choice: its name, its values (simplest first; empty when the values are numbers) and its meaning."""

    name: str
    values: tuple[str, ...]
    meaning: str


METHODS = ("full", "lora", "qlora")
BASE_DTYPES = ("bf16", "fp16", "fp32", "int8", "nf4", "nf4-double")
COMPUTE_DTYPES = ("bf16", "fp16", "tf32", "fp32", "fp8")
MASTER_WEIGHTS = ("none", "fp32")
GRAD_DTYPES = ("bf16", "fp16", "fp32")
OPTIMIZERS = ("adamw", "adamw-8bit", "paged-adamw-8bit", "paged-adamw", "lion", "adafactor", "muon", "sgd")
CHECKPOINTINGS = ("none", "full", "selective")
ATTENTIONS = ("sdpa", "flash", "eager")
LOSSES = ("full", "fused", "chunked")
SHARDINGS = ("none", "ddp", "zero1", "zero2", "zero3", "fsdp", "hsdp")
OFFLOADS = ("none", "activations", "optimizer", "params+optimizer")
LOSS_CHUNKS = (1, 4, 8, 16, 32)
MLP_CHUNKS = (1, 2, 4, 8)
PRICINGS = ("on-demand", "spot", "reserved")
LORA_MODULES = ("q", "k", "v", "o", "gate", "up", "down", "lm_head")

DECISIONS = (
    Decision("gpu", (), "GPU type, a name of the GPU catalog"),
    Decision("offer", (), "who rents it out and at what price"),
    Decision("gpus", (), "number of GPUs"),
    Decision("stack", (), "the training software, which fixes what is kept in memory and in which dtype"),
    Decision("method", METHODS, "all parameters, adapters on a 16-bit base, or adapters on a quantised base"),
    Decision("base_dtype", BASE_DTYPES, "dtype in which the base weights are stored"),
    Decision("compute_dtype", COMPUTE_DTYPES, "dtype of the matrix multiplications"),
    Decision("master_weights", MASTER_WEIGHTS, "fp32 if the trainable parameters exist (also) in fp32"),
    Decision("grad_dtype", GRAD_DTYPES, "dtype in which gradients persist until the optimizer step"),
    Decision("offload", OFFLOADS, "what is kept in host memory"),
    Decision("tensor_parallel", (), "GPUs that split every matrix"),
    Decision("pipeline_parallel", (), "GPUs that split the layers"),
    Decision("context_parallel", (), "GPUs that split the sequence"),
    Decision("expert_parallel", (), "GPUs that split the experts, inside the data-parallel ranks"),
    Decision("data_parallel", (), "replicas that work on different samples"),
    Decision("micro_batch", (), "sequences per forward pass and data-parallel rank"),
    Decision("gradient_accumulation", (), "micro-batches per optimizer step and data-parallel rank"),
    Decision("sharding", SHARDINGS, "what is split over the data-parallel ranks"),
    Decision("optimizer", OPTIMIZERS, "optimizer and the dtype of its states"),
    Decision("attention", ATTENTIONS, "attention kernel"),
    Decision("checkpointing", CHECKPOINTINGS, "which activations are recomputed"),
    Decision("checkpointed_layers", (), "number of layers to which checkpointing applies"),
    Decision("loss", LOSSES, "how the logits are materialised"),
    Decision("loss_chunks", (), "number of chunks of a chunked loss"),
    Decision("mlp_chunks", (), "sequence tiles of the MLP"),
)
DECISION_NAMES = tuple(decision.name for decision in DECISIONS)


@dataclass(frozen=True)
class Plan:
    """One value of every decision. Numbers are counts; `stack`, `gpu` and `offer` are catalog records."""

    gpu: Gpu
    offer: Offer
    gpus: int
    stack: Stack
    method: str
    lora_rank: int | None
    lora_targets: str | None
    base_dtype: str
    compute_dtype: str
    master_weights: str
    grad_dtype: str
    optimizer: str
    sharding: str
    offload: str
    tensor_parallel: int
    pipeline_parallel: int
    context_parallel: int
    expert_parallel: int
    data_parallel: int
    attention: str
    checkpointing: str
    checkpointed_layers: int
    loss: str
    loss_chunks: int
    mlp_chunks: int
    micro_batch: int
    gradient_accumulation: int

    @property
    def gpus_per_node(self) -> int:
        """GPUs of this plan that share a machine."""
        return min(self.gpus, self.offer.gpus_per_node)

    @property
    def nodes(self) -> int:
        """Machines of this plan."""
        return self.gpus // self.gpus_per_node

    def as_dict(self) -> dict[str, str | int | None]:
        """The plan as plain values, catalog records by name, with `nodes`."""
        values: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for record in ("gpu", "offer", "stack"):
            values[record] = values[record].name
        return {**values, "nodes": self.nodes}
