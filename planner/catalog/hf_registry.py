"""The supported values of `model_type`, each with its reader and the values that absent keys have.

Source of the defaults: the configuration classes of transformers 5.23.0; for baichuan, chatglm and internlm2 those
published with the models. The sizes that make a model what it is (layers, widths, heads, vocabulary) have no default:
where they are absent, the file is more likely broken than default. Gemma 3 is the exception, since its published files
leave them out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from planner.catalog import hf_families as shared
from planner.catalog import hf_own_keys as own
from planner.catalog.hf_keys import Keys


class Family(NamedTuple):
    """One `model_type`: its name in the catalog, the reader of its keys and its defaults."""

    name: str
    read: Callable[[Keys], dict[str, Any]]
    defaults: Mapping[str, Any]


_QWEN_WINDOW = {"sliding_window": 4096, "max_window_layers": 28, "max_position_embeddings": 32768}
_GEMMA = {"head_dim": 256, "max_position_embeddings": 8192, "tie_word_embeddings": True}
_GEMMA3 = {
    "vocab_size": 262208,
    "hidden_size": 2304,
    "intermediate_size": 9216,
    "num_hidden_layers": 26,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
    "tie_word_embeddings": True,
}
_GLM = {"num_key_value_heads": 2, "head_dim": 128, "attention_bias": True, "max_position_embeddings": 131072}
_LATENT = {"kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
_FALCON = {"multi_query": True, "parallel_attn": True, "tie_word_embeddings": True, "max_position_embeddings": 2048}

FAMILIES: dict[str, Family] = {
    "llama": Family("llama", shared.llama, {"max_position_embeddings": 2048}),
    "mistral": Family(
        "mistral",
        shared.mistral,
        {"num_key_value_heads": 8, "sliding_window": 4096, "max_position_embeddings": 131072},
    ),
    "mixtral": Family(
        "mixtral",
        shared.mixtral,
        {
            "num_key_value_heads": 8,
            "num_local_experts": 8,
            "num_experts_per_tok": 2,
            "max_position_embeddings": 131072,
        },
    ),
    "qwen2": Family("qwen2", shared.qwen2, _QWEN_WINDOW),
    "qwen2_moe": Family(
        "qwen2_moe",
        shared.qwen2_moe,
        _QWEN_WINDOW
        | {
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
            "decoder_sparse_step": 1,
            "qkv_bias": True,
        },
    ),
    "qwen3": Family("qwen3", shared.qwen3, _QWEN_WINDOW | {"head_dim": 128}),
    "qwen3_moe": Family(
        "qwen3_moe",
        shared.qwen3_moe,
        _QWEN_WINDOW
        | {
            "num_key_value_heads": 4,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
            "decoder_sparse_step": 1,
        },
    ),
    "gemma": Family("gemma", shared.gemma, _GEMMA | {"num_key_value_heads": 16}),
    "gemma2": Family("gemma2", shared.gemma2, _GEMMA | {"num_key_value_heads": 4, "sliding_window": 4096}),
    "gemma3": Family("gemma3", shared.gemma3, _GEMMA3),
    "gemma3_text": Family("gemma3", shared.gemma3, _GEMMA3),
    "phi": Family("phi", shared.phi, {"max_position_embeddings": 2048}),
    "phi3": Family("phi3", shared.phi3, {"max_position_embeddings": 4096}),
    "gpt_neox": Family(
        "gpt_neox",
        shared.gpt_neox,
        {"attention_bias": True, "use_parallel_residual": True, "max_position_embeddings": 2048},
    ),
    "glm": Family("glm", shared.glm, _GLM),
    "glm4": Family("glm4", shared.glm4, _GLM),
    "baichuan": Family("baichuan2", shared.baichuan, {}),
    "internlm2": Family("internlm2", shared.internlm2, {"bias": True, "max_position_embeddings": 2048}),
    "deepseek_v2": Family(
        "deepseek_v2",
        shared.deepseek_v2,
        _LATENT
        | {
            "n_routed_experts": 64,
            "n_shared_experts": 2,
            "moe_intermediate_size": 1407,
            "moe_layer_freq": 1,
            "max_position_embeddings": 2048,
        },
    ),
    "deepseek_v3": Family(
        "deepseek_v3",
        shared.deepseek_v3,
        _LATENT
        | {
            "n_routed_experts": 256,
            "n_shared_experts": 1,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 2048,
            "first_k_dense_replace": 3,
            "moe_layer_freq": 1,
            "max_position_embeddings": 4096,
        },
    ),
    "gpt_oss": Family(
        "gpt_oss",
        shared.gpt_oss,
        {
            "num_key_value_heads": 8,
            "head_dim": 64,
            "num_local_experts": 128,
            "num_experts_per_tok": 4,
            "sliding_window": 128,
            "attention_bias": True,
            "max_position_embeddings": 131072,
        },
    ),
    "gpt2": Family("gpt2", own.gpt2, {"n_positions": 1024, "tie_word_embeddings": True}),
    "bloom": Family("bloom", own.bloom, {"seq_length": 2048, "tie_word_embeddings": True}),
    "opt": Family(
        "opt",
        own.opt,
        {
            "do_layer_norm_before": True,
            "enable_bias": True,
            "layer_norm_elementwise_affine": True,
            "tie_word_embeddings": True,
            "max_position_embeddings": 2048,
        },
    ),
    "falcon": Family("falcon", own.falcon, _FALCON),
    "RefinedWeb": Family("falcon", own.falcon, _FALCON | {"new_decoder_architecture": True}),
    "RefinedWebModel": Family("falcon", own.falcon, _FALCON),
    "mpt": Family(
        "mpt",
        own.mpt,
        {
            "expansion_ratio": 4,
            "max_seq_len": 2048,
            "no_bias": True,
            "tie_word_embeddings": True,
            "learned_pos_emb": True,
        },
    ),
    "chatglm": Family(
        "chatglm",
        own.chatglm,
        {"kv_channels": 128, "multi_query_group_num": 1, "seq_length": 2048, "rmsnorm": True, "post_layer_norm": True},
    ),
}
