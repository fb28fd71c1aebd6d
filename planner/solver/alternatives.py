"""What one change of the chosen plan would cost or break, and how close the plan is to its limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from planner import decisions
from planner.decisions import Plan
from planner.estimator.estimate import Estimate
from planner.rules import broken_rules
from planner.solver.answer import Binding, Change, LimitName
from planner.solver.candidate import Candidate
from planner.solver.world import World


def bindings_of(world: World, best: Candidate) -> Iterator[Binding]:
    """How much the plan uses of each limit that exists, in a fixed order."""
    estimate = best.estimate
    yield Binding("gpu_memory", estimate.required_bytes, estimate.capacity_bytes)
    if estimate.host_capacity_bytes is not None:
        yield Binding("host_memory", sum(estimate.host_memory.values()), estimate.host_capacity_bytes)
    if world.deadline_seconds < float("inf"):
        yield Binding("deadline", estimate.counted_seconds, world.deadline_seconds)
    if world.budget < float("inf"):
        yield Binding("budget", float(estimate.cost), world.budget)
    yield Binding("max_gpus", best.plan.gpus, world.scenario.search.max_gpus)


def broken_limits(world: World, estimate: Estimate) -> tuple[LimitName, ...]:
    """Names of the limits that an estimate breaks."""
    host, disk = estimate.host_capacity_bytes, estimate.disk_capacity_bytes
    broken: dict[LimitName, bool] = {
        "gpu_memory": estimate.required_bytes > estimate.capacity_bytes,
        "host_memory": host is not None and sum(estimate.host_memory.values()) > host,
        "disk": disk is not None and estimate.disk_bytes > disk,
        "deadline": estimate.counted_seconds > world.deadline_seconds,
        "budget": float(estimate.cost) > world.budget,
    }
    return tuple(name for name, is_broken in broken.items() if is_broken)


def changes_of(world: World, plan: Plan) -> Iterator[Change]:
    """Every other value of each decision that leaves a whole plan, decision by decision."""
    for decision, value, follows in _changes(world, plan):
        changed = replace(plan, **{decision: value, **follows})
        rules = broken_rules(world.workload, changed)
        if rules:
            yield Change(decision, value, None, rules=rules, follows=follows)
            continue
        estimate = world.estimate(changed)
        yield Change(
            decision, value, Candidate(changed, estimate, ()), broken=broken_limits(world, estimate), follows=follows
        )


def _changes(world: World, plan: Plan) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """(decision, other value, what must change with it)."""
    yield from _precision_changes(world, plan)
    layers = world.workload.architecture.layers
    for name, values in (
        ("optimizer", decisions.OPTIMIZERS),
        ("attention", decisions.ATTENTIONS),
        ("sharding", decisions.SHARDINGS),
        ("offload", decisions.OFFLOADS),
    ):
        yield from ((name, value, {}) for value in values if value != getattr(plan, name))
    for value in decisions.CHECKPOINTINGS:
        if value != plan.checkpointing:
            yield "checkpointing", value, {"checkpointed_layers": 0 if value == "none" else layers}
    for value in decisions.LOSSES:
        if value != plan.loss:
            yield "loss", value, {"loss_chunks": 8 if value == "chunked" else 1}
    for tiles in decisions.MLP_CHUNKS:
        if tiles != plan.mlp_chunks:
            yield "mlp_chunks", tiles, {}
    yield from _number_changes(world, plan)


def _precision_changes(world: World, plan: Plan) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Other methods and dtypes of the same stack; the rest of the precision follows."""
    lora = world.scenario.search.lora
    for method in decisions.METHODS:
        first = next((each for each in plan.stack.precisions if each.method == method), None)
        if method != plan.method and first is not None:
            follows: dict[str, Any] = {name: getattr(first, name) for name in ("base_dtype", "master_weights")}
            follows["grad_dtype"] = first.grad_dtype
            follows["lora_rank"] = None if method == "full" else lora.rank
            follows["lora_targets"] = None if method == "full" else lora.targets
            yield "method", method, follows
    seen = {plan.base_dtype}
    for each in plan.stack.precisions:
        if each.method == plan.method and each.base_dtype not in seen:
            seen.add(each.base_dtype)
            yield "base_dtype", each.base_dtype, {"master_weights": each.master_weights, "grad_dtype": each.grad_dtype}
    for dtype in decisions.COMPUTE_DTYPES:
        if dtype != plan.compute_dtype:
            yield "compute_dtype", dtype, {}


def _number_changes(world: World, plan: Plan) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Twice and half the micro-batch and the replicas, and other parallel degrees on the same GPUs."""
    batch = world.workload.global_batch
    for micro in (plan.micro_batch // 2, plan.micro_batch * 2):
        if micro and batch % (micro * plan.data_parallel) == 0:
            yield "micro_batch", micro, {"gradient_accumulation": batch // (micro * plan.data_parallel)}
    for data in (plan.data_parallel // 2, plan.data_parallel * 2):
        gpus = plan.gpus // plan.data_parallel * data
        if data and gpus <= world.scenario.search.max_gpus and batch % (plan.micro_batch * data) == 0:
            follows: dict[str, Any] = {"gpus": gpus, "gradient_accumulation": batch // (plan.micro_batch * data)}
            if 1 in (data, plan.data_parallel):
                follows["sharding"] = _sharding_for(plan, data)
            yield "data_parallel", data, follows
    for name in ("tensor_parallel", "pipeline_parallel", "context_parallel"):
        degree = getattr(plan, name)
        data, rest = divmod(plan.data_parallel * degree, degree * 2)
        if rest == 0 and data and batch % (plan.micro_batch * data) == 0:
            yield name, degree * 2, {"data_parallel": data, "gradient_accumulation": batch // (plan.micro_batch * data)}


def _sharding_for(plan: Plan, data_parallel: int) -> str:
    """None for one rank; for several, the simplest way of the stack that is not "none"."""
    if data_parallel * plan.context_parallel == 1:
        return "none"
    names = [each.name for each in plan.stack.shardings if plan.method in each.methods and each.name != "none"]
    return min(names, key=decisions.SHARDINGS.index, default="ddp")
