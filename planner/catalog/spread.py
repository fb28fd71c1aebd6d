"""How far measured memory lies from what the formulas say, by kind of term: data of a stack, from measured runs."""

from __future__ import annotations

from pydantic import Field

from planner.catalog.record import Record, SourcedRecord

COUNTED_FRACTION = 0.004
"""Tensors are padded to 512 bytes and blocks are not split to the end; traced steps agree to 0.03%, the largest
published difference of runs that consist of weights and states alone is 0.5%."""
ALLOCATOR_FRACTION = 0.1
"""Simulated allocators under a limit need -3.5% to +7.1% of live memory more or less than the formula says."""
CONTEXT_FRACTION = 0.2
"""Spread of the contexts of one GPU type in published out-of-memory messages."""


class SpreadGroup(Record):
    """What the measured runs of one stack and method say: their number, sources and the fraction of derived terms."""

    stack: str
    method: str
    rows: int = Field(gt=0)
    sources: tuple[str, ...]
    derived: float = Field(ge=0, le=1)


class Spread(Record):
    """Fractions by which terms may be off (scale of a Student t distribution with four degrees of freedom).

    That of derived terms is by method; a method without measured runs takes `derived_otherwise`.
    """

    counted: float = Field(default=COUNTED_FRACTION, ge=0, le=1)
    allocator: float = Field(default=ALLOCATOR_FRACTION, ge=0, le=2, description="of what it cannot do without")
    cached: float = Field(default=0.5, ge=0, le=2, description="of what it holds with room to spare")
    context: float = Field(default=CONTEXT_FRACTION, ge=0, le=2)
    derived_otherwise: float = Field(default=0.03, ge=0, le=1)
    groups: dict[str, SpreadGroup] = Field(default_factory=dict, description="by method")

    def fraction(self, method: str, kind: str) -> float:
        """The fraction of one kind of term: counted, derived, allocator, cached or context."""
        if kind == "derived":
            group = self.groups.get(method)
            return self.derived_otherwise if group is None else group.derived
        value: float = getattr(self, kind)
        return value


class Spreads(SourcedRecord):
    """All of `uncertainty.yaml`."""

    counted: float
    allocator: float
    cached: float
    context: float
    derived_otherwise: float
    model_codes: dict[str, float] = Field(description="instead of `derived_otherwise`, for stacks that run this code")
    groups: tuple[SpreadGroup, ...]

    def of(self, stack: str, model_code: str) -> Spread:
        """The fractions of one stack, which runs the model code of this name."""
        return Spread(
            counted=self.counted,
            allocator=self.allocator,
            cached=self.cached,
            context=self.context,
            derived_otherwise=self.model_codes.get(model_code, self.derived_otherwise),
            groups={group.method: group for group in self.groups if group.stack == stack},
        )
