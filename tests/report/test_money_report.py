"""What an answer says of its money: the parts of the bill, how time is billed, and everything that is assumed."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from answers import feasible, scenario
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from planner.catalog import load_catalog
from planner.report.document import document
from planner.report.schema import answer_json_schema
from planner.report.text import report
from planner.report.words import CENT, cost_parts
from planner.solver.answer import Answer
from planner.solver.solve import solve
from planner.solver.world import World

WORLD = """\
as_of: 2026-06-30
job: {model: Qwen/Qwen2.5-0.5B, data: {tokens: TOKENS}, sequence_length: 1024, global_batch: 16}
offers: OFFERS
catalog_offers: false
search: {stack: hf-trainer, method: full, compute_dtype: bf16, optimizer: adamw, gpu: RTX 4090, max_gpus: 1,
  attention: sdpa, loss: full, checkpointing: none, offload: none, micro_batch: 1, pricing: [on-demand, reserved]}
money: MONEY
"""
HOURLY = "{gpu: RTX 4090, price: 0.40 EUR/h, observed: 2026-06-01, billing_unit: 1h}"
RESERVED = "{gpu: RTX 4090, price: 0.20 EUR/h, observed: 2026-06-01, kind: reserved, term: 3 days}"
WHOLE_BILL = "{storage: 3 USD/GB/month, egress: 1 EUR/GB, tax: 19%, currency: EUR}"


@cache
def solved(offers: str = HOURLY, money: str = "{currency: EUR}", tokens: str = "10M") -> Answer:
    """The solver's own answer."""
    text = WORLD.replace("OFFERS", f"[{offers}]").replace("MONEY", money).replace("TOKENS", tokens)
    return solve(World(scenario(text), load_catalog()), explain=False)


def documented(answer: Answer) -> Any:
    """The document as a program reads it; it keeps its schema."""
    plain = json.loads(json.dumps(document(answer), allow_nan=False))
    Draft202012Validator(answer_json_schema()).validate(plain)
    return plain


def line_of(answer: Answer, label: str) -> str:
    """What stands beside a label, in one line."""
    text = report(answer).plain()
    found = re.search(rf"^  {label} +(.*(?:\n {{4,}}.*)*)", text, re.MULTILINE)
    assert found is not None, text
    return " ".join(found[1].split())


amounts = st.dictionaries(st.text(max_size=4), st.decimals("0", "1000000", places=6), min_size=1, max_size=7)


@given(parts=amounts)
def test_parts_in_cents_add_up_and_are_off_by_less_than_one(parts: dict[str, Decimal]) -> None:
    """Their sum is the total rounded to cents."""
    cents = cost_parts(parts)
    assert abs(sum(cents.values(), Decimal(0)) - sum(parts.values(), Decimal(0))) <= CENT / 2
    assert all(abs(cents[name] - parts[name]) < CENT and cents[name] % CENT == 0 for name in parts)


def test_the_bill_adds_up_in_print() -> None:
    """To the cent, with every part that is not zero."""
    text = report(solved(money=WHOLE_BILL)).plain()
    printed = " ".join(text.partition("\nCost: ")[2].partition("\n  price")[0].split())
    total, _, terms = printed.partition(" = ")
    numbers = re.findall(r"(?:^|\+ )([\d.]+) ", terms)
    assert total.split() == [str(sum(map(Decimal, numbers))), "EUR"]
    assert [part for part in ("billed but not used", "storage", "download", "tax") if part in printed] == [
        "billed but not used", "storage", "download", "tax"
    ]  # fmt: skip


def test_the_bill_adds_up_in_the_document() -> None:
    """To the millionth: 19% of all else is tax, the rest of the hour is unused."""
    estimate = documented(solved(money=WHOLE_BILL))["estimate"]
    parts = {name: Decimal(str(each)) for name, each in estimate["cost_parts"].items()}
    assert sum(parts.values()) == Decimal(str(estimate["cost"]["amount"]))
    tax = parts.pop("tax")
    assert abs(sum(parts.values()) * Decimal("0.19") - tax) <= Decimal("0.000005")
    assert estimate["billed_hours"] == 1.0 > estimate["hours"]
    time = sum(parts[name] for name in ("training", "startup", "lost"))
    assert abs(time + parts["unused"] - Decimal("0.4")) <= Decimal("0.000003")
    assert parts["egress"] == round(Decimal(estimate["download_bytes"]) / 10**9, 6)
    assert estimate["price"]["billing_unit_seconds"] == 3600


def test_a_short_job_does_not_pay_for_a_reservation() -> None:
    """Half the price is no use if three days are paid for; a longer job, or one of its holder, takes it."""
    both = f"{HOURLY}, {RESERVED}"
    kinds = [
        documented(solved(both))["estimate"]["price"]["kind"],
        documented(solved(both, tokens="20B"))["estimate"]["price"]["kind"],
        documented(solved(both.replace("term: 3 days", "term: 3 days, held: true")))["estimate"]["price"]["kind"],
    ]
    assert kinds == ["on-demand", "reserved", "reserved"]


@pytest.mark.parametrize(
    ("offer", "said", "hours"),
    [
        (RESERVED, "by the second, 3.0 days of each machine; a reservation for 3.0 days, all of which is paid for", 72),
        (RESERVED.replace("term: 3 days", "held: true"), "the reservation is held already", None),
        (RESERVED.replace(", term: 3 days", ""), "no term is given, so that it counts as a reservation", None),
        (HOURLY, "by the hour, 1.0 h of each machine", 1),
        (HOURLY.replace("billing_unit: 1h", "minimum: 2h"), "by the second, 2.0 h of each machine; at least 2.0 h", 2),
        (HOURLY.replace("1h", "10 min"), "in units of 10 min", None),
    ],
)
def test_how_time_is_billed_is_said(offer: str, said: str, hours: float | None) -> None:
    """Unit, billed time, and what a reservation commits to."""
    answer = solved(offer)
    assert said in line_of(answer, "billing")
    estimate = documented(answer)["estimate"]
    if hours is not None:
        assert estimate["billed_hours"] == hours
    elif "held" in said:
        assert estimate["cost_parts"]["unused"] < 0.001


def test_every_assumption_of_money_has_value_unit_and_source() -> None:
    """In a fixed order, behind those of time; exchange rates with their day."""
    listed = documented(solved(money=WHOLE_BILL))["why"]["assumptions"]
    keys = [each["key"] for each in listed]
    money = keys[keys.index("billing_unit") :]
    assert money == [
        "billing_unit", "minimum_billed", "storage_price", "stored", "month", "egress_price", "downloaded", "tax",
        "rate_EUR",
    ]  # fmt: skip
    known = {each["key"]: each for each in listed}
    assert (known["tax"]["value"], known["tax"]["source"]) == (0.19, "given in the scenario")
    assert (known["storage_price"]["value"], known["storage_price"]["unit"]) == (3.0, "USD/GB/month")
    assert known["rate_EUR"]["source"].startswith("2026-05-08: https://www.ecb.europa.eu")
    assert all(each["source"] for each in listed)


def test_what_is_not_published_is_said_to_be_nothing() -> None:
    """Storage, traffic and tax of an unknown provider are zero, with the reason."""
    known = {each["key"]: each for each in documented(solved())["why"]["assumptions"]}
    for key in ("storage_price", "egress_price"):
        assert known[key]["value"] == 0
        assert known[key]["source"] == "no published figure is known of the provider: none is counted"
    assert known["tax"]["source"] == "no rate is given: prices are taken as without tax"
    assert "rate_EUR" not in known


def test_every_assumption_of_time_and_money_is_named_in_print() -> None:
    """Without sources in the short report, with them in the long one."""
    answer = solved(money=WHOLE_BILL)
    short, long = (" ".join(report(answer, details=details).plain().split()) for details in (False, True))
    for each in documented(answer)["why"]["assumptions"]:
        assert f"{each['key']} " in long
        assert each["source"][:20] in long
        assert f"{each['key']} " in short or each["key"] in ("oom_risk", "host_memory", "disk")


def test_exchange_rates_are_shown_where_they_count() -> None:
    """With day, age and source; not where nothing is converted."""
    converted = report(solved(HOURLY.replace("EUR", "CNY"))).plain()
    assert "rate          1 EUR = 1.1761 USD of 2026-05-08, 53 days old:" in converted
    assert "1 CNY = 0.147033 USD of 2026-05-08" in converted
    assert "1 EUR =" not in report(solved()).plain()
    assert "rate  " not in report(feasible()).plain()
