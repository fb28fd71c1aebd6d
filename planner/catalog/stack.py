"""A training stack: which combinations it offers, what it keeps in memory and how fast its kernels are."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import Field

from planner.catalog.record import Record, SourcedRecord
from planner.catalog.software import Software, version_key
from planner.catalog.speed import Kernel, OwnSpeed
from planner.catalog.spread import Spread


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
    state_dtype: str = Field(default="", description="of each optimizer state, where it is not the usual one")


class Sharding(Record):
    """Which ways of splitting over data-parallel ranks a stack has, for which methods and with which offloads."""

    name: str
    methods: tuple[str, ...]
    offloads: tuple[str, ...] = ("none",)


class Past(SourcedRecord):
    """What a stack did before a version of a package, or where a package is missing."""

    package: str = Field(description="its name on the package index; several with spaces between them")
    before: str = Field(default="", description="the first version that does it no more; blank: without the package")
    released: date | None = Field(default=None, description="of that version; decides where no version is stated")
    changes: dict[str, Any]

    def applies(self, software: Software) -> bool:
        """Whether a run with this software did it."""
        if not self.before:
            return software.lacks(*self.package.split())
        known = software.version(self.package)
        if known is not None:
            return known < version_key(self.before)
        return self.released is not None and software.day is not None and software.day < self.released


class Stack(SourcedRecord):
    """One stack with its versions; every fact is what that software does by default."""

    name: str
    aliases: tuple[str, ...] = ()
    title: str
    versions: str
    family: str = Field(default="", description="the stack that this one is with another engine; naming that allows it")
    precisions: tuple[Precision, ...]
    optimizers: tuple[str, ...]
    shardings: tuple[Sharding, ...]
    attentions: tuple[str, ...]
    checkpointings: tuple[str, ...] = ("none", "full")
    selective: str = Field(
        default="products", description="what selective checkpointing runs again: every second product, or attention"
    )
    partial_checkpointing: bool = Field(default=False, description="full checkpointing on some of the layers only")
    losses: tuple[str, ...] = ("full",)
    mlp_tiling: bool = False
    parallelisms: tuple[str, ...] = Field(default=(), description="of tensor, pipeline, context, expert")
    moe: bool = True
    logit_forward_bytes: float = Field(gt=0, description="bytes per logit alive at the end of a full loss's forward")
    logit_backward_bytes: float = Field(gt=0, description="bytes per logit alive in a full loss's backward")
    optimizer_temporary_states: float = Field(ge=0, description="temporaries of step(), in sets of one state")
    optimizer_loops: bool = Field(default=False, description="AdamW updates one tensor after another")
    autocasts: bool = Field(default=True, description="false: a hand-written loop without autocast")
    keeps_logits: bool = Field(default=False, description="the logits stay alive until the step ends")
    kbit_keeps_inputs: bool = Field(default=False, description="every quantised layer keeps its input")
    reentrant_checkpointing: bool = Field(
        default=False, description="a checkpointed block's first run leaves no graph; it runs again as a whole"
    )
    keeps_graph: bool = Field(
        default=False, description="a step's loss, and with it its graph, lives until the next has one"
    )
    gradient_conversion_bytes: float = Field(
        default=0, ge=0, description="per parameter of a shard, while 16-bit gradients are made fp32 for the optimizer"
    )
    steps_in_backward: bool = Field(
        default=False, description="full fine-tuning updates each parameter in the backward pass and frees its gradient"
    )
    step_frees_gradients: bool = Field(
        default=False, description="the step first frees gradients of other ranks' parameters"
    )
    kbit_upcast: bool = Field(default=False, description="parameters that are not quantised are kept in fp32")
    communication_bucket_bytes: int = Field(default=0, ge=0, description="flat buffers of the sharding engine")
    keeps_root: bool = Field(default=True, description="FSDP leaves embedding and head gathered after the forward pass")
    wraps_whole_blocks: bool = Field(
        default=False, description="FSDP1 with sync_module_states: blocks come to the GPU whole, one by one"
    )
    unsharded_gradient_bytes: float = Field(
        default=0, ge=0, description="per parameter of a block, besides the gradients that are being reduced"
    )
    expandable_segments: bool = Field(
        default=False, description="it sets expandable_segments:True for PyTorch's allocator"
    )
    main_gradients: bool = Field(
        default=False, description="gradients have buffers from the start, to which every micro-batch adds its own"
    )
    gradient_placeholders: bool = Field(
        default=False,
        description="one unused gradient for each shape of weight stays, for products that add to buffers",
    )
    ddp_bucket_copies: float = Field(default=1.0, ge=0, description="copies of the gradients in DDP's buckets")
    keeps_input_gradients: bool = Field(
        default=False, description="block inputs and their gradients live until a frozen base's backward pass ends"
    )
    kernel_work: bool = Field(
        default=True, description="counts work space inside kernels; off to compare with traces, which cannot see it"
    )
    fused_blocks: bool = Field(
        default=False, description="norms keep their input only, gated MLPs the two inputs of their product"
    )
    model_code: str = Field(default="transformers", description="whose blocks run")
    adapter_dropout: bool = Field(default=False, description="adapters drop out their input by default")
    quantises_head: bool = Field(default=False, description="a quantised base includes the output head")
    dequantised_copies: float = Field(default=1, ge=1, description="of a dequantised weight, in 16 bit, at once")
    chunked_logit_bytes: float = Field(
        default=0, ge=0, description="bytes per logit of all chunks; 0: each is differentiated before the next is made"
    )
    chunk_bytes: float | None = Field(
        default=None, description="bytes per logit of one chunk; unset: logit_backward_bytes"
    )
    compiled: bool = Field(default=False, description="torch.compile fuses element-wise work")
    fused_kernels: str = Field(default="none", description="none, liger, unsloth, foak or other")
    loss_chunks: int = Field(default=8, ge=2, description="chunks of a chunked loss where nothing says how many")
    loss_chunk_tokens: int = Field(default=0, ge=0, description="positions of one chunk, where that is what is fixed")
    history: tuple[Past, ...] = ()
    spread: Spread = Field(default=Spread(), description="joined from uncertainty.yaml on loading")
    own_speeds: dict[str, OwnSpeed] = Field(default_factory=dict, description="by GPU, joined from a user's profile")
    common: bool = Field(default=True, description="searched without being named")
    unsharded_loading: tuple[str, ...] = Field(
        default=(), description="methods whose weights are whole on every GPU before they are sharded"
    )
    attention_kernel: Kernel = Field(default="flash-attention-2", description="generation of its fused attention")
    overlaps_tensor_parallel: bool = Field(
        default=False, description="tensor-parallel collectives run beside the multiplications that they belong to"
    )
    overlaps_backward_tensor_parallel: bool = Field(
        default=False, description="those of the backward pass do, whatever those of the forward pass do"
    )
    overlaps_gradients: bool = Field(
        default=False, description="DDP's and ZeRO-1's collectives hide behind several micro-batches' last one"
    )
    copies_collectives: bool = Field(
        default=False,
        description="collectives inside a node are copies by the copy engines, through host memory if need be",
    )
    overlaps_offload: bool = Field(default=False, description="offloaded states stream beside the computation")

    @property
    def software(self) -> str:
        """The name under which measurements list it: one for all its engines."""
        return self.family or self.name

    def shards(self, sharding: str) -> bool:
        """Whether it can split states like this, with any method."""
        return any(each.name == sharding for each in self.shardings)

    def as_of(self, software: Software) -> Stack:
        """This stack as it was with these versions."""
        changes = {
            name: value for past in self.history if past.applies(software) for name, value in past.changes.items()
        }
        return self.model_copy(update=changes)

    def nearest_precision(self, method: str, base_dtype: str, master_weights: str, grad_dtype: str) -> Precision:
        """The precision that shares most with these values; the first of equals."""
        wanted = (base_dtype, master_weights, grad_dtype)

        def likeness(each: Precision) -> tuple[bool, int]:
            own = (each.base_dtype, each.master_weights, each.grad_dtype)
            return each.method == method, sum(one == other for one, other in zip(own, wanted, strict=True))

        return max(self.precisions, key=likeness)

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
