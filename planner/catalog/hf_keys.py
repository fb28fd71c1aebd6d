"""Typed access to the keys of a Hugging Face configuration that gathers every fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.catalog.shape import LARGEST

JSON_TYPES = {
    bool: "true or false",
    int: "a number",
    float: "a number with a fraction",
    str: "a text",
    list: "a list",
    dict: "a map",
    type(None): "null",
}


class Keys:
    """The keys of one configuration over its family's defaults. A faulty key reads as a harmless value.

    >>> keys = Keys({"n_layer": "12"}, {"n_positions": 1024})
    >>> keys.size("n_positions"), keys.size("n_layer"), keys.size("n_head")
    (1024, 1, 1)
    >>> keys.faults
    {'n_layer': 'must be a whole number, not a text', 'n_head': 'is missing'}
    """

    def __init__(self, values: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, parent: str = "") -> None:
        self.values = values
        self.defaults = defaults or {}
        self.parent = parent
        self.faults: dict[str, str] = {}

    def fault(self, name: str, message: str) -> None:
        """Note what is wrong with a key; of two faults of one key, the first counts."""
        self.faults.setdefault(self.parent + name, message)

    def has(self, name: str) -> bool:
        """Whether the key is written, and not as null."""
        return self.values.get(name) is not None

    def size(self, *names: str) -> int:
        """A number above 0 under the first of these names that is given."""
        name, value = self._find(names)
        if value is None:
            self.fault(name, "is null" if name in self.values else "is missing")
            return 1
        return self._whole(name, value, least=1)

    def optional(self, *names: str) -> int | None:
        """A number above 0, or None where the key is null, or absent without a default."""
        name, value = self._find(names)
        return None if value is None else self._whole(name, value, least=1)

    def count(self, name: str) -> int:
        """A number from 0; null and absent without a default read as 0."""
        _, value = self._find((name,))
        return 0 if value is None else self._whole(name, value, least=0)

    def flag(self, name: str) -> bool:
        """True or false; null reads as the default, absent without a default as false."""
        value = self.values.get(name)
        if value is None:
            return bool(self.defaults.get(name, False))
        if not isinstance(value, bool):
            self.fault(name, f"must be true or false, not {JSON_TYPES[type(value)]}")
            return False
        return value

    def activation(self, *names: str, default: str) -> str:
        """The activation function of the MLP: silu, gelu (any of its approximations) or relu."""
        name, value = self._find(names)
        if value is None:
            return default
        text = value if isinstance(value, str) else ""
        for known, spellings in {"silu": ("silu", "swish"), "relu": ("relu",)}.items():
            if text in spellings:
                return known
        if not text.startswith("gelu"):
            self.fault(name, "is not a supported activation (silu, gelu and its variants, relu)")
        return "gelu"

    def whole_numbers(self, name: str) -> frozenset[int]:
        """The distinct members of a list of whole numbers; empty where absent."""
        value = self.values.get(name)
        if value is None:
            return frozenset()
        if not isinstance(value, list) or any(type(member) is not int for member in value):
            self.fault(name, "must be a list of whole numbers")
            return frozenset()
        return frozenset(value)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A list of texts, or None where absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
            self.fault(name, "must be a list of texts")
            return None
        return tuple(value)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        """One of the known texts; absent and faulty read as the first."""
        value = self.values.get(name)
        if value is not None and value not in known:
            self.fault(name, f"must be one of {', '.join(known)}")
        return value if value in known else known[0]

    def section(self, name: str, defaults: Mapping[str, Any]) -> Keys:
        """The keys of a map inside this one (empty where absent); its faults are noted here too."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            self.fault(name, f"must be a map, not {JSON_TYPES[type(value)]}")
        inner = Keys(value if isinstance(value, dict) else {}, defaults, parent=f"{self.parent}{name}.")
        inner.faults = self.faults
        return inner

    def quotient(self, whole_name: str, whole: int, parts_name: str, parts: int) -> int:
        """The width of one of `parts` equal parts; a remainder is a fault of the first key."""
        if whole % parts and not self.faults:
            self.fault(whole_name, f"({whole}) is not a multiple of {parts_name} ({parts})")
        return max(1, whole // parts)

    def _find(self, names: tuple[str, ...]) -> tuple[str, Any]:
        """The first name with a value; otherwise the first name that is null, or that has a default."""
        for name in names:
            if self.has(name):
                return name, self.values[name]
        for name in names:
            if name in self.values:
                return name, None
        return names[0], next((self.defaults[name] for name in names if name in self.defaults), None)

    def _whole(self, name: str, value: Any, least: int) -> int:
        if type(value) is not int:
            self.fault(name, f"must be a whole number, not {JSON_TYPES[type(value)]}")
        elif not least <= value <= LARGEST:
            shown = value if abs(value) <= LARGEST else "a larger one" if value > 0 else "a smaller one"
            self.fault(name, f"must be a whole number from {least} to {LARGEST}, not {shown}")
        else:
            return value
        return 1
