"""The models of an architectures file, with what the catalog knows of them or of their family.

The file has sizes and switches. How the software keeps a model (fused projections, norms per block, parallel blocks,
kind of GELU) is taken from the catalog's entry of the same name, else of a model of the same family; an entry that
agrees with the file is used as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner.catalog import Architecture, Catalog, UnknownNameError, fold
from planner.catalog.shape import MIXTURE_FIELDS
from planner.errors import did_you_mean
from planner.measured.columns import ARCHITECTURE_COLUMNS, CellProblem
from planner.measured.table import read_table

UNDATED = date(1970, 1, 1)
NORMS = {"RMSNorm": "rmsnorm", "LayerNorm": "layernorm", "LayerNorm(no bias)": "layernorm-nobias"}
POSITIONS = {"rope": "rope", "learned": "learned", "alibi": "alibi", "none": "rope"}
"""Rotary positions have no parameters either."""
SIZES = ("layers", "hidden", "intermediate", "heads", "kv_heads", "head_dim", "vocab")
SWITCHES = ("tied_embeddings", "gated_mlp", "qkv_bias", "o_bias", "mlp_bias")
MIXTURE_COLUMNS = ("experts", "experts_per_token", "moe_intermediate", "shared_experts")
LATENT_FIELDS = ("q_lora_rank", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")
SIZE_NOTE = re.compile(r"\s*\([^()]*\)$")

FAMILIES: tuple[tuple[str, str | dict[str, Any]], ...] = (
    (r"qwen3.*-a\d+b", "Qwen/Qwen3-30B-A3B"),
    (r"qwen3", "Qwen/Qwen3-8B-Base"),
    (r"qwen(1\.5|2)", "Qwen/Qwen2.5-7B"),
    (r"powerlm|granite", {"family": "granite", "activation": "silu"}),
    (r"qwen-", {"family": "qwen", "activation": "silu", "fused_qkv": True}),
    (r"gemma-3", "google/gemma-3-4b-it"),
    (r"gemma-2-", "google/gemma-2-9b"),
    (r"gemma-|codegemma", {"family": "gemma", "activation": "gelu"}),
    (r"phi-[12]", "microsoft/phi-2"),
    (r"phi-[34]", "microsoft/Phi-3-mini-4k-instruct"),
    (r"stablelm-(base|tuned)-alpha|pythia|gpt-neox|dolly", "EleutherAI/pythia-6.9b"),
    (r"falcon-7b", "tiiuae/falcon-7b"),
    (r"falcon", "tiiuae/falcon-40b"),
    (r"mixtral", "mistralai/Mixtral-8x7B-v0.1"),
    (r"mistral|zephyr", "mistralai/Mistral-7B-v0.3"),
    (r"gpt_bigcode|santacoder|starcoder(base|$)", {"family": "gpt_bigcode", "activation": "gelu", "fused_qkv": True}),
    (r"gpt2", "openai-community/gpt2"),
    (r"opt-\d", "facebook/opt-1.3b"),
    (r"bloom", "bigscience/bloom-7b1"),
    (r"mpt-", "mosaicml/mpt-7b"),
    (r"baichuan2?-", "baichuan-inc/Baichuan2-7B-Base"),
    (r"chatglm[23]", "THUDM/chatglm3-6b"),
    (r"glm-4", "THUDM/glm-4-9b"),
    (r"internlm2", "internlm/internlm2-7b"),
    (r"gpt-oss", "openai/gpt-oss-20b"),
)
"""What a model's title begins with, and a catalog model of that family, or how the family is kept where the catalog has
none. Source of the latter: the modeling files of Gemma and GPTBigCode in transformers, and of Qwen as published with
the model: one `c_attn` for queries, keys and values."""
LLAMA_STYLE: dict[str, Any] = {"family": "llama", "activation": "silu"}
GPT_STYLE: dict[str, Any] = {"family": "gpt", "activation": "gelu", "fused_qkv": True}
"""A name that says nothing: gated MLPs are taken for Llama's, others for Megatron's GPT (no dropout)."""


@dataclass(frozen=True)
class Architectures:
    """The usable models of an architectures file by name, where it has others, and everything that is wrong."""

    models: Mapping[str, Architecture]
    broken: Mapping[str, str]
    """Name -> place of its entry, for entries that cannot be used."""
    problems: tuple[CellProblem, ...]
    ignored: tuple[str, ...]

    def find(self, name: str, catalog: Catalog) -> Architecture | None:
        """The file's model of this name, else the catalog's."""
        return self.models.get(name) or _in_catalog(name, catalog)

    def similar(self, name: str, catalog: Catalog) -> str:
        """What to do about a name that nobody knows."""
        hint = did_you_mean(name, [*self.models, *(each.name for each in catalog.models)])
        return hint if hint.startswith("Did") else "Describe it in a file for --architectures"


NO_FILE = Architectures({}, {}, (), ())


def read_architectures(path: Path, catalog: Catalog) -> Architectures:
    """The models of an architectures file. Error: InputError if the file as a whole cannot be used."""
    table = read_table(path, ARCHITECTURE_COLUMNS)
    problems = list(table.problems)
    models: dict[str, Architecture] = {}
    broken: dict[str, str] = {}
    for record in table.records:
        found = list(record.problems)
        if record.name in models or record.name in broken:
            found.append(_problem(path, record.line, "model", "this model is in the file twice"))
        elif record.values and not found:
            found += [_problem(path, record.line, *fault) for fault in _faults(record.values)]
            model = None if found else _model(path, record.line, record.values, catalog, found)
            models |= {record.name: model} if model else {}
        if found and record.name not in models:
            broken.setdefault(record.name, f"{path}:{record.line}")
        problems += found
    return Architectures(models, broken, tuple(problems), table.ignored)


def _model(
    path: Path, line: int, values: Mapping[str, Any], catalog: Catalog, faults: list[CellProblem]
) -> Architecture | None:
    """The model of one line; None if `faults` gets what no model can have."""
    try:
        return _architecture(values, catalog)
    except ValidationError as error:
        faults += [_problem(path, line, *fault) for fault in _refusals(error)]
        return None


def _problem(path: Path, line: int, column: str, message: str) -> CellProblem:
    names = [each.name for each in ARCHITECTURE_COLUMNS]
    place = names.index(column) + 1 if column in names else 0
    return CellProblem(str(path), line, place, column, message)


def _faults(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Columns that are needed and blank, or that contradict each other."""
    faults = [(each.name, "is blank") for each in ARCHITECTURE_COLUMNS if each.needed and values[each.name] is None]
    heads, kv_heads, kind = values["heads"], values["kv_heads"], values["attention_type"]
    if heads and kv_heads and kind in ("MHA", "MQA", "GQA"):
        wanted = "MHA" if heads == kv_heads else "MQA" if kv_heads == 1 else "GQA"
        if kind != wanted:
            faults.append(("attention_type", f"is {kind}, but {heads} heads and {kv_heads} kv_heads are {wanted}"))
    if values["position_embedding"] == "learned" and values["max_positions"] is None:
        faults.append(("max_positions", "is blank, but learned positions have parameters"))
    if not values["experts"]:
        faults += [(name, "is given, but experts is not") for name in MIXTURE_COLUMNS[1:] if values[name]]
    return faults


def _refusals(error: ValidationError) -> Iterable[tuple[str, str]]:
    """What the catalog's format has against a shape, by column."""
    for fault in error.errors():
        reason = str(fault.get("ctx", {}).get("error", fault["msg"]))
        for message in reason.split("; "):
            yield str(fault["loc"][0]) if fault["loc"] else re.split(r"\W", message)[0], message


def _architecture(values: Mapping[str, Any], catalog: Catalog) -> Architecture:
    """The model of one line."""
    relative = _relative(values, catalog)
    if not isinstance(relative, Architecture):
        return Architecture.model_validate(relative | _stated(values))
    fields = relative.model_dump() | _stated(values) | _windows(relative, values["layers"])
    if values["attention_type"] != "MLA" and relative.kv_lora_rank:
        fields |= dict.fromkeys(LATENT_FIELDS, 0)
    if not fields["experts"]:
        fields |= {name: False if isinstance(fields[name], bool) else 0 for name in MIXTURE_FIELDS}
    found = Architecture.model_validate(fields)
    return relative if _equal(relative, found) else found


def _equal(known: Architecture, found: Architecture) -> bool:
    """Whether two models have the same shape; the number of positions counts only where they have parameters."""
    names = {"name", "aliases", "source", "retrieved", "note"}
    names |= set() if known.position == "learned" else {"max_positions"}
    return known.model_dump(exclude=names) == found.model_dump(exclude=names)


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """The file's columns as fields of a catalog entry."""
    stated = {name: values[name] for name in SIZES}
    stated |= {name: bool(values[name]) for name in SWITCHES}
    stated |= {name: values[name] or 0 for name in MIXTURE_COLUMNS}
    return stated | {
        "name": values["model"],
        "aliases": (),
        "norm": NORMS[values["norm"]],
        "position": POSITIONS[values["position_embedding"]],
        "max_positions": values["max_positions"] or values["hidden"],
        "source": f"architectures file: {values['source']}",
        "retrieved": UNDATED,
    }


def _windows(known: Architecture, layers: int) -> dict[str, int | None]:
    """As many blocks with a sliding window as the relative has, in proportion."""
    windowed = round(known.windowed_layers * layers / known.layers)
    return {"windowed_layers": windowed, "sliding_window": known.sliding_window if windowed else None}


def _relative(values: Mapping[str, Any], catalog: Catalog) -> Architecture | dict[str, Any]:
    """The catalog's model of this name, else one of its family, else how such models are kept."""
    named = _in_catalog(values["model"], catalog) or _of_same_title(values["model"], catalog)
    if named:
        return named
    usual = LLAMA_STYLE if values["gated_mlp"] else GPT_STYLE
    known = next((known for start, known in FAMILIES if re.match(start, _title(values["model"]))), usual)
    return catalog.model(known) if isinstance(known, str) else known


def _title(name: str) -> str:
    """A model's name without its organisation and its size in brackets.

    >>> _title("TinyLlama/TinyLlama_v1.1 (1.1B)")
    'tinyllama_v1.1'
    """
    return SIZE_NOTE.sub("", name).rsplit("/", 1)[-1].casefold()


def _in_catalog(name: str, catalog: Catalog) -> Architecture | None:
    try:
        return catalog.model(SIZE_NOTE.sub("", name))
    except UnknownNameError:
        return None


def _of_same_title(name: str, catalog: Catalog) -> Architecture | None:
    """The catalog's model that another organisation publishes under the same title."""
    title = fold(_title(name))
    return next((each for each in catalog.models if fold(_title(each.name)) == title), None)
