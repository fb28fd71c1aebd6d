"""The `plan` section: what it means for the search, and what is said of a plan that cannot be meant."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scenario_texts import JOB, problems, read

from planner.catalog import load_catalog
from planner.decisions import DECISION_NAMES
from planner.scenario.model import Lora, Search
from planner.scenario.schema import scenario_json_schema

OWN = (
    "offers: [{gpu: H800 SXM, price: 2 USD/h, provider: mine, kind: reserved}, "
    "{gpu: H800 SXM, price: 3 USD/h, provider: mine, kind: reserved, region: b, gpus_per_node: 2}]\n"
)


def test_every_decision_of_an_answer_has_a_key() -> None:
    """So that a plan can be pasted as it is printed, with the shape of the adapters and the number of machines."""
    keys = set(scenario_json_schema()["$defs"]["PlanSchema"]["properties"])
    assert keys >= {*DECISION_NAMES, "lora_rank", "lora_targets", "nodes"}


def test_a_plan_narrows_the_search() -> None:
    """Each value that it gives is the only one, names spelled as in the catalog; the rest stays as it was."""
    plan = "plan: {gpu: h100, gpus: 128, method: lora, lora: {rank: 8}, grad_dtype: fp32, micro_batch: 4, loss: ~}\n"
    search = read(JOB + "search: {optimizer: [adamw, lion], method: [lora, full]}\n" + plan).search
    assert search == Search(
        gpu=("H100 SXM",),
        gpus=(128,),
        max_gpus=128,
        method=("lora",),
        lora=Lora(8),
        grad_dtype=("fp32",),
        micro_batch=(4,),
        optimizer=("adamw", "lion"),
    )


def test_an_empty_plan_changes_nothing() -> None:
    """A plan without a value is as good as none."""
    without = read(JOB)
    assert read(JOB + "plan: {}\n") == without
    assert read(JOB + "plan: ~\n") == without
    assert read(JOB + "plan: {gpu: ~, lora: null}\n") == without


def test_a_named_offer_is_the_only_one() -> None:
    """Its kind of price is allowed with it; case and punctuation do not matter."""
    scenario = read(JOB + OWN + "plan: {gpu: H800, offer: Mine B Reserved}\n")
    (offer,) = scenario.usable_offers(load_catalog().offers)
    assert (offer.provider, offer.region, offer.kind) == ("mine", "b", "reserved")


def test_stated_machines_admit_offers_of_that_size() -> None:
    """Four GPUs on two machines are rented from who has machines of two."""
    text = JOB + OWN + "search: {pricing: reserved}\n"
    for nodes, sizes in ((1, [8]), (2, [2]), (4, [])):
        scenario = read(text + f"plan: {{gpu: H800, gpus: 4, nodes: {nodes}}}\n")
        assert [offer.gpus_per_node for offer in scenario.usable_offers(())] == sizes
        freed = replace(scenario, search=replace(scenario.search, gpus=None))
        assert len(freed.usable_offers(())) == 2


def test_adapters_of_a_full_fine_tune_are_noted() -> None:
    """A shape without adapters is said to have no effect."""
    notes = read(JOB + "plan: {method: full, lora_rank: 8}\n").notes
    assert "plan.lora has no effect: the method is full." in notes
    assert not read(JOB + "plan: {method: full, lora_rank: ~, lora_targets: ~}\n").notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plan: [gpu]", "6:1 plan: expected a map, found a list. Its keys: gpu, gpus, nodes, provider, offer, "),
        ("plan: {gpu: H10}", '6:13 plan.gpu: unknown GPU "H10". Did you mean "H100"'),
        ("plan: {gpu: [H100]}", "6:8 plan.gpu: expected text of one line, found a list"),
        ("plan: {methods: lora}", '6:8 plan.methods: unknown key. Did you mean "method"'),
        ("plan: {method: qlorra}", '6:16 plan.method: unknown value "qlorra". Did you mean "qlora" or "lora"?'),
        ("plan: {optimizer: 8}", "6:19 plan.optimizer: expected a word, found 8. Known: "),
        ("plan: {stack: hf}", '6:15 plan.stack: unknown stack "hf". '),
        ("plan: {provider: nobody}", '6:18 plan.provider: unknown provider "nobody". '),
        ("plan: {gpus: two}", "6:14 plan.gpus: "),
        ("plan: {gpus: 0}", "6:14 plan.gpus: "),
        ("plan: {micro_batch: 65}", "6:21 plan.micro_batch: 65 exceeds job.global_batch, which is 64"),
        ("plan: {checkpointed_layers: 33}", "6:29 plan.checkpointed_layers: 33 exceeds the layers of the model"),
        ("plan: {lora: {rank: 0}}", "6:21 plan.lora.rank: "),
        ("plan: {lora: {rank: 8}, lora_rank: 8}", "6:25 plan.lora_rank: does not go with lora. Give one of them"),
        ("plan: {lora_targets: q+x}", '6:22 plan.lora_targets: unknown LoRA target "x". '),
        ("plan: {nodes: 2}", "6:15 plan.nodes: a number of machines needs plan.gpus beside it"),
        ("plan: {gpus: 8, nodes: 3}", "6:24 plan.nodes: 8 GPUs cannot be spread evenly over 3 machines"),
        ("plan: {gpus: 577, nodes: 1}", "6:26 plan.nodes: 577 GPUs in one machine, at most 576 are possible"),
        ("plan: {gpu: H100, offer: lambda}", '6:26 plan.offer: unknown offer "lambda" of H100 SXM. '),
    ],
)
def test_what_cannot_be_a_plan(text: str, expected: str) -> None:
    """Wrong types, unknown names, impossible numbers: at their place, with what is known."""
    (message,) = problems(JOB + text + "\n")
    assert message.startswith(expected)


@pytest.mark.parametrize(
    ("search", "plan", "expected"),
    [
        (
            "method: [lora, qlora]",
            "method: full",
            '7:16 plan.method: "full" contradicts search.method, which allows "lora", "qlora". Change one of them',
        ),
        (
            "micro_batch: 2",
            "micro_batch: 4",
            "7:21 plan.micro_batch: 4 contradicts search.micro_batch, which allows 2. Change one of them",
        ),
        (
            "max_gpus: 4",
            "gpus: 8",
            "7:14 plan.gpus: 8 contradicts search.max_gpus, which is 4. Change one of them",
        ),
        (
            "lora: {rank: 8}",
            "lora_rank: 16",
            "7:19 plan.lora_rank: contradicts search.lora, which is rank 8, all-linear. Change one of them",
        ),
    ],
)
def test_what_contradicts_the_search(search: str, plan: str, expected: str) -> None:
    """A value that the search does not allow; the search could be right as well."""
    assert problems(JOB + f"search: {{{search}}}\nplan: {{{plan}}}\n") == [expected]


@pytest.mark.parametrize(
    ("search", "plan", "expected"),
    [
        ("{}", "nodes: 1, gpus: 4", "8:65 plan.nodes: its machines have 2 GPUs, so 4 GPUs are not on 1 of them"),
        ("{}", "provider: runpod", '8:68 plan.provider: "runpod" contradicts the offer of mine'),
        ("{provider: runpod}", "", '8:31 plan.offer: contradicts search.provider, which allows "runpod". '),
        ("{pricing: spot}", "", '8:31 plan.offer: contradicts search.pricing, which allows "spot". '),
    ],
)
def test_what_contradicts_a_named_offer(search: str, plan: str, expected: str) -> None:
    """Its provider, its kind of price and the size of its machines."""
    text = JOB + OWN + f"search: {search}\nplan: {{gpu: H800 SXM, offer: mine b reserved, {plan}}}\n"
    (message,) = problems(text)
    assert without_column(message) == without_column(expected)


def without_column(message: str) -> str:
    """A message without its column and without its hint."""
    place, _, rest = message.partition(" ")
    return f"{place.split(':')[0]} {rest.split('. ')[0]}"


def test_no_contradiction_where_both_agree() -> None:
    """The plan of an answer stands beside the search that it was found with."""
    text = (
        "search: {method: [lora, full], gpus: [4, 8], lora: {rank: 8}}\nplan: {method: lora, gpus: 8, lora_rank: 8}\n"
    )
    assert read(JOB + text).search.gpus == (8,)
