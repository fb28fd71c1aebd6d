"""What training steps of a plan request from the allocator: sizes and numbers of tensors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner.catalog.stack import Precision
from planner.estimator.activations import activation_bytes
from planner.estimator.allocations import Recording, final_norm, plain_block, record, tiled_block
from planner.estimator.arrays import ceil_div
from planner.estimator.formula import evaluate
from planner.estimator.gradients import gradient_bytes
from planner.estimator.placeholders import placeholder_weights
from planner.estimator.saved import blocks, local_tokens
from planner.estimator.setting import setting
from planner.estimator.workload import DTYPE_BYTES, Workload

SCALED_LOGIT_FAMILIES = ("cohere", "gemma2", "granite")
"""Families whose logits are scaled. Source: transformers' logits_scaling, logit_scale, final_logit_softcapping."""
SHARDED = ("zero3", "fsdp", "hsdp")
FLAT = ("zero1", "zero2")
FP32 = 4.0
ATTENTION_TENSORS = 6
"""Tensors that a block keeps whose attention alone is run again."""
LOW_SHIFT_FAMILIES = ("qwen",)
"""Families that shift their 16-bit logits and then take the loss. Source: modeling_qwen.py of Qwen."""
GATHERED_QUANTISED_BYTES = 0.55
"""Bytes per weight of a gathered block that is quantised to 4 bits, constants included."""
MOST_ALIKE = 8
"""Equal tensors of a block, such as experts, that are simulated one by one."""


@dataclass(frozen=True)
class Requests:
    """Sizes in bytes of what a plan allocates."""

    workload: Workload
    plan: Any
    shrunk: float = 0.0
    """The fraction by which activations of blocks are made smaller, to see how much hangs on their exact sizes."""

    @cached_property
    def precision(self) -> Precision:
        """What is stored in which dtype."""
        found: Precision = self.plan.stack.precision(self.plan.method, self.plan.base_dtype, self.plan.master_weights)
        return found

    @cached_property
    def tokens(self) -> float:
        """Tokens of a micro-batch on a GPU."""
        return local_tokens(self.workload, self.plan.micro_batch, self.plan.context_parallel)

    @cached_property
    def layers(self) -> int:
        """Blocks on a GPU."""
        return int(self.workload.stage_layers(self.plan.pipeline_parallel))

    @cached_property
    def full(self) -> bool:
        """Whether all parameters are trained."""
        return bool(self.plan.method == "full")

    @cached_property
    def element(self) -> float:
        """Bytes per element of matrix products."""
        return DTYPE_BYTES[self.plan.compute_dtype]

    def total(self, *formulas: Any) -> float:
        """What formulas say, together."""
        return float(sum(evaluate(formula, self.workload, self.plan) for formula in formulas))

    @cached_property
    def programs(self) -> tuple[Recording, Recording, Recording]:
        """A block, a block that is checkpointed, the final norm."""
        plan = self.plan
        inside = setting(self.workload, plan.stack, self.precision, plan.compute_dtype, plan.attention)
        program = tiled_block if plan.mlp_chunks > 1 else plain_block
        recordings = record(inside, program, False), record(inside, program, True), record(inside, final_norm, False)
        tokens = self.tokens * (1 - self.shrunk)
        plain, checkpointed, norm = (each.sized(tokens, plan.mlp_chunks, plan.tensor_parallel) for each in recordings)
        return plain, checkpointed, norm

    @cached_property
    def hidden_bytes(self) -> float:
        """Hidden states between blocks."""
        recording = self.programs[0]
        return recording.amounts[recording.output]

    @cached_property
    def checkpointed(self) -> int:
        """Blocks that are recomputed, as a whole or in part."""
        return int(min(self.plan.checkpointed_layers, self.layers) * (self.plan.checkpointing != "none"))

    @cached_property
    def trainable(self) -> float:
        """Trainable parameters of a GPU before sharding."""
        plan = self.plan
        degrees = plan.tensor_parallel, plan.pipeline_parallel, plan.expert_parallel
        return float(self.workload.trainable_parameters(plan.method, *degrees))

    @cached_property
    def tensors(self) -> list[float]:
        """Shares of the trainable parameters that single tensors have, in the order of the model.

        A sharded engine has one flat tensor per block, an engine of flat buffers one in all.
        """
        if self.plan.sharding in FLAT and self.plan.stack.communication_bucket_bytes:
            return [1.0]
        ends, inside = self._matrices()
        layers = self.workload.architecture.layers
        if self.plan.sharding in SHARDED:
            inside, ends = [sum(inside)], [sum(ends)] if ends else []
        sizes = ends[:1] + inside * layers + ends[1:]
        if self.plan.sharding in FLAT:
            sizes = sizes[:: self.plan.data_parallel * self.plan.context_parallel]
        kept = sizes if self.layers == layers else sizes[: max(1, len(sizes) * self.layers // layers)]
        return [size / sum(kept) for size in kept]

    def _matrices(self) -> tuple[list[float], list[float]]:
        """Parameters of single trainable tensors outside of blocks and of one block; many equal ones together."""
        layers = self.workload.architecture.layers
        if self.full:
            each = [(m.count, float(m.inputs * m.outputs)) for m in self.workload.architecture.matrices()]
        else:
            rank = self.workload.lora_rank
            each = [(m.count, rank * float(width)) for m in self.workload.adapted for width in (m.inputs, m.outputs)]
        outside = [size for count, size in each if count < layers for _ in range(count)]
        inside = []
        for count, size in each:
            alike = min(count // layers, MOST_ALIKE)
            inside += [size * count / layers / alike] * alike if alike else []
        return outside, inside

    @cached_property
    def block_gathered(self) -> float:
        """One block's weights, gathered."""
        plan, workload = self.plan, self.workload
        degrees = plan.tensor_parallel, plan.pipeline_parallel, plan.expert_parallel
        ends = workload.ends_parameters(plan.pipeline_parallel, plan.tensor_parallel)
        quantised = plan.method == "qlora" and plan.base_dtype.startswith("nf4")
        element = GATHERED_QUANTISED_BYTES if quantised else self.element
        return float(workload.stage_parameters(*degrees) - ends) / self.layers * element

    @cached_property
    def ends_gathered(self) -> float:
        """Embedding and head, gathered."""
        ends = self.workload.ends_parameters(self.plan.pipeline_parallel, self.plan.tensor_parallel)
        return float(ends) * self.element

    @cached_property
    def wrapped(self) -> bool:
        """Whether blocks come to the GPU whole before each rank keeps its shard."""
        return bool(self.plan.sharding in SHARDED and self.plan.stack.wraps_whole_blocks)

    @cached_property
    def matrix_shares(self) -> list[float]:
        """Shares of a block's weights that its matrices have, in the order of the model."""
        layers = self.workload.architecture.layers
        inside = [(m.count // layers, m.inputs * m.outputs) for m in self.workload.architecture.matrices()]
        sizes = [float(size) for count, size in inside for _ in range(count)]
        return [size / sum(sizes) for size in sizes]

    @cached_property
    def end_tensors(self) -> list[float]:
        """Embedding and head, gathered, as tensors."""
        ends = (self.workload.embedding_parameters, self.workload.head_parameters)
        together = sum(ends)
        return [self.ends_gathered * each / together for each in ends if each]

    @cached_property
    def placeholders(self) -> list[float]:
        """Unused gradients that stay, one for each shape of weight."""
        plan, architecture = self.plan, self.workload.architecture
        if not plan.stack.gradient_placeholders or not self.full:
            return []
        weights = placeholder_weights(architecture) + [architecture.head.weights] * (plan.pipeline_parallel == 1)
        return [each * DTYPE_BYTES[plan.base_dtype] / plan.tensor_parallel for each in weights]

    @cached_property
    def head_gradient(self) -> float:
        """The gradient of the output head."""
        head = self.workload.architecture.head.weights / self.plan.tensor_parallel
        return float(head * self.element * self.full)

    @cached_property
    def embedding_gradient(self) -> float:
        """The gradient of the embedding."""
        return float(self.workload.embedding_parameters / self.plan.tensor_parallel * self.element * self.full)

    @cached_property
    def ends_gradient(self) -> float:
        """Gradients of embedding and head, unsharded."""
        ends = self.workload.ends_parameters(self.plan.pipeline_parallel, self.plan.tensor_parallel)
        return float(ends) * DTYPE_BYTES[self.plan.grad_dtype] * self.full

    @cached_property
    def block_gradient(self) -> float:
        """Gradients of one block, unsharded."""
        grad = DTYPE_BYTES[self.plan.grad_dtype]
        return (self.trainable * grad - self.ends_gradient) / self.layers

    @cached_property
    def gradient_share(self) -> float:
        """The fraction of its gradients that a rank keeps."""
        return self.total(gradient_bytes) / (self.trainable * DTYPE_BYTES[self.plan.grad_dtype])

    @cached_property
    def logits(self) -> float:
        """Logits of a micro-batch on a GPU."""
        return float(self.tokens * self.workload.architecture.vocab / self.plan.tensor_parallel)

    @cached_property
    def wide_logits(self) -> list[float]:
        """Elements of the fp32 copies of a full loss: all logits, or all but each sequence's last ones."""
        count = int(self.plan.stack.logit_forward_bytes // FP32)
        if not self.shifted:
            return [self.logits] * (count - (self.low == FP32 and count > 1))
        shifted = self.shifted_logits
        return [self.logits] * (self.low < FP32) + [shifted] * (count - 1)

    @cached_property
    def shifted(self) -> bool:
        """Whether the loss copies all but each sequence's last logits: then one fp32 copy more is alive at its end."""
        stack = self.plan.stack
        copies = stack.logit_backward_bytes // FP32
        return bool(copies > 1 and stack.logit_forward_bytes // FP32 >= copies)

    @cached_property
    def shifts_low_logits(self) -> bool:
        """Whether the model's own loss shifts the logits as the head makes them; see `shifted_loss`."""
        return self.workload.architecture.family in LOW_SHIFT_FAMILIES and self.plan.stack.fused_kernels == "none"

    @cached_property
    def shifted_logits(self) -> float:
        """All but each sequence's last logits."""
        return self.logits * (1 - 1 / self.workload.sequence_length)

    @cached_property
    def loss_element(self) -> float:
        """Bytes of an element of the cross-entropy, which autocast makes fp32: then three such copies are alive."""
        return FP32 if self.plan.stack.logit_backward_bytes >= 3 * FP32 else self.low

    @cached_property
    def low(self) -> float:
        """Bytes of a logit as the head makes it."""
        wide = self.plan.method == "qlora" and self.plan.stack.kbit_upcast and not self.precision.autocast
        return FP32 if wide else self.element

    @cached_property
    def keeps_low(self) -> bool:
        """Whether the head's own logits are alive during the loss; else their fp32 copy takes their place."""
        return bool(self.plan.stack.logit_forward_bytes % FP32 or self.low == FP32)

    @cached_property
    def scaled(self) -> bool:
        """Whether the model multiplies its logits by a number."""
        return self.workload.architecture.family in SCALED_LOGIT_FAMILIES

    @cached_property
    def head_cast(self) -> float:
        """The 16-bit copy of an fp32 head that autocast makes."""
        wide = bool(self.plan.stack.kbit_upcast if self.plan.method == "qlora" else self.plan.base_dtype == "fp32")
        head = self.workload.architecture.head.weights / self.plan.tensor_parallel
        return float(self.element * head) * (wide and self.precision.autocast and self.element < FP32)

    @cached_property
    def selected(self) -> list[float]:
        """The tensors that a selectively checkpointed block keeps beside its input."""
        if self.plan.checkpointing != "selective":
            return []
        plan = self.plan
        if plan.stack.selective == "products":
            how = plan.stack, self.precision, plan.compute_dtype, plan.attention, self.tokens
            return blocks(self.workload, *how, plan.mlp_chunks, plan.tensor_parallel).selected_outputs()
        kept = self.total(activation_bytes) / self.flights / self.layers - self.hidden_bytes
        return [max(0.0, kept) / ATTENTION_TENSORS] * ATTENTION_TENSORS

    @cached_property
    def flights(self) -> int:
        """Micro-batches under way at once in the pipeline's first stage."""
        flights = self.workload.in_flight(self.plan.pipeline_parallel, self.plan.gradient_accumulation)
        return max(1, math.ceil(flights))

    @cached_property
    def micro_batches(self) -> int:
        """Micro-batches of a step that are simulated: enough to accumulate gradients where there are several."""
        return int(min(self.plan.gradient_accumulation, self.flights + 1))

    @cached_property
    def loss_chunks(self) -> int:
        """Pieces in which logits are made and differentiated."""
        if self.plan.loss == "fused":
            architecture = self.workload.architecture
            return int(ceil_div(architecture.vocab, architecture.hidden))
        return int(self.plan.loss_chunks) if self.plan.loss == "chunked" else 1
