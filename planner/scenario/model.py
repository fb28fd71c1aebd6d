"""What the user asks, resolved: names are catalog names, amounts are plain numbers in the unit their name ends in.

Everything is frozen. A search field is a tuple of the allowed values, or None for "everything legal".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from planner.catalog.architecture import Architecture
from planner.catalog.lengths import SampleLengths
from planner.catalog.offer import Offer
from planner.unit_prices import UnitPrice
from planner.units import Money


def ceil_div(dividend: int, divisor: int) -> int:
    """The quotient, rounded up.

    >>> ceil_div(65, 64), ceil_div(64, 64)
    (2, 1)
    """
    return -(-dividend // divisor)


@dataclass(frozen=True)
class Job:
    """One training run to do."""

    model: str
    """The model as the user wrote it: a catalog name, an alias or a path."""
    architecture: Architecture
    tokens: int
    """Tokens of data to train on, all epochs together (padding not counted)."""
    sequence_length: int
    global_batch: int
    """Sequences per optimizer step."""
    epochs: int = 1
    """Passes over the data."""
    padded_samples: int | None = None
    """Samples of all epochs if each is padded to one sequence; None if the data are packed into full sequences."""
    sample_lengths: SampleLengths | None = None
    """How samples vary where each batch is padded to its longest; None if every batch has full sequences."""
    evaluation_micro_batch: int | None = None
    """Sequences per GPU in one evaluation step; None if it is like a training step."""

    @property
    def sequences(self) -> int:
        """Sequences of `sequence_length` that pass through the model, all epochs together."""
        if self.padded_samples is not None:
            return self.padded_samples
        return ceil_div(self.tokens, self.sequence_length)

    @property
    def data_tokens(self) -> int:
        """Tokens of the data set, once."""
        return ceil_div(self.tokens, self.epochs)

    @property
    def steps(self) -> int:
        """Optimizer steps: sequences / global_batch, rounded up, so at least 1."""
        return ceil_div(self.sequences, self.global_batch)

    @property
    def tokens_per_step(self) -> int:
        """Tokens that pass through the model in one optimizer step, padding counted."""
        return self.sequence_length * self.global_batch


@dataclass(frozen=True)
class Lora:
    """Shape of the adapters; used by the methods lora and qlora."""

    rank: int = 16
    targets: str = "all-linear"
    """`all-linear` (every linear layer of a block), or modules joined by "+" in the order of `LORA_MODULES`: `q+v`."""
    dora: bool = False
    """Whether they are weight-decomposed (DoRA)."""
    dropout: float = 0.0


@dataclass(frozen=True)
class Search:
    """Allowed values of each decision: a tuple without duplicates in the user's order, or None for everything legal."""

    stack: tuple[str, ...] | None = None
    method: tuple[str, ...] | None = None
    base_dtype: tuple[str, ...] | None = None
    compute_dtype: tuple[str, ...] | None = None
    master_weights: tuple[str, ...] | None = None
    grad_dtype: tuple[str, ...] | None = None
    """Only a given plan fixes it; else it follows from the stack and the other dtypes."""
    optimizer: tuple[str, ...] | None = None
    checkpointing: tuple[str, ...] | None = None
    checkpointed_layers: tuple[int, ...] | None = None
    attention: tuple[str, ...] | None = None
    loss: tuple[str, ...] | None = None
    loss_chunks: tuple[int, ...] | None = None
    mlp_chunks: tuple[int, ...] | None = None
    micro_batch: tuple[int, ...] | None = None
    gradient_accumulation: tuple[int, ...] | None = None
    sharding: tuple[str, ...] | None = None
    offload: tuple[str, ...] | None = None
    data_parallel: tuple[int, ...] | None = None
    tensor_parallel: tuple[int, ...] | None = None
    pipeline_parallel: tuple[int, ...] | None = None
    context_parallel: tuple[int, ...] | None = None
    expert_parallel: tuple[int, ...] | None = None
    gpu: tuple[str, ...] | None = None
    gpus: tuple[int, ...] | None = None
    """Allowed total numbers of GPUs, each at most `max_gpus`."""
    provider: tuple[str, ...] | None = None
    offer: tuple[str, ...] | None = None
    """Names of offers: only a given plan names one."""
    max_gpus: int = 64
    pricing: tuple[str, ...] = ("on-demand", "spot")
    lora: Lora = Lora()
    virtual_stages: int = 1
    """Pieces of layers per GPU of an interleaved pipeline; 1 = not interleaved."""

    def allows(self, decision: str, value: object) -> bool:
        """Whether `value` of `decision` is among the allowed values.

        >>> Search(method=("lora",)).allows("method", "full")
        False
        """
        allowed: tuple[object, ...] | None = getattr(self, decision)
        return allowed is None or value in allowed

    def admits(self, offer: Offer) -> bool:
        """Whether the GPU, the provider, the kind of price and the name of `offer` are all allowed."""
        chosen = (("gpu", offer.gpu), ("provider", offer.provider), ("pricing", offer.kind), ("offer", offer.name))
        return all(self.allows(decision, value) for decision, value in chosen)


DEFAULT_OOM_RISK = 0.01
DEFAULT_DEADLINE_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Limits:
    """Hard limits; None is no limit."""

    deadline_seconds: float | None = None
    budget: Money | None = None
    oom_risk: float = DEFAULT_OOM_RISK
    """Accepted probability that a plan exceeds its GPU's memory."""
    deadline_confidence: float = DEFAULT_DEADLINE_CONFIDENCE
    """Probability with which a plan must end within the deadline."""
    gpu_memory_reserve_bytes: int = 0
    """Memory that must stay free on every GPU, besides what the risk asks for: a display, another process."""


@dataclass(frozen=True)
class Assumptions:
    """What the user knows better than the planner; None is the estimator's own sourced value."""

    startup_seconds: float | None = None
    """From the order of a machine to the first line of the training script."""
    download_gbit_s: float | None = None
    """Speed at which one machine downloads the model and the data."""
    checkpoint_interval_seconds: float | None = None
    """Time between two saved checkpoints."""


@dataclass(frozen=True)
class MoneyTerms:
    """What is paid beside the price of GPUs; None is what the offer's provider publishes, or nothing."""

    storage: UnitPrice | None = None
    """Price of keeping weights, checkpoints and data for a month."""
    egress: UnitPrice | None = None
    """Price of downloading the result."""
    download: str = "weights"
    """What is downloaded at the end: weights (of what was trained), checkpoint (with optimizer states) or nothing."""
    tax_fraction: Decimal | None = None
    """Tax on all of it; prices are without tax."""
    billing_unit_seconds: int | None = None
    """Unit in which rented time is billed."""


@dataclass(frozen=True)
class Scenario:
    """Everything that the solver needs to know of what the user asks."""

    file: str
    """Where it was read from, as shown in messages."""
    name: str
    """The user's title, or the file name without its ending."""
    job: Job
    as_of: date
    """The day to which the age of prices is counted."""
    search: Search = Search()
    limits: Limits = Limits()
    prefer: Literal["cost", "time"] = "cost"
    currency: str = "USD"
    """The currency of every amount in the answer; it has a rate in the catalog."""
    offers: tuple[Offer, ...] = ()
    """The user's own prices."""
    catalog_offers: bool = True
    """Whether the catalog's offers count too."""
    assumptions: Assumptions = Assumptions()
    money: MoneyTerms = MoneyTerms()
    nodes: int | None = None
    """Machines of a given plan, if it states them."""
    notes: tuple[str, ...] = ()
    """What was assumed or will have no effect, one sentence each."""

    def usable_offers(self, catalog_offers: Iterable[Offer]) -> tuple[Offer, ...]:
        """The user's own offers, then the catalog's where the user wants them, as far as the search admits them."""
        known = (*self.offers, *(catalog_offers if self.catalog_offers else ()))
        return tuple(offer for offer in known if self.search.admits(offer) and self._spreads_as_given(offer))

    def _spreads_as_given(self, offer: Offer) -> bool:
        """Whether the GPUs of the given plan are on as many machines of an offer as it states."""
        gpus = self.search.gpus
        if self.nodes is None or gpus is None or len(gpus) != 1:
            return True
        return min(gpus[0], offer.gpus_per_node) * self.nodes == gpus[0]

    def replace(self, **changes: Any) -> Scenario:
        """A copy with other values, for what-if questions; fields of the parts (job, search, ...) go by their own name.

        `scenario.replace(prefer="time", gpu=("H100 SXM",), deadline_seconds=7200.0)`. TypeError for unknown names.
        """
        inner = {}
        for part in ("job", "search", "limits", "assumptions", "money"):
            value = getattr(self, part)
            own = {each.name: changes.pop(each.name) for each in fields(value) if each.name in changes}
            if own:
                inner[part] = replace(changes.pop(part, value), **own)
        return replace(self, **changes, **inner)
