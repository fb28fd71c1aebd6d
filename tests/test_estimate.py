"""`planner estimate`: given plans are completed, checked, estimated as `solve` does, and held against limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_runs import run
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_scenarios import INFEASIBLE

from planner.catalog import load_catalog
from planner.decisions import DECISIONS, LOSS_CHUNKS, METHODS, OPTIMIZERS
from planner.errors import ExitCode, InputError, Problem
from planner.report.document import document, given_document
from planner.report.given import given_report
from planner.report.schema import estimate_json_schema
from planner.rules import RULES
from planner.scenario.read import scenario_in
from planner.scenario.yaml_lines import parse_yaml
from planner.solver.answer import Answer
from planner.solver.given import Evaluation, evaluate_given
from planner.solver.solve import solve
from planner.solver.world import World

FOLDER = Path(__file__).parents[1] / "scenarios"
SOLVED = sorted({path.stem for path in FOLDER.glob("*.yaml")} - INFEASIBLE)
TODAY = date(2026, 11, 23)
JOB = """\
as_of: 2026-11-23
job: {model: Qwen/Qwen2.5-0.5B, data: {tokens: 10M}, sequence_length: 1024, global_batch: 16}
"""
PLAN = """\
plan:
  gpu: RTX 4090
  gpus: 2
  stack: hf-trainer
  method: lora
  base_dtype: bf16
  optimizer: adamw
  sharding: ddp
  attention: sdpa
  checkpointing: full
  loss: full
  micro_batch: 2
"""
OWN = "offers: [{gpu: RTX 4090, price: 0.5 USD/h, gpus_per_node: 2}, {gpu: RTX 4090, price: 0.4 USD/h, region: b}]\n"
DEFAULTED = {
    *(f"{name}_parallel" for name in ("tensor", "pipeline", "context", "expert")),
    *("offload", "checkpointed_layers", "mlp_chunks", "lora_rank", "lora_targets", "offer"),
}
"""What takes a usual value, or the best one, where nothing is given."""

AnswerOf = Callable[[str], Answer]


def evaluated(text: str, file: str = "s.yaml") -> Evaluation:
    """The evaluation of the plan in a scenario's text."""
    written = parse_yaml(text, file)
    scenario = scenario_in(written, folder=FOLDER, catalog=load_catalog(), today=TODAY)
    return evaluate_given(World(scenario, load_catalog()), written)


def tried(text: str) -> tuple[Evaluation | None, list[Problem]]:
    """The evaluation, or the problems in its place."""
    try:
        return evaluated(text), []
    except InputError as error:
        return None, list(error.problems)


def problems(text: str) -> list[str]:
    """What is wrong with a given plan, without the file name."""
    evaluation, found = tried(text)
    assert evaluation is None
    return [str(problem).removeprefix("s.yaml:") for problem in found]


def choice(values: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join((", ".join(values[:-1]), values[-1])) if len(values) > 1 else values[0]


def written(name: str) -> dict[str, Any]:
    """A shipped scenario as plain values."""
    value: dict[str, Any] = parse_yaml((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name).value
    return value


def with_plan(name: str, plan: dict[str, Any], *, search: bool) -> str:
    """A shipped scenario whose plan is this one, with or without its search."""
    value = {key: item for key, item in written(name).items() if key != "search" or search}
    return yaml.safe_dump({**value, "plan": plan})


def plain(value: dict[str, Any]) -> Any:
    """A document as a program reads it."""
    return json.loads(json.dumps(value, allow_nan=False))


@pytest.mark.parametrize("search", [True, False], ids=["with search", "without search"])
@pytest.mark.parametrize("name", SOLVED)
def test_the_plan_of_an_answer_has_the_answers_estimate(name: str, search: bool, answer_of: AnswerOf) -> None:
    """Pasted under `plan`, the plan that `solve` prints gives its estimate digit by digit, and fits."""
    answer = plain(document(answer_of(name)))
    estimate = plain(given_document(evaluated(with_plan(name, answer["plan"], search=search), f"{name}.yaml")))
    assert estimate["plan"] == answer["plan"]
    assert estimate["estimate"] == answer["estimate"]
    assert estimate["fits"] is True
    Draft202012Validator(estimate_json_schema()).validate(estimate)


@pytest.mark.parametrize("name", SOLVED)
def test_without_an_offer_the_best_one_is_taken(name: str, answer_of: AnswerOf) -> None:
    """No other offer is cheaper (or faster) for the plan, so it costs what the proved optimum costs."""
    best = answer_of(name).best
    assert best is not None
    plan = {key: value for key, value in best.plan.as_dict().items() if key != "offer"}
    estimate = evaluated(with_plan(name, plan, search=True)).estimate
    amounts = (estimate.cost, estimate.seconds), (best.estimate.cost, best.estimate.seconds)
    assert amounts[0] == amounts[1]


@pytest.mark.parametrize("name", SOLVED)
def test_what_is_left_out_follows_or_is_named(name: str, answer_of: AnswerOf) -> None:
    """Without one decision the plan is the same, or that decision is what is said to be missing."""
    best = answer_of(name).best
    assert best is not None
    plan = best.plan.as_dict()
    for decision in set(plan) - DEFAULTED:
        text = with_plan(name, {key: value for key, value in plan.items() if key != decision}, search=False)
        if decision in ("gpus", "nodes"):
            text = text.replace("  nodes: ", "  nodes: ~ #")
        evaluation, found = tried(text)
        if evaluation is not None:
            assert evaluation.plan.as_dict() == plan
        else:
            assert [problem.message for problem in found] == [f"{decision} is missing"]


def test_what_follows_need_not_be_given() -> None:
    """Replicas, accumulation, layers, chunks, degrees and the dtypes that the stack leaves are filled in."""
    plan = evaluated(JOB + OWN + PLAN).plan
    assert (plan.data_parallel, plan.gradient_accumulation, plan.checkpointed_layers) == (2, 4, 24)
    assert (plan.loss_chunks, plan.mlp_chunks, plan.offload) == (1, 1, "none")
    assert (plan.compute_dtype, plan.master_weights, plan.grad_dtype) == ("bf16", "fp32", "fp32")
    assert (plan.tensor_parallel, plan.pipeline_parallel, plan.context_parallel, plan.expert_parallel) == (1, 1, 1, 1)
    assert (plan.lora_rank, plan.lora_targets) == (16, "all-linear")


def test_numbers_follow_from_each_other() -> None:
    """GPUs from replicas, the micro-batch from the accumulation; one rank has nothing to shard."""
    text = PLAN.replace("gpus: 2", "data_parallel: 2").replace("micro_batch: 2", "gradient_accumulation: 2")
    plan = evaluated(JOB + OWN + text).plan
    assert (plan.gpus, plan.micro_batch) == (2, 4)
    one = PLAN.replace("gpus: 2", "gpus: 1").replace("  sharding: ddp\n", "")
    assert evaluated(JOB + OWN + one).plan.sharding == "none"


def test_adapters_are_written_in_either_way() -> None:
    """`lora` as in a search, or rank and targets as answers print them."""
    nested = evaluated(JOB + OWN + PLAN + "  lora: {rank: 8, targets: v+q}\n")
    flat = evaluated(JOB + OWN + PLAN + "  lora_rank: 8\n  lora_targets: q+v\n")
    assert given_document(nested) == given_document(flat)
    assert (nested.plan.lora_rank, nested.plan.lora_targets) == (8, "q+v")


def test_a_search_that_leaves_one_value_is_a_plan() -> None:
    """Under `search` the same values give the same estimate."""
    search = PLAN.replace("plan:", "search:")
    assert given_document(evaluated(JOB + OWN + search)) == given_document(evaluated(JOB + OWN + PLAN))


def test_one_gpu_at_most_is_one_gpu() -> None:
    """With `max_gpus: 1` the number of GPUs is given."""
    search = PLAN.replace("plan:", "search:").replace("gpus: 2", "max_gpus: 1").replace("ddp", "none")
    assert evaluated(JOB + OWN + search).plan.gpus == 1


def test_solving_a_given_plan_answers_with_that_plan() -> None:
    """What the plan fixes is as good as a search that allows nothing else, also for an offer that is not the best."""
    text = JOB + OWN + PLAN + "  offer: own quote on-demand\n"
    chosen = evaluated(text)
    written = parse_yaml(text, "s.yaml")
    scenario = scenario_in(written, folder=FOLDER, catalog=load_catalog(), today=TODAY)
    answer = solve(World(scenario, load_catalog()), explain=False)
    assert answer.best is not None
    assert answer.best.plan == chosen.plan
    assert chosen.plan.offer.price_per_gpu_hour == Decimal("0.5")
    assert document(answer)["estimate"] == given_document(chosen)["estimate"]


def test_every_decision_that_is_open_is_named_with_its_values() -> None:
    """One problem each, at the section that gives the plan; what may follow from a missing one is not asked for."""
    stack = load_catalog().stack("torchtune")
    values = {
        "attention": stack.attentions,
        "checkpointing": stack.checkpointings,
        "gpus": ["a whole number"],
        "loss_chunks": [str(chunks) for chunks in LOSS_CHUNKS if chunks > 1],
        "method": METHODS,
        "micro_batch": [str(2**exponent) for exponent in range(5)],
        "optimizer": [name for name in OPTIMIZERS if name in stack.optimizers],
    }
    expected = {
        f"4:1 plan: {name} is missing. Give plan.{name}: {choice(names)}"
        for name, names in values.items()
        if len(names) > 1 or name == "gpus"
    }
    told = problems(JOB + OWN + "plan: {gpu: H100 SXM, stack: torchtune, loss: chunked}\n")
    assert expected <= set(told)
    assert all(" base_dtype is missing" in each for each in set(told) - expected)


def test_only_legal_values_are_offered() -> None:
    """What a rule excludes is not proposed; what it leaves alone is taken."""
    text = JOB + "plan: {gpu: T4, gpus: 1, stack: hf-trainer, method: lora, optimizer: adamw, checkpointing: none,\n"
    (message,) = problems(text + "  loss: full, micro_batch: 1, base_dtype: fp16}\n")
    assert message.endswith("Give plan.attention: sdpa or eager")


def test_a_search_with_several_values_is_told_where_it_is_written() -> None:
    """Line and column of the key that leaves too much open."""
    text = JOB + OWN + PLAN.replace("plan:", "search:").replace("micro_batch: 2", "micro_batch: [1, 2, 3]")
    assert problems(text) == [
        "15:3 search.micro_batch: 3 values are allowed, but an estimate needs one. Give plan.micro_batch: 1 or 2"
    ]


def test_a_file_without_a_plan_says_what_a_plan_is() -> None:
    """The problems are those of the file as a whole."""
    told = problems(JOB)
    assert all(re.match(r"1:1: \w+ is missing\. Give plan\.\w+: ", each) for each in told)
    assert {each.split()[1] for each in told} >= {"gpu", "gpus", "stack", "method", "optimizer", "micro_batch"}
    assert any("`planner catalog gpus`" in each for each in told)


def test_all_broken_rules_are_told() -> None:
    """Each sentence once, with the values that it is about."""
    text = JOB + OWN + PLAN.replace("sharding: ddp", "sharding: hsdp").replace("sdpa", "flash")
    told = problems(text + "  tensor_parallel: 2\n  data_parallel: 2\n  compute_dtype: fp32\n  mlp_chunks: 2\n")
    sentences = {rule.sentence for rule in RULES if any(rule.sentence in each for each in told)}
    assert sentences >= {
        "the stack must train this method in these dtypes",
        "the stack must have this sharding and offload for the method",
        "the stack must have these kinds of parallelism",
        "data x tensor x pipeline x context parallel is the number of GPUs",
        "flash attention computes in 16 bit",
        "mlp_chunks needs a stack with a tiled MLP and a dense model",
    }
    assert len(told) >= len(sentences)
    assert all(each.startswith("4:1 plan: ") for each in told)
    assert any(each.endswith("Here: compute_dtype fp32, attention flash") for each in told)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("gpus: 2", "gpus: 3\n  tensor_parallel: 2"), "6:9 plan.gpus: 3 GPUs are not divisible by tensor_parallel 2"),
        (("gpus: 2", "gpus: 3"), "4:1 plan: the global batch of 16 is not divisible by data_parallel 3"),
        (
            ("micro_batch: 2", "micro_batch: 3"),
            "15:16 plan.micro_batch: the 8 sequences of one replica are not divisible by micro_batch 3",
        ),
    ],
)
def test_numbers_that_do_not_divide(change: tuple[str, str], expected: str) -> None:
    """What cannot follow is told at the number that is in the way."""
    assert expected in problems(JOB + OWN + PLAN.replace(*change))


def test_what_follows_must_be_what_the_search_allows() -> None:
    """A number that follows from the others and that the search excludes is a contradiction."""
    (message,) = problems(JOB + OWN + PLAN + "search: {gradient_accumulation: [1, 2]}\n")
    assert message.endswith("4 follows from the other decisions, but search.gradient_accumulation allows 1, 2")


def test_an_offer_that_cannot_serve_the_plan_is_refused() -> None:
    """A named offer must supply the machines; so must the offers of a named provider."""
    text = JOB + OWN + PLAN.replace("gpus: 2", "gpus: 4")
    (message,) = problems(text + "  offer: own quote on-demand\n")
    assert "several machines need an offer that states its network" in message
    (message,) = problems(JOB + PLAN.replace("RTX 4090", "H800") + "search: {provider: verda}\n")
    assert "this GPU is not offered there" in message


def test_a_gpu_without_offers_is_estimated_without_a_cost() -> None:
    """Memory and time are those of the same machine at a known price; the cost is not known and never a number."""
    plan = PLAN.replace("RTX 4090", "H800 SXM")
    unpriced = evaluated(JOB + plan)
    priced = evaluated(JOB + "offers: {gpu: H800 SXM, price: 2 USD/h}\n" + plan)
    told, known = plain(given_document(unpriced)), plain(given_document(priced))
    money = ("cost", "cost_interval", "cost_parts", "price")
    assert all(told["estimate"][key] is None and known["estimate"][key] is not None for key in money)
    for key in set(known["estimate"]) - set(money):
        assert told["estimate"][key] == known["estimate"][key], key
    assert (told["plan"]["offer"], told["fits"], told["price_sources"]) == (None, True, [])
    assert "nobody offers this GPU" in told["unpriced"]
    assert known["unpriced"] == ""
    Draft202012Validator(estimate_json_schema()).validate(told)
    assert "nan" not in given_report(unpriced, details=True).plain().lower()
    again = evaluated(JOB + yaml.safe_dump({"plan": told["plan"]}))
    assert plain(given_document(again)) == told


def test_a_budget_without_a_price_is_not_called_kept() -> None:
    """Nobody can say whether the plan fits, unless another limit is broken."""
    plan = PLAN.replace("RTX 4090", "H800 SXM")
    assert evaluated(JOB + plan + "limits: {budget: 9 USD}\n").fits is None
    assert evaluated(JOB + plan + "limits: {budget: 9 USD, deadline: 1 s}\n").fits is False


def test_offers_that_cannot_serve_the_plan_leave_the_cost_unknown() -> None:
    """Six GPUs are not rented out, but their memory and time can be told; the reason is the broken rule."""
    plan = PLAN.replace("gpus: 2", "gpus: 6").replace("micro_batch: 2", "micro_batch: 1")
    job = JOB.replace("global_batch: 16", "global_batch: 24")
    evaluation = evaluated(job + "catalog_offers: false\n" + OWN.replace("gpus_per_node: 2", "gpus_per_node: 8") + plan)
    assert not evaluation.plan.offer.is_priced
    assert "the offer must supply this number of GPUs" in evaluation.unpriced
    assert evaluation.plan.gpus_per_node == 6


def test_the_number_of_machines_is_kept() -> None:
    """Stated machines choose among offers, and make the machine where there is no offer."""
    plan = PLAN.replace("RTX 4090", "H800 SXM").replace("gpus: 2", "gpus: 4\n  nodes: 2")
    assert evaluated(JOB + plan).plan.gpus_per_node == 2
    offers = "offers:\n" + "".join(
        f"  - {{gpu: H800 SXM, price: {size} USD/h, gpus_per_node: {size}, inter_node_gbit_s: 400}}\n"
        for size in (1, 2)
    )
    assert evaluated(JOB + offers + plan).plan.offer.gpus_per_node == 2
    assert evaluated(JOB + offers + plan.replace("nodes: 2", "nodes: 4")).plan.offer.gpus_per_node == 1


@pytest.mark.parametrize(
    ("limits", "broken"),
    [
        ("{}", []),
        ("{deadline: 48h, budget: 100 USD}", []),
        ("{deadline: 1 s}", ["deadline"]),
        ("{budget: 0.01 USD}", ["budget"]),
        ("{gpu_memory_reserve: 23 GiB}", ["gpu_memory"]),
        ("{gpu_memory_reserve: 23 GiB, budget: 0.01 EUR, deadline: 1 s}", ["gpu_memory", "deadline", "budget"]),
    ],
)
def test_the_verdict_names_the_limits_that_do_not_hold(limits: str, broken: list[str]) -> None:
    """Each of the five limits is listed; those of the user that are too small do not hold."""
    told = given_document(evaluated(JOB + OWN + PLAN + f"limits: {limits}\n"))
    assert [each["limit"] for each in told["limits"]] == ["gpu_memory", "host_memory", "disk", "deadline", "budget"]
    assert [each["limit"] for each in told["limits"] if each["holds"] is False] == broken
    assert told["fits"] is (not broken)
    assert all((each["holds"] is None) == bool(each["reason"]) for each in told["limits"])


def test_machines_that_are_too_small_do_not_hold() -> None:
    """Host memory and disk are limits where the offer states them."""
    small = OWN.replace("gpus_per_node: 2", "host_ram_gib_per_gpu: 2, disk_gib: 1").replace(", {gpu", "#")
    told = given_document(evaluated(JOB + "catalog_offers: false\n" + small.split("#")[0] + "]\n" + PLAN))
    assert [each["limit"] for each in told["limits"] if each["holds"] is False] == ["host_memory", "disk"]


@pytest.mark.parametrize("gpu", [gpu.name for gpu in load_catalog().gpus])
def test_every_gpu_can_be_estimated(gpu: str) -> None:
    """Whatever is not published of a GPU, there is an estimate or a rule that is broken."""
    evaluation, found = tried(JOB + PLAN.replace("RTX 4090", gpu))
    if evaluation is None:
        assert {problem.message for problem in found} <= {rule.sentence for rule in RULES}
    else:
        assert evaluation.estimate.seconds > 0


def test_more_checkpointing_never_needs_more_activations() -> None:
    """A given plan answers to its decisions: recomputed blocks keep less."""
    sizes = [
        evaluated(JOB + OWN + PLAN.replace("checkpointing: full", f"checkpointing: {value}")).estimate
        for value in ("none", "full")
    ]
    assert all(
        more.memory["forward"]["activations"] > less.memory["forward"]["activations"] for more, less in pairwise(sizes)
    )


CHOICES: dict[str, Sequence[Any]] = {
    "gpu": ("RTX 4090", "H100 SXM", "H800 SXM", "T4", "MI300X", "RTX 3090"),
    "gpus": (1, 2, 3, 4, 8, 12, 16, 64, 1024),
    "nodes": (1, 2, 3),
    "provider": ("vast.ai", "verda"),
    "stack": tuple(stack.name for stack in load_catalog().stacks),
    **{each.name: each.values for each in DECISIONS if each.values},
    **{f"{name}_parallel": (1, 2, 4) for name in ("tensor", "pipeline", "context", "expert", "data")},
    "checkpointed_layers": (0, 3, 24),
    "loss_chunks": (1, 3, 8),
    "mlp_chunks": (1, 2),
    "micro_batch": (1, 2, 3, 16),
    "gradient_accumulation": (1, 4, 16),
    "lora_rank": (1, 64),
    "lora_targets": ("q+v", "lm_head"),
}
changes = st.sampled_from([(name, value) for name, values in CHOICES.items() for value in values])
plans = st.lists(changes, max_size=4).map(dict)


@given(plans, st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_plan_is_estimated_or_refused(plan: dict[str, Any], under_search: bool) -> None:
    """Whatever is combined or left out, there is an estimate, or problems at places in the file."""
    usual: dict[str, Any] = yaml.safe_load(PLAN)["plan"]
    value = {name: item for name, item in {**usual, **plan}.items() if item is not None}
    if under_search:
        value = {name: item for name, item in value.items() if name not in ("nodes", "grad_dtype")}
        value = {name: item for name, item in value.items() if not name.startswith("lora_")}
    evaluation, found = tried(JOB + yaml.safe_dump({"search" if under_search else "plan": value}))
    assert (evaluation is None) == bool(found)
    assert all(problem.line > 0 for problem in found)
    if evaluation is not None:
        Draft202012Validator(estimate_json_schema()).validate(plain(given_document(evaluation)))
        assert evaluation.plan.gpus == plan.get("gpus", evaluation.plan.gpus)


@given(st.sets(st.sampled_from(sorted(yaml.safe_load(PLAN)["plan"]))))
@settings(max_examples=60, deadline=None)
def test_more_is_asked_for_the_more_is_left_out(left_out: set[str]) -> None:
    """Nothing but what is left out, or follows from it, is ever missing."""
    plan: dict[str, Any] = yaml.safe_load(PLAN)["plan"]
    kept = {name: value for name, value in plan.items() if name not in left_out}
    _, found = tried(JOB + OWN + yaml.safe_dump({"plan": kept}))
    assert {problem.message.removesuffix(" is missing") for problem in found} <= left_out


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a plan that fits, one that does not, one without a price, and an open one."""
    texts = {
        "fits": JOB + OWN + PLAN,
        "late": JOB + OWN + PLAN + "limits: {deadline: 1 s}\n",
        "unpriced": JOB + PLAN.replace("RTX 4090", "H800") + "limits: {budget: 9 USD}\n",
        "open": JOB + PLAN.replace("  micro_batch: 2\n", ""),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["fits"], ExitCode.PLAN),
        (["late"], ExitCode.INFEASIBLE),
        (["unpriced"], ExitCode.UNDECIDED),
        (["open"], ExitCode.BAD_INPUT),
        (["fits", "late"], ExitCode.INFEASIBLE),
        (["fits", "late", "unpriced"], ExitCode.UNDECIDED),
        (["open", "fits", "late"], ExitCode.BAD_INPUT),
    ],
)
def test_the_exit_code_is_the_verdict(names: list[str], code: ExitCode) -> None:
    """The worst of several files counts."""
    assert run("estimate", *(f"{name}.yaml" for name in names)).exit_code == code


@pytest.mark.usefixtures("folder")
def test_json_of_one_file_is_a_document_and_of_several_a_list() -> None:
    """In the order of the files, null for one that cannot be used; problems go to stderr."""
    validator = Draft202012Validator(json.loads(run("schema", "estimate").stdout))
    one = run("estimate", "fits.yaml", "--format", "json")
    validator.validate(json.loads(one.stdout))
    several = run("estimate", "late.yaml", "open.yaml", "fits.yaml", "--format", "json")
    late, missing, fits = json.loads(several.stdout)
    validator.validate(late)
    assert missing is None
    assert fits == json.loads(one.stdout)
    assert (late["fits"], fits["fits"]) == (False, True)
    assert several.stderr.startswith("open.yaml:3:1 plan: micro_batch is missing. ")
    assert run("estimate", "open.yaml", "--format", "json").stdout == ""


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("details", [[], ["--details"]])
def test_the_page_has_every_block_and_is_not_too_wide(details: list[str]) -> None:
    """Plan, memory by phase, time, cost, limits; 80 columns of ASCII where nobody watches."""
    text = run("estimate", "fits.yaml", "late.yaml", "unpriced.yaml", *details).stdout
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80
    fits, late, unpriced = re.split(r"^=== .*\n", text, flags=re.MULTILINE)[1:]
    for page in (fits, late, unpriced):
        headings = re.findall(r"^(Plan|Memory|Time|Cost|Limits)\b", page, flags=re.MULTILINE)
        assert headings == ["Plan", "Memory", "Time", "Cost", "Limits"]
    assert "It fits." in fits
    assert "It does not fit: deadline does not hold." in " ".join(late.split())
    assert "BROKEN" in late
    assert "Cost: unknown; nobody offers this GPU" in unpriced


def test_the_shipped_plan_fits() -> None:
    """The example answers with exit code 0."""
    text = (FOLDER / "plan-given.yaml").read_text(encoding="utf-8")
    evaluation = evaluated(text)
    assert evaluation.fits is True
    assert run("estimate", str(FOLDER / "plan-given.yaml")).exit_code == ExitCode.PLAN
