"""How PyTorch's caching allocator turns tensors into memory held from the driver.

Tensors are cut out of segments; a freed one is kept for the next of its stream. Requests are multiples of 512 bytes. Up
to 1 MiB they are cut from segments of 2 MiB, below 10 MiB from segments of 20 MiB, larger ones get a segment of their
own, a multiple of 2 MiB. The smallest free block that is large enough serves a request; it is split if what remains is
worth keeping: 512 bytes among small blocks, more than 1 MiB among large ones. Free neighbours are one block. When the
driver has no more, segments without tensors are given back and the request is tried again.
With expandable segments a stream has one segment per size class that grows by pages, and whole free pages go back.
Source: PyTorch, c10/cuda/CUDACachingAllocator.cpp and "CUDA semantics: memory management".
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort

MIB = 2**20
ROUNDING_BYTES = 512
SMALL_BYTES = MIB
SMALL_SEGMENT_BYTES = 2 * MIB
LARGE_SEGMENT_BYTES = 20 * MIB
OWN_SEGMENT_BYTES = 10 * MIB
OWN_SEGMENT_ROUNDING_BYTES = 2 * MIB
ADDRESS_SPACE_BYTES = 2**60
"""More than any expandable segment ever needs."""


class OutOfMemoryError(Exception):
    """A request that does not fit the limit, even with all free segments given back."""


class Block:
    """A piece of a segment: a tensor's, free, or (in an expandable segment) not backed by memory."""

    __slots__ = ("address", "after", "before", "free", "mapped", "pool", "size")

    def __init__(self, pool: Pool, address: int, size: int, mapped: bool = True) -> None:
        self.pool, self.address, self.size = pool, address, size
        self.before: Block | None = None
        self.after: Block | None = None
        self.free, self.mapped = True, mapped


class Pool:
    """The free blocks of one stream and size class, ordered by size, then address."""

    __slots__ = ("entries", "first", "small")

    def __init__(self, small: bool) -> None:
        self.small = small
        self.entries: list[tuple[int, int, Block]] = []
        self.first: Block | None = None
        """The block of lowest address of an expandable segment."""

    def add(self, block: Block) -> None:
        """Offer a free block."""
        insort(self.entries, (block.size, block.address, block))

    def remove(self, block: Block) -> None:
        """Withdraw a free block."""
        del self.entries[bisect_left(self.entries, (block.size, block.address))]

    def best_fit(self, size: int) -> Block | None:
        """The smallest free block of at least `size`, withdrawn; of equals the one with the lowest address."""
        place = bisect_left(self.entries, (size,))
        return self.entries.pop(place)[2] if place < len(self.entries) else None


def rounded_bytes(size: float) -> int:
    """What a request of `size` bytes takes from a block.

    >>> rounded_bytes(1), rounded_bytes(512), rounded_bytes(513)
    (512, 512, 1024)
    """
    return int(-(-size // ROUNDING_BYTES)) * ROUNDING_BYTES or ROUNDING_BYTES


def segment_bytes(size: int) -> int:
    """The segment that a rounded request gets from the driver if no free block serves it.

    >>> [segment_bytes(size) // MIB for size in (512, MIB + 512, 10 * MIB, 10 * MIB + 512)]
    [2, 20, 10, 12]
    """
    if size <= SMALL_BYTES:
        return SMALL_SEGMENT_BYTES
    if size < OWN_SEGMENT_BYTES:
        return LARGE_SEGMENT_BYTES
    return math.ceil(size / OWN_SEGMENT_ROUNDING_BYTES) * OWN_SEGMENT_ROUNDING_BYTES


class CachingAllocator:
    """The native allocator. All sizes are bytes; `limit` is what the driver has."""

    def __init__(self, limit: float = math.inf) -> None:
        self.limit = limit
        self.pools: dict[tuple[int, bool], Pool] = {}
        self.live = self.reserved = self.peak_live = self.peak_reserved = 0
        self.next_address = 0

    def allocate(self, size: float, stream: int = 0) -> Block:
        """A block for a tensor of `size` bytes. OutOfMemoryError if the limit forbids it."""
        needed = rounded_bytes(size)
        small = needed <= SMALL_BYTES
        pool = self.pools.get((stream, small))
        if pool is None:
            pool = self.pools[stream, small] = self._pool(small)
        block = pool.best_fit(needed) or self._grow(pool, needed)
        block.free = False
        if block.size - needed >= self._least_rest(pool):
            self._split(block, needed)
        self.live += block.size
        if self.live > self.peak_live:
            self.peak_live = self.live
        return block

    def free(self, block: Block) -> None:
        """Take a tensor's block back; it joins its free neighbours."""
        self.live -= block.size
        block.free = True
        for neighbour in (block.before, block.after):
            if neighbour is not None and neighbour.free and neighbour.mapped:
                block.pool.remove(neighbour)
                self._join(block, neighbour)
        block.pool.add(block)

    def release(self) -> None:
        """Give segments without tensors back to the driver."""
        for pool in self.pools.values():
            for _, _, block in list(pool.entries):
                if block.before is None and block.after is None:
                    pool.remove(block)
                    self.reserved -= block.size

    def _pool(self, small: bool) -> Pool:
        return Pool(small)

    def _least_rest(self, pool: Pool) -> int:
        """The smallest rest of a block that is split off."""
        return ROUNDING_BYTES if pool.small else SMALL_BYTES + ROUNDING_BYTES

    def _grow(self, pool: Pool, needed: int) -> Block:
        """A new segment."""
        size = segment_bytes(needed)
        self._reserve(size)
        block = Block(pool, self.next_address, size)
        self.next_address += size
        return block

    def _reserve(self, size: int) -> None:
        if self.reserved + size > self.limit:
            self.release()
            if self.reserved + size > self.limit:
                raise OutOfMemoryError(f"{self.reserved} bytes reserved, {size} more requested, limit {self.limit}")
        self.reserved += size
        self.peak_reserved = max(self.peak_reserved, self.reserved)

    def _split(self, block: Block, needed: int) -> Block:
        """Cut a block after `needed` bytes; the rest, which is free, is returned."""
        rest = Block(block.pool, block.address + needed, block.size - needed)
        rest.before, rest.after = block, block.after
        if rest.after is not None:
            rest.after.before = rest
        block.after, block.size = rest, needed
        block.pool.add(rest)
        return rest

    def _join(self, block: Block, neighbour: Block) -> None:
        """Make a neighbour part of a block."""
        if neighbour is block.before:
            block.address, block.before = neighbour.address, neighbour.before
            if block.before is not None:
                block.before.after = block
        else:
            block.after = neighbour.after
            if block.after is not None:
                block.after.before = block
        block.size += neighbour.size


class ExpandableAllocator(CachingAllocator):
    """The allocator with `expandable_segments:True`: address space is endless, memory is mapped page by page."""

    def release(self) -> None:
        """Unmap all whole pages of free blocks."""
        for pool in self.pools.values():
            for _, _, block in list(pool.entries):
                self._unmap(block)

    def _pool(self, small: bool) -> Pool:
        pool = Pool(small)
        pool.first = Block(pool, 0, ADDRESS_SPACE_BYTES, mapped=False)
        return pool

    def _least_rest(self, pool: Pool) -> int:
        del pool
        return ROUNDING_BYTES

    def _grow(self, pool: Pool, needed: int) -> Block:
        """The first hole that is large enough together with the free block before it, mapped as far as needed."""
        if self.reserved + self._missing(self._hole(pool, needed), needed) > self.limit:
            self.release()
        hole = self._hole(pool, needed)
        size = self._missing(hole, needed)
        self._reserve(size)
        return self._map(hole, size)

    def _hole(self, pool: Pool, needed: int) -> Block:
        """The first hole in which a request fits."""
        hole = pool.first
        while hole is not None and (hole.mapped or self._missing(hole, needed) > hole.size):
            hole = hole.after
        if hole is None:
            raise OutOfMemoryError("the address space is used up")
        return hole

    def _missing(self, hole: Block, needed: int) -> int:
        """Bytes of whole pages that a request needs beyond the free block before a hole."""
        before = hole.before
        present = before.size if before is not None and before.free else 0
        page = _page_bytes(hole.pool)
        return -(-(needed - present) // page) * page

    def _map(self, hole: Block, size: int) -> Block:
        """The first `size` bytes of a hole as one block with its free neighbours."""
        if size < hole.size:
            self._split(hole, size)
        hole.mapped = True
        for neighbour in (hole.before, hole.after):
            if neighbour is not None and neighbour.free and neighbour.mapped:
                hole.pool.remove(neighbour)
                self._join(hole, neighbour)
        return hole

    def _unmap(self, block: Block) -> None:
        """Make a hole of the whole pages of a free block."""
        page, pool = _page_bytes(block.pool), block.pool
        start = -(-block.address // page) * page
        size = (block.address + block.size) // page * page - start
        if size <= 0:
            return
        pool.remove(block)
        if start > block.address:
            rest = self._split(block, start - block.address)
            pool.add(block)
            pool.remove(rest)
            block = rest
        if size < block.size:
            self._split(block, size)
        block.mapped = False
        self.reserved -= size
        for neighbour in (block.before, block.after):
            if neighbour is not None and not neighbour.mapped:
                self._join(block, neighbour)

    def _split(self, block: Block, needed: int) -> Block:
        rest = super()._split(block, needed)
        rest.mapped = block.mapped
        if not rest.mapped:
            rest.pool.remove(rest)
        return rest

    def _join(self, block: Block, neighbour: Block) -> None:
        super()._join(block, neighbour)
        if block.before is None:
            block.pool.first = block


def _page_bytes(pool: Pool) -> int:
    return SMALL_SEGMENT_BYTES if pool.small else LARGE_SEGMENT_BYTES
