"""The shape of a decoder-only transformer: every number and switch that its matrices depend on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from planner.catalog.record import SourcedRecord

LARGEST = 2**31 - 1
Positive = Annotated[int, Field(strict=True, gt=0, le=LARGEST)]
Count = Annotated[int, Field(strict=True, ge=0, le=LARGEST)]
LATENT_HEAD_FIELDS = ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
MIXTURE_FIELDS = (
    "experts_per_token",
    "moe_intermediate",
    "shared_experts",
    "shared_intermediate",
    "shared_expert_gate",
    "first_dense_layers",
    "router_bias",
    "expert_bias",
    "fused_experts",
)
AttentionType = Literal["mha", "gqa", "mqa", "mla"]


class Shape(SourcedRecord):
    """What the model's configuration says. Widths count elements; a width or count of 0 means "has none".

    `first_dense_layers` is the number of blocks with a dense MLP in a mixture of experts (where they are not the first
    ones, only their number matters here). `windowed_layers` is the number of blocks whose attention is limited to
    `sliding_window` tokens. `fused_qkv` and `fused_gate_up` say that the software keeps these projections as one linear
    layer; `fused_experts` that a layer's experts are one three-dimensional tensor instead of linear layers.
    """

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()
    family: str
    layers: Positive
    hidden: Positive
    intermediate: Positive
    heads: Positive
    kv_heads: Positive
    head_dim: Positive
    vocab: Positive
    tied_embeddings: bool
    max_positions: Positive
    embedding_dim: Count = Field(default=0, description="width of the token embedding if it is not `hidden`")
    position: Literal["rope", "learned", "alibi"] = "rope"
    position_offset: Count = Field(default=0, description="rows of learned positions beyond `max_positions`")
    norm: Literal["rmsnorm", "layernorm", "layernorm-nobias"] = "rmsnorm"
    norms_per_layer: Count = 2
    embedding_norm: bool = False
    final_norm: bool = True
    qk_norm: bool = Field(default=False, description="one norm of width `head_dim` for queries, one for keys")
    parallel_block: bool = Field(default=False, description="attention and MLP read the same input")
    gated_mlp: bool = True
    activation: Literal["silu", "gelu", "relu"] = "silu"
    qkv_bias: bool = False
    o_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    fused_qkv: bool = False
    fused_gate_up: bool = False
    sliding_window: Positive | None = None
    windowed_layers: Count = 0
    attention_sinks: bool = Field(default=False, description="one learned logit per head")
    experts: Count = 0
    experts_per_token: Count = 0
    moe_intermediate: Count = 0
    shared_experts: Count = 0
    shared_intermediate: Count = Field(default=0, description="width of all shared experts together, if not the usual")
    shared_expert_gate: bool = False
    first_dense_layers: Count = 0
    router_bias: bool = False
    expert_bias: bool = False
    fused_experts: bool = False
    q_lora_rank: Count = 0
    kv_lora_rank: Count = Field(default=0, description="above 0: multi-head latent attention (MLA)")
    qk_nope_head_dim: Count = 0
    qk_rope_head_dim: Count = 0
    v_head_dim: Count = 0

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        """Refuse shapes that no model can have, with every reason at once."""
        reasons = [*self._attention_faults(), *self._mixture_faults(), *self._latent_faults()]
        if reasons:
            raise ValueError("; ".join(reasons))
        return self

    def _attention_faults(self) -> Iterator[str]:
        if self.heads % self.kv_heads:
            yield f"heads ({self.heads}) is not a multiple of kv_heads ({self.kv_heads})"
        if self.windowed_layers > self.layers:
            yield f"windowed_layers ({self.windowed_layers}) exceeds layers ({self.layers})"
        if (self.sliding_window is None) != (self.windowed_layers == 0):
            yield "sliding_window and windowed_layers go together: give both or neither"
        if self.position_offset and self.position != "learned":
            yield f"position_offset needs learned positions, not {self.position}"

    def _mixture_faults(self) -> Iterator[str]:
        if not self.experts:
            yield from (f"{part} needs experts" for part in MIXTURE_FIELDS if getattr(self, part))
            return
        if not 1 <= self.experts_per_token <= self.experts:
            yield f"experts_per_token ({self.experts_per_token}) is not between 1 and experts ({self.experts})"
        if not self.moe_intermediate:
            yield "moe_intermediate, the width of one expert, is missing"
        if self.first_dense_layers >= self.layers:
            yield f"first_dense_layers ({self.first_dense_layers}) leaves none of {self.layers} layers with experts"
        if (self.shared_intermediate or self.shared_expert_gate) and not self.shared_experts:
            yield "shared_intermediate and shared_expert_gate need shared_experts"

    def _latent_faults(self) -> Iterator[str]:
        if not self.kv_lora_rank:
            needless = ("q_lora_rank", *LATENT_HEAD_FIELDS)
            yield from (f"{part} needs kv_lora_rank" for part in needless if getattr(self, part))
            return
        missing = (part for part in LATENT_HEAD_FIELDS if not getattr(self, part))
        yield from (f"{part} is missing (kv_lora_rank is given)" for part in missing)
        if self.head_dim != self.qk_nope_head_dim + self.qk_rope_head_dim:
            yield f"head_dim ({self.head_dim}) is not qk_nope_head_dim + qk_rope_head_dim"
        if self.heads != self.kv_heads:
            yield f"kv_heads ({self.kv_heads}) must equal heads ({self.heads}) with latent attention"
        if self.qk_norm or self.fused_qkv:
            yield "qk_norm and fused_qkv do not exist with latent attention"

    @property
    def attention_type(self) -> AttentionType:
        """How keys and values are shared: `mla`, `mqa` (one key/value head), `mha` (one per query head) or `gqa`."""
        if self.kv_lora_rank:
            return "mla"
        if self.kv_heads == self.heads:
            return "mha"
        return "mqa" if self.kv_heads == 1 else "gqa"

    @property
    def query_dim(self) -> int:
        """Width of the queries of one token."""
        return self.heads * self.head_dim

    @property
    def kv_dim(self) -> int:
        """Width of the keys of one token, as attention reads them (and of the values, except with MLA)."""
        return self.kv_heads * self.head_dim

    @property
    def value_dim(self) -> int:
        """Width of what attention hands to the output projection: `heads` times the width of a value head."""
        return self.heads * (self.v_head_dim or self.head_dim)

    @property
    def embedding_width(self) -> int:
        """Width of the token embedding and of the input of the output head."""
        return self.embedding_dim or self.hidden

    @property
    def is_moe(self) -> bool:
        """Whether any block has routed experts."""
        return self.experts > 0

    @property
    def moe_layers(self) -> int:
        """Number of blocks with routed experts."""
        return self.layers - self.first_dense_layers if self.experts else 0

    @property
    def shared_width(self) -> int:
        """Intermediate width of a block's shared experts together."""
        return self.shared_intermediate or self.shared_experts * self.moe_intermediate
