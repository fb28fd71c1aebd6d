"""Everything that a user can cause to go wrong, as exceptions.

    PlannerError                 exit code 1: never raised itself
    |-- InputError               exit code 2: one or more `Problem`s in what the user wrote, all at once
    |-- CatalogError             exit code 2: a catalog file that breaks its own format
    `-- DisagreementError        exit code 1: solver and estimator disagree, a bug in the planner

"Infeasible" (3) and "undecided in the time given" (4) are answers, not errors: see `ExitCode`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    PLAN = 0
    BAD_INPUT = 2
    INFEASIBLE = 3
    UNDECIDED = 4


class PlannerError(Exception):
    """Root of the tree."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong, at one place: where (file, line, column, key path), what is wrong, what to do instead."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """`scenario.yaml:6:5 search.gpu.1: unknown GPU "H10". Did you mean "H100 SXM"?`

        >>> str(Problem("s.yaml", 6, 5, "job.model", "missing", "add a catalog name"))
        's.yaml:6:5 job.model: missing. add a catalog name'
        """
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f"{place} {self.path}".rstrip()
        text = self.message if not self.hint else f"{self.message}. {self.hint}"
        return f"{where}: {text}"


class InputError(PlannerError):
    """What the user wrote cannot be used; carries every problem found, in file order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CatalogError(PlannerError):
    """A catalog file breaks the catalog format."""


class DisagreementError(PlannerError):
    """The estimator does not confirm what the solver found: never shown as an answer."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest known words, or lists the known words when there are few.

    >>> did_you_mean("flsh", ["eager", "sdpa", "flash"])
    'Did you mean "flash"?'
    >>> did_you_mean("zzz", ["a", "b"])
    'Known: a, b'
    """
    names = list(known)
    folded = {name.casefold(): name for name in names}
    close = [folded[hit] for hit in get_close_matches(word.casefold(), list(folded), n=3, cutoff=0.55)]
    if close:
        return "Did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    if len(names) <= 12:
        return "Known: " + ", ".join(names)
    return f"{len(names)} are known"
