"""A model: its shape, its exact parameter counts and what LoRA adds to it."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from planner.catalog.matrices import Kind, Matrix, head_matrix, list_matrices
from planner.catalog.shape import Shape

__all__ = ["Architecture", "Kind", "LoraTargets", "Matrix"]

LoraTargets = Literal["all-linear"] | tuple[str, ...]

# What a LoRA module name reaches when the model has no projection of just that name.
COVERED_BY = {
    "qkv": ("q", "k", "v"),
    "gate_up": ("gate", "up"),
    "q_a": ("q",),
    "q_b": ("q",),
    "kv_a": ("k", "v"),
    "kv_b": ("k", "v"),
}


class Architecture(Shape):
    """One model. All counts are exact integers.

    >>> from datetime import date
    >>> gpt2 = Architecture(
    ...     name="gpt2", family="gpt2", layers=12, hidden=768, intermediate=3072, heads=12, kv_heads=12, head_dim=64,
    ...     vocab=50257, tied_embeddings=True, max_positions=1024, position="learned", norm="layernorm",
    ...     gated_mlp=False, activation="gelu", qkv_bias=True, o_bias=True, mlp_bias=True, fused_qkv=True,
    ...     source="GPT-2 paper", retrieved=date(2026, 11, 22))
    >>> gpt2.embedding_parameters  # (50,257 tokens + 1,024 positions) x 768
    39383808
    >>> gpt2.block_parameters // 12  # 12 x 768^2 weights + 9 x 768 biases + 2 norms of 2 x 768
    7087872
    >>> gpt2.parameters == 39383808 + 12 * 7087872 + 2 * 768
    True
    """

    @cached_property
    def _matrices(self) -> tuple[Matrix, ...]:
        return list_matrices(self)

    def matrices(self) -> tuple[Matrix, ...]:
        """Every tensor, projections by content; an output head tied to the embedding is not listed again."""
        return self._matrices

    def parameters_of(self, *kinds: Kind) -> int:
        """Parameters of all matrices of these kinds."""
        return sum(matrix.parameters for matrix in self._matrices if matrix.kind in kinds)

    @cached_property
    def parameters(self) -> int:
        """All parameters of the model."""
        return sum(matrix.parameters for matrix in self._matrices)

    @cached_property
    def active_parameters(self) -> int:
        """Parameters that take part in one token: all of them, but only `experts_per_token` of the experts."""
        return self.parameters - self.expert_parameters + self._per_token(self.expert_parameters)

    @cached_property
    def expert_parameters(self) -> int:
        """Parameters of all routed experts of all blocks."""
        return self.parameters_of("expert")

    @cached_property
    def embedding_parameters(self) -> int:
        """Parameters of the token embedding and of learned positions."""
        return self.parameters_of("embedding", "positions")

    @cached_property
    def head_parameters(self) -> int:
        """Parameters of the output head that are not those of the embedding; 0 if tied (and without bias)."""
        return sum(matrix.parameters for matrix in self._matrices if matrix.module in ("lm_head", "lm_head_bias"))

    @cached_property
    def block_parameters(self) -> int:
        """Parameters of all blocks together."""
        return sum(matrix.parameters for matrix in self._matrices if matrix.layers)

    @cached_property
    def head(self) -> Matrix:
        """The output head, which exists as a multiplication whether or not its weights are tied."""
        return head_matrix(self)

    @cached_property
    def matmul_parameters_per_token(self) -> int:
        """Weights that multiply one token: linear layers, its experts, routers and the output head, tied or not.

        Two FLOPs each in the forward pass. No embedding look-ups, norms or biases.
        """
        always = sum(matrix.weights for matrix in self._matrices if matrix.kind in ("linear", "router"))
        experts = sum(matrix.weights for matrix in self._matrices if matrix.kind == "expert")
        return always + self._per_token(experts) + self.head.weights

    def _per_token(self, of_all_experts: int) -> int:
        """The part of a sum over all experts that one token uses; exact, since experts are equal."""
        return of_all_experts // self.experts * self.experts_per_token if self.experts else 0

    @cached_property
    def _kept_matrices(self) -> tuple[Matrix, ...]:
        """Every tensor as the software keeps it, with its fused projections."""
        return list_matrices(self, fused=True)

    def adapted_matrices(self, targets: LoraTargets) -> tuple[Matrix, ...]:
        """The linear layers that get a LoRA adapter, as the software keeps them.

        `all-linear` is every linear layer but the output head and routers, each expert's included. Otherwise a tuple
        of modules out of q k v o gate up down lm_head (and q_a q_b kv_a kv_b with MLA; there `q` stands for both q_a
        and q_b, `k` or `v` for kv_a and kv_b). PEFT adapts a fused projection as one layer, so that naming any of its
        parts adapts it whole. Experts kept as one three-dimensional tensor (gpt-oss) are not linear layers: no target
        reaches them. Other experts count as linear layers, three per expert, as transformers had them before version 5.
        """
        linear = [
            m for m in self._kept_matrices if m.kind == "linear" or (m.kind == "expert" and not self.fused_experts)
        ]
        if targets == "all-linear":
            return tuple(linear)
        return tuple(m for m in (*linear, self.head) if {m.module, *COVERED_BY.get(m.module, ())} & set(targets))

    def lora_parameters(self, rank: int, targets: LoraTargets) -> int:
        """Trainable parameters of LoRA adapters: rank x (inputs + outputs) per adapted linear layer.

        Source: LoRA, arXiv 2106.09685, section 4.1 (a rank x inputs and an outputs x rank matrix per layer). See
        `adapted_matrices` for what is adapted. Error: none against PEFT with transformers 5.23.0 for dense models
        and gpt-oss (`all-linear`, 15 models); for other mixtures these adapt experts as fused tensors, with up to half
        as many parameters again (Mixtral).
        """
        return sum(rank * m.count * (m.inputs + m.outputs) for m in self.adapted_matrices(targets))
