"""YAML text to plain values, each with the line and column it was written at.

Only the part of YAML that people write is accepted: one document, a map at the top, no anchors, aliases, merge keys or
tags, limited depth. Plain scalars follow the YAML 1.2 core schema, so `no`, `off`, `12:30` and `2026-01-01` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from planner.errors import InputError, Problem
from planner.units import shown

MOST_DEPTH = 20

Key = str | int
KeyPath = tuple[Key, ...]

_INTEGER = re.compile(r"[-+]?\d[\d_]{0,24}", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\d[\d_]{0,24}\.?\d{0,24}|\.\d{1,24})([eE][-+]?\d{1,3})?", re.ASCII)
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


class Place(NamedTuple):
    """A position in a file, counted from 1."""

    line: int
    column: int


@dataclass
class Document:
    """A parsed file: its values, where each was written, and the keys that were written twice."""

    file: str
    value: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    """Scalars and list items at their own place, maps and lists under a key at that key."""
    key_places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def known_part(self, path: KeyPath) -> KeyPath:
        """The longest beginning of `path` that is written in the file."""
        while path and path not in self.places:
            path = path[:-1]
        return path

    def problem(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """A problem of the value (or key) at `path`; what is not written is placed at what should contain it."""
        place = (self.key_places if at_key else self.places).get(self.known_part(path), Place(1, 1))
        return Problem(self.file, place.line, place.column, path_text(path), message, hint)


def path_text(path: KeyPath) -> str:
    """How a path appears in messages.

    >>> path_text(("search", "gpu", 1))
    'search.gpu.1'
    """
    return ".".join(shown(part)[1:-1] if isinstance(part, str) else str(part) for part in path)


def parse_yaml(text: str, file: str) -> Document:
    """The document in `text`; refused keys are in its `problems`, everything else that is wrong is an InputError."""
    events = _events(text, file)
    if not events:
        raise InputError([Problem(file, 0, 0, "", "the file is empty", 'A scenario starts with "job:"')])
    document = Document(file)
    first = events[0]
    if not isinstance(first, yaml.MappingStartEvent):
        message = "expected a map of keys at the top of the file"
        raise InputError([_problem(file, first.start_mark, message, 'A scenario starts with "job:"')])
    stream = iter(events)
    next(stream)
    document.value = _map(document, stream, ())
    return document


def parse_value(text: str, file: str) -> Any:
    """The one value in `text`, whatever it is, read as in a file; None if the text is blank. Error: InputError."""
    events = _events(text, file)
    if not events:
        return None
    document, stream = Document(file), iter(events)
    value = _node(document, next(stream), stream, ())
    if document.problems:
        raise InputError(document.problems)
    return value


def _events(text: str, file: str) -> list[yaml.Event]:
    """The nodes of the only document, in order; InputError for broken YAML and for what is not accepted."""
    nodes: list[yaml.Event] = []
    problems: list[Problem] = []
    depth = documents = 0
    for event in _parsed(text, file):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if documents > 1 or depth > MOST_DEPTH:
            message = f"nested deeper than {MOST_DEPTH} levels" if documents == 1 else "a second document starts here"
            problems.append(_problem(file, event.start_mark, message, "A file holds one scenario"))
            break
        problems += [_problem(file, event.start_mark, *refusal) for refusal in _refusals(event)]
        if isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
            nodes.append(event)
    if problems:
        raise InputError(problems)
    is_blank = len(nodes) == 1 and isinstance(nodes[0], yaml.ScalarEvent) and not nodes[0].value
    return [] if is_blank else nodes


def _refusals(event: yaml.Event) -> Iterator[tuple[str, str]]:
    """Messages and hints for features of YAML that a scenario has no use for."""
    if isinstance(event, yaml.AliasEvent):
        yield f"aliases (*{event.anchor}) are not accepted", "Write the value out"
    elif isinstance(event, yaml.NodeEvent) and event.anchor is not None:
        yield f"anchors (&{event.anchor}) are not accepted", "Write the value out where it is needed"
    if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
        yield f"tags ({shown(event.tag)[1:-1]}) are not accepted", "Remove the tag"


def _parsed(text: str, file: str) -> Iterator[yaml.Event]:
    """The events of PyYAML's parser; InputError with the place where it stops."""
    mark = None
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            mark = event.end_mark
            yield event
    except yaml.reader.ReaderError as error:
        raise InputError([_control_character(text, file, error.position)]) from None
    except yaml.MarkedYAMLError as error:
        raise InputError([_syntax_problem(text, file, error)]) from None
    except (ValueError, OverflowError):
        raise InputError(
            [_problem(file, mark, "not valid YAML: no such character or version after this", "")]
        ) from None


def _syntax_problem(text: str, file: str, error: yaml.MarkedYAMLError) -> Problem:
    """A syntax error in words, with a hint for the usual causes."""
    mark = error.problem_mark or error.context_mark
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    said = error.problem or error.context or "it ends too early"
    hint = ""
    if "\t" in line:
        hint = "Indent with spaces, not tabs"
    elif "mapping values are not allowed" in said:
        hint = 'Text that contains ": " needs quotes, and keys of one map the same indentation'
    elif "expected ',' or" in said or "<stream end>" in said:
        hint = "A bracket, brace or quote is not closed"
    return _problem(file, mark, f"not valid YAML: {said}", hint)


def _control_character(text: str, file: str, position: int) -> Problem:
    """The problem of a character that YAML does not allow."""
    before = text[:position]
    line, column = before.count("\n") + 1, position - before.rfind("\n")
    return Problem(file, line, column, "", f"the character {text[position]!a} is not allowed in YAML", "Remove it")


def _problem(file: str, mark: Any, message: str, hint: str) -> Problem:
    """A problem at a mark of PyYAML, which counts from 0; None is the file as a whole."""
    return Problem(file, *_place(mark), "", message, hint)


def _place(mark: Any) -> Place:
    """The place of a mark of PyYAML; line 0 without one."""
    return Place(mark.line + 1, mark.column + 1) if mark else Place(0, 0)


def _map(document: Document, events: Iterator[yaml.Event], path: KeyPath) -> dict[str, Any]:
    """The map whose first key is the next event."""
    value: dict[str, Any] = {}
    for event in events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        if not isinstance(event, yaml.ScalarEvent):
            raise InputError([_problem(document.file, event.start_mark, "a key must be text, not a list or a map", "")])
        key_path = (*path, event.value)
        place = _place(event.start_mark)
        if refusal := _refused_key(document, event, key_path, written=value):
            document.problems.append(Problem(document.file, *place, path_text(key_path), *refusal))
            _node(Document(document.file), next(events), events, key_path, place)
            continue
        document.key_places[key_path] = place
        value[event.value] = _node(document, next(events), events, key_path, place)
    return value


def _refused_key(
    document: Document, event: yaml.ScalarEvent, path: KeyPath, *, written: dict[str, Any]
) -> tuple[str, str] | None:
    """Message and hint if the key at `path` repeats one of the map, or merges another map into it."""
    if event.value in written:
        return f"the key is written twice, first in line {document.key_places[path].line}", "Remove one of them"
    if event.value == "<<" and event.implicit[0]:
        return "merge keys (<<) are not accepted", "Write the keys out"
    return None


def _node(
    document: Document, event: yaml.Event, events: Iterator[yaml.Event], path: KeyPath, key_place: Place | None = None
) -> Any:
    """The value that starts with `event`, its place recorded."""
    own_place = _place(event.start_mark)
    if isinstance(event, yaml.ScalarEvent):
        document.places[path] = own_place
        return _scalar(event.value) if event.implicit[0] else event.value
    document.places[path] = key_place or own_place
    if isinstance(event, yaml.MappingStartEvent):
        return _map(document, events, path)
    return _list(document, events, path)


def _list(document: Document, events: Iterator[yaml.Event], path: KeyPath) -> list[Any]:
    """The list whose first item is the next event."""
    value: list[Any] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            break
        value.append(_node(document, event, events, (*path, len(value))))
    return value


def _scalar(text: str) -> str | int | float | bool | None:
    """What a plain (unquoted) scalar stands for.

    >>> _scalar("1_000"), _scalar("1e30"), _scalar("no"), _scalar("~"), _scalar("48h")
    (1000, 1e+30, 'no', None, '48h')
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text.replace("_", ""))
    return float(text.replace("_", "")) if _FLOAT.fullmatch(text) else text
