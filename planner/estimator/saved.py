"""What autograd saves of one block in the forward pass, operator by operator.

Everything is counted per token and block. h is hidden, q and kv are the widths of queries and of keys or values, i is
the MLP's width, e the bytes of the compute dtype.
"""

from __future__ import annotations

from planner.catalog.architecture import Architecture, Matrix
from planner.catalog.stack import Precision, Stack
from planner.estimator.arrays import larger
from planner.estimator.workload import DTYPE_BYTES, Workload

COMPOSED_GELU_FAMILIES = ("gpt2", "phi")
"""Families whose GELU is written out in Python, so that autograd keeps four tensors of the MLP's width instead of one.
Source: transformers' NewGELUActivation; traced steps of GPT-2."""
DROPOUT_FAMILIES = ("gpt2",)
"""Families that train with dropout by default: one mask byte per element after attention, after the MLP and, in eager
attention, per score. Source: GPT-2's resid_pdrop = attn_pdrop = 0.1; traced steps."""
MLP_MODULES = ("gate", "up", "gate_up", "down")
SELECTIVE_MLP_SHARE = 0.5
"""Op-selective checkpointing saves every second matrix multiplication. Source: torchtitan's activation checkpointing
(`mm` saved on every second call, attention always)."""


def local_tokens(workload: Workload, micro_batch: int, context_parallel: int) -> float:
    """Tokens of one micro-batch on one GPU."""
    return micro_batch * workload.sequence_length / context_parallel


def residual_bytes(stack: Stack, precision: Precision) -> float:
    """Bytes per element of the residual stream: 4 where unquantised weights are fp32 and nothing casts them whole."""
    if precision.method == "qlora":
        return 4.0 if stack.kbit_upcast else 2.0
    if precision.base_dtype == "fp32" and precision.autocast:
        return 4.0
    return max(DTYPE_BYTES[dtype] for dtype in precision.compute_dtypes)


def norm_element_bytes(architecture: Architecture, precision: Precision, residual: float) -> float:
    """Bytes per token and element of its width that a norm keeps.

    An RMSNorm in Hugging Face style computes in fp32 and keeps its input (4) and, if its weight is trained, the
    normalised input in the residual's dtype; a fused LayerNorm keeps its input only, which autocast turns into fp32.
    """
    if architecture.norm != "rmsnorm":
        return 4.0 if precision.autocast else residual
    return 4.0 + (residual if precision.method == "full" else 0.0)


def norm_saved_bytes(architecture: Architecture, precision: Precision, residual: float) -> float:
    """Bytes per token and block that norms keep, those of queries and keys included."""
    widths = architecture.norms_per_layer * architecture.hidden
    if architecture.qk_norm:
        widths += architecture.query_dim + architecture.kv_dim
    return widths * norm_element_bytes(architecture, precision, residual)


def outer_saved_bytes(
    workload: Workload, precision: Precision, element: float, residual: float, attention: str
) -> float:
    """Bytes per token kept outside of blocks: the final norm, a trained head's input, dropout and causal masks."""
    architecture = workload.architecture
    kept = norm_element_bytes(architecture, precision, residual)
    kept += element if precision.method == "full" else 0.0
    kept += 1.0 if architecture.family in DROPOUT_FAMILIES else 0.0
    mask = element * workload.sequence_length if attention == "eager" else 0.0
    return architecture.hidden * kept + mask


def attention_saved_bytes(
    architecture: Architecture, precision: Precision, element: float, attention: str, keys: float
) -> float:
    """Bytes per token and block inside attention: queries, keys, values, output; and scores if they are materialised.

    A fused kernel keeps e (2 q + 2 kv) and one fp32 log-sum per head. Eager attention keeps scores, see `score_bytes`,
    and keys and values repeated for every query head. So does torch in fp32 where heads share keys: none of its fused
    kernels takes both (traced steps in fp32 show the `math` kernel).
    """
    query, key = architecture.query_dim, architecture.kv_dim
    value = architecture.value_dim if architecture.kv_lora_rank else key
    output = architecture.value_dim if architecture.kv_lora_rank else query
    fused = element < 4 or architecture.heads == architecture.kv_heads
    if attention != "eager" and fused:
        return element * (query + key + value + output) + 4.0 * architecture.heads
    repeated = element * (query + 2 * query + output)
    return repeated + architecture.heads * keys * score_bytes(architecture, precision, element)


def score_bytes(architecture: Architecture, precision: Precision, element: float) -> float:
    """Bytes per head, query and key that eager attention keeps.

    The softmax in fp32 and its 16-bit copy. Families with dropout take the softmax in the compute dtype, unless
    autocast makes it fp32, and keep the dropout's mask and output besides.
    """
    if architecture.family in DROPOUT_FAMILIES:
        return (4.0 if precision.autocast else element) + 1.0 + element
    return 4.0 + (element if element < 4 else 0.0)


def mlp_width(architecture: Architecture) -> float:
    """MLP elements per token and block, on average over blocks: i, or the routed and shared experts' widths."""
    if not architecture.is_moe:
        return architecture.intermediate
    routed = architecture.experts_per_token * architecture.moe_intermediate
    shared = architecture.shared_intermediate or architecture.shared_experts * architecture.moe_intermediate
    dense_blocks = architecture.layers - architecture.moe_layers
    total = dense_blocks * architecture.intermediate + architecture.moe_layers * (routed + shared)
    return total / architecture.layers


def linear_input_bytes(
    workload: Workload, precision: Precision, element: float, residual: float
) -> tuple[float, float]:
    """Bytes per token and block of the inputs that linear layers keep for themselves: attention's and the MLP's.

    Trained weights keep their input: under autocast from an fp32 stream each of q, k, v, gate, up casts its own copy,
    else layers that read the same tensor share it. Frozen weights keep nothing, but each adapter keeps its input: its
    own fp32 cast without autocast (4 per element), its own 16-bit cast with it; where the layer's input already is in
    the adapter's dtype (16-bit adapters; the output projection under k-bit autocast) it is shared with whatever made
    or reads it.
    """
    architecture = workload.architecture
    if precision.method == "full":
        attention, mlp = (1, 0 if architecture.parallel_block else 1)
        if element != residual:
            attention, mlp = _readers(architecture)
        hidden = element * architecture.hidden
        return attention * hidden, mlp * hidden + element * mlp_width(architecture)
    own = adapter_element_bytes(precision)
    shares = precision.adapter_dtype != "fp32" and not precision.autocast
    shared_output = shares or (precision.method == "qlora" and precision.autocast and residual == 4.0)
    kept = {True: 0.0, False: 0.0}
    for matrix in workload.adapted:
        shared = (matrix.module == "o" and shared_output) or (matrix.module in ("k", "v", "up") and shares)
        if matrix.module != "lm_head" and not shared:
            kept[matrix.module in MLP_MODULES] += own * matrix.inputs * uses(matrix, architecture)
    return kept[False], kept[True]


def routing_saved_bytes(architecture: Architecture, precision: Precision, element: float) -> float:
    """Bytes per token and block that a mixture of experts keeps for routing, on average over blocks.

    Each of the token's k experts gets a copy of its hidden state (kept where the experts' own weights are trained) and
    its output is kept to weigh it: e k h each; router logits and their softmax are fp32.
    Source: the expert loop of transformers' Mixtral; balanced routing.
    """
    if not architecture.is_moe:
        return 0.0
    copies = 2 if precision.method == "full" else 1
    routed = element * architecture.experts_per_token * architecture.hidden * copies
    return (routed + 8.0 * architecture.experts) * architecture.moe_layers / architecture.layers


def uses(matrix: Matrix, architecture: Architecture) -> float:
    """How often one token passes through such a matrix in one block, on average over blocks."""
    share = architecture.experts_per_token / architecture.experts if matrix.kind == "expert" else 1.0
    return matrix.count / architecture.layers * share


def adapter_element_bytes(precision: Precision) -> float:
    """Bytes of the dtype in which adapters compute: 16 bit under autocast, else their own."""
    return 2.0 if precision.autocast else DTYPE_BYTES[precision.adapter_dtype]


def adapter_hidden_bytes(workload: Workload, precision: Precision) -> float:
    """Bytes per token and block of what lies between the two matrices of each adapter: rank elements."""
    if precision.method == "full":
        return 0.0
    adapted = [matrix for matrix in workload.adapted if matrix.module != "lm_head"]
    tensors = sum(uses(matrix, workload.architecture) for matrix in adapted)
    return adapter_element_bytes(precision) * workload.lora_rank * tensors


def _readers(architecture: Architecture) -> tuple[int, int]:
    """Linear layers that read a norm's output: q, k, v (or one fused), and gate, up (or one)."""
    attention = 1 if architecture.fused_qkv else 3
    mlp = 1 if not architecture.gated_mlp or architecture.fused_gate_up else 2
    return attention, mlp


def mlp_internal_bytes(architecture: Architecture, precision: Precision, element: float, residual: float) -> float:
    """Bytes per token and block inside the MLP: inputs of the activation and of the product of a gated MLP.

    Under k-bit autocast a quantised layer returns its input's dtype, here fp32. A composed GELU keeps the inputs of its
    power, of its two products and the result of its tanh; autocast computes the power, and so three of them, in fp32.
    """
    inside = residual if precision.method == "qlora" and precision.autocast else element
    width = mlp_width(architecture)
    if architecture.gated_mlp:
        return 3 * inside * width
    if architecture.family in COMPOSED_GELU_FAMILIES:
        return width * (inside + 3 * (4.0 if precision.autocast else inside))
    return inside * width


def block_saved_bytes(
    workload: Workload,
    stack: Stack,
    precision: Precision,
    compute_dtype: str,
    attention: str,
    mlp_chunks: int,
    tensor_parallel: int,
) -> float:
    """Bytes per local token that one block saves without checkpointing.

    Tensor parallelism with sequence parallelism splits everything. A tiled MLP recomputes each tile in its backward and
    keeps only the MLP's input.
    """
    architecture = workload.architecture
    element, residual = DTYPE_BYTES[compute_dtype], residual_bytes(stack, precision)
    kept = norm_saved_bytes(architecture, precision, residual)
    kept += attention_saved_bytes(architecture, precision, element, attention, workload.sequence_length)
    kept += linear_input_bytes(workload, precision, element, residual)[0]
    kept += adapter_hidden_bytes(workload, precision)
    kept += routing_saved_bytes(architecture, precision, element)
    kept += 2.0 * architecture.hidden * (architecture.family in DROPOUT_FAMILIES)
    return kept / tensor_parallel + mlp_saved_bytes(
        workload, stack, precision, compute_dtype, mlp_chunks, tensor_parallel
    )


def mlp_saved_bytes(
    workload: Workload, stack: Stack, precision: Precision, compute_dtype: str, mlp_chunks: int, tensor_parallel: int
) -> float:
    """Bytes per local token that one MLP saves, apart from its norm and its adapters' hidden elements."""
    element, residual = DTYPE_BYTES[compute_dtype], residual_bytes(stack, precision)
    inputs = linear_input_bytes(workload, precision, element, residual)[1]
    inside = mlp_internal_bytes(workload.architecture, precision, element, residual)
    tiled = mlp_tile_bytes(workload, precision, element, residual)
    return (inputs + inside - tiled * (mlp_chunks > 1)) / tensor_parallel


def mlp_tile_bytes(workload: Workload, precision: Precision, element: float, residual: float) -> float:
    """Bytes per token and block that a tiled MLP need not keep: all that has the MLP's width."""
    width = mlp_width(workload.architecture)
    inside = mlp_internal_bytes(workload.architecture, precision, element, residual)
    if precision.method == "full":
        return inside + element * width
    own = adapter_element_bytes(precision)
    adapted = any(matrix.module == "down" for matrix in workload.adapted)
    return inside + (own * width if adapted else 0.0)


def selective_saved_bytes(whole: float, workload: Workload, element: float, tensor_parallel: int) -> float:
    """Bytes per local token that a block saves under op-selective checkpointing: about half of a whole block.

    Every second matrix multiplication's output and attention's output are kept, norms and element-wise results are
    recomputed. Never less than the block's input.
    """
    return larger(whole * SELECTIVE_MLP_SHARE, element * workload.architecture.hidden / tensor_parallel)
