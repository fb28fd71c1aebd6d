"""What loading, evaluating, saving and interleaving need, beside the steps of the training itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import LORA, MIXED, MODEL, PLAN, QLORA, STACK, job, on_four_gpus

from planner.catalog.architecture import Architecture
from planner.estimator.activations import activation_bytes
from planner.estimator.formula import call
from planner.estimator.lifecycle import loaded_weight_bytes, staged_bytes
from planner.estimator.memory import memory
from planner.estimator.pipeline import bubble_seconds
from planner.estimator.workload import Workload

few = settings(max_examples=40, deadline=None)
WHOLE = {"stack": STACK.model_copy(update={"unsharded_loading": ("qlora",)})}
EVALUATED_LIKE_TRAINED = ("forward", "backward_start")
LONG_JOB = job(sequence_length=2048)


def shaped(**shape: int) -> Architecture:
    """A new model like the toy, without the amounts that a copy would have kept."""
    return Architecture.model_validate(MODEL.model_dump() | shape)


def totals(workload: Workload, **changes: Any) -> dict[str, int]:
    """Bytes of each phase of the toy plan with some decisions changed."""
    phases = memory(workload, SimpleNamespace(**(PLAN | changes)))
    return {phase: sum(terms.values()) for phase, terms in phases.items()}


@few
@given(
    precision=st.sampled_from(({}, {"master_weights": "fp32"}, MIXED, LORA)),
    sharding=st.sampled_from(("none", "ddp", "zero1", "zero2")),
    micro_batch=st.sampled_from((1, 8)),
)
def test_loading_in_place_is_never_the_peak(precision: dict[str, Any], sharding: str, micro_batch: int) -> None:
    """Where tensors are read into their place, and stay whole, every step of training needs more than loading."""
    phases = totals(job(), **precision, **on_four_gpus(sharding), micro_batch=micro_batch)
    assert phases["loading"] <= min(size for phase, size in phases.items() if phase != "loading")


def test_a_quantised_base_is_never_at_its_peak_while_loading() -> None:
    """The copy that is quantised is what the backward pass dequantises, and upcasting is what autocast casts again."""
    for architecture in (MODEL, shaped(vocab=50_000)):
        phases = totals(job(architecture), **QLORA)
        assert phases["loading"] < max(phases["forward"], phases["backward_start"])


def test_a_base_that_is_sharded_only_after_loading_can_peak_there() -> None:
    """64 ranks share a quantised base that each of them has loaded whole: 64 times its share."""
    ranks = {"sharding": "fsdp", "data_parallel": 64, "gpus": 64, "gpus_per_node": 8}
    whole, shared = (
        call(loaded_weight_bytes, job(), PLAN | QLORA | ranks | stack) for stack in (WHOLE, {"stack": STACK})
    )
    assert whole == 64 * shared
    large = job(shaped(layers=80, hidden=1024, intermediate=4096))
    phases = totals(large, **(QLORA | ranks | WHOLE))
    assert max(phases, key=phases.__getitem__) == "loading"


def test_an_optimizer_on_the_host_passes_through_the_gpu() -> None:
    """A rank's share of the flat weights is cloned on its way, which no other offload and no other sharding does."""
    fp32 = {"master_weights": "fp32"}
    assert call(staged_bytes, job(), PLAN | on_four_gpus("zero2", offload="optimizer", **fp32)) > 0
    assert call(staged_bytes, job(), PLAN | on_four_gpus("zero2", **fp32)) == 0
    assert call(staged_bytes, job(), PLAN | on_four_gpus("ddp")) == 0


@few
@given(
    loss=st.sampled_from(("full", "chunked", "fused")),
    precision=st.sampled_from(({}, MIXED, LORA, QLORA)),
    sequence=st.sampled_from((8, 64, 2048)),
)
def test_evaluation_like_a_training_step_is_never_the_peak(loss: str, precision: dict[str, Any], sequence: int) -> None:
    """With the training micro-batch and loss, and all blocks' activations kept, training needs at least as much."""
    phases = totals(job(sequence_length=sequence), **precision, loss=loss, loss_chunks=4 if loss == "chunked" else 1)
    assert phases["evaluation"] <= max(phases[phase] for phase in EVALUATED_LIKE_TRAINED)


def test_a_larger_evaluation_micro_batch_can_be_the_peak() -> None:
    """Eight sequences of full logits are more than one of a fused training loss with checkpointing."""
    trained = {"micro_batch": 1, "loss": "fused", "checkpointing": "full", "checkpointed_layers": 4}
    alike = totals(LONG_JOB, **trained)
    eight = totals(job(sequence_length=2048, evaluation_micro_batch=8), **trained)
    assert max(alike, key=alike.__getitem__) != "evaluation"
    assert max(eight, key=eight.__getitem__) == "evaluation"
    assert {phase: size for phase, size in eight.items() if phase != "evaluation"} == {
        phase: size for phase, size in alike.items() if phase != "evaluation"
    }


@pytest.mark.parametrize("sharding", ["none", "ddp", "zero1", "zero2"])
def test_saving_whole_weights_gathers_nothing(sharding: str) -> None:
    """Ranks that have all weights write them from where they are."""
    phases = memory(job(), SimpleNamespace(**(PLAN | on_four_gpus(sharding))))
    assert phases["saving"]["gathered"] == 0


def test_saving_sharded_weights_gathers_one_parameter() -> None:
    """Of the toy model that is the embedding or the head: 64,000 elements of 2 bytes, as whole KiB."""
    phases = memory(job(), SimpleNamespace(**(PLAN | on_four_gpus("fsdp"))))
    assert phases["saving"]["gathered"] == 125 * 1024


@given(stages=st.integers(1, 64), micro_batches=st.integers(1, 512), pieces=st.integers(1, 16))
def test_interleaving_keeps_at_least_as_many_micro_batches(stages: int, micro_batches: int, pieces: int) -> None:
    """Between a plain pipeline's p micro-batches and, in two pieces, half of p - 1 more; never more than there are."""
    plain, interleaved = (job(virtual_stages=virtual).in_flight(stages, micro_batches) for virtual in (1, pieces))
    assert plain == min(stages, micro_batches)
    assert plain <= interleaved <= min(stages + (stages - 1) / 2, micro_batches)


def test_interleaving_trades_memory_for_waiting() -> None:
    """Two stages in four pieces: 2 + 1 / 4 micro-batches in flight instead of 2, and a quarter of the bubble."""
    plan = PLAN | {"pipeline_parallel": 2, "gradient_accumulation": 8}
    plain, pieces = job(), job(virtual_stages=4)
    assert call(bubble_seconds, pieces, plan) == pytest.approx(call(bubble_seconds, plain, plan) / 4)
    one, two = (call(activation_bytes, plain, plan | {"gradient_accumulation": count}) for count in (1, 2))
    assert call(activation_bytes, pieces, plan) == pytest.approx(two + (two - one) / 4)
