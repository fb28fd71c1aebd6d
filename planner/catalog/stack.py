"""A training stack: which combinations it offers, what it keeps in memory and how fast its kernels are."""

from __future__ import annotations

from pydantic import Field

from planner.catalog.record import Record, SourcedRecord


class Precision(Record):
    """One way of a stack to store and compute.

    `autocast` casts per operation and keeps 16-bit copies of fp32 weights; `adapter_dtype` is the storage of LoRA
    matrices. A master copy exists beside the weights only if `base_dtype` is not fp32 while `master_weights` is.
    """

    method: str
    base_dtype: str
    compute_dtypes: tuple[str, ...]
    master_weights: str
    grad_dtype: str
    autocast: bool = False
    adapter_dtype: str = ""


class Sharding(Record):
    """Which ways of splitting over data-parallel ranks a stack has, for which methods and with which offloads."""

    name: str
    methods: tuple[str, ...]
    offloads: tuple[str, ...] = ("none",)


class Stack(SourcedRecord):
    """One stack with its versions; every fact is what that software does by default."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str
    versions: str
    precisions: tuple[Precision, ...]
    optimizers: tuple[str, ...]
    shardings: tuple[Sharding, ...]
    attentions: tuple[str, ...]
    checkpointings: tuple[str, ...] = ("none", "full")
    partial_checkpointing: bool = Field(default=False, description="full checkpointing on some of the layers only")
    losses: tuple[str, ...] = ("full",)
    mlp_tiling: bool = False
    parallelisms: tuple[str, ...] = Field(default=(), description="of tensor, pipeline, context, expert")
    moe: bool = True
    logit_forward_bytes: float = Field(gt=0, description="bytes per logit alive at the end of a full loss's forward")
    logit_backward_bytes: float = Field(gt=0, description="bytes per logit alive in a full loss's backward")
    optimizer_temporary_states: float = Field(ge=0, description="temporaries of step(), in sets of one state")
    kbit_upcast: bool = Field(default=False, description="parameters that are not quantised are kept in fp32")
    communication_bucket_bytes: int = Field(default=0, ge=0, description="flat buffers of the sharding engine")
    ddp_bucket_copies: float = Field(default=1.0, ge=0, description="copies of the gradients in DDP's buckets")
    kernel_efficiency_fraction: float = Field(gt=0, le=1.2, description="relative to the seed efficiency of the GPU")

    def precision(self, method: str, base_dtype: str, master_weights: str) -> Precision:
        """The precision with these values. Raises LookupError if the stack has none."""
        for precision in self.precisions:
            if (precision.method, precision.base_dtype, precision.master_weights) == (
                method,
                base_dtype,
                master_weights,
            ):
                return precision
        raise LookupError(f"{self.name} does not train {method} with {base_dtype} weights, master {master_weights}")
