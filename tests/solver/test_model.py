"""The CP-SAT model of one block: each constraint, the order of its objectives, and what it cannot count."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from worlds import trials

from planner.solver.block import Rows
from planner.solver.charges import ChargeTable
from planner.solver.model import LARGEST, PARTS, Billed, BlockModel, Outcome, Scales
from planner.solver.tabulate import COLUMNS, HOST_COLUMN, MEMORY, PHASE_COUNT, RESOURCES, SERIAL_COLUMN

KIB = 1024
MEMORY_COLUMNS = range(MEMORY.stop)
RESOURCE_COLUMNS = range(RESOURCES.start, RESOURCES.stop)


def rows(*cells: dict[int, float], keys: tuple[int, ...] | None = None) -> Rows:
    """Rows whose columns are 0 but for some cells, in order of simplicity, all of key 0 without `keys`."""
    values = np.zeros((len(cells), len(COLUMNS)))
    for row, cell in enumerate(cells):
        for column, value in cell.items():
            values[row, column] = value
    key = np.array(keys or (0,) * len(cells))
    return Rows(key, values, np.arange(len(cells)), [{} for _ in cells])


def scales(limit: float = np.inf, cutoff: float = np.inf, unit: float = 1.0, fixed: float = 0.0) -> Scales:
    """One unit of an amount for each second of a step, for up to 8 keys."""
    return Scales(np.full(8, fixed), np.ones(8), limit, cutoff, unit)


def solve(
    states: Rows,
    activations: Rows,
    *,
    capacity: dict[int, float] | None = None,
    first: Scales | None = None,
    second: Scales | None = None,
    **more: Any,
) -> Outcome:
    """The outcome of a block in which only some columns of memory are bounded; the model is valid."""
    room = np.full((8, MEMORY.stop), np.inf)
    for column, value in (capacity or {}).items():
        room[:, column] = value
    ranks = states.rank * len(activations), activations.rank
    model = BlockModel(states, activations, room, (first or scales(), second or scales()), ranks, **more)
    assert model.model.validate() == ""
    outcome = model.solve(60.0, 1)
    assert outcome.proved
    return outcome


def chosen(outcome: Outcome) -> tuple[int, int] | None:
    """The two rows, None if there are none."""
    return None if outcome.state is None or outcome.activation is None else (outcome.state, outcome.activation)


@pytest.mark.parametrize("column", MEMORY_COLUMNS)
def test_each_phase_and_the_host_have_a_capacity(column: int) -> None:
    """What is alive at once fits to the last KiB, and one KiB more does not."""
    states, activations = rows({column: 5 * KIB}), rows({column: 3 * KIB})
    assert chosen(solve(states, activations, capacity={column: 8 * KIB})) == (0, 0)
    assert chosen(solve(states, activations, capacity={column: 8 * KIB - 1})) is None


def test_an_unknown_capacity_is_not_checked() -> None:
    """A host whose memory the offer does not state holds anything, also beside a key whose host is known."""
    huge = {HOST_COLUMN: 2.0**45}
    assert chosen(solve(rows(huge), rows({}))) == (0, 0)
    room = np.full((8, MEMORY.stop), np.inf)
    room[0, HOST_COLUMN] = KIB
    states, activations = rows(huge, huge, keys=(0, 1)), rows({}, {}, keys=(0, 1))
    model = BlockModel(states, activations, room, (scales(), scales()), (states.rank, activations.rank))
    assert chosen(model.solve(60.0, 1)) == (1, 1)


def test_both_rows_are_of_one_key() -> None:
    """The fast state row of one key does not go with the fast activation row of another."""
    states = rows({SERIAL_COLUMN: 1.0}, {SERIAL_COLUMN: 5.0}, keys=(0, 1))
    activations = rows({RESOURCE_COLUMNS[0]: 9.0}, {RESOURCE_COLUMNS[0]: 1.0}, keys=(0, 1))
    assert chosen(solve(states, activations)) == (1, 1)
    lonely = rows({}, {}, keys=(2, 3))
    assert chosen(solve(states, lonely)) is None


@pytest.mark.parametrize("column", RESOURCE_COLUMNS)
def test_each_resource_and_the_serial_part_take_time(column: int) -> None:
    """A step takes the serial seconds and those of the busiest resource: limits hold for every resource."""
    states, activations = rows({column: 1.0, SERIAL_COLUMN: 0.25}), rows({column: 2.0})
    enough, short = scales(limit=3.25), scales(limit=3.25 * (1 - 1e-7))
    assert chosen(solve(states, activations, first=enough, second=enough)) == (0, 0)
    assert chosen(solve(states, activations, first=enough, second=short)) is None
    assert chosen(solve(states, activations, first=short, second=enough)) is None


def test_fixed_amounts_count() -> None:
    """Start-up is part of what a limit bounds."""
    states, activations = rows({SERIAL_COLUMN: 2.0}), rows({})
    assert chosen(solve(states, activations, first=scales(limit=12.0, fixed=10.0))) == (0, 0)
    assert chosen(solve(states, activations, first=scales(limit=11.9, fixed=10.0))) is None


@pytest.mark.parametrize("unit", [0.01, 1.0, 1e4])
def test_limits_do_not_depend_on_the_steps(unit: float) -> None:
    """However coarse the steps in which amounts are compared, a limit is exact."""
    states, activations = rows({SERIAL_COLUMN: 1234.5678}), rows({})
    assert chosen(solve(states, activations, first=scales(limit=1234.5678, unit=unit))) == (0, 0)
    assert chosen(solve(states, activations, first=scales(limit=1234.5678 * (1 - 1e-7), unit=unit))) is None


def test_the_cutoff() -> None:
    """A plan that is no better than the best one so far, and no tie, is not looked for."""
    states, activations = rows({SERIAL_COLUMN: 7.0}), rows({})
    assert chosen(solve(states, activations, first=scales(cutoff=7.0))) == (0, 0)
    assert chosen(solve(states, activations, first=scales(cutoff=6.9))) is None


def billed(unit: float, rent: tuple[float, ...], minimum: float = 0.0, fee: float = 0.0, **more: float) -> Scales:
    """Costs of keys that rent by whole units, one price a key."""
    price = np.array(rent)
    full = [np.full(len(price), each) for each in (0.0, fee, unit, minimum)]
    charges = ChargeTable(price, *full)
    zero, one = np.zeros(len(price)), np.ones(len(price))
    limit, cutoff, step = (
        more.get(name, default) for name, default in zip(AMOUNTS, (np.inf, np.inf, 0.01), strict=True)
    )
    return Scales(charges.fee, charges.rate, limit, cutoff, step, Billed(charges, zero, one))


AMOUNTS = ("limit", "cutoff", "unit")


def test_whole_billing_units_decide() -> None:
    """61 s at 1.00 cost less than 62 s at 0.99, but by the minute two at 0.99 are cheaper than two at 1.00."""
    states = rows({SERIAL_COLUMN: 61.0}, {SERIAL_COLUMN: 62.0}, keys=(0, 1))
    activations = rows({}, {}, keys=(0, 1))
    assert chosen(solve(states, activations, first=billed(1, (1.00, 0.99)))) == (0, 0)
    assert chosen(solve(states, activations, first=billed(60, (1.00, 0.99)))) == (1, 1)


def test_a_shorter_job_that_is_billed_alike_wins_by_its_time() -> None:
    """Within the same unit costs are equal, and the second amount decides."""
    states = rows({SERIAL_COLUMN: 59.0}, {SERIAL_COLUMN: 31.0}, {SERIAL_COLUMN: 61.0})
    assert chosen(solve(states, rows({}), first=billed(60, (1.0,)))) == (1, 0)


def test_a_minimum_makes_short_jobs_equal() -> None:
    """Under a minimum of 100 s a fast row costs as much as a slow one; beyond it, time counts again."""
    states = rows({SERIAL_COLUMN: 90.0}, {SERIAL_COLUMN: 20.0}, {SERIAL_COLUMN: 101.0})
    coarse = scales(unit=1e3)
    assert chosen(solve(states, rows({}), first=billed(1, (1.0,), 100.0), second=coarse)) == (0, 0)
    assert chosen(solve(states, rows({}), first=billed(1, (1.0,)), second=coarse)) == (1, 0)


def test_a_limit_on_the_bill_counts_whole_units() -> None:
    """61 s by the minute cost 120: a budget of 119 is not enough, one of 120 is."""
    states, activations = rows({SERIAL_COLUMN: 61.0}), rows({})
    assert chosen(solve(states, activations, first=billed(60, (1.0,), limit=120.0))) == (0, 0)
    assert chosen(solve(states, activations, first=billed(60, (1.0,), limit=119.9))) is None
    assert chosen(solve(states, activations, first=billed(60, (1.0,), cutoff=119.9))) is None
    assert chosen(solve(states, activations, first=billed(60, (1.0,), fee=5.0, limit=124.9))) is None


def test_the_order_of_objectives() -> None:
    """The first amount decides, within one step of it the second, within one step of both simplicity."""
    first = rows({SERIAL_COLUMN: 3.0}, {SERIAL_COLUMN: 2.0}, {SERIAL_COLUMN: 2.0})
    assert chosen(solve(first, rows({}))) == (1, 0)
    near = rows({SERIAL_COLUMN: 10.9}, {SERIAL_COLUMN: 10.1})
    fine, coarse = scales(unit=0.1), scales(unit=1.0)
    assert chosen(solve(near, rows({}), first=coarse, second=coarse)) == (0, 0)
    assert chosen(solve(near, rows({}), first=coarse, second=fine)) == (1, 0)
    assert chosen(solve(near, rows({}), first=fine, second=coarse)) == (1, 0)


def test_less_memory_before_less_money() -> None:
    """Where the question is how much memory is needed, the peak decides first: the largest phase of the sum."""
    states = rows({0: 9 * KIB, 1: KIB, SERIAL_COLUMN: 1.0}, {0: 2 * KIB, 1: 7 * KIB, SERIAL_COLUMN: 5.0})
    activations = rows({1: KIB}, {0: KIB, SERIAL_COLUMN: 1.0})
    assert chosen(solve(states, activations, peak_limit=np.inf)) == (1, 1)
    assert chosen(solve(states, activations, peak_limit=7.0 * KIB)) == (1, 1)
    assert chosen(solve(states, activations, peak_limit=4.0 * KIB)) is None


def test_needs_beyond_a_tebibyte() -> None:
    """Peaks that are too large to be counted in KiB are told apart all the same."""
    states = rows({0: 5 * 2.0**43}, {0: 3 * 2.0**43}, {0: 4 * 2.0**43})
    assert chosen(solve(states, rows({0: 2.0**40}), peak_limit=np.inf)) == (1, 0)


def test_amounts_that_are_too_large_to_count() -> None:
    """They are left out, which the model says; in coarser parts they count."""
    states, activations = rows({SERIAL_COLUMN: 3 * LARGEST / PARTS[0]}), rows({})
    room = np.full((8, MEMORY.stop), np.inf)
    for place, (parts, found) in product((0, 1), zip(PARTS, (None, (0, 0)), strict=True)):
        amounts = [scales(), Scales(np.zeros(8), np.zeros(8), np.inf, np.inf, 1.0)]
        both = amounts if place == 0 else amounts[::-1]
        ranks = states.rank, activations.rank
        model = BlockModel(states, activations, room, (both[0], both[1]), ranks, parts=parts)
        outcome = model.solve(60.0, 1)
        assert chosen(outcome) == found
        assert model.trusts(outcome) == (found is not None)


def test_the_second_amount_must_not_hide_a_plan() -> None:
    """A plan found is not trusted while one that costs less is left out for its hours alone."""
    states, activations = (
        rows({SERIAL_COLUMN: 2 * LARGEST / PARTS[0]}, {SERIAL_COLUMN: 1.0}, keys=(0, 1)),
        rows({}, {}, keys=(0, 1)),
    )
    cheap = Scales(np.array([0.0, 9.0]), np.zeros(2), np.inf, np.inf, 1.0)
    room, ranks = np.full((2, MEMORY.stop), np.inf), (states.rank, activations.rank)
    fine, coarse = (BlockModel(states, activations, room, (cheap, scales()), ranks, parts=parts) for parts in PARTS)
    outcome = fine.solve(60.0, 1)
    assert chosen(outcome) == (1, 1)
    assert not fine.trusts(outcome)
    outcome = coarse.solve(60.0, 1)
    assert chosen(outcome) == (0, 0)
    assert coarse.trusts(outcome)


def test_no_time_is_no_proof() -> None:
    """Without time CP-SAT proves nothing, which is not the same as having no plan."""
    states, activations = rows(*[{SERIAL_COLUMN: 1.0 + row} for row in range(50)]), rows({})
    room, ranks = np.full((8, MEMORY.stop), np.inf), (states.rank, activations.rank)
    outcome = BlockModel(states, activations, room, (scales(), scales()), ranks).solve(0.0, 1)
    assert not outcome.proved


Cells = NDArray[np.float64]


@st.composite
def tables(draw: st.DrawFn) -> tuple[Rows, Rows, Cells]:
    """Two tables of up to three keys, and the capacity of every phase."""

    def table() -> Rows:
        count = draw(st.integers(1, 8))
        cells = draw(st.lists(st.integers(0, 9), min_size=count * len(COLUMNS), max_size=count * len(COLUMNS)))
        values = np.array(cells, dtype=float).reshape(count, len(COLUMNS))
        values[:, MEMORY] *= KIB
        key = np.array(sorted(draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))))
        return Rows(key, values, np.arange(count), [{} for _ in range(count)])

    room = draw(st.lists(st.integers(4, 20), min_size=3, max_size=3))
    return table(), table(), np.array(room, dtype=float)[:, None] * KIB * np.ones(MEMORY.stop)


def brute_force(states: Rows, activations: Rows, room: Cells, limit: float) -> tuple[int, int] | None:
    """The best pair of rows, by trying every pair: seconds, then simplicity."""
    best: tuple[float, int, int] | None = None
    for state, activation in product(range(len(states)), range(len(activations))):
        key = states.key[state]
        columns = states.values[state] + activations.values[activation]
        seconds = float(columns[RESOURCES].max() + states.values[state, SERIAL_COLUMN])
        fits = bool((columns[MEMORY] <= room[key]).all())
        if key == activations.key[activation] and fits and seconds <= limit:
            best = min(best or (np.inf, 0, 0), (seconds, state, activation))
    return None if best is None else best[1:]


@trials(60)
@given(tables(), st.integers(3, 30))
def test_the_model_is_the_enumeration(drawn: tuple[Rows, Rows, Cells], limit: int) -> None:
    """On random tables CP-SAT chooses the pair of rows that trying every pair finds."""
    states, activations, room = drawn
    ranks = states.rank * len(activations), activations.rank
    model = BlockModel(states, activations, room, (scales(limit=limit), scales()), ranks)
    assert model.model.validate() == ""
    assert chosen(model.solve(60.0, 1)) == brute_force(states, activations, room, float(limit))
    assert PHASE_COUNT == HOST_COLUMN


@pytest.mark.parametrize("number", range(10))
def test_much_memory_is_no_conflict(number: int) -> None:
    """Rows of up to 256 GiB fit 640 GiB: with KiB as coefficients CP-SAT 9.15 calls all of these models infeasible."""
    random = np.random.default_rng(number)

    def table(count: int) -> Rows:
        values = np.zeros((count, len(COLUMNS)))
        values[:, MEMORY] = random.integers(0, 2**28, (count, MEMORY.stop)) * KIB
        values[:, MEMORY.stop :] = random.integers(1, 100, (count, len(COLUMNS) - MEMORY.stop))
        return Rows(np.sort(random.integers(0, 5, count)), values, np.arange(count), [{} for _ in range(count)])

    states, activations, room = table(30), table(20), np.full((5, MEMORY.stop), 2.5 * 2.0**38)
    ranks = states.rank * len(activations), activations.rank
    model = BlockModel(states, activations, room, (scales(), scales()), ranks)
    assert chosen(model.solve(60.0, 1)) == brute_force(states, activations, room, np.inf)
