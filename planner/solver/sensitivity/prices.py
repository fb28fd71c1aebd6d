"""How the best plan depends on single prices: straight lines, whose crossings are proved.

A plan's cost is a straight line in the factor of a price, so that the least cost over all plans is concave in it. A
plan that nothing beats by a step at two factors is beaten by a step at no factor between (Eisner and Severance 1976).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

from planner.catalog import Offer
from planner.scenario.tariff import terms_of
from planner.solver.answer import Answer
from planner.solver.candidate import Candidate, Resolution
from planner.solver.sensitivity.answer import PriceChange, PriceEffect, PriceKey
from planner.solver.sensitivity.search import Searches
from planner.solver.world import World
from planner.unit_prices import UnitPrice

MOST_FACTOR = 4.0
"""How many times as high, and as low, a price is looked at."""
MOST_RIVALS = 3
"""Offers beside the chosen one whose prices are lowered: of the best plans on other GPU types."""
MOST_CROSSINGS = 12
BEYOND = 1 + 1e-6


@dataclass(frozen=True)
class Price:
    """One price, and the world in which it is so many times as high. The offers keep their places."""

    key: PriceKey
    name: str
    gpu: str
    current: float
    unit: str
    at: Callable[[float], World]


def price_effects(searches: Searches, answer: Answer) -> Iterator[tuple[str, Callable[[], PriceEffect]]]:
    """What each price is called, and how to find its effect: those that the plan pays, then those of its rivals."""
    assert answer.best is not None, "prices of a plan"
    chosen = answer.best
    for price in _paid(searches.world, chosen):
        yield price.key, partial(_Lines(searches, price, chosen).effect, is_chosen=True)
    for offer in _rival_offers(searches, answer):
        price = _of_offer(searches.world, offer)
        yield f"price of {price.name}", partial(_Lines(searches, price, chosen).effect, is_chosen=False)


def _rival_offers(searches: Searches, answer: Answer) -> list[Offer]:
    """Of the best plans on other GPU types, where a lower price can help."""
    if searches.objective == "time":
        return []
    rivals = [each.candidate for each in answer.gpus if each.candidate is not None]
    return [each.plan.offer for each in sorted(rivals, key=searches.amount)[:MOST_RIVALS]]


def _paid(world: World, chosen: Candidate) -> Iterator[Price]:
    """The prices that the chosen plan pays."""
    parts, offer = chosen.estimate.cost_parts, chosen.plan.offer
    yield _of_offer(world, offer)
    terms = terms_of(offer, world.scenario.money)
    for key, price, ending in (("storage", terms.storage.price, "/month"), ("egress", terms.egress.price, "")):
        if parts[key]:
            unit = f"{price.currency}/{price.size}{ending}"
            at = partial(_with_terms, world, offer, key)
            yield Price("storage" if key == "storage" else "egress", offer.name, "", float(price.amount), unit, at)
    if parts["tax"]:
        tax = world.scenario.money.tax_fraction or Decimal(0)
        yield Price("tax", "", "", float(tax), "share", partial(_with_tax, world, tax))


def _of_offer(world: World, offer: Offer) -> Price:
    unit = f"{offer.currency}/GPU-h"
    return Price(
        "offer", offer.name, offer.gpu, float(offer.price_per_gpu_hour), unit, partial(_with_price, world, offer)
    )


def _with_price(world: World, offer: Offer, factor: float) -> World:
    price = offer.price_per_gpu_hour * Decimal(repr(factor))
    changed = offer.model_copy(update={"price_per_gpu_hour": price})
    return _with_offers(world, tuple(changed if each == offer else each for each in world.offers))


def _with_terms(world: World, offer: Offer, key: str, factor: float) -> World:
    """Another price of storage or traffic: of the scenario, or of the offer's provider."""
    own: UnitPrice | None = getattr(world.scenario.money, key)
    if own is not None:
        return world.relaxed(**{key: _times(own, factor)})
    published: Any = getattr(offer, key)
    changed = published.model_copy(update={"price": _times(published.price, factor)})
    return _with_offers(
        world,
        tuple(
            each.model_copy(update={key: changed}) if _same_terms(each, offer, key) else each for each in world.offers
        ),
    )


def _same_terms(offer: Offer, other: Offer, key: str) -> bool:
    return offer.provider == other.provider and getattr(offer, key) == getattr(other, key)


def _with_tax(world: World, tax: Decimal, factor: float) -> World:
    return world.relaxed(tax_fraction=tax * Decimal(repr(factor)))


def _times(price: UnitPrice, factor: float) -> UnitPrice:
    return replace(price, amount=price.amount * Decimal(repr(factor)))


def _with_offers(world: World, offers: tuple[Offer, ...]) -> World:
    return replace(world, scenario=world.scenario.replace(offers=offers, catalog_offers=False))


@dataclass(frozen=True)
class _Lines:
    """The costs of plans as lines in the factor of one price."""

    searches: Searches
    price: Price
    chosen: Candidate

    def effect(self, *, is_chosen: bool) -> PriceEffect:
        """What the price adds to the cost, and where the plan changes."""
        price = self.price
        return PriceEffect(
            price=price.key,
            name=price.name,
            gpu=price.gpu,
            current=price.current,
            unit=price.unit,
            is_chosen=is_chosen,
            cost_per_percent=self._slope(self.chosen) / 100,
            lower=self._change(1 / MOST_FACTOR),
            higher=self._change(MOST_FACTOR) if is_chosen else None,
        )

    def _change(self, end: float) -> PriceChange:
        """The nearest change up to a factor, its amounts as prices."""
        proof = self.searches.proof
        before, proof.proved = proof.proved, True
        if self.searches.objective == "time":
            found = self._becomes_affordable(end) if end < 1 else self._exceeds_budget(end)
        else:
            found = self._is_beaten(end)
        proved, proof.proved = proof.proved, before and proof.proved
        at = None if found.at is None else found.at * self.price.current
        return replace(found, searched=end * self.price.current, at=at, proved=proved)

    def _is_beaten(self, end: float) -> PriceChange:
        """The factor at which another plan is cheaper by a step, or at which even this one exceeds the budget."""
        far: Candidate | None = None
        factor = end
        for _ in range(MOST_CROSSINGS):
            found = self._cheapest(factor)
            step = self._step(factor)
            if found is None or self._cost(self.chosen, factor) - self._cost(found, factor) <= step * BEYOND:
                break
            far, factor = found, self._crossing(found, step, factor)
        else:
            self.searches.proof.proved = False
        change = PriceChange(end) if far is None else PriceChange(end, factor, far, "better")
        budget = self._budget_factor(end)
        if budget is not None and (change.at is None or budget < change.at):
            return PriceChange(end, budget, None, "over_budget")
        return change

    def _crossing(self, found: Candidate, step: float, factor: float) -> float:
        """Where another plan is cheaper by a step, between 1 and a factor at which it is by more."""
        now = self._cost(self.chosen, 1.0) - self._cost(found, 1.0)
        then = self._cost(self.chosen, factor) - self._cost(found, factor)
        share = (min(step, then) - now) / (then - now)
        return 1.0 + (factor - 1.0) * min(1.0, max(0.0, share))

    def _exceeds_budget(self, end: float) -> PriceChange:
        """The factor at which the fastest plan is too dear, and the best one then."""
        factor = self._budget_factor(end)
        if factor is None:
            return PriceChange(end)
        after = self.searches.best(self.price.at(factor * 1.001))
        return PriceChange(end, factor, self._as_now(after), "over_budget")

    def _becomes_affordable(self, end: float) -> PriceChange:
        """The factor at which a plan that is faster by a step keeps the budget."""
        searches, budget = self.searches, self.searches.world.budget
        if budget == float("inf"):
            return PriceChange(end)
        amount = searches.amount(self.chosen) - searches.step(self.chosen)
        far: Candidate | None = None
        factor = end
        for _ in range(MOST_CROSSINGS):
            world = searches.capped(self.price.at(factor).relaxed(budget=None), amount)
            found = self._as_now(searches.cheapest(world))
            cost = float("inf") if found is None else self._cost(found, factor)
            if found is None or cost > budget or (far is not None and cost > budget - self._step(1.0)):
                break
            far, slope = found, self._slope(found)
            if slope <= 0:
                break
            factor = min(1.0, factor + (budget - cost) / slope)
        else:
            searches.proof.proved = False
        return PriceChange(end) if far is None else PriceChange(end, factor, far, "affordable")

    def _budget_factor(self, end: float) -> float | None:
        """The factor above 1 at which the plan costs all of the budget, if it is below the end."""
        left, slope = self.searches.world.budget - float(self.chosen.estimate.cost), self._slope(self.chosen)
        if end < 1 or slope <= 0 or 1 + left / slope >= end:
            return None
        return 1 + max(0.0, left) / slope

    def _cheapest(self, factor: float) -> Candidate | None:
        """The best plan at a factor, whatever the budget."""
        return self._as_now(self.searches.best(self.price.at(factor).relaxed(budget=None)))

    def _as_now(self, found: Candidate | None) -> Candidate | None:
        """A plan of a world with another price, with the prices as they are."""
        if found is None:
            return None
        world = self.searches.world
        offer = next(each for each in world.offers if _is_same(each, found.plan.offer))
        plan = replace(found.plan, offer=offer)
        return Candidate(plan, world.estimate(plan), ())

    def _cost(self, candidate: Candidate, factor: float) -> float:
        """What a plan costs at a factor."""
        world = self.price.at(factor)
        offer = next(each for each in world.offers if _is_same(each, candidate.plan.offer))
        charges = replace(candidate.estimate.charges, tariff=world.tariff(offer))
        return float(charges.cost(candidate.estimate.seconds))

    def _slope(self, candidate: Candidate) -> float:
        """What doubling the price adds to a plan's cost."""
        return self._cost(candidate, 2.0) - self._cost(candidate, 1.0)

    def _step(self, factor: float) -> float:
        """Costs that differ by less count as equal."""
        return Resolution.fine(self._cost(self.chosen, factor), self.chosen.estimate.seconds).cost


PRICES = {"price_per_gpu_hour", "storage", "egress"}


def _is_same(offer: Offer, other: Offer) -> bool:
    """Whether two offers differ in nothing but prices."""
    return offer.model_dump(exclude=PRICES) == other.model_dump(exclude=PRICES)
