"""The `search` section as it is written: which values of each decision are allowed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from planner.decisions import DECISIONS, LORA_MODULES, PRICINGS
from planner.scenario.fields import (
    Fault,
    FieldError,
    Parsed,
    Section,
    Several,
    in_unit,
    one_of,
    parse_flag,
    reading_of,
    too_large,
    whole,
)
from planner.scenario.names import parse_gpu, parse_lora_targets, parse_provider, parse_stack
from planner.units import parse_fraction, shown

MOST_GPUS = 16_384
MOST_CHUNKS = 1024
MOST_SEQUENCES = 65_536
MOST_LAYERS = 1024
MOST_RANK = 4096

DECISION_OF = {decision.name: decision for decision in DECISIONS}
_NAME = {"type": ["string", "number"]}
_TARGETS = {
    "anyOf": [
        {"type": "string", "examples": ["all-linear", "q+v"]},
        {"type": "array", "items": {"enum": list(LORA_MODULES)}, "minItems": 1, "uniqueItems": True},
    ]
}

Chunks = Annotated[int, whole(1, MOST_CHUNKS)]
Sequences = Annotated[int, whole(1, MOST_SEQUENCES)]
Gpus = Annotated[int, whole(1, MOST_GPUS)]
GpuName = Annotated[str, Parsed(parse_gpu, _NAME | {"examples": ["RTX 4090", "H100 SXM"]})]
StackName = Annotated[str, Parsed(parse_stack, _NAME)]
ProviderName = Annotated[str, Parsed(parse_provider, _NAME)]
Layers = Annotated[int, whole(0, MOST_LAYERS)]
VirtualStages = Annotated[int, whole(1, MOST_LAYERS)]
VIRTUAL_STAGES_MEANING = "Pieces of layers per GPU of interleaved pipelines; 1: they are not interleaved."
Rank = Annotated[int, whole(1, MOST_RANK)]
Flag = Annotated[bool, Parsed(lambda value, _: parse_flag(value), {"type": "boolean"})]
Targets = Annotated[str, Parsed(parse_lora_targets, _TARGETS)]


def words(decision: str) -> Parsed:
    """One of the values of a decision."""
    return one_of(DECISION_OF[decision].values)


def choice(decision: str) -> Any:
    """A field for the allowed values of a decision, which allows everything when it is left out."""
    return Field(default=None, description=f"Allowed values: {DECISION_OF[decision].meaning}.")


def _parse_dropout(value: object) -> float:
    """A share from 0 to below 1."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    dropout = parse_fraction(value)
    if dropout >= 1:
        raise FieldError(Fault(f"{shown(value)} drops everything", "It must be below 1"))
    return dropout


class LoraSchema(Section):
    """Shape of the adapters of lora and qlora."""

    rank: Rank = Field(default=16, description="Rank of the adapter matrices.")
    targets: Targets = Field(
        default="all-linear",
        description='Adapted linear layers: "all-linear" (every one of a block), a list, or names joined by "+".',
    )
    dora: Flag = Field(default=False, description="Weight-decomposed adapters (DoRA).")
    dropout: Annotated[float, in_unit(_parse_dropout, "5%", plain="number")] = Field(
        default=0.0, description="Dropout of the adapters' inputs, below 1."
    )


class SearchSchema(Section):
    """Allowed values of each decision: one value or a list; a decision that is left out is free."""

    stack: Several[StackName] | None = choice("stack")
    method: Several[Annotated[str, words("method")]] | None = choice("method")
    lora: LoraSchema = Field(default_factory=LoraSchema, description="Rank and targets of the adapters.")
    base_dtype: Several[Annotated[str, words("base_dtype")]] | None = choice("base_dtype")
    compute_dtype: Several[Annotated[str, words("compute_dtype")]] | None = choice("compute_dtype")
    master_weights: Several[Annotated[str, words("master_weights")]] | None = choice("master_weights")
    optimizer: Several[Annotated[str, words("optimizer")]] | None = choice("optimizer")
    checkpointing: Several[Annotated[str, words("checkpointing")]] | None = choice("checkpointing")
    checkpointed_layers: Several[Layers] | None = choice("checkpointed_layers")
    attention: Several[Annotated[str, words("attention")]] | None = choice("attention")
    loss: Several[Annotated[str, words("loss")]] | None = choice("loss")
    loss_chunks: Several[Chunks] | None = choice("loss_chunks")
    mlp_chunks: Several[Chunks] | None = choice("mlp_chunks")
    micro_batch: Several[Sequences] | None = choice("micro_batch")
    gradient_accumulation: Several[Sequences] | None = choice("gradient_accumulation")
    sharding: Several[Annotated[str, words("sharding")]] | None = choice("sharding")
    offload: Several[Annotated[str, words("offload")]] | None = choice("offload")
    data_parallel: Several[Gpus] | None = choice("data_parallel")
    tensor_parallel: Several[Gpus] | None = choice("tensor_parallel")
    pipeline_parallel: Several[Gpus] | None = choice("pipeline_parallel")
    virtual_stages: VirtualStages = Field(default=1, description=VIRTUAL_STAGES_MEANING)
    context_parallel: Several[Gpus] | None = choice("context_parallel")
    expert_parallel: Several[Gpus] | None = choice("expert_parallel")
    gpu: Several[GpuName] | None = choice("gpu")
    max_gpus: Gpus = Field(default=64, description="Largest number of GPUs that a plan may use.")
    gpus: Several[Gpus] | None = choice("gpus")
    pricing: Several[Annotated[str, one_of(PRICINGS)]] = Field(
        default=("on-demand", "spot"), description="Kinds of price that may be used."
    )
    provider: Several[ProviderName] | None = Field(
        default=None, description="Providers that may be used: those of the catalog's offers and your own."
    )

    @field_validator("stack")
    @classmethod
    def _with_engines(cls, values: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        """Whoever names a trainer means it with any of its engines."""
        if values is None:
            return None
        catalog = reading_of(info).catalog
        return tuple(dict.fromkeys(each.name for value in values for each in catalog.engines(value)))

    @field_validator("micro_batch", "gradient_accumulation")
    @classmethod
    def _at_most_global_batch(cls, values: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        reading = reading_of(info)
        return _bounded(values, reading.global_batch, f"exceeds {reading.batch_key}, which is {reading.global_batch}")

    @field_validator("checkpointed_layers")
    @classmethod
    def _at_most_layers(cls, values: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        model = reading_of(info).architecture
        layers = model.layers if model else None
        return _bounded(values, layers, f"exceeds the layers of the model, which are {layers}")

    @field_validator("gpus")
    @classmethod
    def _at_most_max_gpus(cls, values: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        most = info.data.get("max_gpus")
        return _bounded(values, most, f"exceeds search.max_gpus, which is {most}")


def _bounded(values: tuple[int, ...] | None, most: int | None, message: str) -> tuple[int, ...] | None:
    """`values`, unless one exceeds `most`; without a known `most` there is nothing to compare."""
    faults = too_large(values, most, message) if most is not None else []
    if faults:
        raise FieldError(*faults)
    return values
