"""How much a user's own runs say of their GPU and stack: a shrinkage estimate, never a refit on a few points.

Logarithms of measured over predicted seconds are taken to be normal, with three parts:

    residual = offset of the GPU type and stack ~ N(0, shared x spread^2)  +  noise of a configuration ~ N(0, rest)

whose variances add up to the published spread squared; `shared_fraction` in catalogs/efficiency.yaml says what part the
runs of one source on one GPU type with one stack had in common. An offset is in turn the sum of three equal and
independent parts, of the GPU type, of the stack, and of the two together: no published runs tell them apart. So runs on
one pair say a third as much of another stack on the same GPU type, and of the same stack on another, and nothing else.

With one pair and n configurations this is the textbook estimate: the offset is weight x mean residual, where

    weight = n shared / (n shared + 1 - shared),   spread after = spread x sqrt(1 - shared x weight).

Runs of the same configuration (job and plan) are no independent witnesses: their residuals are averaged first. The
spread stays the scale of a Student t distribution with four degrees of freedom, whose tails are those of published
runs, and it never falls below the noise of a configuration, sqrt(1 - shared) of what it was.
Source: BLUP, Robinson 1991, Statistical Science 6(1).
Error: runs of published sources, by fits without their source, are predicted with a mean error of 11.7% (sources and
runs alike), and with 10.4% if all other configurations of the source are known (10.8%: three of them); the 90%
interval holds 91%, 91% and 93% of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.catalog.speed import OwnSpeed

PARTS = 3
"""Of an offset: the GPU type's, the stack's, and that of the two together. An assumption of the planner."""


@dataclass(frozen=True)
class Observed:
    """What a user's runs on one GPU type with one stack show."""

    gpu: str
    stack: str
    configurations: int
    """Different ones; at least 1."""
    log_residual: float
    """Mean over configurations of the logarithm of measured over predicted seconds."""


class Shrinkage:
    """Own speeds of every GPU type and stack, from what was observed; `spreads` are the published ones by GPU type."""

    def __init__(self, observed: Sequence[Observed], spreads: Mapping[str, float], shared_fraction: float) -> None:
        self.observed, self.spreads, self.shared = tuple(observed), spreads, shared_fraction
        among = np.array([[self._covariance(one.gpu, one.stack, other) for other in observed] for one in observed])
        noise = np.array([(1 - shared_fraction) / each.configurations for each in observed])
        size = len(self.observed)
        self._inverse = np.linalg.inv(among.reshape(size, size) + np.diag(noise)) if size else np.zeros((0, 0))
        self._scaled = np.array([each.log_residual / spreads[each.gpu] for each in observed])

    def _covariance(self, gpu: str, stack: str, other: Observed) -> float:
        """Of two offsets, in units of both spreads."""
        same = gpu == other.gpu, stack == other.stack
        return self.shared * (sum(same) + all(same)) / PARTS

    def says_of(self, gpu: str, stack: str) -> bool:
        """Whether anything observed has to do with this GPU type and stack."""
        return any(gpu == each.gpu or stack == each.stack for each in self.observed)

    def own_speed(self, gpu: str, stack: str, source: str = "") -> OwnSpeed:
        """The factor of predicted seconds to expect, and the log-scale spread that is left."""
        covariances = np.array([self._covariance(gpu, stack, each) for each in self.observed])
        weights = covariances @ self._inverse
        left = max(0.0, self.shared - float(weights @ covariances)) + 1 - self.shared
        spread = self.spreads[gpu]
        return OwnSpeed(
            seconds_factor=math.exp(spread * float(weights @ self._scaled)),
            spread=spread * math.sqrt(left),
            source=source,
        )


def shared_fraction(groups: Sequence[Sequence[float]]) -> float:
    """Which part of the variance of residuals the members of a group share, from groups of two or more; 0 to 0.99.

    between / (between + within), every group alike: within is the mean variance inside a group, between the mean of
    the squared mean of a group (residuals are expected around 0), less what noise adds to that, variance / members.
    Source: method of moments of a one-way random-effects model.

    >>> shared_fraction([[0.1, 0.1, 0.1], [-0.1, -0.1, -0.1]]), shared_fraction([[-0.1, 0.1], [0.1, -0.1]])
    (0.99, 0.0)
    """
    large = [np.array(group) for group in groups if len(group) > 1]
    if not large:
        return 0.0
    variances = [float(group.var(ddof=1)) for group in large]
    excess = [float(group.mean()) ** 2 - each / len(group) for group, each in zip(large, variances, strict=True)]
    within, between = sum(variances) / len(large), max(0.0, sum(excess) / len(large))
    total = within + between
    return min(0.99, between / total) if total else 0.0
