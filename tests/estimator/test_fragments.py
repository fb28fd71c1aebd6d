"""What simulated steps leave with the allocator: samples of many lengths, a model's own loss, wrapped blocks."""

from __future__ import annotations

from random import Random
from statistics import mean, pstdev
from types import SimpleNamespace
from typing import Any

import pytest
from toy import MODEL, PLAN, STACK, job, on_four_gpus

from planner.catalog.architecture import Architecture
from planner.catalog.lengths import SampleLengths
from planner.estimator.allocator import MIB, CachingAllocator, ExpandableAllocator
from planner.estimator.fragments import allocator, fragment_bytes, fragments, simulate
from planner.estimator.lengths import growing_lengths
from planner.estimator.requests import Requests
from planner.estimator.shifted_loss import shifted_loss, shifted_loss_backward
from planner.estimator.step import Run

NEWS = SampleLengths(mean_tokens=3234.4, deviation_tokens=2547.5, least_tokens=91, most_tokens=19548)
SHORT = SampleLengths(mean_tokens=500, deviation_tokens=100, most_tokens=1200)
WRAPPING = STACK.model_copy(update={"wraps_whole_blocks": True})


def plan(**more: Any) -> SimpleNamespace:
    """A variant of the toy plan with batches of one sample."""
    return SimpleNamespace(**(PLAN | {"micro_batch": 1} | more))


def test_samples_have_the_stated_mean_and_deviation() -> None:
    """Within what 20,000 draws allow."""
    draw = Random(1)
    found = [NEWS.drawn(draw) for _ in range(20_000)]
    assert mean(found) == pytest.approx(3234.4, rel=0.02)
    assert pstdev(found) == pytest.approx(2547.5, rel=0.04)
    assert min(found) >= 91


@pytest.mark.parametrize("order", range(5))
def test_batches_grow_up_to_the_longest(order: int) -> None:
    """Samples are cut at the limit, or end with the longest one; larger batches get there sooner."""
    found = growing_lengths(NEWS, 8192, 1, order)
    assert list(found) == sorted(set(found))
    assert found[-1] == 8192
    assert growing_lengths(SHORT, 8192, 1, order)[-1] == 1200
    assert growing_lengths(NEWS, 512, 8, order) == (512,)


def test_orders_of_samples_spread_what_is_held() -> None:
    """Samples of one length have no spread, samples cut to one length hold as much, others more."""
    same = fragments(job(sequence_length=8192), plan())
    assert same.least_bytes == same.bytes == same.most_bytes == fragment_bytes(job(sequence_length=8192), plan())
    many = fragments(job(sequence_length=8192, sample_lengths=NEWS), plan())
    assert many.bytes > same.bytes
    assert many.least_bytes < many.bytes < many.most_bytes
    alike = SampleLengths(mean_tokens=20_000, deviation_tokens=1)
    unspread = fragments(job(sequence_length=8192, sample_lengths=alike), plan())
    assert unspread.least_bytes == unspread.most_bytes


@pytest.mark.parametrize("batch", [1, 2])
def test_a_loss_that_shifts_low_logits_holds_as_much(batch: int) -> None:
    """2 + 2 + 4 + 4 bytes per logit forward and 4 + 4 + 4 backward; the slice of one sequence is no copy."""
    workload = job(MODEL.model_copy(update={"family": "qwen"}), sequence_length=2048, global_batch=batch)
    request, logits = Requests(workload, plan(micro_batch=batch)), batch * 2048 * 1000
    assert request.shifts_low_logits
    forward, backward = CachingAllocator(), CachingAllocator()
    assert len(shifted_loss(request, forward)) == 1
    assert forward.peak_live == pytest.approx((12 if batch > 1 else 10) * logits, rel=0.05)
    shifted_loss_backward(request, backward, *shifted_loss(request, backward))
    assert backward.peak_live == pytest.approx(12 * logits, rel=0.05)
    assert backward.live == pytest.approx(2 * logits, rel=0.05)
    after = Run(Requests(workload, plan(micro_batch=batch)), CachingAllocator())
    after.step()
    empty = after.memory.live
    after.step()
    assert after.memory.live == empty


def test_wrapped_blocks_leave_pieces() -> None:
    """Shards are as large as ever; the allocator keeps more than them, and nothing of what is offloaded is alive."""
    wide = {"hidden": 1024, "intermediate": 2816, "layers": 8, "head_dim": 256}
    workload = job(Architecture.model_validate(MODEL.model_dump() | wide), sequence_length=2048)
    plain = Run(Requests(workload, plan(**on_four_gpus("fsdp"))), CachingAllocator())
    wrapped = Run(Requests(workload, plan(**on_four_gpus("fsdp", stack=WRAPPING))), CachingAllocator())
    assert wrapped.memory.live == pytest.approx(plain.memory.live, rel=0.001)
    assert wrapped.memory.reserved > plain.memory.reserved + MIB
    offloaded = Run(
        Requests(workload, plan(**on_four_gpus("fsdp", stack=WRAPPING, offload="params+optimizer"))),
        CachingAllocator(),
    )
    assert offloaded.memory.live < wrapped.memory.live
    assert simulate(wrapped.job, CachingAllocator()).peak_live > wrapped.memory.live


def test_stacks_may_set_expandable_segments() -> None:
    """A plan is simulated on the allocator that its stack sets up."""
    expandable = plan(stack=STACK.model_copy(update={"expandable_segments": True}))
    assert type(allocator(plan())) is CachingAllocator
    assert type(allocator(expandable)) is ExpandableAllocator
    assert fragment_bytes(job(sequence_length=2048), expandable) != fragment_bytes(job(sequence_length=2048), plan())


def test_unused_gradients_stay() -> None:
    """One block each for qkv, output, gate and up, down, and the head, made in the first backward pass."""
    buffered = plan(stack=STACK.model_copy(update={"gradient_placeholders": True}))
    run = Run(Requests(job(sequence_length=2048), buffered), CachingAllocator())
    run.step()
    first = [block.address for block in run.placeholders]
    run.step()
    assert len(first) == 5
    assert [block.address for block in run.placeholders] == first
