"""What blocks keep for the backward pass, and what is alive when one of them is largest, for numbers of tokens.

Everything comes from the tape of one block (see `block_memory`) and is summed here: bytes per token times tokens, plus
what does not grow with them. Tensor parallelism with sequence parallelism splits everything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.catalog.stack import Precision, Stack
from planner.estimator.block import BlockMemory, block_memory, ends_memory
from planner.estimator.setting import Setting, setting
from planner.estimator.workload import DTYPE_BYTES, Workload

FP32_BYTES = DTYPE_BYTES["fp32"]


def local_tokens(workload: Workload, micro_batch: int, context_parallel: int) -> float:
    """Tokens of one micro-batch on one GPU."""
    return micro_batch * workload.sequence_length / context_parallel


@dataclass(frozen=True)
class Blocks:
    """The blocks of a model in one setting: bytes of what they keep and of what is alive at their peak.

    Numbers may be arrays. `tiles` is the number of tiles of each MLP.
    """

    setting: Setting
    tokens: float
    tiles: int
    tensor_parallel: int
    reentrant: bool
    """Whether checkpointed blocks leave no graph behind."""
    selective: str
    """What selective checkpointing runs again: every second product, or attention."""
    tiling: bool
    """Whether the stack tiles MLPs at all."""

    def kept(self, first: bool = False) -> float:
        """Bytes that one block keeps if it is not checkpointed; `first`: the first one."""

        def amount(tiled: bool) -> float:
            memory = block_memory(self.setting, False, tiled, first)
            return self.tokens * memory.activations + memory.masks

        return self._chosen(amount)

    def held(self) -> float:
        """Bytes that every block keeps, checkpointed or not, until the next step has its loss."""
        return self.tokens * block_memory(self.setting, False, False).held / self.tensor_parallel

    def kept_input(self) -> float:
        """Bytes of a block's input, which a checkpointed one keeps."""
        element = DTYPE_BYTES[self.setting.residual]
        return self.tokens * element * self.setting.architecture.hidden / self.tensor_parallel

    def kept_selectively(self) -> float:
        """Bytes that a block keeps under selective checkpointing.

        Of every second product: its input, attention's output with one fp32 number per head, and the outputs of the
        first, third, ... product; norms and element-wise results are made again. Compiled blocks do not keep the output
        of the last product, which nothing in the backward pass reads. Of attention: all but what a fused kernel keeps
        itself, one such number per head.
        """
        architecture = self.setting.architecture
        if self.selective == "attention":
            return self.kept() - self.tokens * FP32_BYTES * architecture.heads / self.tensor_parallel
        return self.kept_input() + sum(self.selected_outputs())

    def selected_outputs(self) -> list[float]:
        """Bytes of each tensor that a block keeps besides its input if every second product is run again."""
        architecture, element = self.setting.architecture, DTYPE_BYTES[self.setting.low]
        products = [each.outputs for each in architecture.adapted_matrices("all-linear")]
        unread = self.setting.compiled and len(products) % 2
        kept = [element * each for each in (*products[: len(products) - unread : 2], architecture.value_dim)]
        return [self.tokens * each / self.tensor_parallel for each in (*kept, FP32_BYTES * architecture.heads)]

    def ends(self, checkpointing: str) -> float:
        """Bytes that are kept outside of blocks."""
        return self.tokens * ends_memory(self.setting, checkpointing == "full").kept / self.tensor_parallel

    def last_hidden(self) -> float:
        """Bytes of the last hidden states, which the model's own code holds while it computes the loss."""
        return self.tokens * ends_memory(self.setting, False).last / self.tensor_parallel

    def head_casts(self) -> float:
        """Bytes of the 16-bit copies of the head and its adapter."""
        return ends_memory(self.setting, False).casts / self.tensor_parallel

    def mask(self) -> float:
        """Bytes of the attention mask that the model makes once, which checkpointed blocks keep for their next run.

        A number per query and key of each sequence for eager attention, one byte for fused kernels; without padding
        these share one mask. Models with windows in some of the layers have two.
        """
        setting = self.setting
        keys, mixed = float(setting.keys), 0 < setting.architecture.windowed_layers < setting.architecture.layers
        if setting.kernel == "eager":
            size = DTYPE_BYTES[setting.residual] * self.tokens * keys * (1 + mixed)
        elif setting.padded:
            size = self.tokens * keys * (1 + mixed)
        else:
            size = keys * keys * setting.masked
        return size / self.tensor_parallel

    def casts(self, cached: bool = False) -> float:
        """Bytes of 16-bit weights that one block keeps, or those that autocast's cache keeps whether it does or not."""
        memory = block_memory(self.setting, False, False)
        return (memory.cached if cached else memory.casts) / self.tensor_parallel

    def written(self, checkpointed: bool) -> float:
        """Bytes that the operations of one block write, forward and backward."""

        def amount(tiled: bool) -> float:
            token, tile, fixed = block_memory(self.setting, checkpointed, tiled).written
            return self.tokens * (token + tile) + fixed

        return self._chosen(amount)

    def at_peak(self, checkpointed: bool, *kinds: int) -> float:
        """Bytes of these kinds when a block needs most, forward or backward."""
        return self._chosen(lambda tiled: self._at_peak(block_memory(self.setting, checkpointed, tiled), kinds))

    def _at_peak(self, memory: BlockMemory, kinds: tuple[int, ...]) -> float:
        """Bytes of some kinds at the largest moment; the numbers of tokens and tiles may be arrays."""
        wanted = memory.moments[:, list(kinds)].sum(axis=1)
        if len(wanted) == 1:
            return _bytes(wanted[0], self.tokens, self.tiles)
        together = _bytes(memory.totals.T, np.expand_dims(self.tokens, -1), np.expand_dims(self.tiles, -1))
        largest = np.argmax(together, axis=-1)
        return _bytes(np.moveaxis(wanted[largest], -1, 0), self.tokens, self.tiles)

    def _chosen(self, amount: Callable[[bool], float]) -> float:
        """An amount for tiled or whole MLPs, as the number of tiles says, of one tensor-parallel rank."""
        whole = amount(False)
        if self.tiling:
            whole = whole + (amount(True) - whole) * (self.tiles > 1)
        return whole / self.tensor_parallel


def _bytes(parts: Any, tokens: Any, tiles: Any) -> float:
    """Bytes of some storage, of which `parts` are those per token, per token of a tile, and fixed."""
    token, tile, fixed = parts
    amount: float = tokens * (token + tile / tiles) + fixed
    return amount


def blocks(
    workload: Workload,
    stack: Stack,
    precision: Precision,
    compute_dtype: str,
    attention: str,
    tokens: float,
    mlp_chunks: int,
    tensor_parallel: int,
) -> Blocks:
    """The blocks of a job with these decisions."""
    inside = setting(workload, stack, precision, compute_dtype, attention)
    return Blocks(
        setting=inside,
        tokens=tokens,
        tiles=mlp_chunks,
        tensor_parallel=tensor_parallel,
        reentrant=stack.reentrant_checkpointing,
        selective=stack.selective,
        tiling=stack.mlp_tiling,
    )


def plan_blocks(workload: Workload, decisions: dict[str, Any]) -> Blocks:
    """The blocks of a plan."""
    stack: Stack = decisions["stack"]
    precision = stack.precision(decisions["method"], decisions["base_dtype"], decisions["master_weights"])
    tokens = local_tokens(workload, decisions["micro_batch"], decisions["context_parallel"])
    return blocks(
        workload,
        stack,
        precision,
        decisions["compute_dtype"],
        decisions["attention"],
        tokens,
        decisions["mlp_chunks"],
        decisions["tensor_parallel"],
    )


def block_saved_bytes(
    workload: Workload,
    stack: Stack,
    precision: Precision,
    compute_dtype: str,
    attention: str,
    mlp_chunks: int,
    tensor_parallel: int,
) -> float:
    """Bytes per local token that one block saves without checkpointing."""
    return blocks(workload, stack, precision, compute_dtype, attention, 1.0, mlp_chunks, tensor_parallel).kept()
