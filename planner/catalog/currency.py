"""Currencies: dated exchange rates to the US dollar, and the conversion of an amount."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field, model_validator

from planner.catalog.record import Record, SourcedRecord
from planner.errors import did_you_mean


class UnknownCurrencyError(LookupError):
    """No rate is known for this currency; `hint` names the currencies with a rate."""

    def __init__(self, code: str, hint: str) -> None:
        self.code = code
        self.hint = hint
        super().__init__(f'no exchange rate for "{code}". {hint}')


class Rate(SourcedRecord):
    """US dollars that one unit of a currency was worth on the day `observed`."""

    code: str = Field(pattern="^[A-Z]{3}$")
    usd_per_unit: Decimal = Field(gt=0)
    observed: date


class Currencies(Record):
    """Rates against one base currency, which needs no rate of its own."""

    base: Literal["USD"]
    currencies: tuple[Rate, ...]

    @model_validator(mode="after")
    def _one_rate_per_currency(self) -> Self:
        repeated = sorted({code for code in self.codes if self.codes.count(code) > 1})
        if repeated:
            raise ValueError(f"more than one rate for {', '.join(repeated)}")
        return self

    @property
    def codes(self) -> tuple[str, ...]:
        """Every currency that can be converted, the base first."""
        return (self.base, *(rate.code for rate in self.currencies))

    def usd_per_unit(self, code: str) -> Decimal:
        """US dollars for one unit of `code`.

        Error: UnknownCurrencyError if there is no rate.
        """
        if code == self.base:
            return Decimal(1)
        for rate in self.currencies:
            if rate.code == code:
                return rate.usd_per_unit
        raise UnknownCurrencyError(code, did_you_mean(code, self.codes))

    def convert(self, amount: Decimal, from_: str, to: str) -> Decimal:
        """`amount` of the currency `from_` in units of `to`: amount x usd(from_) / usd(to), not rounded to cents.

        Error: UnknownCurrencyError if either has no rate. The same currency gives the same amount, digit by digit.

        >>> from planner.catalog import load_catalog
        >>> load_catalog().currencies.convert(Decimal("100"), "EUR", "USD")
        Decimal('117.6100')
        """
        usd_from, usd_to = self.usd_per_unit(from_), self.usd_per_unit(to)
        return amount if from_ == to else amount * usd_from / usd_to
