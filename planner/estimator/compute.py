"""FLOPs of a step, and the bandwidths that a GPU publishes."""

from __future__ import annotations

from planner.catalog.architecture import Architecture
from planner.catalog.gpu import Gpu
from planner.estimator.arrays import smaller
from planner.estimator.block import mlp_width
from planner.estimator.formula import formula
from planner.estimator.saved import local_tokens
from planner.estimator.workload import Workload


def block_weights_per_token(architecture: Architecture) -> float:
    """Weights of all blocks that multiply one token (2 FLOPs each in the forward pass)."""
    return architecture.matmul_parameters_per_token - architecture.head.weights


def attention_flops_per_token(architecture: Architecture, sequence_length: int, attention: str) -> float:
    """Forward FLOPs per token of all attention cores: 2 s (q + v), halved where the kernel skips the masked half.

    Windowed layers see at most their window.
    """
    widths = architecture.query_dim + (architecture.value_dim if architecture.kv_lora_rank else architecture.query_dim)
    window = min(architecture.sliding_window or sequence_length, sequence_length)
    seen = (
        architecture.layers - architecture.windowed_layers
    ) * sequence_length + architecture.windowed_layers * window
    return 2.0 * widths * seen * (1.0 if attention == "eager" else 0.5)


@formula
def step_flops(
    workload: Workload,
    *,
    method: str,
    attention: str,
    checkpointing: str,
    checkpointed_layers: int,
    loss: str,
    mlp_chunks: int,
    micro_batch: int,
    gradient_accumulation: int,
    tensor_parallel: int,
    pipeline_parallel: int,
    context_parallel: int,
) -> float:
    """FLOPs of one optimizer step on the busiest GPU.

    Per token: (2 forward + 4 backward) x weights for full fine-tuning; frozen weights need no gradient of their own,
    so (2 + 2) x weights + 6 x adapters for LoRA; attention 3 x its forward; plus what is computed again: the forward
    of k of L checkpointed blocks with their adapters (half of its multiplications when selective), the MLP's forward
    when it is tiled, the head's when the loss is chunked. DoRA multiplies out its adapters once per forward pass and,
    if it has dropout, computes each adapted layer twice.
    Source: Kaplan et al., arXiv 2001.08361, section 2.1; LoRA, arXiv 2106.09685; torchtitan, DeepSpeed ALST.
    Valid for: decoder-only transformers; causal attention counted at half in fused kernels.
    Error: 0 against traced FLOPs of full fine-tuning without checkpointing, with attention counted alike. With it 5 to
    7% too high, as torch stops recomputing before the MLP's last product. Adapters: 0 to 0.7% too high, 2% where
    they are on the MLP only, as nothing before the first adapter needs a gradient.

    Llama-2-7B, full, one token, no attention: 6 x 6,607,077,376 FLOPs.
    """
    architecture = workload.architecture
    tokens = local_tokens(workload, micro_batch, context_parallel) * gradient_accumulation
    share = workload.block_share(pipeline_parallel)
    blocks = block_weights_per_token(architecture) * share
    head = float(architecture.head.weights)
    core = attention_flops_per_token(architecture, workload.sequence_length, attention) * share
    again = recomputed_share(workload, checkpointing, checkpointed_layers, pipeline_parallel)
    core_again = again if checkpointing == "full" else 0.0
    tile = 3 if architecture.gated_mlp else 2
    tiles = tile * mlp_width(architecture) * architecture.hidden * workload.architecture.layers * share
    adapters = 0.0
    if method != "full":
        adapters = workload.adapter_weights * active_share(architecture) * share
    linear = (6.0 if method == "full" else 4.0) * (blocks + head) + 6.0 * adapters
    repeated = 2.0 * (blocks + adapters) * again + core * core_again + 2.0 * tiles * (mlp_chunks > 1)
    repeated = repeated + (2.0 * head if loss == "chunked" else 0.0)
    flops = tokens * (linear + 3.0 * core + repeated)
    if method != "full" and workload.dora:
        flops = flops + gradient_accumulation * (1 + again) * share * dora_weight_flops(workload)
        if workload.lora_dropout > 0:
            flops = flops + tokens * (4.0 + 2.0 * again) * share * adapted_weights(workload)
    return flops / tensor_parallel


def dora_weight_flops(workload: Workload) -> float:
    """FLOPs in which DoRA multiplies out every adapter, once per forward pass: 2 r in (in + out) for a layer.

    Source: PEFT's DoraLinearLayer, which sends a unit matrix through both of an adapter's matrices.
    """
    return sum(2.0 * workload.lora_rank * m.inputs * (m.inputs + m.outputs) * m.count for m in workload.adapted)


def adapted_weights(workload: Workload) -> float:
    """Weights of the adapted layers that one token meets; with dropout DoRA multiplies by them a second time."""
    return sum(m.weights for m in workload.adapted) * active_share(workload.architecture)


def active_share(architecture: Architecture) -> float:
    """Fraction of a mixture's adapters that one token uses."""
    if not architecture.is_moe:
        return 1.0
    return block_weights_per_token(architecture) / max(
        1, sum(m.weights for m in architecture.matrices() if m.kind in ("linear", "expert"))
    )


def recomputed_share(workload: Workload, checkpointing: str, checkpointed_layers: int, pipeline_parallel: int) -> float:
    """Fraction of the blocks' forward multiplications that the backward pass repeats."""
    if checkpointing == "none":
        return 0.0
    layers = workload.stage_layers(pipeline_parallel)
    return smaller(checkpointed_layers, layers) / layers * (0.5 if checkpointing == "selective" else 1.0)


def bandwidth(gpu: Gpu) -> float:
    """Memory bandwidth of the GPU, bytes per second; that of the slowest GPU in the catalog if unpublished."""
    return (gpu.memory_bandwidth_gbs or 300.0) * 1e9


def pcie_bandwidth(gpu: Gpu) -> float:
    """Bytes per second and direction between GPU and host; PCIe 3.0 x16 if unpublished."""
    return (gpu.pcie_gbs or 15.75) * 1e9
