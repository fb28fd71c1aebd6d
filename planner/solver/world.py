"""What stays fixed while one scenario is solved: the job, the machines on offer, the stacks and the limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from planner.catalog import Catalog, Gpu, Offer, Stack
from planner.decisions import Plan
from planner.estimator.cost import Tariff
from planner.estimator.estimate import Estimate, estimate
from planner.estimator.levels import measured_peaks
from planner.estimator.uncertainty import Peak, slow_factor
from planner.estimator.workload import Workload
from planner.scenario.model import Scenario
from planner.scenario.tariff import tariff_of

UNLIMITED_BYTES = 2**50


@dataclass(frozen=True)
class World:
    """A scenario together with the catalog that it is solved against."""

    scenario: Scenario
    catalog: Catalog
    lifted: frozenset[str] = frozenset()
    """Of gpu_memory, host_memory and disk: those that do not matter, to ask what would be then."""
    within_seconds: float = float("inf")
    """Longest expected duration that is of interest, besides the deadline."""
    most_gpus: float = float("inf")
    """Most GPUs that are of interest, besides `max_gpus`: a plan within them is also one of the wider world's."""

    @cached_property
    def workload(self) -> Workload:
        """The job as the formulas see it."""
        job, assumptions = self.scenario.job, self.scenario.assumptions
        return Workload(
            architecture=job.architecture,
            sequence_length=job.sequence_length,
            global_batch=job.global_batch,
            steps=job.steps,
            lora_rank=self.scenario.search.lora.rank,
            lora_targets=self.scenario.search.lora.targets,
            padded=job.padded_samples is not None,
            sample_lengths=job.sample_lengths,
            dora=self.scenario.search.lora.dora,
            lora_dropout=self.scenario.search.lora.dropout,
            virtual_stages=self.scenario.search.virtual_stages,
            startup_seconds=assumptions.startup_seconds,
            download_gbit_s=assumptions.download_gbit_s,
            checkpoint_interval_seconds=assumptions.checkpoint_interval_seconds,
            evaluation_micro_batch=job.evaluation_micro_batch,
            oom_risk=self.scenario.limits.oom_risk,
            deadline_confidence=self.scenario.limits.deadline_confidence,
            data_tokens=job.data_tokens,
            download=self.scenario.money.download,
        )

    @cached_property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks that the search allows, in catalog order; the common ones if it does not say."""
        search = self.scenario.search
        if search.stack is None:
            return tuple(stack for stack in self.catalog.stacks if stack.common)
        return tuple(stack for stack in self.catalog.stacks if search.allows("stack", stack.name))

    @cached_property
    def offers(self) -> tuple[Offer, ...]:
        """The offers that the search allows: the user's own first."""
        return self.scenario.usable_offers(self.catalog.offers)

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """GPU types that the search allows and that someone offers, in catalog order."""
        offered = {offer.gpu for offer in self.offers}
        return tuple(gpu for gpu in self.catalog.gpus if gpu.name in offered)

    @cached_property
    def deadline_seconds(self) -> float:
        """Longest allowed duration; infinite without a deadline."""
        deadline = self.scenario.limits.deadline_seconds
        return float("inf") if deadline is None else deadline

    def expected_deadline_seconds(self, gpu: Gpu, stack: Stack) -> float:
        """Longest expected duration of interest on a GPU type with a stack that ends in time as surely as asked for."""
        return min(self.within_seconds, self.deadline_seconds / slow_factor(self.workload, gpu, stack))

    @property
    def last_expected_seconds(self) -> float:
        """The longest expected duration of interest on any GPU type with any stack; infinite without a deadline."""
        pairs = ((gpu, stack) for gpu in self.gpus for stack in self.stacks)
        return max((self.expected_deadline_seconds(*pair) for pair in pairs), default=float("inf"))

    @cached_property
    def budget(self) -> float:
        """Largest allowed cost in the scenario's currency; infinite without a budget."""
        budget = self.scenario.limits.budget
        if budget is None:
            return float("inf")
        return float(self.catalog.currencies.convert(budget.amount, budget.currency, self.scenario.currency))

    @property
    def _reserve_bytes(self) -> int:
        lifted = UNLIMITED_BYTES * ("gpu_memory" in self.lifted)
        return self.scenario.limits.gpu_memory_reserve_bytes - lifted

    def relaxed(self, **changes: Any) -> World:
        """The same world with other limits or another search (see `Scenario.replace`)."""
        return replace(self, scenario=self.scenario.replace(**changes))

    def capacity_bytes(self, gpu: Gpu) -> int:
        """Memory of one GPU that a plan may use."""
        return gpu.memory_bytes - self._reserve_bytes

    def price_per_gpu_hour(self, offer: Offer) -> Decimal:
        """An offer's price in the scenario's currency."""
        return self.catalog.currencies.convert(offer.price_per_gpu_hour, offer.currency, self.scenario.currency)

    def tariff(self, offer: Offer) -> Tariff:
        """Everything that an offer charges, in the scenario's currency."""
        return tariff_of(offer, self.scenario, self.catalog.currencies)

    def measured_peaks(self, plan: Plan, found: Estimate) -> dict[str, Peak]:
        """What a measurement of the plan would show, level by level."""
        return measured_peaks(self.workload, plan, found.memory, plan.gpu.memory_bytes)

    def estimate(self, plan: Plan) -> Estimate:
        """The exact estimate of a plan in this world."""
        return estimate(
            self.workload,
            plan,
            tariff=self.tariff(plan.offer),
            currency=self.scenario.currency,
            reserve_bytes=self._reserve_bytes,
        )
