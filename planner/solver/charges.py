"""What keys cost, as arrays: the cost of so many seconds, and the most seconds that a cost allows.

A cost is a staircase: time is billed in whole units, and at least a minimum. It never falls as time grows, so that a
limit on the cost is a limit on the seconds, key by key.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.estimator.cost import ROUNDING, Tariff
from planner.unit_prices import MONTH_SECONDS

Amounts = NDArray[np.float64]
NEARLY_ROUNDING = 0.999 * float(ROUNDING)
"""So that what is found to be affordable is not a whole unit more once it is rounded."""


@dataclass(frozen=True)
class ChargeTable:
    """Equally long arrays, one element a key; money is in the scenario's currency, tax included.

    cost = fee + rent x max(minimum, whole units of seconds) + storage x whole units of seconds.
    """

    rent: Amounts
    """Of all GPUs, per second."""
    storage: Amounts
    """Per second."""
    fee: Amounts
    unit: Amounts
    """Seconds."""
    minimum: Amounts
    """Seconds."""

    def where(self, selection: Any) -> ChargeTable:
        """The keys that a mask, a slice or an order selects."""
        return ChargeTable(*(getattr(self, each.name)[selection] for each in fields(ChargeTable)))

    def __getitem__(self, key: Any) -> ChargeTable:
        return self.where(key)

    def cost(self, seconds: Any) -> Amounts:
        """Exact cost of jobs of so many seconds, one a key."""
        whole = np.maximum(np.ceil(seconds / self.unit * (1 - float(ROUNDING))) * self.unit, seconds)
        kept = np.where(np.isfinite(whole), whole, 0.0)
        cost: Amounts = self.fee + self.rent * np.maximum(self.minimum, whole) + self.storage * kept
        return cost

    def most_seconds(self, cost: float | Amounts) -> Amounts:
        """The longest jobs that cost at most so much; below 0 where even the shortest costs more."""
        left = cost - self.fee
        # The difference may be a tiny part of the amounts: what rounding takes away is given back.
        beyond = left * (1 + float(ROUNDING)) - self.rent * self.minimum
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond_minimum = np.where(self.storage > 0, beyond / self.storage, np.inf)
        longest = np.minimum(left / (self.rent + self.storage), beyond_minimum)
        units = np.floor(longest / self.unit * (1 + float(ROUNDING)))
        affordable = left >= self.rent * self.minimum * (1 - float(ROUNDING))
        most: Amounts = np.where(affordable, units * self.unit * (1 + NEARLY_ROUNDING), -1.0)
        return most

    @property
    def rate(self) -> Amounts:
        """A bound on what a second adds to the cost."""
        return self.rent + self.storage

    @property
    def least(self) -> Amounts:
        """What the shortest job costs at least."""
        return self.fee + self.rent * self.minimum


def charge_table(tariff: Tariff, gpus: NDArray[np.int64], stored_bytes: float, downloaded_bytes: float) -> ChargeTable:
    """The charges of an offer for plans with so many GPUs."""
    gross = 1 + float(tariff.tax_fraction)
    storage = float(tariff.storage_per_byte_month) * stored_bytes / MONTH_SECONDS * gross
    fee = float(tariff.egress_per_byte) * max(0.0, downloaded_bytes - tariff.free_egress_bytes) * gross
    return ChargeTable(
        rent=float(tariff.price_per_gpu_hour) / 3600 * gross * gpus.astype(np.float64),
        storage=np.full(len(gpus), storage),
        fee=np.full(len(gpus), fee),
        unit=np.full(len(gpus), float(tariff.billing_unit_seconds)),
        minimum=np.full(len(gpus), float(tariff.minimum_seconds)),
    )


def joined_charges(parts: list[ChargeTable]) -> ChargeTable:
    """Tables one after the other."""
    return ChargeTable(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(ChargeTable)))
