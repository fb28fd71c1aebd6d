"""Where the memory of a plan goes: bars of the phases, and a table of terms by phase."""

from __future__ import annotations

from planner.estimator.estimate import Estimate
from planner.report.page import Page
from planner.units import GIB, format_bytes, format_share

PHASE_TITLES = {
    "forward": "forward",
    "loss": "loss",
    "backward_start": "bwd start",
    "backward_end": "bwd end",
    "embedding": "embedding",
    "optimizer": "optimizer",
    "loading": "load",
    "evaluation": "eval",
    "saving": "save",
}
PHASE_MEANINGS = (
    "forward: end of the forward pass; loss: backward of the loss; bwd start and bwd end: backward of the last and of "
    "the first block; embedding: backward of the embedding; optimizer: its step; "
    "load: the model arrives on the GPU; eval: forward pass without gradients; save: weights are written"
)
BETWEEN_STEPS = ("loading", "evaluation", "saving")
"""Phases that are no part of a training step."""
SHOWN_TERMS = 5
SMALL_BYTES = 0.05 * GIB
"""Terms that would print as 0.0 GiB are added up as "other"."""
BAR_CELLS = 40


def memory_section(page: Page, estimate: Estimate, *, details: bool, title: str = "Memory") -> None:
    """Peak against capacity, phases as bars, terms as a table."""
    page.heading(title, peak_sentence(estimate))
    _bars(page, estimate)
    terms_table(page, estimate, details=details)
    if details:
        page.paragraph(PHASE_MEANINGS, "dim", indent="  ")
    _host(page, estimate, details=details)


def peak_sentence(estimate: Estimate) -> str:
    """`21.3 GiB (20.9 to 22.1) of 23.5 GiB per GPU, fits with 99.6%`."""
    low, high = (size / GIB for size in (estimate.needed.low_bytes, estimate.needed.high_bytes))
    peak = f"{format_bytes(estimate.peak_bytes)} ({low:.1f} to {high:.1f})"
    fits = format_share(estimate.fit_probability)
    return f"{peak} of {format_bytes(estimate.capacity_bytes)} per GPU, fits with {fits}"


def _bars(page: Page, estimate: Estimate) -> None:
    """One bar per phase; where more is needed than there is, a mark shows the capacity."""
    totals = {phase: sum(terms.values()) for phase, terms in estimate.memory.items()}
    capacity = max(estimate.capacity_bytes, 1)
    scale = max(estimate.peak_bytes, capacity)
    rows = []
    for phase, total in totals.items():
        bar = page.bar(total / scale, BAR_CELLS)
        if scale > capacity:
            mark = min(BAR_CELLS - 1, capacity * BAR_CELLS // scale)
            bar = f"{bar[:mark]}|{bar[mark + 1 :]}"
        rows.append([PHASE_TITLES[phase], bar, format_bytes(total), f"{total / capacity:.0%}"])
    styles = [_style(total, estimate) if phase == estimate.peak_phase else "" for phase, total in totals.items()]
    page.table(rows, right=(2, 3), styles=styles)


def _style(total: int, estimate: Estimate) -> str:
    return "bold red" if total > estimate.capacity_bytes else "bold"


def terms_table(page: Page, estimate: Estimate, *, details: bool) -> None:
    """Terms by phase in GiB, largest of the peak phase first.

    Phases between steps have a table of their own, with `details` or where the peak is. Without `details` small terms
    are added up.
    """
    between = {phase: terms for phase, terms in estimate.memory.items() if phase in BETWEEN_STEPS}
    within = {phase: terms for phase, terms in estimate.memory.items() if phase not in BETWEEN_STEPS}
    for phases in (within, between):
        if phases is within or details or estimate.peak_phase in phases:
            _one_table(page, phases, details=details)


def _one_table(page: Page, phases: dict[str, dict[str, int]], *, details: bool) -> None:
    names = list(dict.fromkeys(name for terms in phases.values() for name in terms))
    peak = max(phases.values(), key=lambda terms: sum(terms.values()))
    names.sort(key=lambda name: (-peak.get(name, 0), -max(terms.get(name, 0) for terms in phases.values())))
    shown = names if details else _large(names, phases)
    rows = [["GiB", *(PHASE_TITLES[phase] for phase in phases)]]
    rows += [[_title(name), *(_gib(terms.get(name, 0)) for terms in phases.values())] for name in shown]
    rest = [sum(size for name, size in terms.items() if name not in shown) for terms in phases.values()]
    if any(rest):
        rows.append(["other", *map(_gib, rest)])
    rows.append(["total", *(_gib(sum(terms.values())) for terms in phases.values())])
    page.table(rows, right=range(1, len(phases) + 1), header=True, styles=[""] * (len(rows) - 1) + ["bold"])


def _large(names: list[str], phases: dict[str, dict[str, int]]) -> list[str]:
    """The first terms that show in some phase."""
    visible = [name for name in names if max(terms.get(name, 0) for terms in phases.values()) >= SMALL_BYTES]
    return visible if len(visible) <= SHOWN_TERMS + 1 else visible[:SHOWN_TERMS]


def _title(name: str) -> str:
    return name.replace("_", " ")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}" if size >= SMALL_BYTES else "-" if size == 0 else "<0.1"


def _host(page: Page, estimate: Estimate, *, details: bool) -> None:
    """Host memory and disk, with their capacity if it is known."""
    host = sum(estimate.host_memory.values())
    page.labelled("host memory", _against(host, estimate.host_capacity_bytes, " per machine"))
    if details:
        parts = ", ".join(f"{_title(name)} {format_bytes(size)}" for name, size in estimate.host_memory.items() if size)
        page.labelled("", parts)
    page.labelled("disk", _against(estimate.disk_bytes, estimate.disk_capacity_bytes, ""))


def _against(size: int, capacity: int | None, whose: str) -> str:
    if capacity is None:
        return f"{format_bytes(size)}{whose} (capacity not published, not checked)"
    return f"{format_bytes(size)} of {format_bytes(capacity)}{whose}"
