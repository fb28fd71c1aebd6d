"""A small model of autograd: which tensors are alive at each moment while code runs forward and backward.

Tensors have sizes but no values. Code that mirrors a module line by line runs on them, so that tensors live exactly as
long as in the real module: as long as a local variable, an operation that will need them backward, or a gradient
buffer refers to them. A storage that nothing refers to any more is free at once, as CPython counts references.

A size is a triple of bytes: per token, per token of one tile of a tiled module, and fixed (weights' copies).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from planner.estimator.workload import DTYPE_BYTES

Size = tuple[float, float, float]
PARTS = 3
Moment = tuple[float, ...]
"""Sizes of all kinds, one after the other."""

ACTIVATION, CAST, TEMPORARY, RECOMPUTED, WORK, GRADIENT = range(6)
"""Kinds of storage: made by the forward pass; 16-bit copies of weights; made by the backward pass; made by it again
under checkpointing; dequantised weights; gradients of weights."""
KINDS = 6
BYTE = "int8"
"""The dtype of masks."""


def wider(first: str, second: str) -> str:
    """The dtype of a result of two; of the two 16-bit ones it is fp32.

    >>> wider("bf16", "fp16")
    'fp32'
    """
    return first if first == second else "fp32"


class Storage:
    """Bytes that are alive as long as something refers to this object."""

    __slots__ = ("kind", "number", "size", "tape")

    def __init__(self, tape: Tape, kind: int, size: Size) -> None:
        self.tape, self.kind, self.size, self.number = tape, kind, size, 0
        tape.change(self, 1)

    def __del__(self) -> None:
        self.tape.change(self, -1)


@dataclass(frozen=True, slots=True)
class Fresh:
    """A gradient that gets storage of its own."""

    elements: float
    dtype: str
    fixed: bool = False
    kind: int | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """A gradient that is the incoming one, or a view of it."""


PASS = Pass()
Rule = Sequence[Fresh | Pass | None]


@dataclass(slots=True)
class Node:
    """One operation of the backward pass: where its gradients go, what it keeps, and what it makes."""

    parents: tuple[Node | None, ...]
    saved: list[Storage]
    gradients: Rule
    scratch: tuple[Fresh, ...] = ()
    replay: Callable[[Storage, Storage], Storage | None] | None = None
    """Of a tiled module: runs it again and backward, given its input and the gradient of its result."""
    checkpoint: Checkpoint | None = None
    """Set if the node needs something saved that a checkpoint has to make again first."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Elements per token (or in all, if `fixed`) of one dtype; `node` made it if it needs a gradient."""

    storage: Storage
    elements: float
    dtype: str
    node: Node | None = None
    fixed: bool = False

    @property
    def trained(self) -> bool:
        """Whether a gradient flows into it."""
        return self.node is not None


Program = Callable[[Tensor], Tensor]


@dataclass(slots=True)
class Checkpoint:
    """A program whose nodes keep nothing until the backward pass runs it again; its input is kept."""

    program: Program
    x: Tensor
    nodes: list[Node] = field(default_factory=list)


class Tape:
    """Runs operations and keeps account of what is alive."""

    def __init__(self) -> None:
        self.alive = [0.0] * (KINDS * PARTS)
        self.moments: list[Moment] = []
        self.written = [0.0] * PARTS
        self.nodes: list[Node] = []
        self.making = ACTIVATION
        self.recording = True
        self.tiled = False
        self.needed = 0
        self.held: list[Storage] = []
        self.cache: list[Tensor] = []
        self.checkpointing: Checkpoint | None = None

    def change(self, storage: Storage, sign: int) -> None:
        """Count a storage in or out; moments are what is alive after each allocation."""
        first, (token, tile, fixed) = storage.kind * PARTS, storage.size
        self.alive[first] += sign * token
        self.alive[first + 1] += sign * tile
        self.alive[first + 2] += sign * fixed
        if sign > 0:
            self.moments.append(tuple(self.alive))
            for part, size in enumerate(storage.size):
                self.written[part] += size

    def live(self, kind: int) -> Size:
        """What is alive of one kind."""
        token, tile, fixed = self.alive[kind * PARTS : (kind + 1) * PARTS]
        return token, tile, fixed

    def storage(self, elements: float, dtype: str, kind: int | None = None, fixed: bool = False) -> Storage:
        """New storage, of the kind that the current pass makes."""
        amount = elements * DTYPE_BYTES[dtype]
        size = (0.0, 0.0, amount) if fixed else (0.0, amount, 0.0) if self.tiled else (amount, 0.0, 0.0)
        return Storage(self, self.making if kind is None else kind, size)

    def apply(
        self,
        inputs: Sequence[Tensor],
        made: tuple[float, str] | Tensor,
        gradients: Rule,
        saved: Sequence[Tensor] = (),
        scratch: tuple[Fresh, ...] = (),
        keeps_output: bool = False,
        kind: int | None = None,
    ) -> Tensor:
        """The result of an operation: new storage of (elements, dtype), or a view of a tensor.

        `gradients` says for each input what its gradient takes; `scratch` lives beside them inside the operation's
        backward.
        """
        before = len(self.moments)
        fixed = bool(inputs) and all(each.fixed for each in inputs)
        if isinstance(made, Tensor):
            storage, elements, dtype = made.storage, made.elements, made.dtype
        else:
            elements, dtype = made
            storage = self.storage(elements, dtype, kind, fixed)
        node = None
        if self.recording and any(each.trained for each in inputs):
            kept = [each.storage for each in saved] + [storage] * keeps_output
            wanted = [rule if each.trained else None for each, rule in zip(inputs, gradients, strict=True)]
            self.needed = before if kept else self.needed
            node = self._add(Node(tuple(each.node for each in inputs), kept, wanted, scratch))
        return Tensor(storage, elements, dtype, node, fixed)

    def _add(self, node: Node) -> Node:
        """Append a node; inside a checkpoint it keeps nothing for now."""
        if self.checkpointing is not None and node.saved:
            node.saved, node.checkpoint = [], self.checkpointing
        self.nodes.append(node)
        return node

    @contextmanager
    def without_gradients(self) -> Iterator[None]:
        """Operations inside keep nothing for a backward pass."""
        before, self.recording = self.recording, False
        yield
        self.recording = before

    def checkpoint(self, program: Program, x: Tensor) -> Tensor:
        """The result of a program of which only the input is kept; the backward pass runs it again.

        As in torch, the nodes of the first run stay and take what the second run saves.
        """
        kept, start = Checkpoint(program, x), len(self.nodes)
        self.checkpointing = kept
        result = program(x)
        self.checkpointing = None
        kept.nodes = self.nodes[start:]
        return result

    def _recompute(self, kept: Checkpoint) -> None:
        """Run a checkpointed program again, as far as it saves something, for the nodes of the first run."""
        start, making = len(self.nodes), self.making
        self.making = RECOMPUTED
        kept.program(replace(kept.x, node=Node((), [], ()) if kept.x.trained else None))
        del self.moments[self.needed :]
        self.making = making
        self.cache.clear()
        for node, again in zip(kept.nodes, self.nodes[start:], strict=True):
            node.saved = again.saved
        del self.nodes[start:]
        kept.nodes = []

    def tile(self, program: Program, x: Tensor) -> Tensor:
        """The result of a program that runs on one tile after another, forward and again in the backward pass."""
        with self._one_tile(), self.without_gradients():
            inside = program(x)
        elements, dtype, trained = x.elements, x.dtype, x.trained
        result = Tensor(self.storage(inside.elements, inside.dtype), inside.elements, inside.dtype)
        if not self.recording:
            return result

        def replay(storage: Storage, incoming: Storage) -> Storage | None:
            start, leaf = len(self.nodes), Node((), [], ()) if trained else None
            with self._one_tile():
                root = program(Tensor(storage, elements, dtype, leaf)).node
                self.backward({id(root): incoming}, start)
            return self.storage(elements, dtype) if trained else None

        return replace(result, node=self._add(Node((x.node,), [x.storage], (), (), replay)))

    @contextmanager
    def _one_tile(self) -> Iterator[None]:
        """Storage made inside counts for one tile only."""
        self.tiled = True
        yield
        self.tiled = False

    def backward(self, gradients: dict[int, Storage], until: int = 0) -> dict[int, Storage]:
        """Run all nodes from the last one down to number `until`.

        `gradients` holds, by the identity of a node, the gradients that arrive; returned are those of nodes not run,
        such as inputs. A second gradient of the same node is added into new storage.
        """
        while len(self.nodes) > until:
            node = self.nodes.pop()
            incoming = gradients.pop(id(node), None)
            if incoming is not None:
                if node.checkpoint is not None and node.checkpoint.nodes:
                    self._recompute(node.checkpoint)
                made = self._gradients(node, incoming)
                del incoming
                node.saved = []
                self._hand_on(node.parents, made, gradients)
        return gradients

    def _gradients(self, node: Node, incoming: Storage) -> list[Storage | None]:
        """The gradients that a node makes, with its scratch storage freed again."""
        if node.replay is not None:
            return [node.replay(node.saved[0], incoming)]
        scratch = [self._fresh(each) for each in node.scratch]
        made = [self._fresh(rule) if isinstance(rule, Fresh) else incoming if rule else None for rule in node.gradients]
        del scratch
        return made

    def _fresh(self, wanted: Fresh) -> Storage:
        return self.storage(wanted.elements, wanted.dtype, wanted.kind, wanted.fixed)

    def _hand_on(
        self, parents: Sequence[Node | None], made: list[Storage | None], gradients: dict[int, Storage]
    ) -> None:
        """Add each gradient to the buffer of the node it belongs to."""
        for parent in reversed(parents):
            gradient = made.pop()
            if parent is None or gradient is None:
                continue
            present = gradients.pop(id(parent), None)
            if present is None:
                gradients[id(parent)] = gradient
            else:
                gradients[id(parent)] = Storage(self, TEMPORARY, gradient.size)
