"""The rules, sorted by what they concern, so that each is checked once for all rows that share its decisions."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import PlannerError
from planner.estimator.formula import call, scope
from planner.rules import RULES, Rule
from planner.solver.domains import ACTIVATION_LOCAL, STATE_LOCAL, Family
from planner.solver.world import World


@cache
def rules_of(table: str) -> tuple[Rule, ...]:
    """Rules that concern one thing: "state", "activation", "family" (the last two also "... on gpu") or "machine".

    PlannerError if a rule mixes local decisions of both tables, or the machine with names of the family.
    """
    return tuple(rule for rule in RULES if _table_of(rule) == table)


def _table_of(rule: Rule) -> str:
    names = set(scope(rule.holds))
    in_state, in_activation = names & set(STATE_LOCAL), names & set(ACTIVATION_LOCAL)
    if in_state and in_activation:
        raise PlannerError(f"the rule that {rule.sentence} mixes both tables")
    if in_state:
        return "state"
    if in_activation:
        return "activation on gpu" if "gpu" in names else "activation"
    if not names & {each.name for each in fields(Family)}:
        return "machine"
    if names & {"offer", "gpus_per_node"}:
        raise PlannerError(f"the rule that {rule.sentence} mixes machine and family")
    return "family on gpu" if "gpu" in names else "family"


def legal(table: str, world: World, decisions: dict[str, Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which rows meet all rules of a table."""
    mask = np.ones(shape, dtype=bool)
    for rule in rules_of(table):
        holds = call(rule.holds, world.workload, decisions)
        if isinstance(holds, np.ndarray):
            mask &= holds
        elif not holds:
            return np.zeros(shape, dtype=bool)
    return mask
