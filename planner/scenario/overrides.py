"""Changes of single keys of a scenario by their path, such as `search.gpus=8` or `offers[0].price=2.10 USD/h`.

A changed document knows which of its values are changes: what is wrong with those is told of the change, not of the
file. Whatever a file can say can be set: a key that the file leaves out is added, null leaves one out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from planner.errors import InputError, Problem
from planner.scenario.yaml_lines import Document, Key, KeyPath, Place, parse_value, path_text
from planner.units import shown

OPTION = "--set"
EXAMPLE = "For example limits.deadline=24h, search.gpu=[A100 80GB SXM, L40S] or offers[0].price=2.10 USD/h"
_STEP = re.compile(r"[^.\[\]\s]+|\[(\d{1,6})\]")
MOST_TEXT = 4000
NOWHERE = Place(0, 0)
"""Of what is in no file."""


@dataclass(frozen=True)
class Setting:
    """One change as it was written, the path that it changes, and the new value."""

    text: str
    path: KeyPath
    """Positions in lists are numbers; where a list may be meant by `.0`, the text "0"."""
    value: Any

    @property
    def name(self) -> str:
        """What messages call it: `--set limits.deadline=24h`."""
        return f"{OPTION} {printable(self.text)}"

    def problem(self, message: str, hint: str = "", path: KeyPath = ()) -> Problem:
        """A problem of this change, at a path if it is about a value."""
        return Problem(self.name, 0, 0, path_text(path), message, hint)


def printable(text: str) -> str:
    """A text in a message: without control characters, at most as long as a line.

    >>> printable("a=1"), printable("a=\\\\x07")
    ('a=1', 'a=\\\\x07')
    """
    return shown(text)[1:-1]


def parse_setting(text: str) -> Setting:
    """The change that `KEY=VALUE` asks for. Error: InputError that names it.

    >>> parse_setting("offers[0].price=2.10 USD/h").path
    ('offers', 0, 'price')
    """
    written, equals, value = text.partition("=")
    setting = Setting(text, (), None)
    if len(text) > MOST_TEXT:
        raise InputError([setting.problem(f"longer than {MOST_TEXT} characters", "Write it into a file")])
    if not equals:
        raise InputError([setting.problem("expected KEY=VALUE", EXAMPLE)])
    path = _path(written.strip())
    if path is None:
        raise InputError([setting.problem(f"{shown(written)} is no path of keys", EXAMPLE)])
    if not value.strip():
        raise InputError([setting.problem("no value", "null leaves the key out")])
    try:
        return replace(setting, path=path, value=parse_value(value.strip(), setting.name))
    except InputError as error:
        raise InputError([replace(each, line=0, column=0) for each in error.problems]) from None


def _path(text: str) -> KeyPath | None:
    """The keys and positions in a path; None if it is none.

    >>> _path("jobs[1].data.tokens"), _path("jobs.1"), _path("a..b"), _path("[0]")
    (('jobs', 1, 'data', 'tokens'), ('jobs', '1'), None, None)
    """
    keys: list[Key] = []
    end = 0
    for step in _STEP.finditer(text):
        position = step[1]
        between = text[end : step.start()]
        if between != ("" if position is not None or not keys else "."):
            return None
        keys.append(step[0] if position is None else int(position))
        end = step.end()
    return tuple(keys) if keys and isinstance(keys[0], str) and end == len(text) else None


@dataclass
class ChangedDocument(Document):
    """A document with changes; `settings` are those that it holds, with the positions in lists resolved."""

    settings: tuple[Setting, ...] = ()

    def problem(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """A problem of the value (or key) at `path`: of the last change that wrote it or made it, else of the file."""
        known = self.known_part(path)
        if self.places.get(known) != NOWHERE:
            return super().problem(path, message, hint, at_key=at_key)
        setting = next(each for each in reversed(self.settings) if overlap(each.path, known))
        return setting.problem(message, hint, path)


def overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one of two paths leads through the other."""
    length = min(len(one), len(other))
    return one[:length] == other[:length]


def changed(document: Document, settings: Sequence[Setting]) -> Document:
    """The same document with other values; itself if nothing is to be changed.

    Error: InputError for a path that leads through a value that is neither map nor list, for a position that a list
    does not have, and for a value that another change overwrites.
    """
    if not settings:
        return document
    value = deepcopy(document.value)
    done: list[Setting] = []
    problems: list[Problem] = []
    for setting in settings:
        found = _put(value, setting)
        if isinstance(found, Problem):
            problems.append(found)
            continue
        problems += [
            setting.problem(f"overwrites {each.name}", "Give one of them")
            for each in done
            if each.path[: len(found)] == found
        ]
        done.append(replace(setting, path=found))
    if problems:
        raise InputError(problems)
    return _changed(document, value, tuple(done))


def _changed(document: Document, value: dict[str, Any], settings: tuple[Setting, ...]) -> ChangedDocument:
    """A document of the values, with the places of those that are the file's own."""

    def is_own(path: KeyPath) -> bool:
        return not any(path[: len(each.path)] == each.path for each in settings)

    places = {path: NOWHERE for path in _paths(value, ()) if any(overlap(each.path, path) for each in settings)}
    places |= {path: place for path, place in document.places.items() if is_own(path)}
    keys = {path: place for path, place in document.key_places.items() if is_own(path)}
    return ChangedDocument(document.file, value, places, keys, list(document.problems), settings)


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """The paths of everything inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from _paths(each, (*path, key))


def _put(value: dict[str, Any], setting: Setting) -> KeyPath | Problem:
    """Write the value of a setting into maps and lists; the path where it is, or why there is no such path."""
    here: Any = value
    path: KeyPath = ()
    for place, key in enumerate(setting.path):
        is_last = place == len(setting.path) - 1
        if isinstance(here, list):
            position = _position(key)
            if position is None:
                return setting.problem("is a list: give a position", f"{path_text(path)}[0] is the first entry", path)
            if position >= len(here):
                return setting.problem(_no_entry(position, len(here)), "", path)
            key = position
        elif isinstance(key, int):
            return setting.problem(f"[{key}] is for lists, but this is {shown(here)}", "", path)
        path = (*path, key)
        if is_last:
            here[key] = deepcopy(setting.value)
        elif isinstance(here, dict) and here.get(key) is None:
            following = setting.path[place + 1]
            if isinstance(following, int):
                return setting.problem(_no_entry(following, 0), "", path)
            here[key] = {}
        elif not isinstance(here[key], dict | list):
            rest = path_text(setting.path[place + 1 :])
            return setting.problem(f"is {shown(here[key])}, which has no {rest}", "", path)
        here = here[key]
    return path


def _position(key: Key) -> int | None:
    """A position in a list, be it written `[0]` or, as in messages, `.0`."""
    if isinstance(key, int):
        return key
    return int(key) if key.isdecimal() and key.isascii() else None


def _no_entry(position: int, length: int) -> str:
    """What is wrong with a position."""
    has = f"{length} entries, [0] to [{length - 1}]" if length > 1 else "one entry, [0]" if length else "no entries"
    return f"has {has}; there is no [{position}]"
