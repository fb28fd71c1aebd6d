"""Numbers with units: what is understood, what is refused, and how numbers are printed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.units import (
    GIB,
    Money,
    UnitError,
    format_bytes,
    format_count,
    format_money,
    format_seconds,
    parse_bytes,
    parse_count,
    parse_duration,
    parse_fraction,
    parse_money,
    parse_money_per_hour,
    parse_number,
    parse_whole,
    shown,
)

PARSERS: list[Callable[[object], object]] = [
    parse_bytes,
    parse_count,
    parse_duration,
    parse_fraction,
    parse_money,
    parse_money_per_hour,
    partial(parse_number, most=100),
    partial(parse_whole, least=1, most=100),
]
NO_AMOUNTS: list[object] = [
    *(None, True, False, date(2026, 1, 1), [1], {"a": 1}),
    *(-1, float("nan"), float("inf"), 1e30, 10**30, 10**5000),
    *("-1", "nan", "1e30", "", "x", "2026-01-01", "9" * 5000, "1e999999999", "1\0", "\u0663"),
]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("120M", 120_000_000),
        ("10B", 10**10),
        ("50k", 50_000),
        ("50K", 50_000),
        ("1.5T", 1_500_000_000_000),
        ("0.5 k", 500),
        ("1_000_000", 10**6),
        ("1e9", 10**9),
        (800, 800),
        (1e6, 10**6),
        ("1000T", 10**15),
    ],
)
def test_counts_are_exact(text: object, count: int) -> None:
    """A suffix multiplies exactly, a plain number stands for itself."""
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("48h", 172_800),
        ("90 min", 5400),
        ("30m", 1800),
        ("2 days", 172_800),
        ("3d", 259_200),
        ("1 week", 604_800),
        ("1.5 hours", 5400),
        ("1 day 12h", 129_600),
        ("10s", 10),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    """Each unit of time, and sums of them."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["200 USD", "USD 200", "$200", "200$", "0.2k USD", "200.00 usd", "2e2 USD"])
def test_the_same_money_can_be_written_in_many_ways(text: str) -> None:
    """A code or a sign, before or after the amount."""
    money = parse_money(text)
    assert money == Money(Decimal(200), "USD")


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("1500 CNY", Money(Decimal(1500), "CNY")),
        ("1500 RMB", Money(Decimal(1500), "CNY")),
        ("€10k", Money(Decimal(10_000), "EUR")),
        ("0.1 USD", Money(Decimal("0.1"), "USD")),
    ],
)
def test_money_is_exact(text: str, money: Money) -> None:
    """Amounts are decimal numbers: 0.1 is a tenth."""
    assert parse_money(text) == money


@pytest.mark.parametrize(
    "text", ["2.10 USD/h", "$2.10/h", "2.10 USD per hour", "2.10 USD / GPU-h", "2.10 USD per gpu hour", "2.10USD/hr"]
)
def test_prices_are_per_gpu_and_hour(text: str) -> None:
    """A price must say that it is per hour; naming the GPU changes nothing."""
    assert parse_money_per_hour(text) == Money(Decimal("2.10"), "USD")


@pytest.mark.parametrize(
    ("text", "count_bytes"),
    [("24 GiB", 24 * GIB), ("80GB", 80 * 10**9), ("0.5 GiB", GIB // 2), (0, 0), ("0 GiB", 0), ("1 kib", 1024)],
)
def test_memory_units_are_binary_or_decimal_as_written(text: object, count_bytes: int) -> None:
    """GiB are 2^30 bytes, GB are 10^9."""
    assert parse_bytes(text) == count_bytes


@pytest.mark.parametrize(("text", "fraction"), [("90%", 0.9), (0.9, 0.9), (1, 1.0), ("100 %", 1.0), ("0.25", 0.25)])
def test_shares_are_fractions(text: object, fraction: float) -> None:
    """Percent or a number up to 1."""
    assert parse_fraction(text) == fraction


@pytest.mark.parametrize(
    ("parse", "value", "part"),
    [
        (parse_count, "120MB", 'write "120M"'),
        (parse_count, "1.5", "which is not whole"),
        (parse_count, "2000T", "from 1 to 1000T"),
        (parse_count, "1,000", "expected a count"),
        (parse_duration, 48, 'Write "48h"'),
        (parse_duration, "3M", '"M" is no unit of time'),
        (parse_duration, "3 months", "use s, min, h, days or weeks"),
        (parse_duration, "21 * 365 days", "expected a duration"),
        (parse_duration, "8000 days", "20 years"),
        (parse_duration, "0.5s", "from 1 second"),
        (parse_duration, "3h -1h", "which is negative"),
        (parse_money, 200, 'Write "200 USD"'),
        (parse_money, "¥200", "write CNY or JPY"),
        (parse_money, "200", "found"),
        (parse_money, "$200 USD", "found"),
        (parse_money, "0 USD", "from 0.0001"),
        (parse_money, "2e12 USD", "to 1000000000000"),
        (parse_money_per_hour, "2 USD", 'End it with "/h"'),
        (parse_money_per_hour, 2, 'Write "2 USD/h"'),
        (parse_money_per_hour, "200000 USD/h", "to 100000"),
        (parse_bytes, 24, 'Write "24 GiB"'),
        (parse_bytes, "-1 GiB", "from 0"),
        (parse_bytes, "24 Gigs", "expected an amount of memory"),
        (parse_fraction, "90", "above 0 and up to 1"),
        (parse_fraction, "0%", "above 0 and up to 1"),
    ],
)
def test_refusals_say_what_to_write(parse: Callable[[object], object], value: object, part: str) -> None:
    """The message or its hint names what is allowed."""
    with pytest.raises(UnitError) as caught:
        parse(value)
    assert part in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("parse", PARSERS)
def test_no_parser_accepts_what_is_no_amount(parse: Callable[[object], object]) -> None:
    """Negative, endless, absurd, of another type: always a UnitError, always saying what was expected."""
    for value in NO_AMOUNTS:
        with pytest.raises(UnitError, match="expected a"):
            parse(value)


@given(st.sampled_from(PARSERS), st.text(max_size=20) | st.floats() | st.integers() | st.lists(st.integers()))
def test_parsers_return_a_value_or_a_unit_error(parse: Callable[[object], object], value: object) -> None:
    """No input ends in another exception, and no negative number comes out."""
    try:
        result = parse(value)
    except UnitError:
        return
    amount = result.amount if isinstance(result, Money) else result
    assert isinstance(amount, int | float | Decimal)
    assert amount >= 0


@given(st.integers(1, 10**12))
def test_suffixes_scale_exactly(count: int) -> None:
    """n, n k and n thousandth parts of k agree for every n."""
    assert parse_count(count) == count == parse_count(str(count))
    assert parse_count(f"{count}k") == 1000 * count == parse_count(f"{Decimal(count) / 1000}M")


@given(st.decimals("0.01", "1e9", places=2))
def test_money_survives_printing(amount: Decimal) -> None:
    """What is printed to the cent reads as the same amount."""
    for currency in ("USD", "CNY"):
        text = format_money(Money(amount, currency)).replace(",", "")
        assert parse_money(text) == Money(amount, currency)


@given(st.floats(1, 9e14))
def test_printed_numbers_are_close(number: float) -> None:
    """Three digits of a count are right to half a percent, one decimal of a duration to five."""
    assert parse_count(format_count(round(number))) == pytest.approx(round(number), rel=5e-3)
    seconds = min(number, 6e8)
    assert parse_duration(format_seconds(seconds)) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (format_seconds(0), "0 s"),
        (format_seconds(59.96), "1 min"),
        (format_seconds(3599), "1.0 h"),
        (format_seconds(48 * 3600), "2.0 days"),
        (format_bytes(1536 * GIB), "1.5 TiB"),
        (format_bytes(-2 * GIB), "-2.0 GiB"),
        (format_money(Money(Decimal("-1.5"), "USD")), "-$1.50"),
        (format_money(Money(Decimal("0.005"), "EUR")), "0.01 EUR"),
        (format_count(999), "999"),
        (format_count(999_600), "1M"),
        (format_count(0), "0"),
        (shown("x" * 100), '"' + "x" * 57 + '..."'),
        (shown("\ud800"), '"\\ud800"'),
        (shown(10**50), "a number of more than 40 digits"),
    ],
)
def test_printed_forms_at_the_edges(printed: str, expected: str) -> None:
    """Rounding moves to the next unit rather than to 60 min or 1000k."""
    assert printed == expected
