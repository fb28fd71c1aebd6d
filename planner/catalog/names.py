"""Names that people type, matched to catalog entries: case, blanks and punctuation do not matter, aliases do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from planner.errors import CatalogError, did_you_mean


class Named(Protocol):
    """An entry that is found by its name or by one of its aliases."""

    @property
    def name(self) -> str:
        """The one spelling that the planner prints."""

    @property
    def aliases(self) -> tuple[str, ...]:
        """Other spellings that the planner understands."""


Entry = TypeVar("Entry", bound=Named)
NUMBER_OR_LETTERS = re.compile(r"\d+(?:\.\d+)*|[^\W\d_]+")


class UnknownNameError(LookupError):
    """No entry has this name; `hint` says which names come close."""

    def __init__(self, text: str, hint: str) -> None:
        self.text = text
        self.hint = hint
        super().__init__(f'unknown name "{text}". {hint}')


def fold(name: str) -> str:
    """`name` without case and without anything but letters, digits and the points inside numbers.

    >>> fold("A100-80GB"), fold("RTX_4090"), fold("facebook/opt-1.3b"), fold("facebook/opt-13b")
    ('a10080gb', 'rtx4090', 'facebookopt1.3b', 'facebookopt13b')
    """
    return "".join(NUMBER_OR_LETTERS.findall(name.casefold()))


def by_folded_name(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Every entry under its folded name and its folded aliases.

    Error: CatalogError if two entries share a spelling, or if a spelling has neither a letter nor a digit.
    """
    index: dict[str, Entry] = {}
    for entry in entries:
        for spelling in (entry.name, *entry.aliases):
            folded = fold(spelling)
            if not folded:
                raise CatalogError(f'"{entry.name}": "{spelling}" has neither a letter nor a digit')
            other = index.setdefault(folded, entry)
            if other is not entry:
                raise CatalogError(f'"{spelling}" names both "{other.name}" and "{entry.name}"')
    return index


def resolve(text: str, entries: Sequence[Entry]) -> Entry:
    """The entry that `text` names.

    Error: UnknownNameError if none does, CatalogError if the entries' names collide.
    """
    entry = by_folded_name(entries).get(fold(text))
    if entry is None:
        spellings = [spelling for known in entries for spelling in (known.name, *known.aliases)]
        raise UnknownNameError(text, did_you_mean(text, spellings))
    return entry
