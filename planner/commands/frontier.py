"""`planner frontier`: the plans that nothing beats in both cost and time, for one scenario."""

from __future__ import annotations

from planner import console
from planner.catalog import Catalog
from planner.report.frontier import frontier_report
from planner.report.frontier_document import frontier_document
from planner.scenario.model import Scenario
from planner.solver.answer import Status
from planner.solver.frontier import frontier
from planner.solver.world import World


def print_frontier(
    scenario: Scenario, catalog: Catalog, *, points: int, seconds: float, workers: int, as_json: bool
) -> Status:
    """Find the frontier, with progress for whoever watches, and print it; what is known of it."""
    progress = console.Progress()
    try:
        found = frontier(World(scenario, catalog), points=points, seconds=seconds, workers=workers, progress=progress)
    finally:
        progress.clear()
    if as_json:
        console.print_json(frontier_document(found))
    else:
        console.print_page(frontier_report(found, width=console.page_width(), ascii_only=console.ascii_only()))
    return found.status
