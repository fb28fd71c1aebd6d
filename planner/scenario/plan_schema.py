"""The `plan` section as it is written: one value of each decision, under the names that an answer's plan has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from planner.scenario.fields import Fault, FieldError, Parsed, Section, parse_text, reading_of
from planner.scenario.search_schema import (
    DECISION_OF,
    VIRTUAL_STAGES_MEANING,
    Chunks,
    GpuName,
    Gpus,
    Layers,
    LoraSchema,
    ProviderName,
    Rank,
    Sequences,
    StackName,
    Targets,
    VirtualStages,
    words,
)

OfferName = Annotated[str, Parsed(lambda value, _: parse_text(value), {"type": ["string", "number"]})]


def decided(decision: str) -> Any:
    """A field for the value of a decision."""
    meaning = DECISION_OF[decision].meaning
    return Field(default=None, description=f"{meaning[0].upper()}{meaning[1:]}.")


class PlanSchema(Section):
    """A plan of your own, or one copied from an answer: it is as if `search` allowed only these values."""

    gpu: GpuName | None = decided("gpu")
    gpus: Gpus | None = decided("gpus")
    nodes: Gpus | None = Field(default=None, description="Machines; left out = as few as the offer's size allows.")
    provider: ProviderName | None = Field(default=None, description="Who rents the GPUs out.")
    offer: OfferName | None = Field(
        default=None,
        description="Name of an offer, as `planner catalog offers` and answers print it; left out = the best one.",
    )
    stack: StackName | None = decided("stack")
    method: Annotated[str, words("method")] | None = decided("method")
    lora: LoraSchema | None = Field(default=None, description="Rank and targets of the adapters.")
    lora_rank: Rank | None = Field(default=None, description="The same as lora.rank, as answers print it.")
    lora_targets: Targets | None = Field(default=None, description="The same as lora.targets, as answers print it.")
    base_dtype: Annotated[str, words("base_dtype")] | None = decided("base_dtype")
    compute_dtype: Annotated[str, words("compute_dtype")] | None = decided("compute_dtype")
    master_weights: Annotated[str, words("master_weights")] | None = decided("master_weights")
    grad_dtype: Annotated[str, words("grad_dtype")] | None = decided("grad_dtype")
    optimizer: Annotated[str, words("optimizer")] | None = decided("optimizer")
    sharding: Annotated[str, words("sharding")] | None = decided("sharding")
    offload: Annotated[str, words("offload")] | None = decided("offload")
    data_parallel: Gpus | None = decided("data_parallel")
    tensor_parallel: Gpus | None = decided("tensor_parallel")
    pipeline_parallel: Gpus | None = decided("pipeline_parallel")
    virtual_stages: VirtualStages | None = Field(default=None, description=VIRTUAL_STAGES_MEANING)
    context_parallel: Gpus | None = decided("context_parallel")
    expert_parallel: Gpus | None = decided("expert_parallel")
    attention: Annotated[str, words("attention")] | None = decided("attention")
    checkpointing: Annotated[str, words("checkpointing")] | None = decided("checkpointing")
    checkpointed_layers: Layers | None = decided("checkpointed_layers")
    loss: Annotated[str, words("loss")] | None = decided("loss")
    loss_chunks: Chunks | None = decided("loss_chunks")
    mlp_chunks: Chunks | None = decided("mlp_chunks")
    micro_batch: Sequences | None = decided("micro_batch")
    gradient_accumulation: Sequences | None = decided("gradient_accumulation")

    @field_validator("micro_batch", "gradient_accumulation")
    @classmethod
    def _at_most_global_batch(cls, value: int | None, info: ValidationInfo) -> int | None:
        batch = reading_of(info).global_batch
        return _bounded(value, batch, f"exceeds job.global_batch, which is {batch}")

    @field_validator("checkpointed_layers")
    @classmethod
    def _at_most_layers(cls, value: int | None, info: ValidationInfo) -> int | None:
        model = reading_of(info).architecture
        layers = model.layers if model else None
        return _bounded(value, layers, f"exceeds the layers of the model, which are {layers}")

    @property
    def adapters(self) -> dict[str, Any]:
        """What is stated of the adapters, in whichever of the two spellings."""
        if self.lora is not None:
            return dict(self.lora)
        stated = {"rank": self.lora_rank, "targets": self.lora_targets}
        return {name: value for name, value in stated.items() if value is not None}


def _bounded(value: int | None, most: int | None, message: str) -> int | None:
    """`value`, unless it exceeds `most`."""
    if value is not None and most is not None and value > most:
        raise FieldError(Fault(f"{value} {message}"))
    return value
