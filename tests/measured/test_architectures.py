"""Architectures files: sizes from the file, the rest from the catalog's model of that name or family."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from measured_files import PUBLISHED, write_shapes

from planner.catalog import Architecture, load_catalog
from planner.errors import InputError
from planner.measured.architectures import Architectures, read_architectures

CATALOG = load_catalog()


@pytest.fixture(scope="module")
def published() -> Architectures:
    """The published architectures."""
    return read_architectures(PUBLISHED / "architectures.csv", CATALOG)


def model(published: Architectures, name: str) -> Architecture:
    """A model that must be known."""
    found = published.find(name, CATALOG)
    assert found is not None
    return found


def test_every_published_architecture_is_possible(published: Architectures) -> None:
    """And none is lost."""
    lines = (PUBLISHED / "architectures.csv").read_text(encoding="utf-8").splitlines()
    assert len(published.models) == len(lines) - 1
    assert (published.problems, published.broken, published.ignored) == ((), {}, ())


def test_every_published_run_has_an_architecture(published: Architectures) -> None:
    """In both files."""
    for name in ("memory.csv", "throughput.csv"):
        with (PUBLISHED / name).open(encoding="utf-8", newline="") as stream:
            assert all(published.find(row["model"], CATALOG) for row in csv.DictReader(stream))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-hf"),
        ("TinyLlama/TinyLlama_v1.1 (1.1B)", "TinyLlama/TinyLlama_v1.1"),
        ("microsoft/phi-2", "microsoft/phi-2"),
        ("Qwen/Qwen3-235B-A22B", "Qwen/Qwen3-235B-A22B"),
    ],
)
def test_agreement_with_the_catalog_gives_the_catalog_model(published: Architectures, name: str, known: str) -> None:
    """With all that the catalog knows besides; a size in brackets behind the name does not matter."""
    assert model(published, name) is CATALOG.model(known)


BIGCODE_BLOCK = 2048 * 2304 + 2304 + 2048 * 2048 + 2048 + 2 * 2048 * 8192 + 8192 + 2048 + 4 * 2048
QWEN_BLOCK = 4 * 4096 * 4096 + 3 * 4096 + 3 * 4096 * 11008 + 2 * 4096


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("bigcode/gpt_bigcode-santacoder", (49280 + 2048) * 2048 + 24 * BIGCODE_BLOCK + 2 * 2048),
        ("Qwen/Qwen-7B", 2 * 151936 * 4096 + 32 * QWEN_BLOCK + 4096),
        ("litgpt/falcon-7b", CATALOG.model("tiiuae/falcon-7b").parameters + 65024 * 4544),
        ("litgpt/gemma-2-2b", CATALOG.model("google/gemma-2-2b").parameters + 256000 * 2304),
    ],
)
def test_other_models_have_their_size(published: Architectures, name: str, parameters: int) -> None:
    """Embeddings, blocks and norms added up by hand; litgpt's copies have a head that the originals share."""
    assert model(published, name).parameters == parameters


def test_a_relative_gives_what_the_file_cannot_say(published: Architectures) -> None:
    """Norms per block, parallel blocks, fused projections and windows of the family."""
    gemma, phi = model(published, "litgpt/gemma-2-2b"), model(published, "microsoft/phi-1_5")
    assert (gemma.family, gemma.norms_per_layer, gemma.windowed_layers) == ("gemma2", 4, 13)
    assert (gemma.tied_embeddings, CATALOG.model("google/gemma-2-2b").tied_embeddings) == (False, True)
    assert (phi.parallel_block, phi.head_bias, phi.norms_per_layer) == (True, True, 1)
    assert model(published, "llm-foundry/mpt-1b-ctx2048").fused_qkv
    assert model(published, "stabilityai/stablelm-base-alpha-3b").family == "gpt_neox"


@pytest.mark.parametrize(
    ("changes", "family"),
    [
        ({}, "llama"),
        ({"gated_mlp": "false", "norm": "LayerNorm"}, "gpt"),
        ({"model": "someone/Qwen2.5-0.1B-tiny"}, "qwen2"),
        ({"model": "own/Mistral-Tiny"}, "mistral"),
    ],
)
def test_family_by_name_or_else_by_shape(tmp_path: Path, changes: dict[str, str], family: str) -> None:
    """A gated MLP is taken for Llama's, another for that of a GPT without dropout."""
    found = read_architectures(write_shapes(tmp_path / "a.csv", changes), CATALOG)
    assert [each.family for each in found.models.values()] == [family]


def test_mixtures_of_experts(tmp_path: Path) -> None:
    """Sizes from the file; a dense model whose relative is a mixture has no experts."""
    experts = {"experts": "8", "experts_per_token": "2", "moe_intermediate": "96"}
    found = read_architectures(
        write_shapes(tmp_path / "a.csv", {"model": "a/moe", **experts}, {"model": "a/Mixtral-dense"}), CATALOG
    )
    mixture, dense = found.models.values()
    assert (mixture.experts, mixture.expert_parameters) == (8, 2 * 8 * 3 * 64 * 96)
    assert not dense.is_moe


def test_the_catalog_is_always_there(tmp_path: Path) -> None:
    """Also beside a file of own models, and by alias; what nobody knows is not found."""
    found = read_architectures(write_shapes(tmp_path / "a.csv", {}), CATALOG)
    assert found.find("Llama-2-7b", CATALOG) == CATALOG.model("meta-llama/Llama-2-7b-hf")
    assert found.find("own/model", CATALOG) is found.models["own/model"]
    assert found.find("nobody/knows", CATALOG) is None
    assert found.similar("own/modle", CATALOG) == 'Did you mean "own/model"?'
    assert found.similar("?", CATALOG) == "Describe it in a file for --architectures"


@pytest.mark.parametrize(
    ("changes", "column", "message"),
    [
        ({"vocab": "0"}, "vocab", 'expected a whole number of at least 1, found "0"'),
        ({"layers": ""}, "layers", "is blank"),
        ({"tied_embeddings": "yes"}, "tied_embeddings", 'unknown value "yes". Allowed: true, false'),
        ({"norm": "BatchNorm"}, "norm", None),
        ({"attention_type": "MHA"}, "attention_type", "is MHA, but 4 heads and 2 kv_heads are GQA"),
        ({"heads": "5"}, "heads", "heads (5) is not a multiple of kv_heads (2)"),
        ({"position_embedding": "learned", "max_positions": ""}, "max_positions", None),
        ({"experts_per_token": "2"}, "experts_per_token", "is given, but experts is not"),
        ({"experts": "8", "moe_intermediate": "4"}, "experts_per_token", None),
        ({"experts": "8", "experts_per_token": "2"}, "moe_intermediate", None),
    ],
)
def test_impossible_models_are_told(tmp_path: Path, changes: dict[str, str], column: str, message: str | None) -> None:
    """With line and column; the others are read."""
    path = write_shapes(tmp_path / "a.csv", {}, {"model": "a/broken", **changes})
    found = read_architectures(path, CATALOG)
    assert [(each.line, each.path) for each in found.problems] == [(3, column)]
    assert message is None or str(found.problems[0]) == f"{path}:3 column {column}: {message}"
    assert (list(found.models), dict(found.broken)) == (["own/model"], {"a/broken": f"{path}:3"})


def test_a_model_twice_is_told(tmp_path: Path) -> None:
    """The first one counts."""
    found = read_architectures(write_shapes(tmp_path / "a.csv", {"layers": "3"}, {}), CATALOG)
    assert [str(each).partition(" ")[2] for each in found.problems] == ["column model: this model is in the file twice"]
    assert (found.models["own/model"].layers, dict(found.broken)) == (3, {})


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """As any other table."""
    with pytest.raises(InputError, match="no such file"):
        read_architectures(tmp_path / "a.csv", CATALOG)
