"""Attention on the tape: projections, rotary positions and one of four kernels."""

from __future__ import annotations

from dataclasses import replace

from planner.estimator.modules import Modules
from planner.estimator.setting import SOFTCAP_FAMILIES
from planner.estimator.tape import PASS, Fresh, Tensor

PARTLY_ROTATED_FAMILIES = ("phi", "phi3", "gpt_neox", "stablelm")
"""Families that join queries and keys of a rotated and a plain part. Source: transformers' code of these models."""


def attention(modules: Modules, x: Tensor) -> Tensor:
    """The attention of a block, from its normalised input to the output projection."""
    architecture = modules.setting.architecture
    query, key, value = joint_projections(modules, x) if modules.setting.code == "litgpt" else projections(modules, x)
    if architecture.position == "rope" and not architecture.kv_lora_rank:
        query, key = rotate(modules, query), rotate(modules, key)
    if modules.setting.code == "torchtune":
        key, value = repeat(modules, key, query.elements), repeat(modules, value, query.elements)
    mixed = KERNELS[modules.setting.kernel](modules, query, key, value)
    del query, key, value
    out = modules.linear(mixed, modules.matrices["o"])
    return modules.dropout(out) if modules.setting.trains_with_dropout else out


def projections(modules: Modules, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values."""
    architecture = modules.setting.architecture
    if architecture.kv_lora_rank:
        return latent_projections(modules, x)
    if architecture.fused_qkv:
        whole = modules.linear(x, modules.matrices["qkv"])
        return (
            split(modules, whole, architecture.query_dim),
            split(modules, whole, architecture.kv_dim),
            split(modules, whole, architecture.kv_dim),
        )
    query = modules.linear(x, modules.matrices["q"])
    query = modules.norm(query) if architecture.qk_norm else query
    key = modules.linear(x, modules.matrices["k"])
    key = modules.norm(key) if architecture.qk_norm else key
    return query, key, modules.linear(x, modules.matrices["v"])


def joint_projections(modules: Modules, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """LitGPT's: queries, keys and values for every head, as views of one fused tensor, which the values keep alive.

    Where groups of heads share keys all three are copies. Source: litgpt 0.4.5, CausalSelfAttention.forward.
    """
    architecture = modules.setting.architecture
    whole = modules.joint(x, [modules.matrices[name] for name in ("q", "k", "v")])
    every = float(architecture.query_dim)
    query, key, value = (split(modules, whole, every) for _ in range(3))
    if 1 < architecture.kv_heads < architecture.heads:
        return modules.copy(query), modules.copy(key), modules.copy(value)
    return query, key, value


def latent_projections(modules: Modules, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Multi-head latent attention: queries, keys and values from narrow latents, with the rotated part appended."""
    architecture = modules.setting.architecture
    if architecture.q_lora_rank:
        query = modules.linear(modules.norm(modules.linear(x, modules.matrices["q_a"])), modules.matrices["q_b"])
    else:
        query = modules.linear(x, modules.matrices["q"])
    narrow = modules.linear(x, modules.matrices["kv_a"])
    wide = modules.linear(modules.norm(narrow), modules.matrices["kv_b"])
    key = join(modules, wide, architecture.query_dim)
    return join(modules, query, architecture.query_dim), key, split(modules, wide, architecture.value_dim)


def split(modules: Modules, x: Tensor, elements: float) -> Tensor:
    """A slice of x, a view of it; its gradient has x's whole size."""
    view = Tensor(x.storage, elements, x.dtype, None, x.fixed)
    return modules.tape.apply((x,), view, (Fresh(x.elements, x.dtype),))


def join(modules: Modules, x: Tensor, elements: float) -> Tensor:
    """A concatenation of x with something of no account."""
    return modules.tape.apply((x,), (elements, x.dtype), (Fresh(x.elements, x.dtype),))


def rotate(modules: Modules, x: Tensor) -> Tensor:
    """x * cos + rotate_half(x) * sin; sine and cosine need no gradient, so that nothing is saved."""
    straight = modules.scale(x)
    half = x.elements / 2
    negated = modules.scale(split(modules, x, half))
    turned = modules.tape.apply((negated, split(modules, x, half)), (x.elements, x.dtype), (PASS, PASS))
    del negated
    return modules.add(straight, modules.scale(turned))


def repeat(modules: Modules, x: Tensor, elements: float, as_view: bool = False) -> Tensor:
    """Keys or values repeated for every query head; x itself if there is one for each."""
    if x.elements == elements:
        return x
    made = replace(x, elements=elements) if as_view else (elements, x.dtype)
    return modules.tape.apply((x,), made, (Fresh(x.elements, x.dtype),))


def lowered(modules: Modules, *tensors: Tensor) -> tuple[Tensor, ...]:
    """Inputs of a fused kernel, in 16 bit under autocast."""
    if not modules.setting.autocast:
        return tensors
    return tuple(modules.cast(each, modules.setting.low) for each in tensors)


def flash(modules: Modules, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Saves queries, keys, values, output and one fp32 number per head.

    Its backward keeps another such number, the queries' gradient in fp32 and, where heads share keys, the keys' and
    values' gradients for all query heads. Its output is laid out like the queries: where these were joined of a rotated
    and a plain part, it must be copied for the output projection.
    """
    setting = modules.setting
    query, key, value = lowered(modules, query, key, value)
    heads = float(setting.architecture.heads)
    shared = key.elements != query.elements
    expanded = (Fresh(query.elements, query.dtype),) * (2 * shared)
    scratch = (Fresh(heads, "fp32"), Fresh(query.elements, "fp32"), *expanded)
    mixed = fused(modules, (query, key, value), scratch)
    joined = setting.code == "litgpt" or setting.architecture.family in PARTLY_ROTATED_FAMILIES
    return modules.copy(mixed) if joined else mixed


def efficient(modules: Modules, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The memory-efficient kernel: like flash, with repeated keys and values, and a mask of its own.

    A single head of keys is repeated as a view, unless autocast copies it.
    """
    setting, every = modules.setting, query.elements
    masks = (mask(modules),) if setting.masked else ()
    one = setting.architecture.kv_heads == 1
    key, value = repeat(modules, key, every, as_view=one), repeat(modules, value, every, as_view=one)
    query, key, value = lowered(modules, query, key, value)
    accumulated = (Fresh(every, "fp32"),) * (query.dtype != "fp32")
    scratch = (Fresh(float(setting.architecture.heads), "fp32"), *accumulated)
    return fused(modules, (query, key, value), scratch, masks)


def mask(modules: Modules) -> Tensor:
    """The block's own mask, in the compute dtype: a number per query and key, of each sequence if they are padded."""
    setting, keys = modules.setting, float(modules.setting.keys)
    if setting.padded:
        return modules.tape.apply((), (keys, setting.low), ())
    return Tensor(modules.tape.storage(keys * keys, setting.low, fixed=True), keys * keys, setting.low, None, True)


def fused(
    modules: Modules, inputs: tuple[Tensor, ...], scratch: tuple[Fresh, ...], masks: tuple[Tensor, ...] = ()
) -> Tensor:
    """A fused kernel that saves its inputs, masks, output and log-sums."""
    query = inputs[0]
    heads = float(modules.setting.architecture.heads)
    output = float(modules.setting.architecture.value_dim)
    sums = modules.tape.apply((), (heads, "fp32"), ())
    rules = [Fresh(each.elements, each.dtype) for each in inputs]
    saved = (*inputs, *masks, sums)
    return modules.tape.apply(inputs, (output, query.dtype), rules, saved, scratch, keeps_output=True)


def eager(modules: Modules, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention written out: scores, their softmax in fp32 and its 16-bit copy, all S x S per head."""
    setting, every = modules.setting, query.elements
    key, value = repeat(modules, key, every), repeat(modules, value, every)
    scores = modules.scale(product(modules, query, key, setting.architecture.heads * float(setting.keys)))
    if setting.architecture.family in SOFTCAP_FAMILIES:
        scores = modules.scale(bend(modules, modules.scale(scores)))
    scores = modules.scale(scores)
    weights = softmax(modules, scores)
    del scores
    if setting.trains_with_dropout:
        weights = modules.dropout(weights)
    mixed = product(modules, weights, value, setting.architecture.value_dim)
    return modules.copy(mixed)


def written_out(modules: Modules, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The math kernel: scaled queries and keys, repeated keys and values, one softmax in the compute dtype."""
    setting, every = modules.setting, query.elements
    query, key = modules.scale(query), modules.scale(repeat(modules, key, every))
    value = repeat(modules, value, every)
    scores = modules.scale(product(modules, query, key, setting.architecture.heads * float(setting.keys)))
    own = Fresh(scores.elements, scores.dtype)
    work = softmax_work(modules, scores.elements, scores.dtype)
    weights = modules.tape.apply((scores,), (scores.elements, scores.dtype), (own,), scratch=work, keeps_output=True)
    del scores
    return product(modules, weights, value, setting.architecture.value_dim)


def product(modules: Modules, left: Tensor, right: Tensor, elements: float) -> Tensor:
    """A batched product of two activations, in 16 bit under autocast; both are saved."""
    left, right = lowered(modules, left, right)
    rules = (Fresh(left.elements, left.dtype), Fresh(right.elements, right.dtype))
    return modules.tape.apply((left, right), (elements, left.dtype), rules, (left, right))


def bend(modules: Modules, scores: Tensor) -> Tensor:
    """The tanh of scores."""
    own = Fresh(scores.elements, scores.dtype)
    return modules.tape.apply((scores,), (scores.elements, scores.dtype), (own,), keeps_output=True)


def softmax_work(modules: Modules, elements: float, dtype: str) -> tuple[Fresh, ...]:
    """What softmax's backward kernel makes for itself: gradient times output.

    Source: softmax_backward_cuda_out in ATen/native/cuda/SoftMax.cu; measured eager runs need just this much more than
    traced ones.
    """
    return (Fresh(elements, dtype),) * modules.setting.kernel_work


def softmax(modules: Modules, scores: Tensor) -> Tensor:
    """The softmax in fp32, cast to the queries' precision.

    In fp16 the kernel reads 16-bit scores itself. GPT-2 asks for no fp32, so that only autocast brings it.
    """
    setting, low = modules.setting, scores.dtype
    wide = "fp32" if setting.autocast or not setting.trains_with_dropout else low
    shortcut = setting.low == "fp16" and not setting.autocast
    scores = scores if shortcut else modules.cast(scores, wide)
    own = Fresh(scores.elements, scores.dtype)
    work = softmax_work(modules, scores.elements, wide)
    weights = modules.tape.apply((scores,), (scores.elements, wide), (own,), scratch=work, keeps_output=True)
    del scores
    return modules.cast(weights, low)


KERNELS = {"flash": flash, "efficient": efficient, "math": written_out, "eager": eager}
