"""The estimate of one plan: memory, time and money with all their terms, and the limits that it breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from planner.decisions import Plan
from planner.estimator.cost import Charges, Tariff
from planner.estimator.duration import checkpoint_interval_seconds, job_seconds, startup_seconds, step_seconds
from planner.estimator.formula import evaluate
from planner.estimator.host import disk_bytes, result_bytes
from planner.estimator.levels import fit_probability
from planner.estimator.memory import host_memory, memory, peak, required_memory, term_values, whole_bytes
from planner.estimator.uncertainty import Peak, interval, slow_factor, speed_reach, spread_bytes
from planner.estimator.workload import Workload

GIB = 2**30


@dataclass(frozen=True)
class Estimate:
    """All that the formulas say of one plan; amounts of money are in `currency`."""

    memory: dict[str, dict[str, int]]
    """Phase -> term -> bytes on the fullest GPU."""
    peak_phase: str
    peak_bytes: int
    """The largest phase: what the process needs, as expected."""
    required: dict[str, int]
    """Phase -> bytes with the margins of its terms, exceeded with the accepted risk only: what a limit counts."""
    needed: Peak
    """`peak_bytes` with its 90% interval."""
    fit_probability: float
    """Probability that what the process needs fits the capacity."""
    capacity_bytes: int
    """What the GPU offers a process, less the memory that the user reserves."""
    host_memory: dict[str, int]
    """Term -> bytes on one machine."""
    host_capacity_bytes: int | None
    """None where the offer does not state it."""
    disk_bytes: int
    disk_capacity_bytes: int | None
    step_seconds: float
    step_parts: dict[str, dict[str, float]]
    """Resource -> term -> seconds; a step takes the busiest of the overlapped resources plus `serial`."""
    seconds: float
    startup_seconds: float
    training_seconds: float
    """Steps alone."""
    lost_seconds: float
    """Saving, lost work and restarts."""
    checkpoint_interval_seconds: float
    charges: Charges
    """What the plan is charged: the cost as a function of its seconds."""
    cost_parts: dict[str, Decimal]
    """Part -> amount in millionths, by the names of `cost.PARTS`; not numbers where no price is known."""
    currency: str
    tokens_per_second: float
    """Of all GPUs together, while training."""
    speed_reach: float
    """Speed, duration and cost may be this factor higher or lower: the ends of their 90% intervals."""
    counted_seconds: float
    """What a deadline counts: the duration that is exceeded with 1 - the confidence asked for only."""

    @property
    def required_bytes(self) -> int:
        """The largest of `required`."""
        return max(self.required.values())

    @property
    def fits(self) -> bool:
        """Whether the memory of the GPU suffices at the accepted risk."""
        return self.required_bytes <= self.capacity_bytes

    @property
    def hours(self) -> float:
        """Duration of the whole job in hours."""
        return self.seconds / 3600

    @property
    def cost(self) -> Decimal:
        """Cost of the whole job: the sum of its parts."""
        return sum(self.cost_parts.values(), Decimal(0))

    @property
    def cost_interval(self) -> tuple[Decimal, Decimal]:
        """What the job costs if it takes as little, and as much, time as the ends of its 90% interval."""
        return self.charges.cost(self.seconds / self.speed_reach), self.charges.cost(self.seconds * self.speed_reach)

    @property
    def billed_seconds(self) -> float:
        """Machine time that is paid for."""
        return self.charges.billed_seconds(self.seconds)


def estimate(workload: Workload, plan: Plan, *, tariff: Tariff, currency: str, reserve_bytes: int = 0) -> Estimate:
    """Evaluate every formula for one plan; `tariff` is what its offer charges, in `currency`."""
    values = term_values(workload, plan)
    phases = memory(workload, plan, values)
    phase, peak_bytes = peak(phases)
    capacity, varying = plan.gpu.memory_bytes - reserve_bytes, workload.sample_lengths is not None
    step, parts = step_seconds(workload, plan)
    seconds = job_seconds(workload, plan, step)
    startup = float(evaluate(startup_seconds, workload, plan))
    training = workload.steps * step
    host = plan.offer.host_ram_gib_per_gpu
    disk = plan.offer.disk_gib
    lost = seconds - startup - training
    stored = whole_bytes(evaluate(disk_bytes, workload, plan))
    charges = Charges(tariff, plan.gpus, stored, math.ceil(evaluate(result_bytes, workload, plan)))
    return Estimate(
        memory=phases,
        peak_phase=phase,
        peak_bytes=peak_bytes,
        required=required_memory(workload, plan, values),
        needed=interval(peak_bytes, spread_bytes(phases[phase], plan, varying)),
        fit_probability=fit_probability(phases, plan, capacity, varying),
        capacity_bytes=capacity,
        host_memory=host_memory(workload, plan),
        host_capacity_bytes=None if host is None else int(host * plan.gpus_per_node * GIB),
        disk_bytes=stored,
        disk_capacity_bytes=None if disk is None else int(disk * GIB),
        step_seconds=step,
        step_parts=parts,
        seconds=seconds,
        startup_seconds=startup,
        training_seconds=training,
        lost_seconds=lost,
        checkpoint_interval_seconds=checkpoint_interval_seconds(workload, plan),
        charges=charges,
        cost_parts=charges.parts(seconds, startup, lost),
        currency=currency,
        tokens_per_second=workload.tokens_per_step / step,
        speed_reach=speed_reach(plan.gpu, plan.stack),
        counted_seconds=seconds * slow_factor(workload, plan.gpu, plan.stack),
    )
