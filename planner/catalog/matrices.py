"""Every matrix of a model, listed from its shape."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from planner.catalog.shape import Shape

Kind = Literal["embedding", "positions", "linear", "expert", "router", "norm", "bias", "head"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """One weight of the model: `count` equal tensors of `outputs` x `inputs` (plus `outputs` if `bias`).

    `module` is the LoRA name (q k v o gate up down lm_head; q_a q_b kv_a kv_b with MLA) or a name of its own (router,
    embedding, norm, ...). `layers` is the number of blocks that contain it (0: outside the blocks), `count` the number
    of tensors in the whole model. A vector, such as a norm, has one input.

    >>> Matrix("q", "linear", inputs=768, outputs=768, bias=True, count=12, layers=12).parameters
    7087104
    """

    module: str
    kind: Kind
    inputs: int
    outputs: int
    bias: bool
    count: int
    layers: int

    @property
    def weights(self) -> int:
        """Weights of all `count` tensors, without biases: each multiplies every token that reaches it once."""
        return self.count * self.outputs * self.inputs

    @property
    def parameters(self) -> int:
        """Parameters of all `count` tensors, biases included."""
        return self.weights + (self.count * self.outputs if self.bias else 0)


def list_matrices(shape: Shape, fused: bool = False) -> tuple[Matrix, ...]:
    """All matrices of the model; an output head tied to the embedding is not listed again.

    By content (q, k, v, gate, up), or, with `fused`, as the software keeps them (qkv, gate_up) where it fuses them.
    """
    dense_layers = shape.layers - shape.moe_layers
    return (
        *_embeddings(shape),
        *_repeat(_attention(shape, fused), shape.layers),
        *_repeat(_block_norms(shape), shape.layers),
        *_repeat(_mlp(shape, shape.intermediate, fused), dense_layers),
        *_repeat(_mixture(shape, fused), shape.moe_layers),
        *_final(shape),
    )


def block_matrices(shape: Shape, mixture: bool, fused: bool = False) -> tuple[Matrix, ...]:
    """The matrices of one block, of those with routed experts if `mixture`; attention's come first."""
    feed_forward = _mixture(shape, fused) if mixture else _mlp(shape, shape.intermediate, fused)
    return (*_attention(shape, fused), *_block_norms(shape), *feed_forward)


def head_matrix(shape: Shape) -> Matrix:
    """The matrix that turns hidden states into logits, tied or not."""
    return Matrix("lm_head", "head", shape.embedding_width, shape.vocab, shape.head_bias, 1, 0)


def _repeat(block: Iterable[Matrix], layers: int) -> Iterator[Matrix]:
    """The matrices of one block, for that many blocks."""
    if layers:
        yield from (replace(matrix, count=matrix.count * layers, layers=layers) for matrix in block)


def _linear(module: str, inputs: int, outputs: int, bias: bool = False) -> Matrix:
    return Matrix(module, "linear", inputs, outputs, bias, 1, 1)


def _norm(module: str, width: int, shape: Shape, count: int = 1, layers: int = 1) -> Matrix:
    return Matrix(module, "norm", 1, width, shape.norm == "layernorm", count, layers)


def _embeddings(shape: Shape) -> Iterator[Matrix]:
    width = shape.embedding_width
    yield Matrix("embedding", "embedding", width, shape.vocab, False, 1, 0)
    if shape.position == "learned":
        rows = shape.max_positions + shape.position_offset
        yield Matrix("positions", "positions", shape.hidden, rows, False, 1, 0)
    if width != shape.hidden:
        yield Matrix("project_in", "linear", width, shape.hidden, False, 1, 0)
    if shape.embedding_norm:
        yield _norm("embedding_norm", shape.hidden, shape, layers=0)


def _final(shape: Shape) -> Iterator[Matrix]:
    if shape.final_norm:
        yield _norm("final_norm", shape.hidden, shape, layers=0)
    if shape.embedding_width != shape.hidden:
        yield Matrix("project_out", "linear", shape.hidden, shape.embedding_width, False, 1, 0)
    if not shape.tied_embeddings:
        yield head_matrix(shape)
    elif shape.head_bias:
        yield Matrix("lm_head_bias", "bias", 1, shape.vocab, False, 1, 0)


def _attention(shape: Shape, fused: bool) -> Iterator[Matrix]:
    hidden, bias = shape.hidden, shape.qkv_bias
    if shape.kv_lora_rank:
        yield from _latent_projections(shape)
    elif fused and shape.fused_qkv:
        yield _linear("qkv", hidden, shape.query_dim + 2 * shape.kv_dim, bias)
    else:
        yield _linear("q", hidden, shape.query_dim, bias)
        yield _linear("k", hidden, shape.kv_dim, bias)
        yield _linear("v", hidden, shape.kv_dim, bias)
    yield _linear("o", shape.value_dim, hidden, shape.o_bias)
    if shape.attention_sinks:
        yield Matrix("sinks", "bias", 1, shape.heads, False, 1, 1)


def _latent_projections(shape: Shape) -> Iterator[Matrix]:
    """MLA: keys and values from one narrow latent, queries too if they have a rank.

    Source: DeepSeek-V2, arXiv 2405.04434, section 2.1. Biases, where there are any, are on the down-projections.
    """
    hidden, bias = shape.hidden, shape.qkv_bias
    if shape.q_lora_rank:
        yield _linear("q_a", hidden, shape.q_lora_rank, bias)
        yield Matrix("q_a_norm", "norm", 1, shape.q_lora_rank, False, 1, 1)
        yield _linear("q_b", shape.q_lora_rank, shape.query_dim)
    else:
        yield _linear("q", hidden, shape.query_dim)
    yield _linear("kv_a", hidden, shape.kv_lora_rank + shape.qk_rope_head_dim, bias)
    yield Matrix("kv_a_norm", "norm", 1, shape.kv_lora_rank, False, 1, 1)
    yield _linear("kv_b", shape.kv_lora_rank, shape.heads * (shape.qk_nope_head_dim + shape.v_head_dim))


def _block_norms(shape: Shape) -> Iterator[Matrix]:
    if shape.norms_per_layer:
        yield _norm("norm", shape.hidden, shape, count=shape.norms_per_layer)
    if shape.qk_norm:
        yield _norm("q_norm", shape.head_dim, shape)
        yield _norm("k_norm", shape.head_dim, shape)


def _mlp(shape: Shape, width: int, fused: bool) -> Iterator[Matrix]:
    hidden, bias = shape.hidden, shape.mlp_bias
    if fused and shape.gated_mlp and shape.fused_gate_up:
        yield _linear("gate_up", hidden, 2 * width, bias)
    else:
        if shape.gated_mlp:
            yield _linear("gate", hidden, width, bias)
        yield _linear("up", hidden, width, bias)
    yield _linear("down", width, hidden, bias)


def _mixture(shape: Shape, fused: bool) -> Iterator[Matrix]:
    yield Matrix("router", "router", shape.hidden, shape.experts, shape.router_bias, 1, 1)
    for matrix in _mlp(shape, shape.moe_intermediate, fused):
        yield replace(matrix, kind="expert", bias=shape.expert_bias, count=shape.experts)
    if shape.shared_experts:
        yield from _mlp(shape, shape.shared_width, fused)
    if shape.shared_expert_gate:
        yield Matrix("shared_gate", "router", shape.hidden, 1, False, 1, 1)
