"""Round values to mark on an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEAST_TICKS = 3
STEPS = (1.0, 2.0, 5.0)
"""Round values of a power of ten."""


def round_ticks(values: Sequence[float]) -> list[float]:
    """Round values between the least and the largest one: in equal ratios, or in equal steps where they lie close.

    >>> round_ticks([3.0, 60.0]), round_ticks([20.5, 22.7])
    ([5.0, 10.0, 20.0, 50.0], [20.5, 21.0, 21.5, 22.0, 22.5])
    """
    low, high = min(values), max(values)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    round_values = [step * 10.0**power for power in powers for step in STEPS]
    found = [value for value in round_values if low <= value <= high]
    if len(found) >= LEAST_TICKS or low == high:
        return found or [low]
    power = 10.0 ** math.floor(math.log10((high - low) / LEAST_TICKS))
    step = max(each * power for each in STEPS if each * power <= (high - low) / LEAST_TICKS)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
