"""Shapes of models: exact counts, LoRA adapters and impossible shapes."""

from __future__ import annotations

import csv
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from planner.catalog.architecture import Architecture, LoraTargets

ROOT = Path(__file__).parents[2]
TOTALS = list(csv.DictReader((ROOT / "tests/data/model_totals.csv").read_text(encoding="utf-8").splitlines()))
SHAPE: dict[str, Any] = {
    "name": "small",
    "family": "llama",
    "layers": 4,
    "hidden": 64,
    "intermediate": 96,
    "heads": 4,
    "kv_heads": 2,
    "head_dim": 16,
    "vocab": 100,
    "tied_embeddings": False,
    "max_positions": 128,
    "source": "made up",
    "retrieved": date(2026, 11, 22),
}
MIXTURE = {"experts": 8, "experts_per_token": 2, "moe_intermediate": 32}
LATENT = {"kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 4, "v_head_dim": 8, "kv_heads": 4}


def shape(**changes: Any) -> Architecture:
    return Architecture.model_validate(SHAPE | changes)


@cache
def catalog() -> dict[str, Architecture]:
    with (ROOT / "catalogs/models.yaml").open(encoding="utf-8") as file:
        entries = yaml.load(file, yaml.CSafeLoader)["models"]
    return {entry["name"]: Architecture.model_validate(entry) for entry in entries}


def test_catalog_holds_exactly_the_known_models() -> None:
    """The catalog and the table of known totals name the same 80 models."""
    assert len(TOTALS) == 80
    assert list(catalog()) == [row["hf_name"] for row in TOTALS]


@pytest.mark.parametrize("row", TOTALS, ids=lambda row: row["hf_name"])
def test_counts_equal_the_known_totals(row: dict[str, str]) -> None:
    """Total and active parameters of every model are exact."""
    model = catalog()[row["hf_name"]]
    assert (model.parameters, model.active_parameters) == (int(row["total"]), int(row["active"]))


def test_every_alias_names_one_model() -> None:
    """No spelling belongs to two models, whatever its case."""
    owners: dict[str, str] = {}
    for model in catalog().values():
        for spelling in (model.name, *model.aliases):
            assert owners.setdefault(spelling.casefold(), model.name) == model.name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("Llama-2-7b", "meta-llama/Llama-2-7b-hf"),
        ("Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-7B"),
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "TinyLlama/TinyLlama_v1.1"),
        ("gpt2", "openai-community/gpt2"),
    ],
)
def test_common_spellings_are_aliases(spelling: str, name: str) -> None:
    """What people usually write is known."""
    assert spelling in catalog()[name].aliases


@pytest.mark.parametrize(
    ("name", "rank", "targets", "trainable"),
    [
        ("meta-llama/Llama-2-7b-hf", 8, ("q", "v"), 4_194_304),
        ("meta-llama/Llama-2-7b-hf", 16, "all-linear", 39_976_960),
        ("meta-llama/Llama-3.1-8B", 8, ("q", "v"), 3_407_872),
        ("meta-llama/Llama-3.1-8B", 16, "all-linear", 41_943_040),
        ("openai-community/gpt2", 8, ("q",), 294_912),
    ],
)
def test_adapters_have_the_size_that_peft_prints(name: str, rank: int, targets: LoraTargets, trainable: int) -> None:
    """Trainable parameters are those of PEFT's print_trainable_parameters for well-known runs."""
    assert catalog()[name].lora_parameters(rank, targets) == trainable


def test_adapter_of_a_fused_projection_is_one_layer() -> None:
    """A fused qkv gets one adapter of 64 -> 64 + 32 + 32, three separate ones cost more; any part reaches all of it."""
    separate, fused = shape(), shape(fused_qkv=True)
    assert separate.lora_parameters(1, ("q", "k", "v")) == 4 * ((64 + 64) + (64 + 32) + (64 + 32))
    assert fused.lora_parameters(1, ("q", "k", "v")) == fused.lora_parameters(1, ("v",)) == 4 * (64 + 128)
    assert fused.parameters == separate.parameters


def test_adapter_of_fused_gate_and_up_is_one_layer() -> None:
    """A fused gate_up gets one adapter of 64 -> 192."""
    assert shape(fused_gate_up=True).lora_parameters(2, ("gate",)) == 2 * 4 * (64 + 192)


def test_all_linear_reaches_every_expert_but_no_router_and_no_head() -> None:
    """Experts that are linear layers are adapted one by one; experts kept as one tensor are not reached."""
    attention = 4 * ((64 + 64) * 2 + (64 + 32) * 2)
    assert shape(**MIXTURE).lora_parameters(1, "all-linear") == attention + 4 * 8 * 3 * (64 + 32)
    assert shape(**MIXTURE, fused_experts=True).lora_parameters(1, "all-linear") == attention
    assert shape(**MIXTURE, fused_experts=True).lora_parameters(1, ("gate", "up", "down")) == 0


def test_head_is_adapted_only_if_named() -> None:
    """`lm_head` adds 64 + 100 per rank, tied or not."""
    assert shape().lora_parameters(3, ("lm_head",)) == 3 * (64 + 100)
    assert shape(tied_embeddings=True).lora_parameters(3, ("lm_head",)) == 3 * (64 + 100)


def test_latent_attention_adapts_its_own_projections() -> None:
    """With MLA, `q` reaches q_a and q_b, `v` reaches kv_a and kv_b."""
    model = shape(**LATENT, q_lora_rank=24)
    assert model.lora_parameters(1, ("q",)) == 4 * ((64 + 24) + (24 + 64))
    assert model.lora_parameters(1, ("v",)) == 4 * ((64 + 20) + (16 + 4 * (12 + 8)))
    assert model.lora_parameters(1, ("kv_a",)) == 4 * (64 + 20)
    assert [m.module for m in model.adapted_matrices(("q", "o"))] == ["q_a", "q_b", "o"]


def test_gpt2_by_hand() -> None:
    """GPT-2 small, counted on paper."""
    model = catalog()["openai-community/gpt2"]
    block = 12 * 768**2 + (3 + 1 + 4 + 1) * 768 + 2 * 2 * 768
    assert model.block_parameters == 12 * block
    assert model.embedding_parameters == (50257 + 1024) * 768
    assert model.head_parameters == 0
    assert model.matmul_parameters_per_token == 12 * 12 * 768**2 + 50257 * 768


def test_mixture_by_hand() -> None:
    """Two of eight experts, a router and the attention multiply a token."""
    model = shape(**MIXTURE)
    attention, expert = 64 * 64 * 2 + 64 * 32 * 2, 3 * 64 * 32
    assert model.expert_parameters == 4 * 8 * expert
    assert model.matmul_parameters_per_token == 4 * (attention + 2 * expert + 8 * 64) + 64 * 100
    assert model.parameters - model.active_parameters == 4 * 6 * expert
    assert model.block_parameters == 4 * (attention + 8 * expert + 8 * 64 + 2 * 64)


def test_mixture_with_dense_blocks() -> None:
    """Dense blocks come first, and all others have experts."""
    wide = shape(**MIXTURE, first_dense_layers=1, intermediate=4096)
    mixture, dense = shape(**MIXTURE).block_parameters // 4, shape(intermediate=4096).block_parameters // 4
    assert wide.moe_layers == 3
    assert wide.block_parameters == dense + 3 * mixture


def test_shared_experts_take_part_in_every_token() -> None:
    """Shared experts add to total and active parameters alike."""
    routed, shared = shape(**MIXTURE), shape(**MIXTURE, shared_experts=2)
    assert shared.parameters - routed.parameters == 4 * 3 * 64 * 64
    assert shared.active_parameters - routed.active_parameters == 4 * 3 * 64 * 64
    assert shared.expert_parameters == routed.expert_parameters


def test_output_head_with_bias() -> None:
    """A bias of the head exists even where its weights are tied."""
    assert shape(head_bias=True).head_parameters == 64 * 100 + 100
    assert shape(head_bias=True, tied_embeddings=True).head_parameters == 100


@pytest.mark.parametrize(
    ("changes", "kind"),
    [({"kv_heads": 4}, "mha"), ({"kv_heads": 2}, "gqa"), ({"kv_heads": 1}, "mqa"), (LATENT, "mla")],
)
def test_attention_type(changes: dict[str, int], kind: str) -> None:
    """The attention type follows from the heads."""
    assert shape(**changes).attention_type == kind


def test_widths() -> None:
    """Widths of queries, keys and of what the output projection reads."""
    assert (shape().query_dim, shape().kv_dim, shape().value_dim) == (64, 32, 64)
    assert (shape(**LATENT).query_dim, shape(**LATENT).value_dim) == (64, 32)


@given(
    layers=st.integers(1, 6),
    tied=st.booleans(),
    gated=st.booleans(),
    position=st.sampled_from(["rope", "learned", "alibi"]),
    mixture=st.booleans(),
    latent=st.booleans(),
)
def test_parts_add_up(layers: int, tied: bool, gated: bool, position: str, mixture: bool, latent: bool) -> None:
    """The matrices add up to the total, and total = embeddings + blocks + final norm + head."""
    extra: dict[str, Any] = (MIXTURE if mixture else {}) | (LATENT if latent else {})
    model = shape(layers=layers, tied_embeddings=tied, gated_mlp=gated, position=position, **extra)
    assert model.parameters == sum(matrix.parameters for matrix in model.matrices())
    blocks = model.block_parameters
    assert blocks % layers == 0
    assert model.parameters == model.embedding_parameters + blocks + 64 + model.head_parameters
    assert model.matmul_parameters_per_token <= model.parameters + 64 * 100
    assert model.is_moe == (model.active_parameters < model.parameters)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"heads": 5}, "heads (5) is not a multiple of kv_heads (2)"),
        ({"vocab": 0}, "vocab"),
        ({"layers": -1}, "layers"),
        ({"hidden": 2**31}, "hidden"),
        ({"hidden": "64"}, "hidden"),
        ({"heads": True}, "heads"),
        ({**MIXTURE, "experts_per_token": 9}, "experts_per_token (9) is not between 1 and experts (8)"),
        ({"experts": 8, "experts_per_token": 2}, "moe_intermediate, the width of one expert, is missing"),
        ({"experts_per_token": 2}, "experts_per_token needs experts"),
        ({**MIXTURE, "first_dense_layers": 4}, "first_dense_layers (4) leaves none of 4 layers with experts"),
        ({**MIXTURE, "shared_intermediate": 4}, "need shared_experts"),
        ({**LATENT, "kv_heads": 2}, "kv_heads (2) must equal heads (4)"),
        ({**LATENT, "head_dim": 8}, "is not qk_nope_head_dim + qk_rope_head_dim"),
        ({**LATENT, "v_head_dim": 0}, "v_head_dim is missing"),
        ({**LATENT, "qk_norm": True}, "do not exist with latent attention"),
        ({"q_lora_rank": 8}, "q_lora_rank needs kv_lora_rank"),
        ({"sliding_window": 8}, "give both or neither"),
        ({"sliding_window": 8, "windowed_layers": 5}, "windowed_layers (5) exceeds layers (4)"),
        ({"position_offset": 2}, "position_offset needs learned positions"),
        ({"source": ""}, "source"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_shapes_are_refused(changes: dict[str, Any], reason: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(ValidationError) as caught:
        shape(**changes)
    assert reason in str(caught.value)


def test_all_faults_are_reported_together() -> None:
    """One message holds every reason."""
    with pytest.raises(ValidationError) as caught:
        shape(heads=5, sliding_window=8, experts_per_token=2)
    assert all(word in str(caught.value) for word in ("multiple of kv_heads", "both or neither", "needs experts"))
