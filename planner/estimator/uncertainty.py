"""How wrong an estimate of memory may be: the spread of each kind of term, intervals and the probability to fit.

Errors of measured runs grow with what the estimate is made of: weights and states are counted, activations are derived,
what the allocator cannot use is a tendency. Each kind of term has a fraction by which it may be off (the scale of a
Student t distribution with four degrees of freedom, which has the long tails that residuals show); the errors of a
plan's terms are taken to go together, so that the spread of a peak is the sum of the spreads of its terms. That errs on
the safe side, and keeps a limit at any risk linear in the terms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from planner.catalog.gpu import Gpu
from planner.catalog.stack import Stack
from planner.estimator.workload import Workload

INTERVAL = 0.90
"""Share of measured peaks that low and high are to enclose."""
LEAST_CACHED_FRACTION = 0.03
"""Published pairs have reserved over allocated of 1.03 at least."""
KINDS = {
    "weights": "counted",
    "adapters": "counted",
    "master_weights": "counted",
    "optimizer_states": "counted",
    "gradients": "counted",
    "embedding_gradients": "counted",
    "block_gradients": "counted",
    "gradient_placeholders": "counted",
    "optimizer_temporaries": "counted",
    "staged": "counted",
    "gathered": "counted",
    "allocator": "allocator",
    "allocator_gradients": "allocator",
    "context": "context",
}
"""Term -> kind; every other term is derived from the architecture of the software."""
DERIVED = "derived"
GROWING = ("activations", "logits", "recomputation", "temporaries", "dequantised")
"""Terms that grow with the length of a batch."""
VARYING_FRACTION = 0.12
"""By which fraction more of those a limit may have to allow where samples vary in length: longer ones find blocks of
shorter ones in their way, in which something is still alive. Source: the least limit at which steps of 17 plans, each
with ten random orders of samples, run on a simulated allocator: 0.46 of these terms above live tensors in the 99th
percentile, which is 3.75 of this fraction, and 0.10 in the median."""


def cumulative(value: float) -> float:
    """Probability that a Student t variable with four degrees of freedom is at most `value`.

    1/2 + 3/8 x (1 - x^2 / 12) with x = t / sqrt(1 + t^2 / 4).
    Source: closed form for four degrees of freedom (Shaw, J. Comput. Finance 9(4), 2006, section 2).

    >>> round(cumulative(0), 3), round(cumulative(2.1318), 3), round(cumulative(3.7469), 3)
    (0.5, 0.95, 0.99)
    """
    scaled = value / math.sqrt(1 + value * value / 4)
    return 0.5 + 0.375 * scaled * (1 - scaled * scaled / 12)


@cache
def quantile(probability: float) -> float:
    """The value that a Student t variable with four degrees of freedom exceeds with 1 - `probability`.

    2 sqrt(q - 1) with q = cos(arccos(sqrt a) / 3) / sqrt a, a = 4 p (1 - p); negative below one half.
    Source: the same.

    >>> round(quantile(0.95), 4), round(quantile(0.99), 4), quantile(0.5)
    (2.1318, 3.7469, 0.0)
    """
    alpha = 4 * probability * (1 - probability)
    root = math.sqrt(alpha)
    size = 2 * math.sqrt(max(0.0, math.cos(math.acos(root) / 3) / root - 1))
    return math.copysign(size, probability - 0.5) if size else 0.0


REACH = quantile(0.5 + INTERVAL / 2)
"""From an expected value to the ends of its interval, in units of the spread."""


@dataclass(frozen=True)
class Peak:
    """Bytes of a peak, with the 90% interval."""

    bytes: int
    low_bytes: int
    high_bytes: int


def cached_around(cached: float, allocated: float) -> float:
    """What the uncertainty of cached memory is a fraction of: what is simulated, and a little besides.

    cached + 0.03 x allocated.
    """
    return cached + LEAST_CACHED_FRACTION * allocated


def spread_fraction(stack: Stack, method: str, term: str, varying: bool = False) -> float:
    """By which fraction a term of a plan may be off; `varying`: what it needs where samples vary in length."""
    return stack.spread.fraction(method, KINDS.get(term, DERIVED)) + VARYING_FRACTION * (varying and term in GROWING)


def margin_factor(workload: Workload, stack: Stack, method: str, term: str) -> float:
    """What a term is multiplied by so that the sum of the terms is exceeded with the accepted risk only.

    1 + t(1 - oom_risk) x spread, at least 1.
    """
    spread = spread_fraction(stack, method, term, workload.sample_lengths is not None)
    return 1.0 + max(0.0, quantile(1 - workload.oom_risk)) * spread


def own_seconds_factor(gpu: Gpu, stack: Stack) -> float:
    """What the seconds of a step are multiplied by: 1, or what a user's own runs say of this GPU with this stack."""
    own = stack.own_speeds.get(gpu.name)
    return 1.0 if own is None else own.seconds_factor


def speed_spread(gpu: Gpu, stack: Stack) -> float:
    """Log-scale spread of speed: that of published runs, or what a user's own runs leave of it."""
    own = stack.own_speeds.get(gpu.name)
    return gpu.speed.spread if own is None else own.spread


def slow_factor(workload: Workload, gpu: Gpu, stack: Stack) -> float:
    """What an expected duration is multiplied by so that it is exceeded with 1 - the deadline's confidence only.

    exp(t(confidence) x spread), at least 1: measured speeds scatter by factors around those predicted.
    """
    return math.exp(max(0.0, quantile(workload.deadline_confidence)) * speed_spread(gpu, stack))


def speed_reach(gpu: Gpu, stack: Stack) -> float:
    """The factor that leads from an expected speed or duration to both ends of its 90% interval."""
    return math.exp(REACH * speed_spread(gpu, stack))


def spread_bytes(terms: Mapping[str, float], plan: Any, varying: bool = False) -> float:
    """Spread of a sum of terms, bytes: the sum of their spreads."""
    return sum(value * spread_fraction(plan.stack, plan.method, name, varying) for name, value in terms.items())


def interval(expected: float, spread: float) -> Peak:
    """A peak with its 90% interval; it is never below zero."""
    reach = REACH * spread
    return Peak(round(expected), max(0, round(expected - reach)), round(expected + reach))
