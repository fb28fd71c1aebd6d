"""The model of autograd's memory: what lives how long, on operations small enough to count by hand."""

from __future__ import annotations

import pytest

from planner.estimator.tape import ACTIVATION, PARTS, PASS, RECOMPUTED, TEMPORARY, Fresh, Node, Tape, Tensor, wider


def leaf(tape: Tape, elements: float = 10.0) -> Tensor:
    """An fp32 tensor that gets a gradient."""
    return Tensor(tape.storage(elements, "fp32"), elements, "fp32", Node((), [], ()))


def square(tape: Tape, x: Tensor) -> Tensor:
    """x * x, which keeps x."""
    return tape.apply((x,), (x.elements, x.dtype), (Fresh(x.elements, x.dtype),), (x,))


def alive(tape: Tape, kind: int = ACTIVATION) -> float:
    """Bytes per token that are alive."""
    return tape.live(kind)[0]


def test_a_storage_is_free_when_nothing_refers_to_it() -> None:
    """40 bytes come and go with the tensor."""
    tape = Tape()
    x = leaf(tape)
    assert alive(tape) == 40
    del x
    assert alive(tape) == 0


def test_saved_tensors_live_until_their_node_has_run() -> None:
    """Two squares keep their inputs; running them backward frees these one after the other."""
    tape = Tape()
    x = leaf(tape)
    y = square(tape, square(tape, x))
    root = y.node
    del x, y
    assert alive(tape) == 80
    tape.making = TEMPORARY
    left = tape.backward({id(root): tape.storage(10.0, "fp32")})
    assert alive(tape) == 0
    assert len(left) == 1
    assert [sum(moment[::PARTS]) for moment in tape.moments[-2:]] == [160, 120]


def test_gradients_of_one_tensor_are_added_into_a_third() -> None:
    """x + x passes one gradient on twice; adding the two takes new storage."""
    tape = Tape()
    x = leaf(tape)
    y = tape.apply((x, x), (10.0, "fp32"), (PASS, PASS))
    tape.making = TEMPORARY
    tape.backward({id(y.node): tape.storage(10.0, "fp32")})
    assert max(moment[TEMPORARY * PARTS] for moment in tape.moments) == 80


def test_a_checkpoint_keeps_its_input_only() -> None:
    """Three squares inside a checkpoint keep 40 bytes instead of 120, and are made again in the backward pass."""
    tape = Tape()
    x = leaf(tape)
    y = tape.checkpoint(lambda z: square(tape, square(tape, square(tape, z))), x)
    root = y.node
    del x, y
    assert alive(tape) == 40
    tape.making = TEMPORARY
    tape.backward({id(root): tape.storage(10.0, "fp32")})
    # The input of the first is there; those of the second and third are made, the result of the third is not.
    assert max(moment[RECOMPUTED * PARTS] for moment in tape.moments) == 80
    del root
    assert alive(tape) == alive(tape, RECOMPUTED) == 0


def test_a_tile_counts_apart() -> None:
    """What a tiled program makes inside counts per token of a tile; its result and its input's gradient are whole."""
    tape = Tape()
    x = leaf(tape)
    y = tape.tile(lambda z: square(tape, square(tape, z)), x)
    assert alive(tape) == 80
    assert tape.live(ACTIVATION)[1] == 0
    assert max(moment[ACTIVATION * PARTS + 1] for moment in tape.moments) == 80
    tape.making = TEMPORARY
    left = tape.backward({id(y.node): tape.storage(10.0, "fp32")})
    assert [storage.size for storage in left.values()] == [(40.0, 0.0, 0.0)]


def test_frozen_inputs_make_no_nodes() -> None:
    """Without a gradient to pass on nothing is kept."""
    tape = Tape()
    x = Tensor(tape.storage(10.0, "fp32"), 10.0, "fp32")
    y = square(tape, x)
    del x
    assert not y.trained
    assert alive(tape) == 40


@pytest.mark.parametrize(("first", "second", "result"), [("bf16", "bf16", "bf16"), ("bf16", "fp32", "fp32")])
def test_results_take_the_wider_dtype(first: str, second: str, result: str) -> None:
    """Type promotion of two operands, in either order."""
    assert wider(first, second) == wider(second, first) == result
