"""Hugging Face configurations: exact counts for every family, and a clear message for everything else."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog.architecture import Architecture
from planner.catalog.hf_config import LARGEST_FILE_BYTES, read_hf_config
from planner.catalog.hf_registry import FAMILIES
from planner.errors import InputError, Problem

CONFIGS = Path(__file__).parents[1] / "data/hf_configs"
# Parameters that transformers 5.23.0 counts for each file (models built without memory), DeepSeek-V3 with the score
# corrections of its routers; for baichuan2, chatglm3, glm-4-9b and internlm2, which it cannot build, as in the table of
# known totals.
TOTALS = {
    "baichuan2-13b": 13_896_668_160,
    "baichuan2-7b": 7_505_973_248,
    "bloom-560m": 559_214_592,
    "chatglm3-6b": 6_243_584_000,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_419_200,
    "falcon-40b": 41_303_293_952,
    "falcon-7b": 6_921_720_704,
    "falcon-rw-1b": 1_311_625_216,
    "gemma-2-2b": 2_614_341_888,
    "gemma-3-1b": 999_885_952,
    "gemma-3-4b": 3_880_263_168,
    "gemma-7b": 8_537_680_896,
    "glm-4-9b": 9_399_951_360,
    "glm-4-9b-0414": 9_400_279_040,
    "glm-4-9b-hf": 9_399_951_360,
    "gpt-oss-20b": 20_914_757_184,
    "gpt2": 124_439_808,
    "internlm2-7b": 7_737_708_544,
    "llama-1-7b": 6_738_415_616,
    "llama-2-7b": 6_738_415_616,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b-v0.1": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "mpt-7b": 6_649_286_656,
    "opt-125m": 125_239_296,
    "opt-350m": 331_196_416,
    "phi-2": 2_779_683_840,
    "phi-3-mini-4k": 3_821_079_552,
    "phi-4-mini": 3_836_021_760,
    "pythia-70m": 70_426_624,
    "qwen1.5-moe-a2.7b": 14_315_784_192,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-8b": 8_190_735_360,
}


def config(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8"))
    return values


def read(folder: Path, values: Any) -> Architecture:
    path = folder / "config.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return read_hf_config(path)


def problems(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        read_hf_config(path)
    return caught.value.problems


def problem_texts(folder: Path, values: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return "\n".join(map(str, problems(path)))


def test_every_file_has_an_expected_total() -> None:
    """No shipped configuration is left untested, and every family but the old Falcon names has one."""
    files = {path.stem for path in CONFIGS.glob("*.json")}
    assert files == set(TOTALS)
    assert {config(name)["model_type"] for name in files} == set(FAMILIES) - {"RefinedWeb", "RefinedWebModel"}


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_totals_are_exact(name: str) -> None:
    """The parameters of each configuration are those of the known model."""
    assert read_hf_config(CONFIGS / f"{name}.json").parameters == TOTALS[name]


@pytest.mark.parametrize(
    ("name", "active"),
    [
        ("mixtral-8x7b", 12_879_925_248),
        ("qwen3-30b-a3b", 3_353_032_704),
        ("deepseek-v2-lite", 2_661_150_208),
        ("deepseek-v3", 37_552_297_472),
        ("gpt-oss-20b", 4_187_440_704),
    ],
)
def test_active_parameters_of_mixtures(name: str, active: int) -> None:
    """The active parameters of each mixture of experts are the known ones."""
    assert read_hf_config(CONFIGS / f"{name}.json").active_parameters == active


@pytest.mark.parametrize(
    ("name", "windowed", "window"),
    [
        ("mistral-7b-v0.1", 32, 4096),
        ("gemma-2-2b", 13, 4096),
        ("gemma-3-1b", 22, 512),
        ("gpt-oss-20b", 12, 128),
        ("qwen2.5-7b", 0, None),
    ],
)
def test_attention_windows(name: str, windowed: int, window: int | None) -> None:
    """Windows apply to the blocks that the family says."""
    model = read_hf_config(CONFIGS / f"{name}.json")
    assert (model.windowed_layers, model.sliding_window) == (windowed, window)


def test_fused_projections_follow_the_family() -> None:
    """The same shape is adapted differently where the software fuses its projections."""
    remote = read_hf_config(CONFIGS / "glm-4-9b.json")
    ported = read_hf_config(CONFIGS / "glm-4-9b-hf.json")
    assert remote.fused_qkv
    assert not ported.fused_qkv
    assert remote.fused_gate_up
    assert ported.fused_gate_up


def test_name_source_and_day(tmp_path: Path) -> None:
    """The name is `_name_or_path`, else the folder of a config.json, else the file's own; read today."""
    named = read_hf_config(CONFIGS / "llama-2-7b.json")
    assert (named.name, named.source) == ("meta-llama/Llama-2-7b-hf", "file llama-2-7b.json")
    assert named.retrieved == date.today()
    assert read_hf_config(CONFIGS / "gpt2.json").name == "gpt2"
    assert read(tmp_path, config("gpt2") | {"_name_or_path": ""}).name == tmp_path.name


def test_sparse_blocks_of_qwen_mixtures(tmp_path: Path) -> None:
    """`decoder_sparse_step` and `mlp_only_layers` leave some blocks dense: of blocks 1, 3, ..., 47 here two."""
    changed = config("qwen3-30b-a3b") | {"decoder_sparse_step": 2, "mlp_only_layers": [0, 1, 3, 3]}
    assert read(tmp_path, changed).moe_layers == 24 - 2


def test_sparse_blocks_of_deepseek(tmp_path: Path) -> None:
    """From block 3 on, every second block of 61 has experts: 4, 6, ..., 60."""
    assert read(tmp_path, config("deepseek-v3") | {"moe_layer_freq": 2}).moe_layers == 29


def test_null_means_what_the_family_means(tmp_path: Path) -> None:
    """A null number of key/value heads is one per head; a null window is none."""
    model = read(tmp_path, config("mistral-7b-v0.1") | {"num_key_value_heads": None, "sliding_window": None})
    assert (model.attention_type, model.windowed_layers) == ("mha", 0)


def test_old_falcon_names(tmp_path: Path) -> None:
    """The first published Falcon files call themselves RefinedWeb and have other keys."""
    old = {"model_type": "RefinedWeb", "hidden_size": 8192, "n_head": 128, "n_head_kv": 8, "n_layer": 60}
    assert read(tmp_path, old | {"vocab_size": 65024, "bias": False}).parameters == TOTALS["falcon-40b"]


def test_missing_file(tmp_path: Path) -> None:
    """A path without a file is one problem with that path."""
    path = tmp_path / "config.json"
    assert problems(path) == (Problem(str(path), 0, 0, "", "no such file"),)


def test_directory(tmp_path: Path) -> None:
    """A directory is refused with the advice to name the file."""
    assert "is a directory. Name the config.json inside it" in str(problems(tmp_path)[0])


def test_impossible_path() -> None:
    """A path that no file can have is an error in the input too."""
    assert problems(Path("a\0b"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "is not UTF-8 text (byte 0)"),
        (b"[1, 2]", "must be a JSON object, not a list"),
        (b"null", "must be a JSON object, not null"),
        (b"NaN", "must be a JSON object, not a number with a fraction"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"model_type": "llama", "hidden_size": ' + b"9" * 5000 + b"}", "a number too long"),
        (b"x" * (LARGEST_FILE_BYTES + 1), "has 5,000,001 bytes"),
    ],
)
def test_unusable_content(tmp_path: Path, content: bytes, message: str) -> None:
    """Whatever a file holds, the answer is one clear problem."""
    path = tmp_path / "config.json"
    path.write_bytes(content)
    assert message in str(problems(path)[0])


def test_broken_json_has_line_and_column(tmp_path: Path) -> None:
    """A syntax error is shown at its place."""
    path = tmp_path / "config.json"
    path.write_text('{\n  "model_type": llama\n}', encoding="utf-8")
    (problem,) = problems(path)
    assert (problem.line, problem.column) == (2, 17)


@pytest.mark.parametrize(
    ("model_type", "message"),
    [
        (None, "model_type: must be a text, not null. Supported: baichuan, bloom"),
        (3, "model_type: must be a text, not a number"),
        ("lama", 'model_type: "lama" is not supported. Did you mean "llama"'),
        ("bert", '"bert" is not supported: it is an encoder, not a decoder-only language model. Supported'),
        ("t5", "it is an encoder with a decoder"),
        ("\ud800", '"\\ud800" is not supported'),
    ],
)
def test_unsupported_model_type(tmp_path: Path, model_type: Any, message: str) -> None:
    """The unsupported type is named, with what is supported."""
    assert message in problem_texts(tmp_path, {"model_type": model_type})


def test_no_model_type(tmp_path: Path) -> None:
    """A file without a model_type is no configuration of a model."""
    assert "model_type: is missing. Supported: " in problem_texts(tmp_path, {"hidden_size": 3})


def test_all_faulty_keys_are_reported_together(tmp_path: Path) -> None:
    """Missing, mistyped and impossible values are all named at once."""
    faulty = {"hidden_size": "4096", "num_hidden_layers": 0, "num_attention_heads": 32.5, "vocab_size": 10**20}
    text = problem_texts(tmp_path, {"model_type": "llama", "tie_word_embeddings": 1, "hidden_act": "maxout"} | faulty)
    for line in (
        "hidden_act: is not a supported activation",
        "hidden_size: must be a whole number, not a text",
        "intermediate_size: is missing",
        "num_attention_heads: must be a whole number, not a number with a fraction",
        "num_hidden_layers: must be a whole number from 1 to 2147483647, not 0",
        "tie_word_embeddings: must be true or false, not a number",
        "vocab_size: must be a whole number from 1 to 2147483647, not a larger one",
    ):
        assert line in text
    assert len(text.splitlines()) == 7


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("llama-2-7b", {"num_key_value_heads": 5}, "heads (32) is not a multiple of kv_heads (5)"),
        (
            "llama-2-7b",
            {"num_attention_heads": 33},
            "hidden_size: (4096) is not a multiple of num_attention_heads (33)",
        ),
        ("mixtral-8x7b", {"num_experts_per_tok": 9}, "experts_per_token (9) is not between 1 and experts (8)"),
        ("gpt-oss-20b", {"layer_types": ["full_attention"]}, "layer_types: has 1 entries for 24 layers"),
        ("gpt-oss-20b", {"layer_types": ["linear"] * 24}, "may only contain full_attention and sliding_attention"),
        ("gpt-oss-20b", {"layer_types": 5}, "layer_types: must be a list of texts"),
        ("qwen3-30b-a3b", {"mlp_only_layers": ["a"]}, "mlp_only_layers: must be a list of whole numbers"),
        ("mpt-7b", {"attn_config": {"qk_ln": True}}, "attn_config.qk_ln: is not supported"),
        ("mpt-7b", {"attn_config": {"attn_type": "cross"}}, "attn_config.attn_type: must be one of multihead"),
        ("mpt-7b", {"attn_config": []}, "attn_config: must be a map, not a list"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention: is not supported"),
        ("gemma-3-4b", {"text_config": None}, "text_config: must be a map, not null"),
        ("gemma-3-4b", {"text_config": {"hidden_size": 0}}, "text_config.hidden_size: must be a whole number from 1"),
    ],
)
def test_impossible_values(tmp_path: Path, name: str, changes: dict[str, Any], message: str) -> None:
    """Values that contradict each other are refused by name."""
    assert message in problem_texts(tmp_path, config(name) | changes)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 70)
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["gelu", "silu", "sliding_attention", "multiquery_attention"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(TOTALS)), data=st.data())
def test_any_values_give_a_model_or_an_input_error(
    name: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No value of any key makes the reader fail otherwise, and what it accepts can be counted."""
    values = config(name)
    target = values.get("text_config", values)
    known = sorted({*target, *FAMILIES[values["model_type"]].defaults, "text_config", "layer_types", "mlp_only_layers"})
    for key in data.draw(st.lists(st.sampled_from(known), max_size=4, unique=True)):
        target[key] = data.draw(JSON_VALUES)
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    try:
        model = read_hf_config(path)
    except InputError:
        assert {problem.file for problem in problems(path)} == {str(path)}
    else:
        assert 0 < model.active_parameters <= model.parameters
        assert model.lora_parameters(8, "all-linear") > 0
