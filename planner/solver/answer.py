"""What solving a scenario gives: the plan and its proof, what was second best and why, or what makes it impossible."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from planner.catalog import Gpu
from planner.solver.candidate import Candidate
from planner.solver.offers import DroppedOffer
from planner.solver.search import Proof
from planner.solver.world import World

Status = Literal["optimal", "feasible", "infeasible", "unknown"]
LimitName = Literal["gpu_memory", "host_memory", "disk", "deadline", "budget", "max_gpus"]


@dataclass(frozen=True)
class Shortfall:
    """By how much the plan that comes nearest fails one limit.

    `needed` and `available` are bytes (gpu_memory, host_memory), seconds (deadline) or money (budget). `candidate` is
    that plan: the one that needs least of the limit's quantity with all other limits kept. `needed` is None where no
    plan exists even without the limit.
    """

    limit: LimitName
    needed: float | None
    available: float
    candidate: Candidate | None


@dataclass(frozen=True)
class Rival:
    """The best plan with one decision fixed to another value, or why there is none."""

    decision: str
    value: str
    candidate: Candidate | None
    shortfall: Shortfall | None = None
    reason: str = ""
    """For values that no plan can have: the sentence that says so."""


@dataclass(frozen=True)
class Change:
    """The chosen plan with one decision changed and nothing else: what it would cost or break."""

    decision: str
    value: str | int
    candidate: Candidate | None
    """The changed plan with its estimate, None where no legal plan results."""
    broken: tuple[str, ...] = ()
    """Names of limits that the changed plan breaks (gpu_memory, host_memory, deadline, budget)."""
    rules: tuple[str, ...] = ()
    """Sentences of rules that it breaks."""
    follows: dict[str, str | int] = field(default_factory=dict)
    """Decisions that had to change with it (gradient accumulation with the micro-batch)."""


@dataclass(frozen=True)
class Relaxation:
    """One member of a conflict, and the smallest change of it alone that makes the scenario feasible.

    `limit` is "gpu_memory", "host_memory", "disk", "deadline", "budget", "max_gpus" or "search.<decision>". `nearest`
    is the value that works (bytes, seconds, money, GPUs, or a value of the decision), `candidate` the best plan then;
    both None if no value of this limit alone helps. Of host memory and disk it is what that plan needs.
    """

    limit: str
    current: float | str
    nearest: float | str | None
    candidate: Candidate | None
    together: tuple[str, ...] = ()
    """Other limits that have to be lifted as well, because they exclude every plan on their own."""


@dataclass(frozen=True)
class Conflict:
    """Why there is no plan: sets of limits that cannot hold together, and could without any one of the set.

    Without relaxations there is no plan whatever the limits: the rules of stacks and machines exclude it.
    """

    relaxations: tuple[Relaxation, ...]
    proved: bool
    closest: tuple[Shortfall, ...] = ()
    """For each GPU type of the search: the plan that needs least memory, and its memory in full."""


@dataclass(frozen=True)
class Binding:
    """How much of a limit the chosen plan uses."""

    limit: LimitName
    used: float
    available: float

    @property
    def fraction(self) -> float:
        """Used share of what is available."""
        return self.used / self.available


@dataclass(frozen=True)
class Answer:
    """Everything that a report needs; all figures come from estimates, nothing is prose."""

    world: World
    status: Status
    best: Candidate | None
    proof: Proof
    raw_combinations: int
    bound: float
    """Proved lower bound on the cost (or on the seconds, if time is preferred)."""
    step: float = 0.0
    """Plans whose cost (or seconds) is within such a step are equally good, and the simpler one is chosen."""
    gpus: tuple[Rival, ...] = ()
    methods: tuple[Rival, ...] = ()
    changes: tuple[Change, ...] = ()
    bindings: tuple[Binding, ...] = ()
    conflict: Conflict | None = None
    dropped_offers: tuple[DroppedOffer, ...] = ()
    unoffered_gpus: tuple[Gpu, ...] = ()
    """GPU types that the search names and nobody offers."""
