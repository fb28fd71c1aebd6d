"""How an answer depends on limits and prices, as a page for a terminal; everything on it is in the document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.report import words
from planner.report.evidence import size_of_job
from planner.report.infeasible import infeasible_report
from planner.report.page import Page
from planner.report.sensitivity.sentences import EVERY_GPU, hours, limit_value, price_value
from planner.solver.sensitivity.answer import Sensitivity
from planner.units import format_share

Document = dict[str, Any]
TITLES = {
    "deadline": "Deadline",
    "budget": "Budget",
    "max_gpus": "Number of GPUs",
    "gpu_memory": "GPU memory",
    "oom_risk": "Accepted risk to run out of memory",
}
PRICES = {"storage": "storage", "egress": "download", "tax": "tax"}
REACHES = {"micro_batch": "micro-batch", "sequence_length": "sequence"}


def sensitivity_report(document: Document, found: Sensitivity, *, width: int = 80, ascii_only: bool = True) -> Page:
    """The document on a page, or why there is no plan."""
    page = Page(width, ascii_only=ascii_only)
    if document["best"] is None:
        infeasible_report(page, found.answer, details=False)
        return page
    page.paragraph(document["sentence"], "bold green")
    page.paragraph(size_of_job(found.world), "dim")
    for limit in document["limits"]:
        _limit(page, limit, document)
    if document["prices"]:
        page.heading("Prices")
        for price in document["prices"]:
            _price(page, price)
    page.heading("How far the plan reaches", "every other decision as it is; time and budget aside")
    for reach in document["reaches"]:
        page.labelled(REACHES[reach["decision"]], reach["sentence"])
    _proof(page, document)
    if document["notes"]:
        page.heading("Notes")
        for note in document["notes"]:
            page.labelled("-", note, cells=2)
    return page


def _limit(page: Page, limit: Document, document: Document) -> None:
    """What it is, its sentences, and the plan of every level."""
    page.heading(TITLES[limit["limit"]], _current(limit, document))
    for sentence in limit["sentences"]:
        page.paragraph(sentence, indent="  ")
    if limit["looser"] or limit["tighter"]:
        _levels(page, limit, document)


def _current(limit: Document, document: Document) -> str:
    if limit["limit"] == "gpu_memory":
        return "as it is"
    if limit["current"] is None:
        return "none is given"
    shown = limit_value(limit, limit["current"], document["currency"])
    if limit["limit"] == "deadline":
        return f"{shown}, to be kept with a probability of {format_share(document['deadline_confidence'])}"
    return shown


def _levels(page: Page, limit: Document, document: Document) -> None:
    """The plans from the tightest to the loosest value; the chosen one is bold."""
    chosen = {"at": limit["needed"], **document["best"]}
    levels = [*reversed(limit["tighter"]), chosen, *limit["looser"]]
    rows = [["from", document["currency"], "time", "plan"]]
    rows += [_level(each, limit, document["currency"]) for each in levels]
    styles = ["", *("bold" if each is chosen else "" for each in levels)]
    page.table(rows, right=(1, 2), shrink=(3,), header=True, styles=styles)


def _level(level: Document, limit: Document, currency: str) -> list[str]:
    at = limit_value(limit, level["at"], currency).removesuffix(EVERY_GPU)
    return [at, f"{level['cost']:,.2f}", hours(level["hours"]), words.short_values(level["plan"])]


def _price(page: Page, price: Document) -> None:
    """Whose price it is and how high, and what it does."""
    name = price["offer"] if price["price"] == "offer" else PRICES[price["price"]]
    gpu = f"{price['gpu']}, " if price["gpu"] else ""
    page.line(f"  {gpu}{name}: {price_value(price, price['current'])}", "bold" if price["is_chosen"] else "")
    page.paragraph(price["sentence"], indent="    ")


def _proof(page: Page, document: Document) -> None:
    """Whether everything is proved, and the work that it took."""
    proof = document["proof"]
    is_proved = "every threshold is proved, in steps of a thousandth" if document["complete"] else "not finished"
    page.heading("Proof", is_proved)
    work = f"{proof['rows']:,} rows in {proof['models']:,} CP-SAT models, {proof['branches']:,} branches"
    page.labelled("work", f"{work}, {proof['seconds']:.1f} s")
    if document["missing"]:
        page.labelled("no time for", _named(document["missing"]))


def _named(keys: Sequence[str]) -> str:
    names = TITLES | {"offer": "price of the plan's offer"} | {key: f"price of {name}" for key, name in PRICES.items()}
    return words.listed([names.get(each, each) for each in keys])
