"""How long `planner frontier` takes beside `planner solve`, on every shipped scenario that has a plan.

    python -m benchmarks.frontier [--runs 3] [FILE...]

Every run is a fresh process with --format json, one at a time. Writes nothing to disk.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.solve import ROOT, Run, run_once

MOST_SOLVES = 10.0
"""A frontier may take this many times as long as one answer."""
COLUMNS = (
    ("scenario", 28),
    ("points", 6),
    ("complete", 8),
    ("frontier s", 10),
    ("solve s", 7),
    ("ratio", 5),
    ("MB", 5),
    ("models", 6),
    ("rows", 7),
    ("proof s", 7),
)
"""Titles and widths."""


@dataclass(frozen=True)
class Timing:
    """All runs of both commands on one scenario."""

    name: str
    frontiers: tuple[Run, ...]
    solves: tuple[Run, ...]

    @property
    def frontier_seconds(self) -> float:
        """The middle run of the frontier."""
        return median(run.seconds for run in self.frontiers)

    @property
    def solve_seconds(self) -> float:
        """The middle run of one answer."""
        return median(run.seconds for run in self.solves)

    @property
    def ratio(self) -> float:
        """How many answers a frontier costs."""
        return self.frontier_seconds / self.solve_seconds


def row(timing: Timing) -> tuple[str, ...]:
    """What is printed of one scenario, in the order of `COLUMNS`; proof and points are those of the last run."""
    document: dict[str, Any] = timing.frontiers[-1].document
    proof = document["proof"]
    return (
        timing.name,
        str(len(document["points"])),
        {True: "yes", False: "no", None: "?"}[document["complete"]],
        f"{timing.frontier_seconds:.2f}",
        f"{timing.solve_seconds:.2f}",
        f"{timing.ratio:.1f}",
        f"{max(run.memory_mb for run in timing.frontiers):.0f}",
        str(proof["models"]),
        str(proof["rows"]),
        f"{proof['seconds']:.2f}",
    )


def line(cells: Iterable[str]) -> str:
    """Cells in columns: the name to the left, numbers to the right.

    >>> line(["8b-lora", "8", "yes"])
    '8b-lora                            8       yes'
    """
    padded = [
        cell.ljust(width) if title == "scenario" else cell.rjust(width)
        for cell, (title, width) in zip(cells, COLUMNS, strict=False)
    ]
    return "  ".join(padded).rstrip()


def verdict(timings: Sequence[Timing]) -> str:
    """The largest ratio, with its bar."""
    worst = max(timings, key=lambda timing: timing.ratio)
    kept = "kept" if worst.ratio < MOST_SOLVES else "MISSED"
    return f"largest ratio {worst.ratio:.1f}, of {worst.name}; bar {MOST_SOLVES:g}: {kept}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the given scenarios, or all shipped ones, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frontier", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each command on each scenario (default 3)")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: every shipped scenario")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    files = options.files or sorted((ROOT / "scenarios").glob("*.yaml"))
    print(f"{options.runs} runs each on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(line(title for title, _ in COLUMNS))
    timings = []
    for file in files:
        runs = [(run_once(file, "frontier"), run_once(file)) for _ in range(options.runs)]
        frontiers, solves = zip(*runs, strict=True)
        timings.append(Timing(file.stem, frontiers, solves))
        print(line(row(timings[-1])), flush=True)
    print(verdict(timings))


if __name__ == "__main__":
    main()
