"""Sentences on limits, prices and reaches, made of nothing but the facts of the document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from planner.report import words
from planner.units import Money, format_bytes, format_percent, format_price

Facts = Mapping[str, Any]
ONE_MORE = {
    "deadline": "One more hour",
    "budget": "A tenth more budget",
    "max_gpus": "One more GPU",
    "gpu_memory": "One more GiB on every GPU",
    "oom_risk": "One more percent of risk",
}
MORE_SAVES_NOTHING = {
    "deadline": "More time saves nothing",
    "budget": "A larger budget saves nothing",
    "max_gpus": "More GPUs save nothing",
    "gpu_memory": "More memory saves nothing",
    "oom_risk": "Accepting more risk saves nothing",
}
NOT_PROVED = " This is not proved in the time given."
LEFT_OUT = "after steps that are not listed"
OF_MEMORY = ("gpu_memory", "host_memory", "disk")
EVERY_GPU = " on every GPU"
SHORT_SECONDS, SHORT_MINUTES, LONG_HOURS = 90, 90, 72


def limit_sentences(limit: Facts, objective: str, currency: str) -> list[str]:
    """What more of a limit is worth, if there is one, and what less would cost."""
    sentences = [] if limit["current"] is None else [_looser(limit, objective, currency)]
    sentences.append(_tighter(limit, objective, currency))
    return sentences if limit["proved"] else [each + NOT_PROVED for each in sentences]


def _looser(limit: Facts, objective: str, currency: str) -> str:
    """`One more hour saves nothing; from 52.00 h on it saves $3.10, from 60.00 h on $4.00, then nothing more.`"""
    key, levels = limit["limit"], limit["looser"]
    reached = "" if limit["searched"] is None else f", up to {limit_value(limit, limit['searched'], currency)}"
    if not levels:
        return f"{MORE_SAVES_NOTHING[key] if limit['proved'] else 'Nothing better was found with more'}{reached}."
    more = limit["one_more"]["outcome"]
    nothing = "nothing" if limit["proved"] else "nothing that was found"
    worth = nothing if more is None else _amount(more["gain"], objective, currency)
    steps = [
        f"from {_short_value(limit, each['at'], currency)} on {_amount(each['gain'], objective, currency)}"
        for each in levels
    ]
    listed = _with_gap(steps, left_out=limit["looser_left_out"])
    end = "then nothing more" if limit["proved"] else "and nothing more was found"
    return f"{ONE_MORE[key]} saves {worth}; a plan saves, {listed}, {end}{reached}."


def _tighter(limit: Facts, objective: str, currency: str) -> str:
    """`The plan, or one as good, needs 3.72 h; with less it costs $0.02 more (down to 1.88 h); below that ...`"""
    levels = limit["tighter"]
    end = _end(limit, currency)
    parts = [_needed(limit, currency)]
    if levels:
        verb, more = ("costs", "more") if objective == "cost" else ("takes", "longer")
        worse = [_amount(-each["gain"], objective, currency) for each in levels]
        reached = [_short_value(limit, each["at"], currency) for each in levels]
        steps = [f"{loss} {more} (down to {at})" for loss, at in zip(worse, reached, strict=True)]
        parts.append(f"with less it {verb} {_with_gap(steps, left_out=limit['tighter_left_out'])}")
    return f"{'; '.join([*parts, *([end] if end else [])])}."


def _needed(limit: Facts, currency: str) -> str:
    """What the plan needs of a limit."""
    shown = limit_value(limit, limit["needed"], currency)
    match limit["limit"]:
        case "gpu_memory":
            return f"The plan, or one as good, would do with {shown}"
        case "oom_risk":
            return f"The plan, or one as good, accepts a risk of {shown}"
    return f"The plan, or one as good, needs {shown}"


def _end(limit: Facts, currency: str) -> str:
    """What is below the last level."""
    if not limit["proved"]:
        return f"{'below that' if limit['tighter'] else 'with less'} no plan was found"
    if limit["floor"] is None:
        return "below that there is no plan" if limit["tighter"] else "with less there is no plan"
    if limit["limit"] == "max_gpus":
        return ""
    return f"below {limit_value(limit, limit['floor'], currency)} nothing was searched"


def _with_gap(steps: Sequence[str], *, left_out: bool) -> str:
    """`a, b and, after steps that are not listed, c`."""
    if not left_out:
        return words.listed(list(steps))
    return f"{', '.join(steps[:-1])} and, {LEFT_OUT}, {steps[-1]}"


def limit_value(limit: Facts, value: float, currency: str) -> str:
    """A value of a limit with its unit; of GPU memory, how much more or less every GPU has.

    >>> limit_value({"unit": "hours"}, 41.2, "USD"), limit_value({"unit": "bytes"}, -2.0**31, "USD")
    ('41.20 h', '2.0 GiB less on every GPU')
    """
    match limit["unit"]:
        case "hours":
            return hours(value)
        case "money":
            return words.money(value, currency)
        case "gpus":
            return f"{value:,.0f} GPU{'' if value == 1 else 's'}"
        case "bytes":
            return f"{format_bytes(abs(value))} {'less' if value <= 0 else 'more'}{EVERY_GPU}"
    return f"{float(f'{100 * value:.2g}'):.10g}%"


def _short_value(limit: Facts, value: float, currency: str) -> str:
    """The same without what goes without saying among others of its kind."""
    return limit_value(limit, value, currency).removesuffix(EVERY_GPU)


def hours(value: float) -> str:
    """A duration in steps that tell thresholds apart.

    >>> hours(0.01), hours(0.9), hours(41.2), hours(72.5)
    ('36.0 s', '54.0 min', '41.20 h', '3.02 days')
    """
    if value * 3600 < SHORT_SECONDS:
        return f"{value * 3600:.1f} s"
    if value * 60 < SHORT_MINUTES:
        return f"{value * 60:.1f} min"
    return f"{value:.2f} h" if value < LONG_HOURS else f"{value / 24:.2f} days"


def _amount(gain: float, objective: str, currency: str) -> str:
    return hours(gain) if objective == "time" else words.money(gain, currency)


def price_sentence(price: Facts, currency: str) -> str:
    """What one percent of a price does, and where the plan changes."""
    lower = _ends(price, "lower", "below", "down to a quarter of it")
    if not price["is_chosen"]:
        return f"{lower[0].upper()}{lower[1:]}."
    percent = format_price(Money(Decimal(repr(price["cost_per_percent"])), currency))
    higher = _ends(price, "higher", "above", "up to four times as much")
    return f"One percent of it is {percent}; {lower}; {higher}."


def _ends(price: Facts, side: str, beyond: str, extent: str) -> str:
    change = price[side]
    unproved = "" if change["proved"] else "as far as is known, "
    if change["at"] is None:
        return f"{unproved}{extent} {'the plan stays' if price['is_chosen'] else 'it changes nothing'}"
    return f"{unproved}{beyond} {price_value(price, change['at'])} {_after(change)}"


def _after(change: Facts) -> str:
    outcome = change["outcome"]
    shown = "" if outcome is None else f"{words.short_values(outcome['plan'])} from {outcome['plan']['offer']}"
    match change["reason"]:
        case "over_budget":
            return f"the plan exceeds the budget, and {f'the best is {shown}' if outcome else 'there is none'}"
        case "affordable":
            return f"a faster plan keeps the budget: {shown}"
    return f"another plan is cheaper: {shown}"


def price_value(price: Facts, value: float) -> str:
    """A price in its own unit.

    >>> price_value({"unit": "USD/GPU-h"}, 0.8), price_value({"unit": "share"}, 0.19)
    ('$0.80/GPU-h', '19%')
    """
    if price["unit"] == "share":
        return format_percent(value)
    currency, _, per = price["unit"].partition("/")
    return f"{format_price(Money(Decimal(repr(value)), currency))}/{per}"


def reach_sentence(reach: Facts, currency: str) -> str:
    """The largest value that fits, what it takes, and what ends it."""
    current, most = reach["current"], reach["most"]
    is_sequence = reach["decision"] == "sequence_length"
    unit = " tokens" if is_sequence else ""
    name = "longest sequence" if is_sequence else "largest micro-batch"
    first = f"The {name} that fits is {most:,}{unit}"
    if most == current:
        return f"{first}, as it is: {_ending(reach)}."
    takes = f"{hours(reach['hours'])} and {words.money(reach['cost'], currency)}"
    if is_sequence:
        known = reach["max_positions"]
        beyond = f", although the model knows {known:,} positions" if most > known else ""
        return f"{first} instead of {current:,}, for {takes}{beyond}: {_ending(reach)}."
    dividing = "" if reach["of_batch"] == most else f", and {reach['of_batch']:,} of those that divide the batch"
    return f"{first} instead of {current:,}{dividing}: {_ending(reach)}."


def _ending(reach: Facts) -> str:
    limit = reach["limit"]
    if not limit:
        return "nothing larger was looked at"
    if limit in OF_MEMORY:
        return f"the next larger one exceeds the {words.LIMITS[limit]}"
    return f"for larger ones, {limit}"
