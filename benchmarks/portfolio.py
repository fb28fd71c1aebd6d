"""How long `planner solve` takes on the shipped portfolios and on large random ones, and how near the optimum it gets.

    python -m benchmarks.portfolio [--runs 3] [--random 5] [--limit 60] [FILE...]

A random portfolio has 50 different jobs with 400 occurrences in all, over 36 months, and 12 kinds of machines that may
be bought. Every run is a fresh process with --format json, one at a time. Random portfolios are written to a temporary
directory, or to the one of --keep.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.solve import ROOT, Run, run_once
from planner.catalog import load_catalog
from planner.scenario.portfolio_read import read_portfolio

SHIPPED_SECONDS = 20.0
RANDOM_SECONDS = 60.0
SHIPPED_GAP = 1e-4
"""Below it, answers count as equally good."""
MOST_GAP = 0.02

JOBS, OCCURRENCES, MONTHS = 50, 400, 36
FIRST_MONTH = (2027, 1)
MACHINES = (
    "8x H100 SXM server",
    "8x H200 SXM server",
    "8x B200 SXM server",
    "8x L40S server",
    "RTX 3090 workstation",
    "RTX 4090 workstation",
    "RTX 5090 workstation",
    "RTX A6000 workstation",
    "RTX 6000 Ada workstation",
    "RTX 4090 card",
    "RTX 5090 card",
    "H100 PCIe card",
)
"""All that may be bought: 12 kinds."""
MODELS = (
    ("Qwen/Qwen2.5-7B", 1.0),
    ("meta-llama/Llama-3.1-8B", 1.0),
    ("mistralai/Mistral-7B-v0.1", 1.0),
    ("Qwen/Qwen2.5-14B", 0.5),
    ("Qwen/Qwen2.5-32B", 0.25),
    ("meta-llama/Llama-3.1-70B", 0.1),
)
"""Names, and the share of the tokens of a small model that one is trained on."""
REPEATS = (("1 week", ("2 days", "3 days", "5 days")), ("2 weeks", ("4 days", "1 week")), ("4 weeks", ("1 week",)))
"""How often, and within what."""
METHODS = ("lora", "qlora", "full")

COLUMNS = (
    ("portfolio", 18),
    ("status", 10),
    ("median s", 8),
    ("max s", 6),
    ("MB", 5),
    ("jobs", 5),
    ("runs", 5),
    ("choices", 8),
    ("stays", 6),
    ("models", 6),
    ("gap", 8),
)
"""Titles and widths."""


@dataclass(frozen=True)
class Timing:
    """All runs of one portfolio."""

    name: str
    runs: tuple[Run, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The answer of the last run."""
        return self.runs[-1].document

    @property
    def median_seconds(self) -> float:
        """The middle run."""
        return median(run.seconds for run in self.runs)

    @property
    def longest_seconds(self) -> float:
        """The slowest run."""
        return max(run.seconds for run in self.runs)

    @property
    def gap(self) -> float:
        """The largest share of the cost that is not proved; 1 where there is no plan."""
        return max(gap_of(run.document) for run in self.runs)


def gap_of(document: dict[str, Any]) -> float:
    """The share of the cost that is not proved; 1 where there is no plan."""
    gap = document["proof"]["gap_fraction"]
    return 1.0 if gap is None else float(gap)


def random_portfolio(seed: int) -> dict[str, Any]:
    """A scenario file: `JOBS` different jobs with `OCCURRENCES` occurrences, some once, some again and again."""
    rng = random.Random(seed)
    repeated = rng.randint(JOBS // 4, JOBS // 2)
    jobs = [_repeated(rng, number) for number in range(repeated)]
    jobs += [_once(rng, number) for number in range(repeated, JOBS)]
    file = {
        "as_of": "2026-11-23",
        "start": _month(0),
        "horizon": f"{MONTHS} months",
        "jobs": jobs,
        "search": {"method": list(METHODS), "compute_dtype": "bf16", "max_gpus": 8},
        "owned": [{"gpu": "RTX 4090", "gpus": 4, "since": "2026-03", "price_paid": "9000 USD"}],
        "buy": {"allowed": list(MACHINES), "max_spend": "1000000 USD", "delivery": "6 weeks"},
        "site": {"electricity": "0.12 USD/kWh", "pue": 1.4, "colocation": "160 USD/kW/month"},
        "money": {"discount_rate": "8%/year", "monthly_budget": "100000 USD"},
    }
    return _with_occurrences(rng, file)


def occurrences(file: dict[str, Any]) -> list[int]:
    """How often each job of a scenario file runs, as the planner counts it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "portfolio.yaml")
        path.write_text(yaml.safe_dump(file, sort_keys=False))
        return [len(job.occurrences) for job in read_portfolio(path, catalog=load_catalog()).jobs]


def _with_occurrences(rng: random.Random, file: dict[str, Any]) -> dict[str, Any]:
    """The most frequent jobs end earlier until there are not too many; jobs without a rhythm run again to make up."""
    jobs = file["jobs"]
    while sum(counts := occurrences(file)) > OCCURRENCES:
        longest = jobs[counts.index(max(counts))]
        longest["finish"] = _month(_number(longest["finish"]) - 1)
    single = [job for job in jobs if "every" not in job]
    for _ in range(OCCURRENCES - sum(counts)):
        job = rng.choice(single)
        job["times"] = job.get("times", 1) + 1
    return dict(file)


def _job(rng: random.Random, number: int, least_tokens: float, most_tokens: float) -> dict[str, Any]:
    model, share = rng.choice(MODELS)
    millions = round(share * rng.uniform(least_tokens, most_tokens) / 1e6)
    return {
        "name": f"job-{number + 1}",
        "model": model,
        "data": {"tokens": f"{max(1, millions)}M"},
        "sequence_length": rng.choice((1024, 2048, 4096)),
        "global_batch": rng.choice((16, 32, 64)),
    }


def _repeated(rng: random.Random, number: int) -> dict[str, Any]:
    """A small job that comes again and again, for three months or more."""
    first = rng.randrange(0, MONTHS - 6)
    every, within = rng.choice(REPEATS)
    return {
        **_job(rng, number, 20e6, 300e6),
        "start": _month(first),
        "finish": _month(rng.randrange(first + 3, MONTHS)),
        "every": every,
        "within": rng.choice(within),
    }


def _once(rng: random.Random, number: int) -> dict[str, Any]:
    """A larger job, in one to three months."""
    first = rng.randrange(0, MONTHS - 3)
    return {
        **_job(rng, number, 0.2e9, 3e9),
        "start": _month(first),
        "finish": _month(first + rng.randint(0, 2)),
    }


def _month(number: int) -> str:
    """
    >>> _month(13)
    '2028-02'
    """
    year, month = FIRST_MONTH
    return f"{year + (month - 1 + number) // 12}-{(month - 1 + number) % 12 + 1:02}"


def _number(month: str) -> int:
    """
    >>> _number("2028-02")
    13
    """
    year, in_year = map(int, month.split("-"))
    return (year - FIRST_MONTH[0]) * 12 + in_year - FIRST_MONTH[1]


def row(timing: Timing) -> tuple[str, ...]:
    """What is printed of one portfolio, in the order of `COLUMNS`; counts are those of the last run."""
    document, proof = timing.document, timing.document["proof"]
    schedule = document["schedule"] or []
    return (
        timing.name,
        document["status"],
        f"{timing.median_seconds:.1f}",
        f"{timing.longest_seconds:.1f}",
        f"{max(run.memory_mb for run in timing.runs):.0f}",
        str(len({each["job"] for each in schedule})),
        str(len(schedule)),
        str(proof["choices"]),
        str(proof["stays"]),
        str(proof["models"]),
        f"{timing.gap:.1e}",
    )


def line(cells: Iterable[str]) -> str:
    """Cells in columns: the name to the left, numbers to the right.

    >>> line(["cny", "optimal", "12.6"])
    'cny                    optimal      12.6'
    """
    padded = [
        cell.ljust(width) if title == "portfolio" else cell.rjust(width)
        for cell, (title, width) in zip(cells, COLUMNS, strict=False)
    ]
    return "  ".join(padded).rstrip()


def verdict(title: str, timings: Sequence[Timing], most_seconds: float, most_gap: float) -> str:
    """The slowest portfolio and the largest gap, with their bars."""
    slowest = max(timings, key=lambda timing: timing.median_seconds)
    widest = max(timings, key=lambda timing: timing.gap)
    kept = slowest.median_seconds <= most_seconds and widest.gap <= most_gap
    return (
        f"{title}: slowest {slowest.median_seconds:.1f} s, of {slowest.name} (bar {most_seconds:g} s); "
        f"largest gap {widest.gap:.1e}, of {widest.name} (bar {most_gap:g}): {'kept' if kept else 'MISSED'}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the shipped portfolios, or the given ones, and random ones, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portfolio", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of each portfolio (default 3)")
    parser.add_argument("--random", type=int, default=5, help="random portfolios (default 5)")
    parser.add_argument(
        "--limit", type=int, default=60, help="--time-limit of random portfolios in seconds (default 60)"
    )
    parser.add_argument("--keep", type=Path, help="directory for the random portfolios")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="default: every shipped portfolio")
    options = parser.parse_args(arguments)
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    print(f"{options.runs} runs each on {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    print(line(title for title, _ in COLUMNS))
    shipped = options.files or sorted((ROOT / "scenarios" / "portfolios").glob("*.yaml"))
    verdicts = [verdict("given", _timed(shipped, options.runs), SHIPPED_SECONDS, SHIPPED_GAP)]
    if options.random:
        limits = ("--workers", "2", "--gap", str(MOST_GAP), "--time-limit", str(options.limit))
        with tempfile.TemporaryDirectory() as folder:
            files = [_written(options.keep or Path(folder), seed) for seed in range(1, options.random + 1)]
            timings = _timed(files, options.runs, limits)
        verdicts.append(verdict("random", timings, RANDOM_SECONDS, MOST_GAP))
    print("\n".join(verdicts))


def _timed(files: Iterable[Path], runs: int, arguments: tuple[str, ...] = ()) -> list[Timing]:
    timings = []
    for file in files:
        timings.append(Timing(file.stem, tuple(run_once(file, "solve", *arguments) for _ in range(runs))))
        print(line(row(timings[-1])), flush=True)
    return timings


def _written(folder: Path, seed: int) -> Path:
    path = folder / f"random-{seed}.yaml"
    path.write_text(yaml.safe_dump(random_portfolio(seed), sort_keys=False))
    return path


if __name__ == "__main__":
    main()
