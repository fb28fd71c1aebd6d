"""What configuration keys mean: the families that share the key names of Llama.

Each function returns the fields of a `Shape` that differ from its defaults. Source: configuration and modeling files of
transformers 5.23.0; for baichuan and internlm2, which it does not contain, those published with the models.
"""

from __future__ import annotations

from typing import Any

from planner.catalog.hf_keys import Keys

Fields = dict[str, Any]


def _common(keys: Keys) -> Fields:
    """The keys that all of these families share."""
    return {
        "layers": keys.size("num_hidden_layers"),
        "hidden": keys.size("hidden_size"),
        "intermediate": keys.size("intermediate_size"),
        "heads": keys.size("num_attention_heads"),
        "vocab": keys.size("vocab_size"),
        "tied_embeddings": keys.flag("tie_word_embeddings"),
        "max_positions": keys.size("max_position_embeddings", "model_max_length"),
        "activation": keys.activation("hidden_act", "hidden_activation", default="silu"),
    }


def _standard(keys: Keys) -> Fields:
    """The shared keys and plain attention heads."""
    fields = _common(keys)
    hidden, heads = fields["hidden"], fields["heads"]
    kv_heads = keys.optional("num_key_value_heads") or heads
    head_dim = keys.optional("head_dim") or keys.quotient("hidden_size", hidden, "num_attention_heads", heads)
    return fields | {"kv_heads": kv_heads, "head_dim": head_dim}


def _windows(keys: Keys, layers: int, usual: int) -> Fields:
    """Attention windows of `usual` blocks, or of those that `layer_types` marks."""
    window, kinds = keys.optional("sliding_window"), keys.texts("layer_types")
    if kinds is not None:
        if not set(kinds) <= {"full_attention", "sliding_attention"}:
            keys.fault("layer_types", "may only contain full_attention and sliding_attention")
        elif len(kinds) != layers and not keys.faults:
            keys.fault("layer_types", f"has {len(kinds)} entries for {layers} layers")
        usual = min(layers, kinds.count("sliding_attention"))
    return {"sliding_window": window, "windowed_layers": usual} if window and usual > 0 else {}


def _mixture(experts: int, per_token: int, width: int, dense_layers: int, layers: int) -> Fields:
    """Experts in all but `dense_layers` blocks; nothing if no block has any."""
    if not experts or dense_layers >= layers:
        return {}
    return {
        "experts": experts,
        "experts_per_token": per_token,
        "moe_intermediate": width,
        "first_dense_layers": dense_layers,
    }


def llama(keys: Keys) -> Fields:
    """Llama: rotary positions, RMS norms, gated MLP; biases only where switched on."""
    bias = keys.flag("attention_bias")
    return _standard(keys) | {"qkv_bias": bias, "o_bias": bias, "mlp_bias": keys.flag("mlp_bias")}


def mistral(keys: Keys) -> Fields:
    """Mistral: attention windows in every block, unless `sliding_window` is null."""
    fields = _standard(keys)
    return fields | _windows(keys, fields["layers"], usual=fields["layers"])


def mixtral(keys: Keys) -> Fields:
    """Mixtral: experts instead of the MLP in every block."""
    fields = mistral(keys)
    experts, per_token = keys.size("num_local_experts"), keys.size("num_experts_per_tok")
    return fields | _mixture(experts, per_token, fields["intermediate"], 0, fields["layers"])


def qwen2(keys: Keys) -> Fields:
    """Qwen2 and Qwen2.5: biases on q, k and v; windows only if switched on, from block `max_window_layers`."""
    fields = _standard(keys)
    if keys.flag("use_sliding_window"):
        fields |= _windows(keys, fields["layers"], usual=fields["layers"] - keys.count("max_window_layers"))
    return fields | {"qkv_bias": True}


def qwen3(keys: Keys) -> Fields:
    """Qwen3: a norm of queries and keys instead of the biases."""
    bias = keys.flag("attention_bias")
    return qwen2(keys) | {"qkv_bias": bias, "o_bias": bias, "qk_norm": True}


def _qwen_mixture(keys: Keys, layers: int) -> Fields:
    """Experts in every `decoder_sparse_step`-th block that is not listed in `mlp_only_layers`."""
    step = keys.size("decoder_sparse_step")
    listed = sum(0 <= layer < layers and (layer + 1) % step == 0 for layer in keys.whole_numbers("mlp_only_layers"))
    experts, per_token = keys.count("num_experts"), keys.size("num_experts_per_tok")
    dense_layers = layers - (layers // step - listed)
    return _mixture(experts, per_token, keys.size("moe_intermediate_size"), dense_layers, layers)


def qwen2_moe(keys: Keys) -> Fields:
    """Qwen2-MoE: routed experts and one shared expert behind a gate."""
    fields = _standard(keys) | {"qkv_bias": keys.flag("qkv_bias")}
    if keys.flag("use_sliding_window"):
        early = min(fields["layers"], keys.count("max_window_layers"))
        fields |= _windows(keys, fields["layers"], usual=(early + 1) // 2)
    mixture = _qwen_mixture(keys, fields["layers"])
    shared = {"shared_experts": 1, "shared_intermediate": keys.size("shared_expert_intermediate_size")}
    return fields | mixture | (shared | {"shared_expert_gate": True} if mixture else {})


def qwen3_moe(keys: Keys) -> Fields:
    """Qwen3-MoE: routed experts only."""
    fields = _standard(keys)
    if keys.flag("use_sliding_window"):
        fields |= _windows(keys, fields["layers"], usual=fields["layers"])
    bias = keys.flag("attention_bias")
    fields |= {"qkv_bias": bias, "o_bias": bias, "qk_norm": True}
    return fields | _qwen_mixture(keys, fields["layers"])


def gemma(keys: Keys) -> Fields:
    """Gemma: heads wider than their share of the hidden width, GeGLU."""
    activation = keys.activation("hidden_activation", "hidden_act", default="gelu")
    return llama(keys) | {"activation": activation, "mlp_bias": False}


def gemma2(keys: Keys) -> Fields:
    """Gemma 2: norms before and after attention and MLP; windows in every other block, starting with the first."""
    fields = gemma(keys) | {"norms_per_layer": 4}
    return fields | _windows(keys, fields["layers"], usual=(fields["layers"] + 1) // 2)


def gemma3(keys: Keys) -> Fields:
    """Gemma 3, text decoder: as Gemma 2, with query and key norms; every sixth block has no window."""
    fields = gemma(keys) | {"norms_per_layer": 4, "qk_norm": True}
    pattern = keys.size("sliding_window_pattern", "_sliding_window_pattern")
    return fields | _windows(keys, fields["layers"], usual=fields["layers"] - fields["layers"] // pattern)


def phi(keys: Keys) -> Fields:
    """Phi-1.5 and Phi-2: attention and MLP side by side behind one layer norm; biases everywhere."""
    biases = dict.fromkeys(("qkv_bias", "o_bias", "mlp_bias", "head_bias"), True)
    block = {"norm": "layernorm", "norms_per_layer": 1, "parallel_block": True, "gated_mlp": False}
    own = {"qk_norm": keys.flag("qk_layernorm"), "activation": keys.activation("hidden_act", default="gelu")}
    return _standard(keys) | biases | block | own


def phi3(keys: Keys) -> Fields:
    """Phi-3, Phi-3.5 and Phi-4: fused qkv and gate_up."""
    return mistral(keys) | {"fused_qkv": True, "fused_gate_up": True}


def gpt_neox(keys: Keys) -> Fields:
    """GPT-NeoX and Pythia: two layer norms, biases, fused qkv."""
    bias = keys.flag("attention_bias")
    return _standard(keys) | {
        "norm": "layernorm",
        "parallel_block": keys.flag("use_parallel_residual"),
        "gated_mlp": False,
        "activation": keys.activation("hidden_act", default="gelu"),
        "qkv_bias": bias,
        "o_bias": bias,
        "mlp_bias": True,
        "fused_qkv": True,
    }


def glm(keys: Keys) -> Fields:
    """GLM-4 as transformers has it: biases on q, k and v, fused gate_up."""
    return _standard(keys) | {"qkv_bias": keys.flag("attention_bias"), "fused_gate_up": True}


def glm4(keys: Keys) -> Fields:
    """GLM-4-0414: as GLM, with norms after attention and MLP too."""
    return glm(keys) | {"norms_per_layer": 4}


def baichuan(keys: Keys) -> Fields:
    """The 7B models have rotary positions and `max_position_embeddings`, the 13B models ALiBi and no such key."""
    position = "rope" if keys.has("max_position_embeddings") else "alibi"
    return _standard(keys) | {"position": position, "fused_qkv": True}


def internlm2(keys: Keys) -> Fields:
    """InternLM2: fused qkv."""
    bias = keys.flag("bias")
    return _standard(keys) | {"qkv_bias": bias, "o_bias": bias, "fused_qkv": True}


def deepseek_v2(keys: Keys) -> Fields:
    """Latent attention; experts from block `first_k_dense_replace` on, in every `moe_layer_freq`-th one."""
    fields, bias = _common(keys) | _latent(keys), keys.flag("attention_bias")
    layers, step = fields["layers"], keys.size("moe_layer_freq")
    first = min(layers, keys.count("first_k_dense_replace"))
    sparse_layers = (layers + step - 1) // step - (first + step - 1) // step
    experts, per_token = keys.count("n_routed_experts"), keys.size("num_experts_per_tok")
    mixture = _mixture(experts, per_token, keys.size("moe_intermediate_size"), layers - sparse_layers, layers)
    shared = {"shared_experts": keys.count("n_shared_experts")} if mixture else {}
    return fields | mixture | shared | {"qkv_bias": bias, "o_bias": bias, "mlp_bias": keys.flag("mlp_bias")}


def _latent(keys: Keys) -> Fields:
    nope, rope = keys.size("qk_nope_head_dim"), keys.size("qk_rope_head_dim")
    return {
        "kv_heads": keys.size("num_attention_heads"),
        "head_dim": nope + rope,
        "q_lora_rank": keys.optional("q_lora_rank") or 0,
        "kv_lora_rank": keys.size("kv_lora_rank"),
        "qk_nope_head_dim": nope,
        "qk_rope_head_dim": rope,
        "v_head_dim": keys.size("v_head_dim"),
    }


def deepseek_v3(keys: Keys) -> Fields:
    """As V2; the router has one correction per expert, which the published counts include."""
    fields = deepseek_v2(keys) | {"mlp_bias": False}
    return fields | {"router_bias": "experts" in fields}


def gpt_oss(keys: Keys) -> Fields:
    """gpt-oss: biases everywhere, attention sinks, experts as one tensor; windows in every other block."""
    bias, fields = keys.flag("attention_bias"), _standard(keys)
    fields |= {"qkv_bias": bias, "o_bias": bias, "attention_sinks": True}
    fields |= {"router_bias": True, "expert_bias": True, "fused_experts": True}
    experts, per_token = keys.size("num_local_experts"), keys.size("num_experts_per_tok", "experts_per_token")
    fields |= _mixture(experts, per_token, fields["intermediate"], 0, fields["layers"])
    return fields | _windows(keys, fields["layers"], usual=(fields["layers"] + 1) // 2)
