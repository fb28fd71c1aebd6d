"""What configuration keys mean: the families with key names of their own.

Each function returns the fields of a `Shape` that differ from its defaults. Source: configuration and modeling files of
transformers 5.23.0; for chatglm, which it does not contain, those published with the models.
"""

from __future__ import annotations

from typing import Any

from planner.catalog.hf_keys import Keys

Fields = dict[str, Any]


def _heads(keys: Keys, hidden: tuple[str, ...], heads: tuple[str, ...]) -> Fields:
    """Attention with one key/value head per query head and heads that share out the hidden width."""
    width, number = keys.size(*hidden), keys.size(*heads)
    head_dim = keys.quotient(hidden[0], width, heads[0], number)
    return {"hidden": width, "heads": number, "kv_heads": number, "head_dim": head_dim}


def _biases(present: bool) -> Fields:
    return {"qkv_bias": present, "o_bias": present, "mlp_bias": present}


def _dense(keys: Keys, activation: str) -> Fields:
    """Layer norms and an MLP without gate."""
    return {
        "vocab": keys.size("vocab_size"),
        "tied_embeddings": keys.flag("tie_word_embeddings"),
        "norm": "layernorm",
        "gated_mlp": False,
        "activation": activation,
    }


def gpt2(keys: Keys) -> Fields:
    """GPT-2: learned positions, fused qkv."""
    fields = _heads(keys, ("n_embd", "hidden_size"), ("n_head", "num_attention_heads"))
    if keys.flag("add_cross_attention"):
        keys.fault("add_cross_attention", "is not supported: only decoders without an encoder are")
    activation = keys.activation("activation_function", default="gelu")
    own = {
        "layers": keys.size("n_layer", "num_hidden_layers"),
        "intermediate": keys.optional("n_inner") or 4 * fields["hidden"],
        "max_positions": keys.size("n_positions", "max_position_embeddings"),
        "position": "learned",
        "fused_qkv": True,
    }
    return fields | _dense(keys, activation) | _biases(True) | own


def bloom(keys: Keys) -> Fields:
    """BLOOM: ALiBi, a norm after the embedding, fused qkv. `seq_length` is the length it was trained with."""
    fields = _heads(keys, ("hidden_size", "n_embed"), ("n_head", "num_attention_heads"))
    own = {
        "layers": keys.size("n_layer", "num_hidden_layers"),
        "intermediate": 4 * fields["hidden"],
        "max_positions": keys.size("seq_length"),
        "position": "alibi",
        "embedding_norm": True,
        "fused_qkv": True,
    }
    return fields | _dense(keys, "gelu") | _biases(True) | own


def opt(keys: Keys) -> Fields:
    """OPT: learned positions with two unused rows; embeddings may be narrower than the model (350m)."""
    fields = _heads(keys, ("hidden_size",), ("num_attention_heads",))
    narrow, affine = keys.optional("word_embed_proj_dim"), keys.flag("layer_norm_elementwise_affine")
    last_norm = keys.flag("do_layer_norm_before") and not keys.flag("_remove_final_layer_norm")
    own = {
        "layers": keys.size("num_hidden_layers"),
        "intermediate": keys.size("ffn_dim"),
        "max_positions": keys.size("max_position_embeddings"),
        "position": "learned",
        "position_offset": 2,
        "embedding_dim": 0 if narrow in (None, fields["hidden"]) else narrow,
        "norms_per_layer": 2 if affine else 0,
        "final_norm": last_norm and affine,
    }
    activation = keys.activation("activation_function", default="relu")
    return fields | _dense(keys, activation) | _biases(keys.flag("enable_bias")) | own


def falcon(keys: Keys) -> Fields:
    """Falcon: multi-query (7B), grouped (new decoder architecture: 40B, 180B) or plain attention (RW); fused qkv."""
    fields = _heads(keys, ("hidden_size", "n_embed"), ("num_attention_heads", "n_head"))
    new, parallel = keys.flag("new_decoder_architecture"), keys.flag("parallel_attn")
    if new:
        fields["kv_heads"] = keys.optional("num_kv_heads", "n_head_kv") or fields["heads"]
    elif keys.flag("multi_query"):
        fields["kv_heads"] = 1
    parallel_norms = keys.optional("num_ln_in_parallel_attn") or (2 if new else 1)
    own = {
        "layers": keys.size("num_hidden_layers", "n_layer"),
        "intermediate": keys.optional("ffn_hidden_size") or 4 * fields["hidden"],
        "max_positions": keys.size("max_position_embeddings"),
        "position": "alibi" if keys.flag("alibi") else "rope",
        "parallel_block": parallel,
        "norms_per_layer": min(2, parallel_norms) if parallel else 2,
        "fused_qkv": True,
    }
    activation = keys.activation("activation", "hidden_act", default="gelu")
    return fields | _dense(keys, activation) | _biases(keys.flag("bias")) | own


def mpt(keys: Keys) -> Fields:
    """MPT: ALiBi, neither biases nor norm biases unless `no_bias` is false, fused qkv."""
    fields = _heads(keys, ("d_model", "hidden_size"), ("n_heads", "num_attention_heads"))
    bare = keys.flag("no_bias")
    own = {
        "layers": keys.size("n_layers", "num_hidden_layers"),
        "intermediate": keys.size("expansion_ratio") * fields["hidden"],
        "max_positions": keys.size("max_seq_len"),
        "norm": "layernorm-nobias" if bare else "layernorm",
        "fused_qkv": True,
    }
    return fields | _dense(keys, "gelu") | _biases(not bare) | own | _mpt_attention(keys, fields["heads"])


def _mpt_attention(keys: Keys, heads: int) -> Fields:
    attention = keys.section("attn_config", {"alibi": True, "kv_n_heads": heads})
    if attention.flag("qk_ln"):
        attention.fault("qk_ln", "is not supported: norms over all heads together")
    position = "alibi" if attention.flag("alibi") else "learned" if keys.flag("learned_pos_emb") else "rope"
    kinds = {"multihead_attention": heads, "multiquery_attention": 1, "grouped_query_attention": None}
    kind = attention.choice("attn_type", tuple(kinds))
    return {"position": position, "kv_heads": kinds[kind] or attention.size("kv_n_heads")}


def chatglm(keys: Keys) -> Fields:
    """ChatGLM2, ChatGLM3 and GLM-4 as first published: fused qkv and gate_up."""
    hidden, heads = keys.size("hidden_size"), keys.size("num_attention_heads")
    grouped, bias = keys.flag("multi_query_attention"), keys.flag("add_bias_linear")
    return {
        "layers": keys.size("num_layers"),
        "hidden": hidden,
        "intermediate": keys.size("ffn_hidden_size"),
        "heads": heads,
        "kv_heads": keys.size("multi_query_group_num") if grouped else heads,
        "head_dim": keys.size("kv_channels"),
        "vocab": keys.size("padded_vocab_size", "vocab_size"),
        "tied_embeddings": keys.flag("tie_word_embeddings"),
        "max_positions": keys.size("seq_length"),
        "norm": "rmsnorm" if keys.flag("rmsnorm") else "layernorm",
        "final_norm": keys.flag("post_layer_norm"),
        "qkv_bias": bias or keys.flag("add_qkv_bias"),
        "o_bias": bias,
        "mlp_bias": bias,
        "fused_qkv": True,
        "fused_gate_up": True,
    }
