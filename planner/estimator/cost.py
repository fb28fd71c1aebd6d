"""Money: what a job of a given duration costs at an offer's price."""

from __future__ import annotations

from decimal import Decimal

from planner.estimator.formula import formula


@formula
def job_cost(price_per_gpu_hour: Decimal, *, gpus: int, seconds: float) -> Decimal:
    """Cost of renting `gpus` for `seconds`, in the currency of the price.

    price per GPU and hour x GPUs x seconds / 3600.
    Source: providers bill by the second or minute; longer minimum terms are not modelled.
    Valid for: machines that are given back when the job ends.
    Error: 0.

    >>> job_cost(Decimal("2.50"), gpus=8, seconds=5400.0)
    Decimal('30.000000')
    """
    amount = price_per_gpu_hour * gpus * Decimal(repr(seconds)) / 3600
    return amount.quantize(Decimal("0.000001"))
