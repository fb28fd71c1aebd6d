"""The order in which training steps allocate and free memory, replayed on a simulated allocator.

Blocks run on the tape once, forward and backward; what they allocate and free is recorded by number and replayed for
every layer. Around them: embedding, final norm, logits and loss, gradients of single tensors or flat ones, gathered
weights, and the optimizer, whose states appear in the first step, in the middle of what that step has freed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from planner.estimator.allocator import Block, CachingAllocator
from planner.estimator.block import block
from planner.estimator.modules import Modules
from planner.estimator.setting import Setting
from planner.estimator.tape import GRADIENT, TEMPORARY, Node, Size, Storage, Tape, Tensor

Program = Callable[[Modules, Tensor], Tensor]
Blocks = dict[int, Block]
NEGLIGIBLE_BYTES = 65536
"""Smaller tensors are left out: together they fill a few segments of 2 MiB."""
INPUT = 0
"""The number of a recorded program's input."""


@dataclass(frozen=True)
class Recording:
    """What a program allocates (number + 1) and frees (-number - 1), and the size of each number.

    `forward` begins with the input in place and leaves what is saved; `casts` frees autocast's cached weights;
    `backward` begins with the gradient `incoming` of the output and leaves the input's, `outgoing`, and those of
    weights; `held` frees what stays until the next step has its loss. The output is freed by whoever takes it as input.
    """

    sizes: tuple[Size, ...]
    forward: tuple[int, ...]
    casts: tuple[int, ...]
    backward: tuple[int, ...]
    held: tuple[int, ...]
    output: int
    incoming: int
    outgoing: int
    amounts: tuple[float, ...] = ()
    """Bytes of each number."""

    def sized(self, tokens: float, tiles: int, split: int) -> Recording:
        """The same for so many tokens, tiles of the MLP and tensor-parallel ranks, without what is too small."""
        amounts = [(token * tokens + tile * tokens / tiles + fixed) / split for token, tile, fixed in self.sizes]

        def large(events: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(event for event in events if amounts[abs(event) - 1] >= NEGLIGIBLE_BYTES)

        return replace(
            self,
            amounts=tuple(amounts),
            forward=large(self.forward),
            casts=large(self.casts),
            backward=large(self.backward),
            held=large(self.held),
        )


class Recorder(Tape):
    """A tape that writes down what is allocated and freed, by number."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[Size] = []
        self.kinds: list[int] = []
        self.events: list[int] = []

    def change(self, storage: Storage, sign: int) -> None:
        """Write down one storage."""
        if sign > 0:
            storage.number = len(self.sizes)
            self.sizes.append(storage.size)
            self.kinds.append(storage.kind)
        self.events.append(sign * (storage.number + 1))

    def take(self) -> tuple[int, ...]:
        """The events since the last call, without those of no size."""
        events = tuple(each for each in self.events if any(self.sizes[abs(each) - 1]))
        self.events = []
        return events


@lru_cache(maxsize=256)
def record(setting: Setting, program: Program, checkpointed: bool) -> Recording:
    """Run a program from hidden states to hidden states and write down what it does."""
    tape = Recorder()
    modules = Modules(tape, setting)
    hidden, leaf = setting.architecture.hidden, Node((), [], ())
    x = Tensor(tape.storage(hidden, setting.residual), hidden, setting.residual, leaf)
    tape.take()
    y = tape.checkpoint(lambda z: program(modules, z), x) if checkpointed else program(modules, x)
    root, output = id(y.node), y.storage
    shape = y.elements, y.dtype
    del x, y
    forward = tape.take()
    tape.cache.clear()
    casts = tape.take()
    tape.making = TEMPORARY
    arriving = {root: tape.storage(*shape)}
    incoming = len(tape.sizes) - 1
    tape.take()
    left = tape.backward(arriving)
    tape.cache.clear()
    backward = tape.take()
    tape.held.clear()
    held = tape.take()
    outgoing = left[id(leaf)].number
    gradients = tuple(each - 1 for each in backward if each > 0 and tape.kinds[each - 1] == GRADIENT)
    backward = tuple(each for each in backward if -each - 1 not in gradients)
    return Recording(tuple(tape.sizes), forward, casts, backward, held, output.number, incoming, outgoing)


def plain_block(modules: Modules, x: Tensor) -> Tensor:
    """A block."""
    return block(modules, x)


def tiled_block(modules: Modules, x: Tensor) -> Tensor:
    """A block with a tiled MLP."""
    return block(modules, x, True)


def final_norm(modules: Modules, x: Tensor) -> Tensor:
    """The norm behind the last block."""
    return modules.norm(x)


def replay(memory: CachingAllocator, events: Iterable[int], amounts: Sequence[float], blocks: Blocks) -> None:
    """Let events happen: numbers become blocks."""
    allocate, free = memory.allocate, memory.free
    for event in events:
        if event > 0:
            blocks[event - 1] = allocate(amounts[event - 1])
        else:
            free(blocks.pop(-event - 1))
