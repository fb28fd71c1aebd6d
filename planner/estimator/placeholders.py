"""Gradients that nobody reads: what a product returns that has added its result to a buffer itself.

Transformer Engine keeps one 16-bit tensor for each shape of weight and returns it to autograd wherever a weight of that
shape was differentiated, as hooks only run where a gradient arrives.
Source: TransformerEngine module/base.py (get_dummy_wgrad) since 2.3, of grouped products since 2.10; Megatron-LM
core/tensor_parallel/layers.py for the head.
"""

from __future__ import annotations

from collections import defaultdict

from planner.catalog.architecture import Architecture
from planner.catalog.matrices import block_matrices
from planner.catalog.stack import Stack
from planner.estimator.formula import call, formula
from planner.estimator.workload import DTYPE_BYTES, Workload

JOINED = {"q": "qkv", "k": "qkv", "v": "qkv", "gate": "gate_up", "up": "gate_up"}
"""Products that Megatron's blocks join: one weight for queries, keys and values, one for an MLP's two first ones."""


def shapes(architecture: Architecture) -> set[tuple[int, int]]:
    """Inputs and outputs of every kind of weight inside blocks, as Megatron joins them.

    >>> from planner.catalog import load_catalog
    >>> sorted(shapes(load_catalog().model("meta-llama/Llama-3.1-8B")))
    [(4096, 4096), (4096, 6144), (4096, 28672), (14336, 4096)]
    """
    found: set[tuple[int, int]] = set()
    for mixture in (False, True):
        blocks = architecture.moe_layers if mixture else architecture.layers - architecture.moe_layers
        if blocks:
            found |= _block_shapes(architecture, mixture)
    return found


def _block_shapes(architecture: Architecture, mixture: bool) -> set[tuple[int, int]]:
    """The same of one kind of block."""
    outputs: dict[tuple[str, str, int], int] = defaultdict(int)
    for each in block_matrices(architecture, mixture):
        if each.kind in ("linear", "expert"):
            outputs[JOINED.get(each.module, each.module), each.kind, each.inputs] += each.outputs
    return {(inputs, total) for (_, _, inputs), total in outputs.items()}


def placeholder_weights(architecture: Architecture) -> list[int]:
    """Elements of the unused gradients of blocks."""
    return [inputs * outputs for inputs, outputs in sorted(shapes(architecture))]


@formula
def placeholder_bytes(
    workload: Workload, *, stack: Stack, method: str, base_dtype: str, tensor_parallel: int, pipeline_parallel: int
) -> float:
    """Bytes of unused gradients on the fullest stage of a pipeline: those of blocks, and the head's if it is there.

    Sum over different shapes of weights of inputs x outputs x bytes(base_dtype) / tensor_parallel.
    Source: see `planner.estimator.placeholders`.
    Valid for: full fine-tuning with stacks whose products add to gradient buffers; 0 otherwise.
    Error: with it, eight published runs of Megatron-LM are within 2%, six of them within 0.7%.
    """
    if not stack.gradient_placeholders or method != "full":
        return 0.0
    weights = sum(placeholder_weights(workload.architecture))
    weights = weights + workload.architecture.head.weights * (pipeline_parallel == 1)
    return weights * DTYPE_BYTES[base_dtype] / tensor_parallel


@formula
def last_placeholder_bytes(
    workload: Workload, *, stack: Stack, method: str, base_dtype: str, tensor_parallel: int
) -> float:
    """Bytes of unused gradients where the loss is computed: `placeholder_bytes` with the head's.

    Source: as of `placeholder_bytes`.
    Valid for: the same.
    Error: the same.
    """
    found: float = call(placeholder_bytes, workload, {**locals(), "pipeline_parallel": 1})
    return found
