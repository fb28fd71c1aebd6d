"""The software of a run: packages with versions, as people write them down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import cached_property

SHORT_NAMES = {"bnb": "bitsandbytes", "flash_attn": "flash-attn"}
_PACKAGE = re.compile(r"([A-Za-z][A-Za-z_-]*?)[-_ ]?(?:==|>=|~=|=|v| )?(\d+(?:\.\d+)+)")


def version_key(text: str) -> tuple[int, ...]:
    """A version as numbers that compare.

    >>> version_key("0.43.3") > version_key("0.42")
    True
    """
    return tuple(int(part) for part in text.split("."))


@dataclass(frozen=True)
class Software:
    """What is stated of a run's software: a text such as `torch2.4.1 bnb0.43.3`, and the day of the run.

    >>> Software("torch2.4.1 transformers==4.48.1 bnb 0.43.3").version("bitsandbytes")
    (0, 43, 3)
    >>> Software("torch>=2.2 bnb0.42").lacks("accelerate")
    True
    """

    text: str = ""
    day: date | None = None

    @cached_property
    def _versions(self) -> dict[str, tuple[int, ...]]:
        found = ((name.lower().rstrip("-_"), version_key(version)) for name, version in _PACKAGE.findall(self.text))
        return {SHORT_NAMES.get(name, name): version for name, version in found}

    def version(self, package: str) -> tuple[int, ...] | None:
        """The version of a package; None if it is not stated."""
        return self._versions.get(package)

    def lacks(self, *packages: str) -> bool:
        """Whether versions of several packages are stated, but none of these."""
        return len(self._versions) > 1 and not self._versions.keys() & set(packages)
