"""What is said about everything that a user can get wrong in a scenario: one message each, at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_texts import JOB, problems

from planner.errors import InputError
from planner.scenario.yaml_lines import parse_yaml

MANY = """\
jobs: {}
job:
  model: Llama-3.1-9B
  data: {tokens: 1e30, samples: 3}
  sequence_length: -1
  global_batch: 64
search:
  micro_batch: [1, 128]
  gpu: [H100, H10, RTX4091]
  gpu: H100
limits: {deadline: 48, budget: .nan}
offers:
  - {gpu: H100, price: 0 USD/h}
  - [3]
currency: EURO
"""


def cases(file: str) -> list[tuple[str, list[str]]]:
    """Texts and their messages: blocks between `====` lines, with a `----` line between text and messages."""
    blocks = (Path(__file__).parent / file).read_text(encoding="utf-8").split("====\n")
    halves = [block.split("----\n") for block in blocks]
    return [(text, messages.splitlines()) for text, messages in halves]


@pytest.mark.parametrize(("text", "expected"), cases("messages_whole.txt"))
def test_what_is_said_about_a_whole_file(text: str, expected: list[str]) -> None:
    """Each text gives exactly its messages, with line and column."""
    assert problems(text) == expected


@pytest.mark.parametrize(("text", "expected"), cases("messages_after_job.txt"))
def test_what_is_said_after_a_correct_job(text: str, expected: list[str]) -> None:
    """Each text, written below a correct job of five lines, gives exactly its messages."""
    assert problems(JOB + text) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("search: {stack: 2026-01-01}", '6:17 search.stack: unknown stack "2026-01-01". '),
        ("limits: {budget: 200 XYZ}", '6:18 limits.budget: no exchange rate for currency "XYZ". '),
        ("currency: EURO", '6:11 currency: no exchange rate for currency "EURO". Did you mean "EUR"'),
        ("offers: [{gpu: H800, price: 3 XXX/h}]", '6:29 offers.0.price: no exchange rate for currency "XXX". '),
    ],
)
def test_names_that_the_catalog_lacks(line: str, expected: str) -> None:
    """Unknown stacks and currencies are named; what is known depends on the catalog."""
    (message,) = problems(JOB + line)
    assert message.startswith(expected)


def test_all_problems_come_at_once_in_file_order() -> None:
    """Broken keys, values, names and combinations of all sections are reported together, by line and column."""
    places = [problem.split(": ")[0] for problem in problems(MANY)]
    assert places == [
        "1:1 jobs",
        "3:10 job.model",
        "4:18 job.data.tokens",
        "4:24 job.data.samples",
        "5:20 job.sequence_length",
        "8:20 search.micro_batch.1",
        "9:15 search.gpu.1",
        "9:20 search.gpu.2",
        "10:3 search.gpu",
        "11:20 limits.deadline",
        "11:32 limits.budget",
        "13:24 offers.0.price",
        "14:5 offers.1",
        "15:11 currency",
    ]


def test_an_empty_document_is_an_empty_file() -> None:
    """Nothing but the mark of a document is as good as nothing."""
    assert problems("---\n") == problems("") == [' the file is empty. A scenario starts with "job:"']


def test_control_characters_are_refused_with_their_place() -> None:
    """A control character is named by its escape, never printed."""
    assert problems("a: \x07\n") == ["1:4: the character '\\x07' is not allowed in YAML. Remove it"]


def test_a_yaml_bomb_is_refused_at_its_first_anchor() -> None:
    """Nested aliases are refused before anything is expanded."""
    levels = [f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(InputError) as caught:
        parse_yaml("\n".join(["k0: &k0 lol", *levels]), "bomb.yaml")
    assert str(caught.value.problems[0]).startswith("bomb.yaml:1:5: anchors (&k0) are not accepted")


def test_deep_nesting_is_refused() -> None:
    """A hundred thousand brackets are refused at the first that is too deep."""
    assert problems("a: " + "[" * 100_000) == ["1:23: nested deeper than 20 levels. A file holds one scenario"]
