"""Memory of what happens beside training steps: loading the model, evaluating it, saving it.

Loading precedes the optimizer: no states, no gradients. Evaluation and saving find the optimizer's states in place,
and no gradients.
"""

from __future__ import annotations

from planner.catalog.stack import Stack
from planner.estimator.arrays import larger
from planner.estimator.buffers import dequantised_bytes, forward_logit_bytes
from planner.estimator.formula import call, formula
from planner.estimator.saved import blocks, local_tokens
from planner.estimator.states import adapter_bytes, weight_bytes
from planner.estimator.workload import DTYPE_BYTES, STORED_BYTES, Workload

SPLIT_WEIGHTS = ("zero3", "fsdp", "hsdp")
"""Shardings whose full parameters exist on one GPU only while they are gathered."""
FLAT_SHARDINGS = ("zero1", "zero2")
"""Shardings whose master weights are cut out of one flat 16-bit buffer."""


def largest_tensor(workload: Workload, tensor_parallel: int) -> float:
    """Elements of the largest single parameter on a GPU: a linear layer of a block, the embedding or the head."""
    return max(workload.largest_matrix, workload.architecture.head.weights) / tensor_parallel


@formula
def loaded_weight_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of weights on a GPU when the last of them has been loaded.

    `weight_bytes`; where the stack shards only a model that is on the GPU as a whole, `weight_bytes` without sharding.
    Source: accelerate 1.15 with transformers 5.23: under FSDP2 a model with bitsandbytes 4-bit parameters is loaded to
    the current GPU by every rank and sharded from there; any other model is loaded on the CPU of rank 0 and sent out
    parameter by parameter. DeepSpeed's zero.Init partitions each parameter as it is made.
    Valid for: default loading; weights and optimizer offload after loading.
    Error: not measured.
    """
    decisions = locals()
    if method in stack.unsharded_loading:
        decisions = {**decisions, "sharding": "none", "offload": "none"}
    whole: float = call(weight_bytes, workload, decisions)
    return whole


@formula
def loaded_adapter_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    master_weights: str,
    sharding: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    gpus_per_node: int,
) -> float:
    """Bytes of adapters on a GPU when they have been created, before anything is sharded that is sharded afterwards.

    Source: as for `loaded_weight_bytes`; PEFT adds adapters to the loaded model.
    Valid for: lora and qlora; 0 for full.
    Error: not measured.
    """
    decisions = locals()
    if method in stack.unsharded_loading:
        decisions = {**decisions, "sharding": "none"}
    whole: float = call(adapter_bytes, workload, decisions)
    return whole


@formula
def staged_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    sharding: str,
    offload: str,
    data_parallel: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
    expert_parallel: int,
) -> float:
    """Bytes of the copy that loading makes on the GPU beside the weights.

    A quantised base: the 16-bit copy of the matrix that is quantised, 2 x largest matrix; where the rest is upcast
    to fp32, of the embedding or head, if larger. Sharded weights: one whole parameter, before each rank takes its
    part. ZeRO-1 and 2 with the optimizer on the host: a rank's part of the flat 16-bit weights, cloned on the GPU on
    its way there, 2 x trainable / ranks. Otherwise 0: tensors are read into their place.
    Source: bitsandbytes `Params4bit`; PEFT `prepare_model_for_kbit_training`; accelerate `fsdp2_load_full_state_dict`;
    DeepSpeed `stage_1_and_2.py`, `detach().clone().to(device)`.
    Valid for: default loading.
    Error: not measured.
    """
    if method == "qlora":
        staged = largest_tensor(workload, tensor_parallel) if stack.kbit_upcast else workload.largest_matrix
        return 2.0 * staged
    if sharding in SPLIT_WEIGHTS:
        return STORED_BYTES[base_dtype] * largest_tensor(workload, tensor_parallel)
    if sharding in FLAT_SHARDINGS and offload == "optimizer":
        trainable = workload.trainable_parameters(method, tensor_parallel, pipeline_parallel, expert_parallel)
        return 2.0 * trainable / (data_parallel * context_parallel)
    return 0.0


@formula
def evaluation_logit_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    compute_dtype: str,
    loss: str,
    loss_chunks: int,
    micro_batch: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes of logits while the model is evaluated.

    With an evaluation micro-batch of its own: full logits, 10 T V in Hugging Face style, whatever the training loss:
    Liger's fused loss and litgpt's chunks are for training only. Otherwise as in a training step's forward pass.
    Source: Liger kernel (`skip_logits` only while training); litgpt 0.5.13, `validate` with chunk_size 0.
    Valid for: logits that are dropped after each micro-batch (no metric computed over the whole evaluation set).
    Error: not measured.
    """
    if workload.evaluation_micro_batch is None:
        forward: float = call(forward_logit_bytes, workload, locals())
        return forward
    tokens = local_tokens(workload, workload.evaluation_micro_batch, context_parallel)
    return _full_logit_bytes(workload, stack, tokens, tensor_parallel)


@formula
def evaluation_activation_bytes(
    workload: Workload,
    *,
    stack: Stack,
    method: str,
    base_dtype: str,
    compute_dtype: str,
    master_weights: str,
    attention: str,
    mlp_chunks: int,
    tensor_parallel: int,
    context_parallel: int,
) -> float:
    """Bytes by which one block needs more than the logits while the model is evaluated; nothing is saved.

    max(0, T x block + dequantised - logits): blocks come before the logits, so the larger of the two counts. T are the
    tokens of an evaluation micro-batch on a GPU, what a block would keep for a backward pass stands for what is alive
    inside it. 0 without an evaluation micro-batch of its own: a training step's backward pass needs a block and more.
    Source: order of events in a forward pass under torch.no_grad.
    Valid for: loss evaluation, not generation.
    Error: not measured; an upper bound, since a block's tensors are freed one by one.
    """
    if workload.evaluation_micro_batch is None:
        return 0.0
    decisions = locals()
    precision = stack.precision(method, base_dtype, master_weights)
    tokens = local_tokens(workload, workload.evaluation_micro_batch, context_parallel)
    inside = blocks(workload, stack, precision, compute_dtype, attention, tokens, mlp_chunks, tensor_parallel)
    block = inside.kept() + call(dequantised_bytes, workload, decisions)
    return larger(0.0, block - _full_logit_bytes(workload, stack, tokens, tensor_parallel))


def _full_logit_bytes(workload: Workload, stack: Stack, tokens: float, tensor_parallel: int) -> float:
    return tokens * workload.architecture.vocab / tensor_parallel * stack.logit_forward_bytes


@formula
def saved_tensor_bytes(workload: Workload, *, base_dtype: str, sharding: str, tensor_parallel: int) -> float:
    """Bytes of the largest parameter, gathered to be written into one file.

    bytes(base_dtype) x largest parameter where weights are sharded; 0 where every rank has them.
    Source: torch `get_model_state_dict(full_state_dict=True, cpu_offload=True)` and DeepSpeed's
    `stage3_gather_16bit_weights_on_model_save`: one parameter after the other, moved to rank 0's host at once.
    Valid for: FSDP2 and ZeRO-3; sharded checkpoints need nothing, FSDP1 gathers a whole block or both ends at once.
    Error: not measured.
    """
    if sharding not in SPLIT_WEIGHTS:
        return 0.0
    element = DTYPE_BYTES.get(base_dtype, 2.0)
    return element * largest_tensor(workload, tensor_parallel)
