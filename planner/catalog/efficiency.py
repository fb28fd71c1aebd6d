"""What share of its peak a GPU reaches in whole training steps, with its range and where that is from."""

from __future__ import annotations

from pydantic import Field

from planner.catalog.record import Record, SourcedRecord


class Efficiency(SourcedRecord):
    """Share of the dense 16-bit peak in whole training steps (recomputation counted as work), and its range."""

    fraction: float = Field(gt=0, le=1)
    low: float = Field(gt=0, le=1)
    high: float = Field(gt=0, le=1)


class GpuEfficiency(Efficiency):
    """The efficiency of one GPU type; `like` names the relative that it is taken from."""

    gpu: str
    like: str = ""


class Efficiencies(Record):
    """The whole file: GPUs with evidence, and what the others take."""

    default: Efficiency
    efficiencies: tuple[GpuEfficiency, ...]

    def of(self, gpu: str) -> Efficiency:
        """The efficiency of the GPU with this catalog name."""
        return next((each for each in self.efficiencies if each.gpu == gpu), self.default)
