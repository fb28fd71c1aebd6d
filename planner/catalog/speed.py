"""How fast GPUs and links work in training steps: what `efficiency.yaml` holds, and what formulas read of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from planner.catalog.record import Record, SourcedRecord

Kernel = Literal["flash-attention-1", "flash-attention-2", "flash-attention-3"]
"""Generations of fused attention: FlashAttention's first and Triton's; the second, torch's own; the third, cuDNN's."""


class Figure(Record):
    """One number of the time model, with the range of its fits without one of the sources, and where it is from."""

    value: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    fitted: bool = Field(default=True, description="false: taken from the source as it is")
    source: str = Field(min_length=3)


class AttentionSpeed(SourcedRecord):
    """Share of a GPU's matrix rate that a fused attention kernel reaches on long sequences, by GPU architecture."""

    kernel: Kernel
    architecture: str
    fraction: float = Field(gt=0, le=1.2)


class GpuSpeed(SourcedRecord):
    """The best dense 16-bit (and fp8) matrix multiplication measured on a GPU; `like` names a relative instead."""

    gpu: str
    matmul_fraction: float = Field(gt=0, le=1.5, description="of the published dense 16-bit peak")
    fp8_fraction: float | None = Field(default=None, gt=0, le=1.5, description="of the published dense fp8 peak")
    correction: float = Field(default=1.0, gt=0, description="of that in training, fitted where there are many runs")
    like: str = ""


class Speed(Record):
    """What the formulas of time read: of one GPU, and of all."""

    matmul_fraction: float
    fp8_fraction: float
    attention: dict[str, float] = Field(description="kernel -> share of the matrix rate")
    correction: float = 1.0
    sustained_fraction: float
    tile_elements: float
    attention_ramp_tokens: float
    expert_fraction: float
    memory_fraction: float
    bytes_per_written_byte: float
    operation_seconds: float
    link_fraction: float
    host_hop_fraction: float
    hop_seconds: float
    node_hop_seconds: float
    contention_fraction: float
    spread: float = Field(ge=0, description="log-scale spread of predicted over measured speed")
    like: str = Field(default="", description="GPU whose measured multiplications stand in for its own")
    source: str = ""


class OwnSpeed(Record):
    """What a user's own runs say of one GPU type with one stack: seconds over those predicted, and what is open."""

    seconds_factor: float = Field(default=1.0, gt=0, description="of the predicted seconds of a step")
    spread: float = Field(gt=0, description="log-scale spread of predicted over measured speed, with that factor")
    source: str = ""


class SpeedSpread(Record):
    """Log-scale spread of predicted over measured speed: scale of a Student t distribution, four degrees of freedom.

    Of GPUs whose own matrix multiplications were measured, and of others. Its square has two parts: what all runs of
    one source on one GPU type with one stack have in common is the share `shared_fraction`.
    """

    measured: float = Field(gt=0)
    otherwise: float = Field(gt=0)
    shared_fraction: float = Field(ge=0, lt=1, description="of the variance of log speed; what own runs can tell")
    source: str


class SpeedErrors(Record):
    """Absolute errors of predicted speed of one source's runs (or of all), as fractions of the measured speed.

    By the fit of all runs, and by the fit without any run of the source: what to expect of data that nobody has seen.
    """

    source: str
    runs: int = Field(gt=0)
    in_sample_median: float = Field(ge=0)
    in_sample_p90: float = Field(ge=0)
    left_out_median: float = Field(ge=0)
    left_out_p90: float = Field(ge=0)


ALL = "all"
"""In place of a source: every run, left out together with its own source."""


class Speeds(Record):
    """The whole file."""

    figures: dict[str, Figure]
    attention: tuple[AttentionSpeed, ...]
    attention_otherwise: dict[str, float] = Field(description="kernel -> share, for other architectures")
    gpus: tuple[GpuSpeed, ...]
    otherwise: GpuSpeed
    spread: SpeedSpread
    validation: tuple[SpeedErrors, ...] = Field(default=(), description="source by source; the last is of all")

    def of(self, gpu: str, architecture: str) -> Speed:
        """What is known of the GPU with this catalog name and architecture."""
        own = next((each for each in self.gpus if each.gpu == gpu), self.otherwise)
        kernels = dict(self.attention_otherwise)
        kernels |= {each.kernel: each.fraction for each in self.attention if each.architecture == architecture}
        return Speed(
            matmul_fraction=own.matmul_fraction,
            fp8_fraction=own.fp8_fraction or own.matmul_fraction,
            attention=kernels,
            correction=own.correction,
            spread=self.spread.otherwise if own is self.otherwise or own.like else self.spread.measured,
            like=own.like,
            source=own.source,
            **{name: figure.value for name, figure in self.figures.items()},
        )
