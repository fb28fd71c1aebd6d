"""Versions read from what people write down, and what a stack did before."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from planner.catalog import load_catalog
from planner.catalog.software import Software
from planner.catalog.stack import Past

SOURCE: dict[str, Any] = {"source": "made up for tests", "retrieved": date(2026, 1, 1)}


@pytest.mark.parametrize(
    ("text", "package", "version"),
    [
        ("torch2.4.1 transformers4.48.1 bnb0.43.3", "bitsandbytes", (0, 43, 3)),
        ("torch==2.10.0+cu128", "torch", (2, 10, 0)),
        ("torch>=2.2 bnb0.42", "torch", (2, 2)),
        ("PyTorch 2.1, flash_attn2.3.4", "flash-attn", (2, 3, 4)),
        ("transformers4.45.2 trl0.11.4 (refs/requirements_liger.txt)", "trl", (0, 11, 4)),
        ("", "torch", None),
        ("torchtune main 2024-11", "torchtune", None),
    ],
)
def test_versions_are_found(text: str, package: str, version: tuple[int, ...] | None) -> None:
    """With or without signs between name and number; dates are no versions."""
    assert Software(text).version(package) == version


def past(**changes: object) -> Past:
    return Past(package="bitsandbytes", before="0.43.3", released=date(2024, 7, 30), changes={}, **SOURCE | changes)


@pytest.mark.parametrize(
    ("software", "applies"),
    [
        (Software("bnb0.42"), True),
        (Software("bnb0.43.3"), False),
        (Software("bnb0.42", date(2026, 1, 1)), True),
        (Software("torch2.2", date(2024, 1, 1)), True),
        (Software("torch2.2", date(2025, 1, 1)), False),
        (Software("torch2.2"), False),
        (Software(), False),
    ],
)
def test_the_version_decides_and_else_the_day(software: Software, applies: bool) -> None:
    """A stated version wins over the day; without either a run is taken to be current."""
    assert past().applies(software) is applies


def test_a_missing_package_is_noticed_only_where_versions_are_listed() -> None:
    """One package alone, or none, says nothing of the others."""
    absent = Past(package="accelerate trl", changes={}, **SOURCE)
    assert absent.applies(Software("torch2.4 transformers5.0"))
    assert not absent.applies(Software("torch2.4 transformers5.0 trl0.11"))
    assert not absent.applies(Software("torch2.4"))


def test_a_stack_as_of_old_versions() -> None:
    """Changes of several versions apply in the order of the catalog: the oldest last."""
    stack = load_catalog().stack("hf-trainer")
    assert stack.as_of(Software("torch2.9 transformers5.0 accelerate1.10")) == stack
    assert stack.as_of(Software("transformers4.48.1 accelerate1.0")).logit_forward_bytes == 14
    assert stack.as_of(Software("transformers4.45.2 accelerate1.0")).logit_forward_bytes == 12


def test_every_change_of_every_stack_is_possible() -> None:
    """Changes name facts of a stack, with values of their type."""
    for stack in load_catalog().stacks:
        for each in stack.history:
            type(stack).model_validate(stack.model_dump() | each.changes)
