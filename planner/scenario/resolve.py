"""From what is written to what is meant: steps, currency, offers, and notes on what will have no effect."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from planner.catalog import duplicate_offers
from planner.catalog.lengths import USUAL_SAMPLES, SampleLengths
from planner.catalog.offer import Offer
from planner.catalog.provider import Billing
from planner.errors import InputError, Problem
from planner.scenario.fields import Reading
from planner.scenario.model import Assumptions, Job, Limits, Lora, MoneyTerms, Scenario, Search
from planner.scenario.money_schema import MoneySchema
from planner.scenario.plan import narrowed, plan_problems
from planner.scenario.schema import ScenarioSchema
from planner.scenario.search_schema import SearchSchema
from planner.scenario.sections import AssumptionsSchema, DataSchema, JobSchema, LimitsSchema, OfferSchema
from planner.scenario.yaml_lines import Document, KeyPath
from planner.units import MOST_COUNT, format_count


def resolve_scenario(written: ScenarioSchema, document: Document, reading: Reading) -> Scenario:
    """The scenario that `written` means. Error: InputError for what only shows in several sections together."""
    offers = tuple(offer_of(offer, document.file, reading) for offer in written.offers)
    known = (*offers, *(reading.catalog.offers if written.plan and written.catalog_offers else ()))
    search = search_of(written.search)
    problems = [
        *data_problems(written.job, document, ("job",)),
        *offer_problems(offers, document),
        *currency_problems(written.currency, written.money, document),
        *plan_problems(search, written, known, document),
    ]
    if problems:
        raise InputError(problems)
    budget = written.limits.budget
    scenario = Scenario(
        file=document.file,
        name=written.name or Path(document.file).stem,
        as_of=reading.as_of,
        job=job_of(written.job),
        search=narrowed(search, written, known, reading.catalog),
        limits=limits_of(written.limits),
        prefer=written.prefer,
        currency=written.currency or written.money.currency or (budget.currency if budget else "USD"),
        offers=offers,
        catalog_offers=written.catalog_offers,
        assumptions=assumptions_of(written.assumptions),
        money=money_of(written.money),
        nodes=written.plan.nodes if written.plan else None,
    )
    notes = notes_of(
        scenario,
        reading,
        has_lora="lora" in written.search.model_fields_set,
        has_adapters=written.plan is not None and bool(written.plan.adapters),
    )
    return scenario.replace(notes=tuple(notes))


def job_of(written: JobSchema) -> Job:
    """The same job as plain data."""
    samples, epochs = written.data.samples, written.data.epochs
    return Job(
        model=written.model.text,
        architecture=written.model.architecture,
        tokens=_tokens(written),
        sequence_length=written.sequence_length,
        global_batch=written.global_batch,
        epochs=written.data.epochs,
        padded_samples=None if samples is None or written.data.packing else samples * epochs,
        sample_lengths=_sample_lengths(written.data),
        evaluation_micro_batch=written.evaluation_micro_batch,
    )


def _sample_lengths(data: DataSchema) -> SampleLengths | None:
    """How samples vary, if that is stated and they are not packed."""
    mean, deviation = data.tokens_per_sample, data.tokens_per_sample_deviation
    if mean is None or deviation is None or data.packing:
        return None
    return SampleLengths(mean_tokens=mean, deviation_tokens=deviation, samples=data.samples or USUAL_SAMPLES)


def _tokens(written: JobSchema) -> int:
    """Tokens of all epochs."""
    data = written.data
    once = data.tokens if data.tokens is not None else (data.samples or 0) * (data.tokens_per_sample or 0)
    return once * data.epochs


def search_of(written: SearchSchema) -> Search:
    """The same choices as plain data."""
    values = {key: value for key, value in written if key != "lora"}
    return Search(**values, lora=Lora(**dict(written.lora)))


def limits_of(written: LimitsSchema) -> Limits:
    """The same limits under names with units."""
    return Limits(
        deadline_seconds=written.deadline,
        budget=written.budget,
        oom_risk=written.oom_risk,
        deadline_confidence=written.deadline_confidence,
        gpu_memory_reserve_bytes=written.gpu_memory_reserve,
    )


def assumptions_of(written: AssumptionsSchema) -> Assumptions:
    """The same assumptions under names with units."""
    return Assumptions(
        startup_seconds=written.startup,
        download_gbit_s=written.download_gbit_s,
        checkpoint_interval_seconds=written.checkpoint_interval,
    )


def money_of(written: MoneySchema) -> MoneyTerms:
    """The same terms under names with units."""
    unit = written.billing_unit
    return MoneyTerms(
        storage=written.storage,
        egress=written.egress,
        download=written.download,
        tax_fraction=written.tax,
        billing_unit_seconds=None if unit is None else int(unit),
    )


def offer_of(written: OfferSchema, file: str, reading: Reading) -> Offer:
    """A price of the user's own as an offer like those of the catalog."""
    given = written.model_dump(exclude={"price", "observed", "billing_unit", "minimum", "term"})
    own: dict[str, Any] = {"source": f"your own price in {Path(file).name}", "retrieved": reading.as_of}
    offer = Offer(
        **given,
        **own,
        term_seconds=written.term,
        price_per_gpu_hour=written.price.amount,
        currency=written.price.currency,
        observed=written.observed or reading.as_of,
        quality="given in the scenario",
    )
    known = reading.catalog.with_terms(offer)
    if written.billing_unit is None and written.minimum is None:
        return known
    before = known.billing or Billing(unit_seconds=1, **own)
    billing = Billing(
        unit_seconds=int(written.billing_unit or before.unit_seconds),
        minimum_seconds=int(written.minimum or before.minimum_seconds),
        is_own=True,
        **own,
    )
    return known.model_copy(update={"billing": billing})


def data_problems(job: JobSchema, document: Document, path: KeyPath) -> Iterator[Problem]:
    """Amounts of data that are impossible together, in the job at `path`."""
    tokens, data = _tokens(job), job.data
    if tokens > MOST_COUNT:
        message = f"{format_count(tokens)} tokens over all epochs, at most {format_count(MOST_COUNT)} are possible"
        yield document.problem((*path, "data"), message)
    if data.tokens_per_sample_deviation is not None and data.packing:
        message = "only goes with samples that are not packed"
        hint = "Add packing: false, or leave it out"
        yield document.problem((*path, "data", "tokens_per_sample_deviation"), message, hint)
    if not data.packing and (data.tokens_per_sample or 0) > job.sequence_length:
        message = f"samples of {data.tokens_per_sample} tokens do not fit into sequences of {job.sequence_length}"
        yield document.problem((*path, "data", "packing"), message, "Pack them, or use longer sequences")


def currency_problems(currency: str | None, money: MoneySchema, document: Document) -> Iterator[Problem]:
    """Two currencies of one answer."""
    both = currency, money.currency
    if all(both) and both[0] != both[1]:
        message = f"{both[1]}, but currency says {both[0]}"
        yield document.problem(("money", "currency"), message, "Give one of them")


def offer_problems(offers: tuple[Offer, ...], document: Document) -> Iterator[Problem]:
    """Prices for a thing that already has one."""
    for first, repeated in duplicate_offers(offers):
        message = f"the same offer as offers.{first}: {offers[first].name} of {offers[first].gpu}"
        hint = "Tell them apart by provider, instance, region, gpus_per_node or kind"
        yield document.problem(("offers", repeated), message, hint)


def notes_of(scenario: Scenario, reading: Reading, *, has_lora: bool, has_adapters: bool = False) -> Iterator[str]:
    """What the user should know before reading the answer; whether `search` and `plan` say something of adapters."""
    yield from _job_notes(scenario.job)
    methods = scenario.search.method
    if has_lora and methods == ("full",):
        yield "search.lora has no effect: search.method allows only full."
    elif methods != ("full",):
        yield from _adapter_notes(scenario.search.lora)
    if scenario.search.virtual_stages > 1:
        yield f"Pipelines, if any, are interleaved: {scenario.search.virtual_stages} pieces of layers per GPU."
    if has_adapters and methods == ("full",):
        yield "plan.lora has no effect: the method is full."
    for offer in scenario.offers:
        if not scenario.search.admits(offer):
            yield f"Your own price of {offer.gpu} ({offer.name}) is not used: search excludes it."
    yield from _offerless(scenario, reading.catalog.offers if scenario.catalog_offers else ())


def _adapter_notes(lora: Lora) -> Iterator[str]:
    """What plans do not say of their adapters."""
    if lora.dora:
        yield "Adapters are DoRA: their magnitudes, norms and products are counted."
    if lora.dropout:
        yield f"Adapters drop out {lora.dropout:.0%} of their input: its copies and masks are counted."


def _job_notes(job: Job) -> Iterator[str]:
    """What is unusual about the job."""
    if job.sequence_length > job.architecture.max_positions:
        yield (
            f"{job.sequence_length} tokens per sequence are more than the {job.architecture.max_positions} positions "
            f"that {job.architecture.name} was made for."
        )
    if job.sequences < job.global_batch:
        yield f"The data fill only {job.sequences} of the {job.global_batch} sequences of one optimizer step."


def _offerless(scenario: Scenario, catalog_offers: Iterable[Offer]) -> Iterator[str]:
    """The GPUs that the user names and nobody rents out under the conditions of the search."""
    offered = {offer.gpu for offer in scenario.usable_offers(catalog_offers)}
    for gpu in scenario.search.gpu or ():
        if gpu not in offered:
            yield f"No offer of {gpu} is known for this search: give your own price under offers."
