"""Every matrix product of a training step: its size, how often the forward and the backward pass do it, and again.

A block is gone through in the order in which its code runs. What reaches a layer decides its gradients: an input needs
one if something trained lies before it, a weight if it is trained. Nothing before the first adapter needs any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from planner.catalog.architecture import Architecture
from planner.catalog.matrices import Matrix, block_matrices
from planner.estimator.setting import Setting

MULTIPLIED = ("linear", "expert", "router")
"""Kinds of matrices of a block that multiply tokens."""
DROPOUT_BEHIND = ("gpt2", "opt")
"""Families that drop out what a block's MLP adds. Source: GPT-2's resid_pdrop, OPT's dropout, both 0.1."""
WRITTEN_OUT = ("eager", "math")
"""Kernels of attention that are two products of their own, with a gradient for each of their four factors."""


@dataclass(frozen=True, slots=True)
class Product:
    """`count` equal products of one pass through the model: rows x inputs times inputs x outputs.

    Of a micro-batch of T tokens `rows_per_token` x T + `rows` rows reach each of them. The forward pass does it once;
    `input_gradient` and `weight_gradient` say whether the backward pass makes these, products of the same size.
    `recomputed`: it is done again if its block is checkpointed; `replayed`: it is done again in any case, as the MLP is
    tiled.
    """

    module: str
    inputs: int
    outputs: int
    rows_per_token: float = 1.0
    rows: int = 0
    count: int = 1
    input_gradient: bool = False
    weight_gradient: bool = False
    recomputed: bool = False
    replayed: bool = False
    in_block: bool = True

    @property
    def routed(self) -> bool:
        """Whether it is one of experts, of which a token meets some only."""
        return 0 < self.rows_per_token < 1

    @property
    def flops_per_token(self) -> float:
        """FLOPs per token when it is done once."""
        return 2.0 * self.count * self.inputs * self.outputs * self.rows_per_token

    @property
    def fixed_flops(self) -> float:
        """FLOPs per micro-batch, whatever its tokens, when it is done once."""
        return 2.0 * self.count * self.inputs * self.outputs * self.rows


@dataclass(frozen=True, slots=True)
class Core:
    """The scores and the weighted sums of attention in `count` blocks, for all heads together.

    Forward one product of the `key_width` and one of the `value_width`, with a number for each of a query's keys;
    backward `key_products` and `value_products` of them. `keys` are all keys of a sequence; `seen_keys` those that the
    kernel really computes for a query, on average.
    """

    key_width: int
    value_width: int
    keys: float
    seen_keys: float
    key_products: int
    value_products: int
    recomputed: bool = False
    count: int = 1

    @property
    def forward(self) -> float:
        """FLOPs per token and key of the forward pass."""
        return 2.0 * self.count * (self.key_width + self.value_width)

    @property
    def backward(self) -> float:
        """FLOPs per token and key of the backward pass."""
        return 2.0 * self.count * (self.key_products * self.key_width + self.value_products * self.value_width)


@dataclass(frozen=True, slots=True)
class Repeats:
    """What the backward pass does again.

    `checkpointing`: of a checkpointed block "full" all, "products" every second product, "attention" its core, "none"
    nothing. `stops`: as soon as nothing more is needed. `tiled`: MLPs run in tiles, each again in the backward pass.
    """

    checkpointing: str = "none"
    stops: bool = True
    tiled: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """All products and the attention of one pass through the model."""

    products: tuple[Product, ...]
    cores: tuple[Core, ...]


class Walk:
    """Goes through the layers of a model and notes their products."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.adapted = {(matrix.module, matrix.kind) for matrix in setting.adapted}
        self.products: list[Product] = []

    def linear(self, matrix: Matrix, trained: bool, in_block: bool = True) -> bool:
        """Note a layer with its adapter; whether its output needs a gradient, given whether its input does.

        DoRA sends a unit matrix through the adapter and, with dropout, multiplies by the weight a second time.
        Source: PEFT's DoraLinearLayer.
        """
        setting, architecture = self.setting, self.setting.architecture
        inputs, outputs, rank = matrix.inputs, matrix.outputs, setting.rank
        routed = architecture.experts_per_token / architecture.experts if matrix.kind == "expert" else 1.0
        base = Product(matrix.module, inputs, outputs, routed, count=matrix.count, in_block=in_block)
        base = replace(base, input_gradient=trained)
        self.products.append(replace(base, weight_gradient=setting.full))
        if (matrix.module, matrix.kind) not in self.adapted:
            return trained or setting.full
        down = replace(base, module=f"{matrix.module}.a", outputs=rank, weight_gradient=True)
        up = replace(down, module=f"{matrix.module}.b", inputs=rank, outputs=outputs, input_gradient=True)
        if setting.dora:
            unit = replace(down, rows_per_token=0.0, rows=inputs, input_gradient=False, weight_gradient=False)
            self.products += [unit, replace(unit, module=up.module, inputs=rank, outputs=outputs)]
        self.products += [down, up]
        if setting.dora and setting.dropout:
            self.products.append(base)
        return True

    def attention(self, matrices: Iterable[Matrix], trained: bool) -> tuple[bool, bool, bool, bool]:
        """Note the projections; whether queries, keys, values and the output need gradients."""
        named = {matrix.module: matrix for matrix in matrices}
        if "qkv" in named:
            query = key = value = self.linear(named["qkv"], trained)
        elif "kv_a" in named:
            narrow = self.linear(named["q_a"], trained) if "q_a" in named else trained
            query = self.linear(named["q_b" if "q_a" in named else "q"], narrow)
            key = value = self.linear(named["kv_b"], self.linear(named["kv_a"], trained))
        else:
            query, key, value = (self.linear(named[module], trained) for module in ("q", "k", "v"))
        return query, key, value, self.linear(named["o"], query or key or value)

    def feed_forward(self, matrices: Iterable[Matrix], trained: bool) -> bool:
        """Note an MLP, or a router, experts and shared experts; whether the output needs a gradient."""
        inner = out = trained
        for matrix in matrices:
            if matrix.module == "down":
                out, inner = self.linear(matrix, inner) or out, trained
            else:
                inner = self.linear(matrix, trained) or inner
        return out


@dataclass(frozen=True, slots=True)
class BlockWork:
    """The products of one block, its attention, and whether its output needs a gradient."""

    products: tuple[Product, ...]
    core: Core
    trained: bool


def block_work(setting: Setting, mixture: bool, windowed: bool, trained: bool, repeats: Repeats) -> BlockWork:
    """What one block does, given whether its input needs a gradient."""
    architecture, walk = setting.architecture, Walk(setting)
    layers = [each for each in block_matrices(architecture, mixture, fused=True) if each.kind in MULTIPLIED]
    middle = [each.module for each in layers].index("o") + 1
    query, key, value, mixed = walk.attention(layers[:middle], trained)
    first = len(walk.products)
    out = walk.feed_forward(layers[middle:], trained if architecture.parallel_block else trained or mixed)
    again = _recomputed(setting, mixture, repeats, len(walk.products))
    products = tuple(
        replace(product, recomputed=number in again, replayed=repeats.tiled and number >= first)
        for number, product in enumerate(walk.products)
    )
    core = _core(setting, windowed, query, key, value)
    recomputed = repeats.checkpointing in ("full", "attention") or (
        repeats.checkpointing == "products" and setting.kernel in WRITTEN_OUT
    )
    return BlockWork(products, replace(core, recomputed=recomputed), trained or mixed or out)


def _recomputed(setting: Setting, mixture: bool, repeats: Repeats, products: int) -> range:
    """Numbers of the products that are done again if the block is checkpointed.

    Torch stops before the last one, unless something behind it needs its result: dropout, a norm (without a final norm
    blocks end in one), the weighting of experts, DoRA's scaling, or a tiled MLP, which is one operation.
    Source: torch.utils.checkpoint's early stop; op-selective checkpointing of torchtitan, which keeps the first, third,
    ... product.
    """
    if repeats.checkpointing in ("none", "attention"):
        return range(0)
    architecture = setting.architecture
    weighted = mixture and (architecture.shared_expert_gate or not architecture.shared_experts)
    scaled = setting.dora and any(matrix.module == "down" for matrix in setting.adapted)
    behind = architecture.family in DROPOUT_BEHIND or architecture.norms_per_layer > 2 or not architecture.final_norm
    needed = behind or weighted or scaled or repeats.tiled
    run = products if needed or not repeats.stops else products - 1
    return range(1, run, 2) if repeats.checkpointing == "products" else range(run)


def _core(setting: Setting, windowed: bool, query: bool, key: bool, value: bool) -> Core:
    """The attention of a block: its kernel, its keys and the gradients it makes.

    Fused kernels make all gradients together, from scores that they compute again. They skip the half of the scores
    that a causal mask hides, unless the mask is given to them: that of padding, or of a window.
    """
    architecture, keys = setting.architecture, float(setting.keys)
    window = min(keys, float(architecture.sliding_window or keys)) if windowed else keys
    masked = setting.padded or (windowed and keys >= (architecture.sliding_window or 0))
    kernel = replace(setting, masked=masked).kernel
    if kernel in WRITTEN_OUT:
        seen, products = keys, (query + key, (query or key) + value)
    else:
        used = (3, 2) if query or key or value else (0, 0)
        seen, products = (keys if kernel == "efficient" and masked else window - window**2 / (2 * keys)), used
    return Core(
        key_width=architecture.query_dim,
        value_width=architecture.value_dim,
        keys=keys,
        seen_keys=seen,
        key_products=products[0],
        value_products=products[1],
    )


@lru_cache(maxsize=4096)
def model_work(setting: Setting, repeats: Repeats, trained: bool) -> Work:
    """All products of one pass, given whether the output of the embedding needs a gradient; equal blocks together.

    Of blocks of several kinds those with a dense MLP come first, and those with a window.
    """
    architecture, ends = setting.architecture, Walk(setting)
    outside = {each.module: each for each in architecture.matrices() if each.kind == "linear" and not each.layers}
    if "project_in" in outside:
        trained = ends.linear(outside["project_in"], trained, in_block=False)
    blocks: Counter[BlockWork] = Counter()
    known: dict[tuple[bool, bool, bool], BlockWork] = {}
    for number in range(architecture.layers):
        kind = (_is_mixture(architecture, number), number < architecture.windowed_layers, trained)
        if kind not in known:
            known[kind] = block_work(setting, *kind, repeats)
        blocks[known[kind]] += 1
        trained = known[kind].trained
    for matrix in [*(each for each in outside.values() if each.module == "project_out"), architecture.head]:
        trained = ends.linear(matrix, trained, in_block=False)
    products = [replace(each, count=each.count * times) for block, times in blocks.items() for each in block.products]
    cores = tuple(replace(block.core, count=times) for block, times in blocks.items())
    return Work((*products, *ends.products), cores)


def _is_mixture(architecture: Architecture, block: int) -> bool:
    """Whether a block has routed experts."""
    return architecture.is_moe and block >= architecture.first_dense_layers
