"""How speed and cost of one job are predicted to grow with its GPUs, as the page docs/scaling.md.

    python -m benchmarks.scaling > docs/scaling.md

Every GPU gets the same tokens whatever their number (weak scaling); only the number of replicas changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.decisions import Plan
from planner.estimator.cost import Tariff
from planner.estimator.duration import lost_fraction
from planner.estimator.estimate import Estimate, estimate
from planner.estimator.formula import evaluate
from planner.estimator.workload import Workload
from planner.report.markdown import table
from planner.rules import broken_rules
from planner.units import format_seconds

MOST_GPUS = 4096
GPU, PROVIDER, KIND = "H100 SXM", "aws", "on-demand"
SEQUENCE = 8192
COMMAND = "python -m benchmarks.scaling > docs/scaling.md"
WRITTEN = (
    f"Written by `{COMMAND}`, not by hand. Predictions, not measurements: [accuracy.md](accuracy.md) says how far they "
    "are to be trusted."
)
MEANING = (
    "One job on ever more GPUs, with the same tokens per GPU and step. Tokens per second grow with the GPUs, those per "
    "GPU never do, and a token never gets cheaper: more GPUs buy time only. Efficiency is tokens per second per GPU "
    "beside the least number of GPUs that has room for the job. The cost is that of training with saving, lost "
    "work and restarts, without start-up; a part of a machine is taken to cost as much per GPU as the whole."
)
HEADER = [
    "GPUs", "sharding", "sequences per step", "seconds per step", "tokens/s", "tokens/s per GPU", "efficiency",
    "cost per million tokens",
]  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A model trained in one way on any number of replicas."""

    title: str
    model: str
    stack: str
    decisions: dict[str, Any]
    sharding: tuple[str, str]
    """Inside one node and beyond."""

    @property
    def gpus_per_replica(self) -> int:
        """GPUs that split one copy of the model's work."""
        return int(self.decisions["tensor_parallel"] * self.decisions["pipeline_parallel"])


@dataclass(frozen=True)
class Point:
    """One number of GPUs."""

    workload: Workload
    plan: Plan
    found: Estimate
    dollars_per_million_tokens: float
    """Of training, with saving, lost work and restarts; without start-up."""

    @property
    def tokens_per_second_per_gpu(self) -> float:
        """While training."""
        return self.found.tokens_per_second / self.plan.gpus


COMMON = {
    "method": "full", "lora_rank": None, "lora_targets": None, "compute_dtype": "bf16", "master_weights": "fp32",
    "grad_dtype": "fp32", "optimizer": "adamw", "offload": "none", "context_parallel": 1, "expert_parallel": 1,
    "attention": "flash", "loss": "full", "loss_chunks": 1, "mlp_chunks": 1, "micro_batch": 1,
}  # fmt: skip
JOBS = (
    Job(
        "Llama-3.1-8B, full fine-tuning, torchtitan, FSDP inside a node and HSDP beyond",
        "meta-llama/Llama-3.1-8B",
        "torchtitan",
        {
            **COMMON, "base_dtype": "fp32", "tensor_parallel": 1, "pipeline_parallel": 1, "gradient_accumulation": 1,
            "checkpointing": "full", "checkpointed_layers": 32,
        },
        ("fsdp", "hsdp"),
    ),
    Job(
        "Llama-3.1-70B, full fine-tuning, Megatron, tensor parallel 8, pipeline parallel 4, ZeRO-1",
        "meta-llama/Llama-3.1-70B",
        "megatron",
        {
            **COMMON, "base_dtype": "bf16", "tensor_parallel": 8, "pipeline_parallel": 4, "gradient_accumulation": 32,
            "checkpointing": "full", "checkpointed_layers": 80,
        },
        ("zero1", "zero1"),
    ),
)  # fmt: skip


def points(job: Job, catalog: Catalog) -> Iterator[Point]:
    """Every power of two of replicas that the stack can train and whose GPUs have room, up to 4,096 GPUs."""
    gpus = job.gpus_per_replica
    while gpus <= MOST_GPUS:
        found = _point(job, gpus, catalog)
        if found.found.fits and not broken_rules(found.workload, found.plan):
            yield found
        gpus *= 2


def _point(job: Job, gpus: int, catalog: Catalog) -> Point:
    offers = [each for each in catalog.offers_of(GPU) if (each.provider, each.kind) == (PROVIDER, KIND)]
    cheapest = min(offers, key=lambda each: (-each.gpus_per_node, each.price_per_gpu_hour, each.name))
    offer = cheapest.model_copy(update={"divisible": True})
    replicas = gpus // job.gpus_per_replica
    inside, beyond = job.sharding
    sharding = inside if gpus <= offer.gpus_per_node else beyond
    plan = Plan(
        gpu=catalog.gpu(GPU),
        offer=offer,
        gpus=gpus,
        stack=catalog.stack(job.stack),
        data_parallel=replicas,
        sharding="none" if replicas == 1 else sharding,
        **job.decisions,
    )
    sequences = replicas * plan.micro_batch * plan.gradient_accumulation
    workload = Workload(
        architecture=catalog.model(job.model),
        sequence_length=SEQUENCE,
        global_batch=sequences,
        steps=1000,
        lora_rank=16,
        lora_targets="all-linear",
    )
    found = estimate(workload, plan, tariff=Tariff(offer.price_per_gpu_hour), currency=offer.currency)
    lost = float(evaluate(lost_fraction, workload, plan))
    dollars = float(offer.price_per_gpu_hour / Decimal(3600)) * gpus / found.tokens_per_second * (1 + lost) * 1e6
    return Point(workload, plan, found, dollars)


def markdown(catalog: Catalog) -> str:
    """The page."""
    lines = [
        "# Scaling",
        "",
        WRITTEN,
        "",
        MEANING,
        "",
    ]
    for job in JOBS:
        every = list(points(job, catalog))
        offer = every[0].plan.offer
        price = f"{offer.price_per_gpu_hour} {offer.currency} per GPU and hour"
        lines += [f"## {job.title}", "", f"{GPU}, {offer.name}, {price}, sequences of {SEQUENCE} tokens.", ""]
        lines += table(HEADER, [_cells(each, every[0]) for each in every])
    return "\n".join(lines).rstrip() + "\n"


def _cells(point: Point, first: Point) -> list[str]:
    per_gpu = point.tokens_per_second_per_gpu
    return [
        f"{point.plan.gpus:,}",
        point.plan.sharding,
        f"{point.workload.global_batch:,}",
        format_seconds(point.found.step_seconds),
        f"{point.found.tokens_per_second:,.0f}",
        f"{per_gpu:,.1f}",
        f"{per_gpu / first.tokens_per_second_per_gpu:.1%}",
        f"{point.dollars_per_million_tokens:.4f} {point.plan.offer.currency}",
    ]


def main() -> None:
    """Print the page."""
    print(markdown(load_catalog()), end="")


if __name__ == "__main__":
    main()
