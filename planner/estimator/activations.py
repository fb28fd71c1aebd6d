"""Memory of what the forward pass saves for the backward pass, at each phase of a step.

T is the number of tokens of one micro-batch on a GPU (micro_batch x sequence / context_parallel). What one block keeps
comes from its code, run on the tape (see `planner.estimator.block`).
"""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import larger, smaller
from planner.estimator.formula import call, formula
from planner.estimator.saved import Blocks, plan_blocks
from planner.estimator.tape import ACTIVATION
from planner.estimator.workload import Workload


def stored_bytes(blocks: Blocks, checkpointing: str, checkpointed_layers: int, layers: int, offload: str) -> float:
    """Bytes that the blocks of a stage keep for one micro-batch.

    (layers - k) whole blocks and k that keep only part; nothing before the first adapter needs a gradient, so that the
    first block keeps less if it is not checkpointed.
    """
    chosen = smaller(checkpointed_layers, layers) * (checkpointing != "none")
    whole = (layers - chosen) * blocks.kept() + (blocks.kept(first=True) - blocks.kept()) * (chosen == 0)
    if offload == "activations":
        return whole + 2 * blocks.kept_input()
    return whole + chosen * partly_kept_bytes(blocks, checkpointing)


def partly_kept_bytes(blocks: Blocks, checkpointing: str) -> float:
    """Bytes that one checkpointed block keeps."""
    if checkpointing == "selective":
        return blocks.kept_selectively()
    return blocks.kept_input() + (0.0 if blocks.reentrant else blocks.held())


@formula
def activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    offload: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of all saved activations when the forward pass has ended.

    T x (in_flight x ((layers - k) x block + k x kept) + ends), k checkpointed layers of a stage; ends is the final norm
    and the like. A fully checkpointed block keeps its input, h elements of the residual stream; a selectively
    checkpointed one about half of a block. On the first pipeline stage min(p, m) micro-batches are in flight (1F1B),
    more if it is interleaved (see `Workload.in_flight`). Offloaded activations leave two blocks' inputs.
    Source: what autograd saves, operation by operation (see `planner.estimator.block`); 1F1B, arXiv 2104.04473.
    Valid for: decoder blocks of the catalog's families.
    Error: within 0.1% of the activations at traced peaks that lie between forward and backward pass.
    """
    inside = plan_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    stored = stored_bytes(inside, checkpointing, checkpointed_layers, layers, offload)
    in_flight = workload.in_flight(pipeline_parallel, gradient_accumulation)
    return in_flight * stored + inside.ends(checkpointing) + inside.mask() * (checkpointing == "full")


@formula
def loss_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    offload: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of all saved activations where the loss is computed: on the last stage of a pipeline.

    As `activation_bytes`, with the one micro-batch that is in flight there (1F1B: forward and backward alternate).
    Source: see `activation_bytes`.
    Valid for: the same.
    Error: the same.
    """
    inside = plan_blocks(workload, locals())
    layers = workload.stage_layers(pipeline_parallel)
    stored = stored_bytes(inside, checkpointing, checkpointed_layers, layers, offload)
    return stored + inside.ends(checkpointing) + inside.mask() * (checkpointing == "full")


@formula
def forward_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    offload: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of activations while the forward pass computes the loss.

    `loss_activation_bytes`, what remains of the step before (see `remaining_activation_bytes`) and, unless a trained
    head keeps them anyway, the last hidden states: T x h x bytes.
    Source: transformers' model code, which holds hidden states until its forward function returns; traced steps.
    Valid for: Hugging Face style model code.
    Error: within 0.1% of the activations at traced peaks in the forward pass.
    """
    decisions = locals()
    saved: float = call(loss_activation_bytes, workload, decisions)
    remaining: float = call(remaining_activation_bytes, workload, decisions)
    return saved + remaining + plan_blocks(workload, decisions).last_hidden()


@formula
def embedding_temporary_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of the gradient that arrives at a trained embedding.

    T x h x bytes of the residual stream.
    Source: order of events in a backward pass; traced steps.
    Valid for: full fine-tuning; 0 otherwise.
    Error: 0 against the traced backward passes that peak there.
    """
    if method != "full":
        return 0.0
    return plan_blocks(workload, {**locals(), "attention": "sdpa", "mlp_chunks": 1}).kept_input()


@formula
def remaining_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    checkpointing: str,
    micro_batch: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of activations that the graph of a step keeps after its backward pass, until the next step has its loss.

    What layers keep in attributes, and the output of a frozen embedding where it is a leaf of the graph (see
    `input_gradient_bytes`).
    Source: traced steps; loops that hold the loss until the next one, and with the loss its graph.
    Valid for: stacks whose loop does; 0 otherwise (the Trainer of transformers returns a detached loss).
    Error: within 64 MiB of traced forward peaks and optimizer steps.
    """
    inside = plan_blocks(workload, {**locals(), "attention": "sdpa", "mlp_chunks": 1})
    if not stack.keeps_graph:
        return 0.0
    held = workload.stage_layers(pipeline_parallel) * inside.held()
    if checkpointing != "full" or method == "full":
        return held
    return held + inside.kept_input()


@formula
def input_gradient_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    checkpointing: str,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of the gradient of a frozen embedding's output, which stays until the next step has its loss.

    T x h x bytes of the residual stream with checkpointing and adapters.
    Source: transformers and PEFT make that output need a gradient for checkpointing (enable_input_require_grads); as a
    leaf of the graph it gets one, and keeps it as long as the graph lives. Traced steps.
    Valid for: stacks whose loop keeps the graph; 0 otherwise.
    Error: 0 against traced forward peaks and optimizer steps.
    """
    if checkpointing != "full" or method == "full" or not stack.keeps_graph:
        return 0.0
    return plan_blocks(workload, {**locals(), "attention": "sdpa", "mlp_chunks": 1}).kept_input()


@formula
def backward_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    offload: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of saved activations that are left when the last block needs most memory, forward or backward.

    `activation_bytes` less what that block and the ends keep, plus what of it is alive at that moment.
    Source: see `activation_bytes`; a node of the graph frees what it saved as soon as it has run.
    Valid for: the same.
    Error: within 2% of the activations at traced peaks inside blocks.
    """
    everything: float = call(activation_bytes, workload, locals())
    inside = plan_blocks(workload, locals())
    partly = (checkpointed_layers > 0) * (checkpointing != "none")
    own = inside.kept() + (partly_kept_bytes(inside, checkpointing) - inside.kept()) * partly
    others = larger(0.0, everything - inside.ends(checkpointing) - own)
    return others + inside.at_peak(checkpointing == "full", ACTIVATION)
