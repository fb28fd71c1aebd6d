"""One worked example, or more, of every formula: the arithmetic is done here by hand, from the toy model's shape.

T = 2 sequences of 8 tokens = 16 tokens. Links: NVLink 200 GB/s both ways, so 100 x 0.8 = 80e9 bytes/s; network 80
Gbit/s x 0.8 = 8e9 bytes/s; memory 1e12 bytes/s; PCIe 20e9 bytes/s.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import test_ownership
from toy import GPU, LORA, MIXED, MIXTURE, MODEL, OFFER, PLAN, QLORA, STACK, TIED, job, on_four_gpus

from planner.estimator import break_even, cost, duration, memory, ownership
from planner.estimator.flops import ATTENTION, BLOCKS, EXPERTS, HEAD, TILES, kind_flops
from planner.estimator.formula import REGISTRY, call
from planner.estimator.workload import Workload

MODULES = (cost, duration, memory, ownership, break_even)
"""Importing these registers every formula."""
OWNING = (ownership.__name__, break_even.__name__)
MASTER = {"master_weights": "fp32"}
CHECKPOINTED = {"checkpointing": "full", "checkpointed_layers": 4}
REENTRANT = {"stack": STACK.model_copy(update={"reentrant_checkpointing": True})}
SELECTIVE = {"checkpointing": "selective", "checkpointed_layers": 4}
CORE_AGAIN = {"stack": STACK.model_copy(update={"selective": "attention"})}
WINDOWED = MODEL.model_copy(update={"sliding_window": 4, "windowed_layers": 4})
SPOT = OFFER.model_copy(update={"kind": "spot"})
TWO_MACHINES = {"data_parallel": 8, "gpus": 8, "gpus_per_node": 4}
PIPELINE = {"pipeline_parallel": 2, "gradient_accumulation": 4}
WHOLE = on_four_gpus("fsdp", stack=STACK.model_copy(update={"unsharded_loading": ("qlora",)}))
ADA = GPU.model_copy(update={"architecture": "Ada AD102", "link": "none", "nvlink_gbs": None})
FUSED = {"stack": STACK.model_copy(update={"fused_blocks": True})}
OVERLAPPED_BACKWARD = {"stack": STACK.model_copy(update={"overlaps_backward_tensor_parallel": True})}
STREAMING = {"stack": STACK.model_copy(update={"overlaps_offload": True})}
NARROW = MODEL.model_copy(update={"vocab": 100})
P = 251_456
"""Parameters of the toy model."""
GIB = 2**30


class Example(NamedTuple):
    """A formula, the decisions that differ from the simple plan, and the value worked out by hand."""

    formula: str
    changes: dict[str, Any]
    value: float
    workload: Workload = job()


# Best multiplications reach all of 100e12 FLOP/s, in training half of that; elementwise work streams at 0.8 x 1e12
# bytes/s and moves 2 bytes per byte written.
RATE, STREAM = 50e12, 0.8e12
# A sum of 100 more elements for each tile: per token the outputs of forward passes and the inputs of gradients (448 and
# 480 a block), and every weight once for its own gradient.
TILE_FLOPS = 100 * (2 * 16 * 4 * (448 + 480) + 2 * 122_880)
BLOCK_FLOPS, HEAD_FLOPS = 16 * 6 * 122_880, 16 * 6 * 64_000
# 3.5 times half of 2 x (q 64 + v 64) x 4 layers x 8 keys; half of the matrix rate, half of that at 8 + 8 tokens.
CORE_FLOPS, CORE_RATE = 16 * 3.5 * 4_096, RATE / 2 / 2
# Every operation of a block's code writes its result: 13,952 bytes per token, and 2 bytes per weight of gradients.
WRITTEN = 4 * (16 * 13_952 + 2 * 30_720)
# Per token: 6 x (122,880 block weights + 64,000 head) and half of 2 x (q 64 + v 64) x 4 layers x 8 keys, 2.5 times that
# backward, as scores are computed again.
FULL_FLOPS = 16 * (6 * 186_880 + 3.5 * 4_096)
# 4 for each weight and 6 for each adapter; inputs of the first block's q, k and v (8,192 weights; 3 x 4 x 64 of their
# adapters) need no gradient.
LORA_FLOPS = 16 * (4 * 186_880 - 2 * 8_192 + 6 * 14_848 - 2 * 768 + 3.5 * 4_096)
# A block saves per token, in bf16: norms 2 x (64 x (4 fp32 + 2) and one fp32 for the root); q, k, v, output (64 + 32 +
# 32 + 64) x 2 and one fp32 per head; inputs of attention, MLP and down (64 + 64 + 96) x 2; gate, its SiLU and up
# 3 x 96 x 2.
BLOCK = 776 + (384 + 16) + 448 + 576
# The final norm's fp32 and 16-bit tensors and the head's input: 64 x (4 + 2 + 2), and one fp32.
FINAL = 516
# With 2,048 tokens a block needs most when the product of gate and up is differentiated: down's input (192) is free.
LONG = job(sequence_length=1024)
ALONE = STACK.model_copy(update={"shardings": STACK.shardings[:1]})
BUFFERED = STACK.model_copy(update={"main_gradients": True, "gradient_placeholders": True})
BUFFERS = {"stack": BUFFERED, "grad_dtype": "fp32"}
COMPILED = {"stack": STACK.model_copy(update={"compiled": True})}
GRAPH_KEPT = {"stack": STACK.model_copy(update={"keeps_graph": True})}
OLD_KBIT = QLORA | {"stack": STACK.model_copy(update={"kbit_keeps_inputs": True, "keeps_graph": True})}
KEEPS_LOGITS = {"stack": STACK.model_copy(update={"keeps_logits": True})}
# Adam in 14 bytes per parameter on a disk of 1e9 bytes/s; one GPU fails once in 54 days x 16,384 / 419.
SAVE_SECONDS = 14 * P / 1e9
FAILURE_SECONDS = 54 * 86_400 * 16_384 / 419
# 300 s to boot, 2 bytes per parameter at 5 Gbit/s and from disk.
STARTUP = 300 + 2 * P / 0.625e9 + 2 * P / 1e9

EXAMPLES = (
    Example("weight_bytes", {}, 2 * P),
    Example("weight_bytes", on_four_gpus("fsdp"), 2 * P / 4),
    # hsdp shards inside a machine only; tensor parallelism splits all but norms; a stage has half of the blocks.
    Example("weight_bytes", {"sharding": "hsdp", **TWO_MACHINES}, 2 * P / 4),
    Example("weight_bytes", {"tensor_parallel": 2}, 2 * (61_440 + 576 + 64_000)),
    Example("weight_bytes", PIPELINE, 2 * ((122_880 + 576) / 2 + 64_000)),
    # nf4: half a byte and 4 / 64 bytes of constants; norms, embedding and head are upcast to fp32.
    Example("weight_bytes", QLORA, 122_880 * 0.5625 + (576 + 128_000) * 4),
    # Rank 4 x (q 128 + k 96 + v 96 + o 128 + gate 160 + up 160 + down 160) x 4 blocks.
    Example("adapter_bytes", LORA, 4 * 928 * 4 * 4),
    Example("adapter_bytes", {}, 0),
    Example("master_bytes", on_four_gpus("zero1", **MASTER), 4 * P / 4),
    Example("master_bytes", MIXED, 0),
    Example("optimizer_state_bytes", {}, 2 * 2 * P),
    Example("optimizer_state_bytes", on_four_gpus("zero1", **MASTER), 2 * 4 * P / 4),
    # 8-bit: one byte and 4 / 256 of constants, twice.
    Example("optimizer_state_bytes", {"optimizer": "adamw-8bit"}, 2 * 1.015625 * P),
    # Paged: all of a full model, nothing of adapters with less than 100,000 elements per tensor.
    Example("optimizer_state_bytes", {"optimizer": "paged-adamw-8bit"}, 0),
    Example("optimizer_state_bytes", {**LORA, "optimizer": "paged-adamw-8bit"}, 2 * 1.015625 * 14_848),
    Example("optimizer_temporary_bytes", {}, 2 * P),
    Example("optimizer_temporary_bytes", {"optimizer": "sgd"}, 0),
    Example("gradient_bytes", {}, 2 * P),
    Example("gradient_bytes", on_four_gpus("zero2"), 2 * P / 4),
    # The embedding's 64,000 come last, unless they exist from an earlier micro-batch.
    Example("inner_gradient_bytes", {}, 2 * (P - 64_000)),
    Example("inner_gradient_bytes", {"gradient_accumulation": 2}, 2 * P),
    # Of the first block's 30,720 weights only down's 64 x 96, a fifth, have gradients; with sharding the block's are
    # counted elsewhere.
    Example("late_gradient_bytes", {}, 2 * (P - 64_000 - (P - 128_000) / 4 * (1 - 6_144 / 30_720))),
    Example("late_gradient_bytes", {"gradient_accumulation": 2}, 2 * P),
    Example("late_gradient_bytes", on_four_gpus("zero2"), 2 * P / 4 * (1 - 64_000 / P)),
    Example("embedding_gradient_bytes", {}, 2 * 64_000),
    # Tied: the head's, the embedding's own, and their sum.
    Example("embedding_gradient_bytes", {}, 3 * 2 * 64_000, job(TIED)),
    Example("late_gradient_bytes", {"gradient_accumulation": 2}, 2 * (P - 64_000) + 2 * 64_000, job(TIED)),
    Example("accumulated_gradient_bytes", {}, 0),
    # With buffers all gradients have room from the start; the embedding's own is in the dtype of the weights.
    Example("accumulated_gradient_bytes", BUFFERS, 4 * P),
    Example("late_gradient_bytes", BUFFERS, 4 * P),
    Example("embedding_gradient_bytes", BUFFERS, 2 * 64_000),
    # One unused gradient each for q, k and v together (64 x 128), the output (64 x 64), gate and up (64 x 192), down.
    Example("placeholder_bytes", {}, 0),
    Example("placeholder_bytes", BUFFERS, 2 * (30_720 + 64_000)),
    Example("placeholder_bytes", BUFFERS | {"pipeline_parallel": 2, "tensor_parallel": 2}, 30_720),
    Example("placeholder_bytes", BUFFERS | LORA, 0),
    Example("last_placeholder_bytes", BUFFERS | {"tensor_parallel": 2}, 30_720 + 64_000),
    Example("accumulated_gradient_bytes", {"gradient_accumulation": 2}, 2 * P),
    # The head and a fifth of the last block; all of it, a quarter of all blocks, where gradients are sharded.
    Example("early_gradient_bytes", {}, 2 * (64_000 + (P - 128_000) / 4 / 5)),
    Example("early_gradient_bytes", on_four_gpus("zero2"), 2 * (64_000 + (P - 128_000) / 4) / 4),
    Example("activation_bytes", {}, 16 * (4 * BLOCK + FINAL)),
    # A checkpointed block keeps its input, 64 x 2.
    Example("activation_bytes", CHECKPOINTED, 16 * (4 * 128 + FINAL)),
    # Offloaded inputs of checkpointed blocks leave two behind; selective checkpointing keeps the input, outputs of q,
    # v, gate and down, attention's output and one fp32 per head.
    Example("activation_bytes", CHECKPOINTED | {"offload": "activations"}, 16 * (2 * 128 + FINAL)),
    Example("activation_bytes", CHECKPOINTED | {"checkpointing": "selective"}, 16 * (4 * (128 + 640 + 16) + FINAL)),
    # Compiled, not that of down, 64 x 2, which no gradient needs.
    Example("activation_bytes", SELECTIVE | COMPILED, 16 * (4 * (128 + 640 - 128 + 16) + FINAL)),
    # A tiled MLP does not keep gate, up and their product (576) and down's input (192).
    Example("activation_bytes", {"mlp_chunks": 2}, 16 * (4 * (BLOCK - 576 - 192) + FINAL)),
    # Two micro-batches are on their way through two stages of two blocks.
    Example("activation_bytes", PIPELINE, 16 * (2 * 2 * BLOCK + FINAL)),
    # Eager: queries, keys and values repeated for four heads, output, 4 x 8 scores of 6 bytes; checkpointed blocks keep
    # the 16-bit causal mask.
    Example("activation_bytes", {"attention": "eager"}, 16 * (4 * (BLOCK - 400 + 4 * 128 + 192) + FINAL)),
    Example("activation_bytes", CHECKPOINTED | {"attention": "eager"}, 16 * (4 * 128 + FINAL + 2 * 8)),
    # Padded: a 16-bit mask for each block, keys and values repeated for four heads (64 more elements).
    Example("activation_bytes", {}, 16 * (4 * (BLOCK + 128 + 16) + FINAL), job(padded=True)),
    # Adapters under autocast: norms keep 4 x 64 + 4 twice, but not the very first one; a 16-bit input for each of q, k,
    # v, o, gate, up (64) and down (96); 4 elements in each of 7 adapters; the final norm 4 x 64 + 4.
    Example("activation_bytes", LORA, 16 * 4 * (520 + 400 + 2 * (6 * 64 + 96) + 2 * 4 * 7 + 576)),
    # Dropout of 7 inputs keeps a mask of a byte per element; not of the first q, k and v, which get no gradient.
    Example("activation_bytes", LORA, 16 * (4 * (2512 + 6 * 64 + 96) - 3 * 64), job(lora_dropout=0.1)),
    # On the last stage one micro-batch is in flight, through two blocks.
    Example("loss_activation_bytes", PIPELINE, 16 * (2 * BLOCK + FINAL)),
    # The last hidden states, which a trained head would keep anyway.
    Example("forward_activation_bytes", LORA, 16 * 4 * 2512 + 16 * 128),
    Example("forward_activation_bytes", {}, 16 * (4 * BLOCK + FINAL)),
    # The output of the frozen embedding and its gradient stay.
    Example("remaining_activation_bytes", LORA | CHECKPOINTED | GRAPH_KEPT, 16 * 128),
    Example("input_gradient_bytes", LORA | CHECKPOINTED | GRAPH_KEPT, 16 * 128),
    Example("input_gradient_bytes", LORA | CHECKPOINTED, 0),
    Example("embedding_temporary_bytes", {}, 16 * 128),
    Example("input_gradient_bytes", CHECKPOINTED, 0),
    # Old bitsandbytes: 16-bit inputs of six layers of 64 and one of 96, in four blocks.
    Example("remaining_activation_bytes", OLD_KBIT, 16 * 4 * 2 * (6 * 64 + 96)),
    Example("backward_activation_bytes", {}, 2048 * (4 * BLOCK - 192), LONG),
    Example("block_activation_bytes", {}, 2048 * (BLOCK - 192), LONG),
    Example("recomputation_bytes", CHECKPOINTED, 2048 * (BLOCK - 192), LONG),
    Example("recomputation_bytes", {}, 0),
    # Gradients of the residual (64), of the product, of SiLU(gate) and of up (3 x 96), 2 bytes each.
    Example("backward_temporary_bytes", {}, 2048 * 2 * (64 + 3 * 96), LONG),
    # Eager: the residual, and 4 heads x 1,024 scores: the softmax's incoming and outgoing gradient, both in fp32.
    Example("backward_temporary_bytes", {"attention": "eager"}, 2048 * (2 * 64 + 4 * 1024 * 12 + 128), LONG),
    # By then gate, up and o have gradients too.
    Example("block_gradient_bytes", {"attention": "eager", "stack": ALONE}, 2 * (2 * 6_144 + 4_096), LONG),
    Example("block_gradient_bytes", {"attention": "eager"}, 0, LONG),
    # The gradient of gate's, up's or down's input, with the weight of 64 x 96 dequantised beside it.
    Example("block_dequantised_bytes", QLORA, 64 * 96 * 2),
    Example("block_dequantised_bytes", LORA, 0),
    # All blocks but the last one's down.
    Example("block_weight_cast_bytes", MIXED, 2 * (122_880 - 6_144), LONG),
    Example("weight_cast_bytes", MIXED, 2 * (122_880 + 64_000)),
    Example("weight_cast_bytes", LORA, 2 * 14_848),
    Example("weight_cast_bytes", {}, 0),
    Example("backward_weight_cast_bytes", MIXED | CHECKPOINTED, 2 * 64_000),
    Example("logit_bytes", {}, 12 * 16 * 1000),
    Example("logit_bytes", {"loss": "chunked", "loss_chunks": 4}, 12 * 4 * 1000 + 2 * 16 * 64),
    # Chunks of 16 / ceil(1000 / 64) = 1 token, two of 6 bytes per logit; hidden and head gradients.
    Example("logit_bytes", {"loss": "fused"}, 2 * 6 * 1000 + 2 * 16 * 64 + 2 * 64_000),
    Example("forward_logit_bytes", {}, 10 * 16 * 1000),
    Example("logit_bytes", KEEPS_LOGITS, 14 * 16 * 1000),
    Example("kept_logit_bytes", KEEPS_LOGITS, 2 * 16 * 1000),
    Example("kept_logit_bytes", {}, 0),
    Example("dequantised_bytes", QLORA, 64 * 96 * 2),
    Example("dequantised_bytes", LORA, 0),
    Example("root_gather_bytes", on_four_gpus("ddp"), 2 * P),
    # Two gathered blocks of (P - 128,000) / 4 = 30,864, embedding and head, one block's gradients.
    Example("gather_bytes", on_four_gpus("fsdp"), 2 * (2 * 30_864 + 128_000 + 30_864)),
    Example("allocator_bytes", {}, 0.05 * 149_056),
    Example("backward_allocator_bytes", {}, 0.05 * 149_056 + 0.20 * 22_528),
    # A tenth of all gradients, and of what is gathered besides a quarter of them.
    Example("engine_allocator_bytes", {}, 0.10 * 2 * P),
    Example("engine_allocator_bytes", on_four_gpus("fsdp"), 0.10 * (2 * P / 4 + 2 * (2 * 30_864 + 128_000 + 30_864))),
    Example("loaded_weight_bytes", on_four_gpus("fsdp"), 2 * P / 4),
    Example("loaded_weight_bytes", QLORA | WHOLE, 122_880 * 0.5625 + (576 + 128_000) * 4),
    Example("loaded_adapter_bytes", LORA | on_four_gpus("fsdp"), 14_848 * 4 / 4),
    Example("loaded_adapter_bytes", QLORA | WHOLE, 14_848 * 4),
    # The head's 16-bit copy before it is upcast; one whole parameter, the head; a quarter of the flat weights.
    Example("staged_bytes", QLORA, 2 * 64_000),
    Example("staged_bytes", on_four_gpus("fsdp"), 2 * 64_000),
    Example("staged_bytes", on_four_gpus("zero2", offload="optimizer", **MASTER), 2 * P / 4),
    Example("evaluation_logit_bytes", {}, 10 * 16 * 1000),
    # Four sequences of 8 tokens, and full logits.
    Example("evaluation_logit_bytes", {"loss": "fused"}, 10 * 32 * 1000, job(evaluation_micro_batch=4)),
    Example("evaluation_activation_bytes", {}, 0),
    # A block against full logits of a vocabulary of 100.
    Example("evaluation_activation_bytes", {}, 32 * (BLOCK - 10 * 100), job(NARROW, evaluation_micro_batch=4)),
    Example("saved_tensor_bytes", on_four_gpus("fsdp"), 2 * 64_000),
    # A generation without a known context: the median of all; the toy's GPUs are linked by a switch.
    Example("context_bytes", {}, 501 * 2**20),
    Example("context_bytes", {"gpus": 2}, (501 + 750) * 2**20),
    Example("context_bytes", {"gpu": ADA}, 445 * 2**20),
    Example("context_bytes", {"gpu": ADA.model_copy(update={"context_mib": 300}), "gpus": 2}, (300 + 245) * 2**20),
    # Two moments 8, master copy 4, gradient 2 bytes; four ranks on one node: once in the node.
    Example("offloaded_state_bytes", on_four_gpus("zero2", offload="optimizer", **MASTER), 14 * P),
    Example("offloaded_state_bytes", on_four_gpus("zero3", offload="params+optimizer", **MASTER), (14 + 2) * P),
    Example("offloaded_activation_bytes", CHECKPOINTED | {"offload": "activations"}, 16 * 64 * 2 * 4),
    Example("loading_bytes", {"gpus_per_node": 4}, 8 * GIB + 4 * 2 * P),
    Example("disk_bytes", {}, 2 * P + 2 * 14 * P),
    Example("disk_bytes", {}, 2 * P + 2 * 14 * P + 4 * 5_000, job(data_tokens=5_000)),
    Example("result_bytes", {}, 2 * P),
    Example("result_bytes", LORA, 2 * 14_848),
    Example("result_bytes", LORA, 14 * 14_848, job(download="checkpoint")),
    Example("result_bytes", {}, 0, job(download="nothing")),
    Example("step_flops", {}, FULL_FLOPS),
    Example("step_flops", LORA, LORA_FLOPS),
    Example("step_flops", QLORA, LORA_FLOPS),
    # Eager attention computes and keeps all scores; the kernel that takes a mask of padding computes all of them too.
    Example("step_flops", {"attention": "eager"}, 16 * (6 * 186_880 + 3 * 8_192)),
    Example("step_flops", {}, 16 * (6 * 186_880 + 3.5 * 8_192), job(padded=True)),
    # All but the down projections, 64 x 96 each, is done again; those too if nothing stops, or an MLP is tiled.
    Example("step_flops", CHECKPOINTED, FULL_FLOPS + 16 * (2 * (122_880 - 4 * 6_144) + 4_096)),
    Example("step_flops", CHECKPOINTED | REENTRANT, FULL_FLOPS + 16 * (2 * 122_880 + 4_096)),
    Example("step_flops", {"mlp_chunks": 2}, FULL_FLOPS + 16 * 2 * 4 * 3 * 64 * 96),
    Example("step_flops", CHECKPOINTED | {"mlp_chunks": 2}, FULL_FLOPS + 16 * (2 * (122_880 + 4 * 18_432) + 4_096)),
    # Every second product is done again: k, o and up; or attention alone.
    Example("step_flops", SELECTIVE, FULL_FLOPS + 16 * 2 * 4 * (64 * 32 + 64 * 64 + 64 * 96)),
    Example("step_flops", SELECTIVE | CORE_AGAIN, FULL_FLOPS + 16 * 4_096),
    # With checkpointing the embedding's output needs a gradient; each last adapter's second matrix is not repeated.
    Example(
        "step_flops",
        LORA | CHECKPOINTED,
        16 * (6 * 122_880 + 4 * 64_000 + 8 * 14_848 - 2 * 4 * 4 * 64 + 4.5 * 4_096),
    ),
    # DoRA: a unit matrix through every adapter, 2 x 4 x in x (in + out), once per micro-batch; in a block
    # in x (in + out) is 64 x (128 + 96 + 96 + 128 + 160 + 160) + 96 x 160.
    Example("step_flops", LORA, LORA_FLOPS + 4 * 8 * (64 * 768 + 96 * 160), job(dora=True)),
    # Routers of 64 x 8 and two of eight experts, each as large as the MLP of 18,432.
    Example("step_flops", {}, FULL_FLOPS + 16 * 6 * 4 * (512 + 18_432), job(MIXTURE)),
    # A window of 4 of 8 keys, all layers: flash sees 4 - 16 / 16 = 3 keys; the kernel that takes a mask computes all 8.
    Example("step_flops", {"attention": "flash"}, 16 * (6 * 186_880 + 3.5 * 1_024 * 3), job(WINDOWED)),
    Example("step_flops", {}, 16 * (6 * 186_880 + 3.5 * 8_192), job(WINDOWED)),
    Example("multiplication_seconds", {}, (BLOCK_FLOPS + HEAD_FLOPS + TILE_FLOPS) / RATE),
    # fp8 multiplies the blocks twice as fast.
    Example(
        "multiplication_seconds", {"compute_dtype": "fp8"}, BLOCK_FLOPS / (2 * RATE) + (HEAD_FLOPS + TILE_FLOPS) / RATE
    ),
    Example("attention_seconds", {}, CORE_FLOPS / CORE_RATE),
    Example("attention_seconds", {"attention": "eager"}, 16 * 3 * 8_192 / CORE_RATE),
    Example("elementwise_bytes", {}, WRITTEN),
    # Fused: 4 x 64 + 2 x 64 + 2 x 32 + 3 x 96 elements of 2 bytes and one fp32 per head are kept, and as much again is
    # made as gradients; with two of eight experts 3 x 2 x 96 elements, 3 x 2 - 1 copies of 64 for routing and a weight.
    Example("elementwise_bytes", FUSED, 4 * (16 * 2 * (2 * 736 + 16) + 2 * 30_720)),
    Example(
        "elementwise_bytes",
        FUSED,
        4 * (16 * 2 * (2 * (736 + 288 + 5 * 64) + 16) + 2 * (12_288 + 8 * 18_432 + 1)),
        job(MIXTURE),
    ),
    Example("elementwise_seconds", {}, 2 * WRITTEN / STREAM),
    # The toy stack's loss holds 10 bytes per logit forward and 12 backward, each written and read.
    Example("loss_bytes", {}, 16 * 1000 * 2 * 22),
    Example("loss_seconds", {"loss": "fused"}, 16 * 1000 * 2 * 4 / STREAM),
    # Two stages of two blocks, each with half of the head: 4 micro-batches, one of which is waited for.
    Example(
        "bubble_seconds",
        PIPELINE,
        (BLOCK_FLOPS + HEAD_FLOPS + TILE_FLOPS) / 2 / RATE + CORE_FLOPS / 2 / CORE_RATE + WRITTEN / STREAM,
    ),
    # Inputs of 64, 64, 64 and 96 elements, outputs of 64, 32, 32, 64, 96, 96 and 64, and each weight: 4 bytes.
    Example("fp8_cast_seconds", {"compute_dtype": "fp8"}, 4 * (16 * 4 * (288 + 448) + 122_880) / STREAM),
    # Two of eight experts: gate, up and down for each; inputs again where they are recomputed.
    Example(
        "fp8_cast_seconds",
        CHECKPOINTED | {"compute_dtype": "fp8"},
        4 * (16 * 4 * (2 * (128 + 2 * 160) + 192 + 2 * 256) + 4 * (12_288 + 8 * 18_432)) / STREAM,
        job(MIXTURE),
    ),
    Example("fp8_cast_seconds", {}, 0),
    # Read 0.5625, write 2 and read 2 bytes of every block weight, in the forward and the backward pass.
    Example("dequantisation_seconds", QLORA, 2 * 122_880 * 4.5625 / STREAM),
    # Gradient 2; parameter 2 and moments 4 read and written; the square root (2) written and read twice.
    Example("optimizer_seconds", {}, (2 + 2 * 6 + 8) * P / STREAM),
    Example("launch_seconds", {}, 4 * 246 * 1e-5),
    Example("launch_seconds", LORA, 4 * (246 + 38.6 * 7) * 1e-5),
    # All blocks recomputed: half as many operators again.
    Example("launch_seconds", {"checkpointing": "full", "checkpointed_layers": 4}, 4 * 246 * 1.5 * 1e-5),
    # Gathered twice and reduced once, in 2 bytes: 3 x 2 P round 3 / 4 of a ring; 3 hops for each of 12 calls.
    Example("overlapped_collective_seconds", on_four_gpus("fsdp"), 3 / 4 * 3 * 2 * P / 80e9 + 12 * 3e-6),
    Example("overlapped_collective_seconds", on_four_gpus("ddp"), 2 * (3 / 4 * 2 * P / 80e9 + 4 * 3e-6)),
    Example("contended_collective_seconds", on_four_gpus("ddp"), (3 / 4 * 2 * P / 80e9 + 4 * 3e-6) / 2),
    Example("exposed_collective_seconds", on_four_gpus("ddp"), 0),
    Example(
        "exposed_collective_seconds",
        on_four_gpus("ddp", gradient_accumulation=2),
        2 * (3 / 4 * 2 * P / 80e9 + 4 * 3e-6),
    ),
    # Two machines of four: 3 / 4 inside at 80e9, then 1 / 2 over the network at 8e9 bytes/s, both twice.
    Example(
        "overlapped_collective_seconds",
        {"sharding": "ddp", **TWO_MACHINES},
        2 * (2 * P * (3 / 4 / 80e9 + 1 / 2 / 8e9) + 4 * (3e-6 + 1e-5)),
    ),
    # 16 machines of one: trees of 4 levels, with hops twice as long, take less than a ring of 15 hops.
    Example(
        "overlapped_collective_seconds",
        {"sharding": "ddp", "gpus": 16, "data_parallel": 16, "gpus_per_node": 1},
        2 * (2 * P / 8e9 / 0.92 + 4 * 4 * 2e-5),
    ),
    # A reduce-scatter and an all-gather are rings.
    Example(
        "overlapped_collective_seconds",
        {"sharding": "zero1", "gpus": 16, "data_parallel": 16, "gpus_per_node": 1},
        2 * (15 / 16 * 2 * P / 8e9 + 4 * 15 * 1e-5),
    ),
    # hsdp: everything inside machines; then each of 4 GPUs all-reduces a quarter of the gradients over the network.
    Example(
        "overlapped_collective_seconds",
        {"sharding": "hsdp", **TWO_MACHINES},
        3 / 4 * 3 * 2 * P / 80e9 + 12 * 3e-6 + 2 * (1 / 2 * 4 * (2 * P / 4) / 8e9 + 4 * 1e-5),
    ),
    # ZeRO-2 reduces gradients for each of 2 micro-batches and gathers weights once.
    Example(
        "overlapped_collective_seconds",
        on_four_gpus("zero2", gradient_accumulation=2),
        (2 + 1) * (3 / 4 * 2 * P / 80e9 + 4 * 3e-6),
    ),
    # Four all-reduces in each of four blocks, each twice 3 / 4 of 16 x 64 x 2 bytes and 3 hops.
    Example(
        "tensor_parallel_seconds",
        {"tensor_parallel": 4, "gpus_per_node": 4},
        4 * 4 * 2 * (3 / 4 * 2048 / 80e9 + 3e-6),
    ),
    # Those of the backward pass overlap: a quarter of them counts.
    Example(
        "tensor_parallel_seconds",
        {"tensor_parallel": 4, "gpus_per_node": 4, **OVERLAPPED_BACKWARD},
        4 * 4 * 2 * (3 / 4 * 2048 / 80e9 + 3e-6) * (1 + 1 / 4) / 2,
    ),
    # Of a group over two machines of two: half of the bytes over the network, and one hop.
    Example(
        "tensor_parallel_network_seconds",
        {"tensor_parallel": 4, "gpus_per_node": 2},
        4 * 4 * 2 * (1 / 2 * 2048 / 8e9 + 1e-5),
    ),
    # Keys and values of 8 tokens: 2 x 8 x 32 x 2 bytes to one neighbour, three times in each of four blocks.
    Example("context_parallel_seconds", {"context_parallel": 2, "gpus_per_node": 2}, 4 * 3 * 1024 / 80e9),
    # 16 tokens to 2 experts each, 64 x 2 bytes, 3 / 4 of them elsewhere; four all-to-alls in each of four blocks.
    Example(
        "expert_parallel_seconds",
        {"expert_parallel": 4, "gpus_per_node": 4},
        4 * 4 * 3 / 4 * 16 * 2 * 128 / 80e9,
        job(MIXTURE),
    ),
    # 16 x 64 x 2 bytes there and back for each of 4 micro-batches.
    Example(
        "pipeline_seconds",
        {**PIPELINE, "gpus_per_node": 2},
        4 * 2 * 2048 / 80e9,
    ),
    # Twice as often in a pipeline of twice two pieces, a quarter of which counts.
    Example(
        "pipeline_seconds",
        {**PIPELINE, "gpus_per_node": 2},
        4 * 2 * 2 * 2048 / 80e9 / 4,
        job(virtual_stages=2),
    ),
    # A quarter of the parameters each: 2 + 2 bytes over PCIe; the node updates all of them: moments 8 and master 4 read
    # and written, gradient 2 read, at 200e9 bytes/s.
    Example(
        "offload_seconds",
        on_four_gpus("zero2", offload="optimizer", **MASTER),
        P / 4 * 4 / 20e9 + P * (2 * (8 + 4) + 2) / 200e9,
    ),
    # States of 4 bytes that the GPU updates, in and out.
    Example("overlapped_offload_seconds", {"offload": "optimizer", **STREAMING}, P * 2 * 4 / 20e9),
    # Parameters too, in 2 bytes, for the forward and the backward pass.
    Example("overlapped_offload_seconds", {"offload": "all", **STREAMING}, P * (2 * 4 + 2 * 2) / 20e9),
    Example("activation_offload_seconds", CHECKPOINTED | {"offload": "activations"}, 2 * 16 * 64 * 2 * 4 / 20e9),
    Example("startup_seconds", {}, STARTUP),
    # The user's interval of 600 s.
    Example(
        "lost_fraction",
        {},
        SAVE_SECONDS / 600 + (300 + STARTUP) / FAILURE_SECONDS,
        job(checkpoint_interval_seconds=600.0),
    ),
    # Young's interval sqrt(2 C M) costs sqrt(2 C / M), plus a restart each time; spot machines also end once a day.
    Example("lost_fraction", {}, (2 * SAVE_SECONDS / FAILURE_SECONDS) ** 0.5 + STARTUP / FAILURE_SECONDS),
    Example(
        "lost_fraction",
        {"offer": SPOT},
        (2 * SAVE_SECONDS * (1 / FAILURE_SECONDS + 1 / 86_400)) ** 0.5 + STARTUP * (1 / FAILURE_SECONDS + 1 / 86_400),
    ),
)


KINDS_OF_WORK = (
    Example("block_flops", {}, BLOCK_FLOPS),
    Example("block_flops", LORA, LORA_FLOPS - 16 * (4 * 64_000 + 3.5 * 4_096)),
    Example("block_flops", CHECKPOINTED, BLOCK_FLOPS + 16 * 2 * (122_880 - 4 * 6_144)),
    Example("block_flops", {}, 16 * 6 * (4 * (12_288 + 512)), job(MIXTURE)),
    Example("expert_flops", {}, 0),
    # Two of eight experts of 18,432 weights in each of four blocks.
    Example("expert_flops", {}, 16 * 6 * 4 * 2 * 18_432, job(MIXTURE)),
    Example("head_flops", {}, HEAD_FLOPS),
    Example("head_flops", LORA | {"loss": "chunked", "loss_chunks": 2}, 16 * 4 * 64_000),
    Example("tile_flops", {}, TILE_FLOPS / 100),
    Example("attention_flops", {}, CORE_FLOPS),
    Example("attention_flops", CHECKPOINTED, 16 * 4.5 * 4_096),
    Example("attention_flops", {"attention": "eager"}, 16 * 3 * 8_192),
)
"""Of `kind_flops`, under the names of its kinds."""
KIND = {
    "block_flops": BLOCKS,
    "expert_flops": EXPERTS,
    "head_flops": HEAD,
    "tile_flops": TILES,
    "attention_flops": ATTENTION,
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.formula)
def test_formula_gives_the_value_worked_out_by_hand(example: Example) -> None:
    """Each formula gives what its arithmetic, done by hand, gives."""
    value = call(REGISTRY[example.formula], example.workload, PLAN | example.changes)
    assert value == pytest.approx(example.value, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("example", KINDS_OF_WORK, ids=lambda example: example.formula)
def test_each_kind_of_work_is_what_is_worked_out_by_hand(example: Example) -> None:
    """Products of blocks, experts and head, what tiles cost, attention."""
    flops = call(kind_flops, example.workload, PLAN | example.changes)
    assert flops[KIND[example.formula]] == pytest.approx(example.value, rel=1e-12, abs=0.0)


def test_cost_is_gpus_times_hours_times_price() -> None:
    """8 GPUs for 1.5 hours at 2.50 cost 30."""
    assert cost.rental_cost(Decimal("2.50"), gpus=8, seconds=5400.0) == Decimal(30)


@pytest.mark.parametrize(
    ("seconds", "unit", "minimum", "amount"),
    [
        (5400.2, 1, 0, "10.802000"),  # 5,401 s
        (5400.2, 60, 0, "10.920000"),  # 91 minutes
        (5400.2, 3600, 0, "14.400000"),  # 2 hours
        (30.0, 1, 60, "0.120000"),  # a minute
        (5400.0, 3600, 7 * 86400, "1209.600000"),  # a week
        (8 * 86400.5, 3600, 7 * 86400, "1389.600000"),  # 8 days and 4 seconds: 193 hours
    ],
)
def test_time_is_billed_in_whole_units_and_at_least_a_minimum(
    seconds: float, unit: int, minimum: int, amount: str
) -> None:
    """4 GPUs at 1.80: 7.20 an hour, 0.002 a second."""
    billed = cost.rental_cost(
        Decimal("1.80"), gpus=4, seconds=seconds, billing_unit_seconds=unit, minimum_seconds=minimum
    )
    assert billed == Decimal(amount)


def test_storage_is_paid_by_the_share_of_a_month() -> None:
    """100 GiB at 0.10 per GiB for a tenth of 730 hours cost 1."""
    price = Decimal("0.10") / 2**30
    assert cost.storage_cost(price, stored_bytes=100 * 2**30, seconds=73 * 3600.0) == Decimal(1)


@pytest.mark.parametrize(("size", "amount"), [(150, "4.5"), (100, "0"), (20, "0")])
def test_a_download_is_paid_beyond_what_is_free(size: int, amount: str) -> None:
    """100 GB are free; each further one costs 9 cents."""
    price = Decimal("0.09") / 10**9
    paid = cost.egress_cost(price, downloaded_bytes=size * 10**9, free_bytes=100 * 10**9)
    assert paid == Decimal(amount)


def test_tax_is_a_share_of_the_rest() -> None:
    """19% of 250.50."""
    assert cost.tax_cost(Decimal("250.50"), tax_fraction=Decimal("0.19")) == Decimal("47.595")


def test_the_parts_of_a_cost_worked_out_by_hand() -> None:
    """2 GPUs at 1.80 for 1,000 s: 1.00, of which 1.20 is billed; a disk, 3 GB beyond the free one, 10% tax."""
    tariff = cost.Tariff(
        Decimal("1.80"), 600, 0, Decimal("0.073") / 10**9, Decimal("0.1") / 10**9, 10**9, Decimal("0.1")
    )
    charges = cost.Charges(tariff, gpus=2, stored_bytes=3600 * 10**9, downloaded_bytes=4 * 10**9)
    # Storage: 3,600 GB x 0.073 x 1,200 s / (730 x 3,600 s) = 0.12. Net 1.20 + 0.12 + 0.30 = 1.62.
    parts = {"training": "0.7", "startup": "0.2", "lost": "0.1", "unused": "0.2", "storage": "0.12", "egress": "0.3"}
    expected = {name: Decimal(each) for name, each in (parts | {"tax": "0.162"}).items()}
    assert charges.parts(1000.0, 200.0, 100.0) == expected
    assert charges.cost(1000.0) == Decimal("1.782")
    assert charges.billed_seconds(1000.0) == 1200.0


def test_every_formula_has_a_worked_example() -> None:
    """A formula without a worked example fails here."""
    of_money = {name for name, formula in REGISTRY.items() if formula.__module__ == cost.__name__}
    assert of_money == {"rental_cost", "storage_cost", "egress_cost", "tax_cost"}
    owning = {name for name, formula in REGISTRY.items() if formula.__module__ in OWNING}
    assert owning == set(test_ownership.EXAMPLES)
    assert {example.formula for example in EXAMPLES} | of_money | owning == set(REGISTRY)
