"""Changes of a scenario by the paths of its keys: what they do, and what is said of those that cannot be made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.errors import InputError
from planner.scenario.model import Scenario
from planner.scenario.overrides import changed, parse_setting
from planner.scenario.portfolio import Portfolio
from planner.scenario.portfolio_read import question_in
from planner.scenario.yaml_lines import parse_yaml

TEXT = """\
as_of: 2026-06-30
job:
  model: Qwen/Qwen2.5-0.5B
  data: {tokens: 10M}
  sequence_length: 1024
  global_batch: 16
offers:
  - {gpu: RTX 4090, price: 0.40 USD/h}
  - {gpu: L40S, price: 0.80 USD/h}
search: {method: [full, lora], gpus: 1}
catalog_offers: false
"""
JOBS = """\
horizon: 2 months
jobs:
  - {name: once, model: Qwen/Qwen2.5-0.5B, data: {tokens: 10M}, sequence_length: 1024, global_batch: 16}
offers: {gpu: RTX 4090, price: 0.40 USD/h}
"""


def value_after(*settings: str, text: str = TEXT) -> dict[str, Any]:
    """The values of a text with changes."""
    return changed(parse_yaml(text, "file.yaml"), [parse_setting(each) for each in settings]).value


def asked(*settings: str, text: str = TEXT) -> Scenario | Portfolio:
    """What a text with changes asks."""
    document = changed(parse_yaml(text, "file.yaml"), [parse_setting(each) for each in settings])
    return question_in(document, folder=Path(), catalog=load_catalog())


def said(*settings: str, text: str = TEXT) -> list[str]:
    """The problems of a text with changes."""
    with pytest.raises(InputError) as refused:
        asked(*settings, text=text)
    return [str(each) for each in refused.value.problems]


def test_any_key_can_be_set() -> None:
    """Keys that are there, that are not, whole sections, entries of lists, with YAML's own types."""
    after = value_after(
        "limits.deadline=24h", "search.method=[lora]", "offers[1].price=0.70 USD/h", "job.global_batch=32",
        "catalog_offers=true", "search.lora={rank: 8}", "search.gpus=null", "name='a=b'",
    )  # fmt: skip
    assert after["limits"] == {"deadline": "24h"}
    assert after["search"] == {"method": ["lora"], "gpus": None, "lora": {"rank": 8}}
    assert after["offers"][1] == {"gpu": "L40S", "price": "0.70 USD/h"}
    assert (after["job"]["global_batch"], after["catalog_offers"], after["name"]) == (32, True, "a=b")


def test_the_file_itself_stays_as_it_is() -> None:
    """Neither its values nor those of a change are shared with what comes out."""
    document, settings = parse_yaml(TEXT, "file.yaml"), [parse_setting("search={}"), parse_setting("search.gpus=2")]
    before = parse_yaml(TEXT, "file.yaml")
    assert changed(document, settings).value["search"] == {"gpus": 2}
    assert changed(document, settings[:1]).value["search"] == {}
    assert document == before
    assert changed(document, []) is document


def test_positions_are_written_as_in_messages_too() -> None:
    """`offers.1.price` is what messages call it."""
    assert value_after("offers.1.gpu=A10") == value_after("offers[1].gpu=A10")


def test_changes_mean_what_the_file_would() -> None:
    """A changed document is read like a file that says the same."""
    scenario = asked("limits.deadline=24h", "job.sequence_length=2048", "search.method=lora")
    assert isinstance(scenario, Scenario)
    written = TEXT.replace("1024", "2048").replace("[full, lora]", "lora") + "limits: {deadline: 24h}\n"
    assert scenario == asked(text=written)
    portfolio = asked("jobs[0].data.tokens=20M", "horizon=3 months", text=JOBS)
    assert isinstance(portfolio, Portfolio)
    assert portfolio == asked(text=JOBS.replace("10M", "20M").replace("2 months", "3 months"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("limits.deadline", "expected KEY=VALUE. For example limits.deadline=24h"),
        ("=24h", 'found "" is no path'.removeprefix("found ")),
        ("a..b=1", '"a..b" is no path of keys. For example'),
        ("[0].x=1", '"[0].x" is no path of keys'),
        ("a[x]=1", '"a[x]" is no path of keys'),
        ("limits.deadline=", "no value. null leaves the key out"),
        ("search.gpus=[1, 2", "not valid YAML: expected ',' or ']'"),
        ("search={gpus: 1, gpus: 2}", "gpus: the key is written twice"),
        ("search=&a 1", "anchors (&a) are not accepted"),
        ("name=" + "x" * 4000, "longer than 4000 characters. Write it into a file"),
        ("job.model.name=x", 'job.model: is "Qwen/Qwen2.5-0.5B", which has no name'),
        ("job[0]=x", "job: [0] is for lists, but this is a map"),
        ("offers.price=1 USD/h", "offers: is a list: give a position. offers[0] is the first entry"),
        ("offers[2].price=1 USD/h", "offers: has 2 entries, [0] to [1]; there is no [2]"),
        ("owned[0].gpu=L40S", "owned: has no entries; there is no [0]"),
        ("limits.deadlin=24h", 'limits.deadlin: unknown key. Did you mean "deadline"?'),
        ("limit.deadline=24h", 'limit: unknown key. Did you mean "limits"?'),
        ("limits.deadline=24", 'limits.deadline: expected a duration such as "48h"'),
        ("job.global_batch=null", "job.global_batch: this key is missing. For example global_batch: 64"),
        ("job={}", "job.model: this key is missing"),
        ("offers[0].gpu=H10", 'offers.0.gpu: unknown GPU "H10"'),
        ("buy={}", "buy: unknown key. It goes with jobs, in a portfolio"),
    ],
)  # fmt: skip
def test_problems_name_the_change(setting: str, message: str) -> None:
    """Everything that a change makes wrong, once, with the change instead of a place in the file."""
    problems = said(setting)
    name = f"--set {setting}"[:60]
    assert any(each.startswith(name[:50]) and message in each for each in problems), problems
    assert all(each.startswith("--set") for each in problems)


def test_what_the_file_says_wrong_keeps_its_place() -> None:
    """Only what is changed is told of the change."""
    problems = said("limits.deadline=2", text=TEXT.replace("global_batch: 16", "global_batch: many"))
    assert [each.partition(" ")[0] for each in problems] == ["--set", "file.yaml:6:17"]


def test_a_change_that_overwrites_another_is_refused() -> None:
    """The same key twice, or a section after one of its keys; the other way round is fine."""
    assert "overwrites --set search.gpus=1. Give one of them" in said("search.gpus=1", "search.gpus=2")[0]
    assert "overwrites --set search.gpus=1" in said("search.gpus=1", "search={gpus: 2}")[0]
    assert value_after("search={gpus: 2}", "search.method=lora")["search"] == {"gpus": 2, "method": "lora"}


def test_one_entry_is_said_as_one() -> None:
    """A list of one."""
    one = TEXT.replace("  - {gpu: L40S, price: 0.80 USD/h}\n", "")
    assert "offers: has one entry, [0]; there is no [3]" in said("offers[3].gpu=A10", text=one)[0]


def messages(text: str) -> list[str]:
    """What is said of a change, if it is refused."""
    try:
        asked(text)
    except InputError as error:
        return [str(each) for each in error.problems]
    return []


@given(st.one_of(st.text(max_size=30), st.text("abjo.[]01=: {}x'\"", max_size=20).map("job".__add__)))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """No other error, whatever is written, and no control character in a message."""
    assert all(each.isprintable() for each in messages(text))
