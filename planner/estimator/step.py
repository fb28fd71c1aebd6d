"""The order of things in training steps of a plan, on a simulated allocator."""

from __future__ import annotations

from planner.estimator.allocations import INPUT, Blocks, replay
from planner.estimator.allocator import Block, CachingAllocator
from planner.estimator.gradients import gradient_bytes
from planner.estimator.optimizers import optimizer_state_bytes, optimizer_temporary_bytes
from planner.estimator.requests import FLAT, FP32, SHARDED, Requests
from planner.estimator.shifted_loss import shifted_loss, shifted_loss_backward
from planner.estimator.states import adapter_bytes, master_bytes, weight_bytes
from planner.estimator.wrapping import wrap

COMPUTE, GATHER, REDUCE = range(3)
"""Streams: a freed block is used again on its own stream only."""
PLAIN, CHECKPOINTED, NORM = range(3)
"""Programs."""
ENDS = -1
"""Stands for embedding and head among numbers of blocks."""
STATE_TENSORS = {"lion": 1, "sgd": 0}
"""Tensors of state per parameter, where they are not two."""


class Run:
    """Steps of a job on an allocator."""

    def __init__(self, job: Requests, memory: CachingAllocator) -> None:
        self.job, self.memory = job, memory
        self.gradients: list[Block] = []
        self.reduced: dict[int, Block] = {}
        self.gathered: dict[int, Block] = {}
        self.states: list[Block] = []
        self.fresh: list[Block] = []
        self.head: list[Block] = []
        self.held: list[Block] = []
        self.selected: list[Block] = []
        self.head_casts: list[Block] = []
        self.placeholders: list[Block] = []
        self.accumulating = False
        self.programs = job.programs
        self.sharded = job.plan.sharding in SHARDED
        if job.wrapped:
            wrap(memory, job)
            self.take(job.total(adapter_bytes, master_bytes))
        else:
            self.take(job.total(weight_bytes, adapter_bytes, master_bytes))
        self.flat = job.plan.sharding in FLAT
        if self.flat:
            self.take(job.total(gradient_bytes))
        if job.plan.sharding == "ddp":
            self.take(job.plan.stack.ddp_bucket_copies * job.total(gradient_bytes))

    def take(self, size: float, stream: int = COMPUTE) -> Block:
        """Memory of so many bytes."""
        return self.memory.allocate(size, stream)

    def give(self, *blocks: Block) -> None:
        """Memory back."""
        for each in blocks:
            self.memory.free(each)

    def step(self) -> None:
        """Micro-batches as in a pipeline's first stage, then the optimizer."""
        job = self.job
        ends = self.take(job.ends_gathered, GATHER) if self.sharded else None
        waiting = [self.forward() for _ in range(min(job.flights, job.micro_batches))]
        for number in range(job.micro_batches):
            self.backward(*waiting.pop(0))
            if number + job.flights < job.micro_batches:
                waiting.append(self.forward())
        if ends is not None:
            self.give(ends)
        self.optimizer()
        self.give(*self.gradients, *self.reduced.values())
        self.gradients, self.reduced = [], {}
        self.accumulating = False

    def forward(self) -> tuple[list[Blocks], Block, list[Block]]:
        """What a forward pass keeps: each program's blocks, the head's input, the loss's tensors."""
        x = self.take(self.job.hidden_bytes)
        kept: list[Blocks] = []
        for layer in range(self.job.layers):
            self.gather(layer, layer + 1)
            x = self._forward(self._program(layer), x, kept)
            self.scatter(layer)
        x = self._forward(NORM, x, kept)
        for layer, blocks in enumerate(kept[:-1]):
            recording = self.programs[self._program(layer)]
            replay(self.memory, recording.casts, recording.amounts, blocks)
        lost = self.loss()
        self.give(*self.held)
        self.held = []
        return kept, x, lost

    def _program(self, layer: int) -> int:
        return CHECKPOINTED if layer < self.job.checkpointed else PLAIN

    def _forward(self, program: int, x: Block, kept: list[Blocks]) -> Block:
        recording = self.programs[program]
        blocks = {INPUT: x}
        replay(self.memory, recording.forward, recording.amounts, blocks)
        if program == CHECKPOINTED and self.job.selected:
            self.selected += [self.take(size) for size in self.job.selected]
        kept.append(blocks)
        return blocks.pop(recording.output)

    def loss(self) -> list[Block]:
        """What is kept of logits and loss. Chunks are differentiated at once and leave the hidden states' gradient."""
        job, stack = self.job, self.job.plan.stack
        if job.head_cast:
            self.head_casts.append(self.take(job.head_cast))
        if job.plan.loss != "full":
            gradient = self.take(job.hidden_bytes)
            for _ in range(job.loss_chunks):
                self._chunk(job.logits / job.loss_chunks)
            return [gradient]
        if job.shifts_low_logits:
            return shifted_loss(job, self.memory)
        low = self._low_logits()
        if not job.wide_logits:
            return [low]
        wide = [self.take(FP32 * job.wide_logits[0])]
        if not job.keeps_low:
            self.give(low)
        wide += [self.take(FP32 * size) for size in job.wide_logits[1:]]
        if len(wide) == 1 and not job.keeps_low:
            return wide
        outputs, inner = (low, wide[:-1]) if job.keeps_low else (wide[0], wide[1:-1])
        self.give(*inner)
        if not stack.keeps_logits:
            self.give(outputs)
        return [outputs, wide[-1]] if stack.keeps_logits else wide[-1:]

    def _low_logits(self) -> Block:
        """The head's own logits; scaled ones are a second tensor."""
        job = self.job
        low = self.take(job.low * job.logits)
        if job.scaled:
            raw, low = low, self.take(job.low * job.logits)
            self.give(raw)
        return low

    def _chunk(self, logits: float) -> None:
        low, wide = self.take(self.job.element * logits), self.take(FP32 * logits)
        if self.job.plan.loss == "fused":
            self.give(wide, low)
            return
        softmax = self.take(FP32 * logits)
        self.give(wide)
        gradient = self.take(FP32 * logits)
        self.give(softmax, gradient, low)

    def backward(self, kept: list[Blocks], x: Block, lost: list[Block]) -> None:
        """The backward pass of what a forward pass kept."""
        job = self.job
        gradient = self._loss_backward(lost) if job.plan.loss == "full" else lost[0]
        self.give(x)
        gradient = self._backward(NORM, gradient, kept.pop())
        self.placeholders = self.placeholders or [self.take(size) for size in job.placeholders]
        for layer in reversed(range(job.layers)):
            self.gather(layer, layer - 1)
            gradient = self._backward(self._program(layer), gradient, kept.pop())
            self.reduce(layer)
            self.scatter(layer)
        self.give(gradient)
        if job.full:
            self._embedding()
        self.accumulating = True

    def _loss_backward(self, lost: list[Block]) -> Block:
        """The hidden states' gradient, by way of that of the logits."""
        job = self.job
        *kept, result = lost
        if job.shifts_low_logits:
            low = shifted_loss_backward(job, self.memory, result)
        else:
            low = self._logit_gradient(result) if job.wide_logits else result
        if job.full:
            self._head()
        gradient = self.take(job.tokens * job.workload.architecture.hidden * job.element / job.plan.tensor_parallel)
        self.give(low, *kept)
        self.give(*self.head_casts)
        self.head_casts = []
        return gradient

    def _logit_gradient(self, softmax: Block) -> Block:
        """The logits' gradient in the compute dtype, made of one in fp32."""
        job = self.job
        last = job.wide_logits[-1]
        count = int((job.plan.stack.logit_backward_bytes - FP32) // FP32)
        wide = [self.take(FP32 * last) for _ in range(count)] or [softmax]
        self.give(*wide[:-1], *([softmax] if count else []))
        if last < job.logits:
            whole = self.take(FP32 * job.logits)
            self.give(wide.pop())
            wide = [whole]
        low = wide[-1]
        if job.low < FP32:
            low = self.take(job.low * job.logits)
            self.give(wide[-1])
        if job.scaled:
            scaled, low = low, self.take(job.low * job.logits)
            self.give(scaled)
        return low

    def _backward(self, program: int, gradient: Block, blocks: Blocks) -> Block:
        """The gradient of a program's input; those of its weights are left in `fresh`."""
        recording = self.programs[program]
        blocks[recording.incoming] = gradient
        replay(self.memory, recording.backward, recording.amounts, blocks)
        if program == CHECKPOINTED and self.job.selected:
            self.give(*[self.selected.pop() for _ in self.job.selected])
        outgoing = blocks.pop(recording.outgoing)
        held = {-event - 1: blocks.pop(-event - 1) for event in recording.held}
        self.held += held.values()
        self.fresh = list(blocks.values())
        return outgoing

    def reduce(self, layer: int) -> None:
        """Keep a block's gradients, add them to those of an earlier micro-batch, or share them among ranks."""
        if self.sharded:
            self._share(layer, self.job.block_gradient)
        elif self.flat or self.accumulating:
            self.give(*self.fresh)
        else:
            self.gradients += self.fresh
        self.fresh = []

    def _share(self, part: int, whole: float) -> None:
        """One part's gradients are copied into one tensor, which a collective turns into this rank's share."""
        flat = self.take(whole)
        self.give(*self.fresh)
        if part not in self.reduced and self.job.gradient_share:
            self.reduced[part] = self.take(whole * self.job.gradient_share, REDUCE)
        self.give(flat)

    def _head(self) -> None:
        """The gradient of the head, which waits for the embedding's where they are one part."""
        head = self.take(self.job.head_gradient)
        if self.sharded or self.job.workload.architecture.tied_embeddings:
            self.head.append(head)
        else:
            self.fresh = [head]
            self.reduce(ENDS)

    def _embedding(self) -> None:
        """The gradient of the embedding; a tied head's is added to it."""
        job = self.job
        embedding = self.take(job.embedding_gradient)
        if self.head and job.workload.architecture.tied_embeddings:
            both = self.take(job.embedding_gradient)
            self.give(embedding, *self.head)
            embedding, self.head = both, []
        self.fresh = [embedding, *self.head]
        self.head = []
        self._ends()

    def _ends(self) -> None:
        """Embedding and head are shared among ranks together."""
        if self.sharded:
            self._share(ENDS, self.job.ends_gradient)
            self.fresh = []
        else:
            self.reduce(ENDS)

    def gather(self, *layers: int) -> None:
        """Have the weights of blocks in place."""
        if self.sharded:
            for layer in layers:
                if 0 <= layer < self.job.layers and layer not in self.gathered:
                    self.gathered[layer] = self.take(self.job.block_gathered, GATHER)

    def scatter(self, layer: int) -> None:
        """Forget the gathered weights of a block."""
        if layer in self.gathered:
            self.give(self.gathered.pop(layer))

    def optimizer(self) -> None:
        """The optimizer's step; the first one makes the states."""
        job = self.job
        if not self.states:
            states = job.total(optimizer_state_bytes)
            count = STATE_TENSORS.get(job.plan.optimizer, 2)
            for share in job.tensors:
                self.states += [self.take(states * share / count) for _ in range(count * (states > 0))]
        temporary = job.total(optimizer_temporary_bytes)
        if temporary:
            self.give(*[self.take(temporary * share) for share in job.tensors])
