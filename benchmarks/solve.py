"""How long the whole command takes on every shipped scenario, from a cold start to the printed answer.

    python -m benchmarks.solve [--runs 5] [FILE...]

Every run is a fresh process, `python -m planner solve FILE --format json`, one at a time. Writes nothing to disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
ANSWERED = (0, 3, 4)
"""Exit codes of an answer: a plan, the proof that there is none, or that time ran out."""

MEDIAN_SECONDS = 2.0
LONGEST_SECONDS = 4.0
MOST_MEMORY_MB = 500.0
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Unit of `ru_maxrss`."""

COLUMNS = (
    ("scenario", 28),
    ("status", 10),
    ("median s", 8),
    ("max s", 6),
    ("MB", 5),
    ("combinations", 12),
    ("rows", 7),
    ("models", 6),
    ("optimum s", 9),
    ("proof s", 7),
)
"""Titles and widths."""


@dataclass(frozen=True)
class Run:
    """One run of the command: its wall-clock time, its peak memory in 1e6 bytes, and the document that it printed."""

    seconds: float
    memory_mb: float
    document: dict[str, Any]

    @property
    def proof(self) -> dict[str, Any]:
        """How the answer is known."""
        known: dict[str, Any] = self.document["proof"]
        return known


@dataclass(frozen=True)
class Timing:
    """All runs of one scenario."""

    name: str
    runs: tuple[Run, ...]

    @property
    def median_seconds(self) -> float:
        """The middle run."""
        return median(run.seconds for run in self.runs)

    @property
    def longest_seconds(self) -> float:
        """The slowest run."""
        return max(run.seconds for run in self.runs)

    @property
    def memory_mb(self) -> float:
        """The largest run."""
        return max(run.memory_mb for run in self.runs)


def run_once(file: Path, name: str = "solve", *arguments: str) -> Run:
    """A command on one scenario in a process of its own. Error: SystemExit if it gives no answer."""
    command = [sys.executable, "-m", "planner", name, str(file.resolve()), *arguments, "--format", "json"]
    with tempfile.TemporaryFile() as printed:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed, stdin=subprocess.DEVNULL, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read()
    if process.returncode not in ANSWERED:
        raise SystemExit(f"{file}: the command ended with exit code {process.returncode}")
    return Run(seconds, usage.ru_maxrss * MAXRSS_BYTES / 1e6, json.loads(text))


def row(timing: Timing) -> tuple[str, ...]:
    """What is printed of one scenario, in the order of `COLUMNS`; times of the proof are those of the median run."""
    proof = sorted(timing.runs, key=lambda run: run.seconds)[len(timing.runs) // 2].proof
    return (
        timing.name,
        proof["status"],
        f"{timing.median_seconds:.2f}",
        f"{timing.longest_seconds:.2f}",
        f"{timing.memory_mb:.0f}",
        f"{proof['raw_combinations']:.1e}",
        str(proof["rows"]),
        str(proof["models"]),
        f"{proof['seconds_to_best']:.2f}",
        f"{proof['seconds']:.2f}",
    )


def line(cells: Iterable[str]) -> str:
    """Cells in columns: names to the left, numbers to the right.

    >>> line(["8b-lora", "optimal", "1.20"])
    '8b-lora                       optimal         1.20'
    """
    padded = [
        cell.ljust(width) if title in ("scenario", "status") else cell.rjust(width)
        for cell, (title, width) in zip(cells, COLUMNS, strict=False)
    ]
    return "  ".join(padded).rstrip()


def verdict(timings: Sequence[Timing]) -> tuple[str, ...]:
    """The figures over all scenarios, each with its bar."""
    figures = (
        ("median seconds", median(timing.median_seconds for timing in timings), MEDIAN_SECONDS),
        ("longest seconds", max(timing.longest_seconds for timing in timings), LONGEST_SECONDS),
        ("peak memory MB", max(timing.memory_mb for timing in timings), MOST_MEMORY_MB),
    )
    return tuple(
        f"{name:<16} {value:>7.2f}  bar {bar:g}: {'kept' if value < bar else 'MISSED'}" for name, value, bar in figures
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the given scenarios, or all shipped ones, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.solve", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of each scenario (default 5)")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: every shipped scenario")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    files = options.files or sorted((ROOT / "scenarios").glob("*.yaml"))
    print(f"{options.runs} runs each on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(line(title for title, _ in COLUMNS))
    timings = []
    for file in files:
        timings.append(Timing(file.stem, tuple(run_once(file) for _ in range(options.runs))))
        print(line(row(timings[-1])), flush=True)
    print(*verdict(timings), sep="\n")


if __name__ == "__main__":
    main()
