"""What every catalog entry has in common: it is frozen, refuses unknown keys, and says where its numbers come from."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A frozen mapping without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SourcedRecord(Record):
    """A record with the origin of its numbers and the day on which they were read."""

    source: str = Field(min_length=3)
    retrieved: date
    note: str = ""
