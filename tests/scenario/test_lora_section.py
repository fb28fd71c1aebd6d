"""`search.lora`: DoRA and dropout of adapters."""

from __future__ import annotations

import pytest
from scenario_texts import read

from planner.errors import InputError
from planner.scenario.model import Lora

JOB = "job: {model: llama-2-7b, data: {tokens: 10M}, sequence_length: 2048, global_batch: 8}\nsearch: {lora: %s}\n"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{rank: 8}", Lora(8)),
        ("{dora: true}", Lora(dora=True)),
        ("{dropout: 0.05}", Lora(dropout=0.05)),
        ("{dropout: 5%, dora: false}", Lora(dropout=0.05)),
        ("{dropout: 0}", Lora()),
    ],
)
def test_adapters_are_read(written: str, meant: Lora) -> None:
    """Each key has the meaning that users of PEFT expect, and a default."""
    assert read(JOB % written).search.lora == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{dropout: 1}", "2:26 search.lora.dropout: 1 drops everything. It must be below 1"),
        ("{dropout: -0.1}", "2:26 search.lora.dropout: "),
        ("{dropout: true}", "2:26 search.lora.dropout: "),
        ("{dora: 1}", "2:23 search.lora.dora: "),
    ],
)
def test_other_values_are_refused(written: str, message: str) -> None:
    """With the place and the reason."""
    with pytest.raises(InputError) as caught:
        read(JOB % written)
    assert message in str(caught.value)


def test_what_a_plan_does_not_say_is_noted() -> None:
    """DoRA and dropout are no decisions, so the answer says that they are counted."""
    notes = read(JOB % "{dora: true, dropout: 5%}").notes
    assert [note.split(":")[0] for note in notes] == ["Adapters are DoRA", "Adapters drop out 5% of their input"]
    assert not any("Adapters" in note for note in read(JOB % "{rank: 8}").notes)
