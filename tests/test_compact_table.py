"""The compact table: its error against the exact one, inside the rows that were computed and beyond them."""

from typing import Any

import numpy as np
import pytest
import scipy.interpolate
from data_path import shared_data
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim.agents.table_bidder import TableBidder
from adsim.agents.value_table import CELLS, CompactTable, ValueTable
from adsim.errors import AgentError
from adsim.experiments.replay.replay import replay
from adsim.kernels.table_bids import Table
from adsim.logs.market_price import price_shares
from adsim.types import History

COUNTS = np.random.default_rng(0).gamma(2, 20, 40)


def history(**more: Any) -> History:
    counts = dict(enumerate(COUNTS.astype(int).tolist()))
    return History(0.1, 1.0, price_shares(counts, len(counts) - 1), **more)


SPREAD = np.array([[0.02, 0.1, 0.3], [0.5, 0.3, 0.2]])
CASES = [({}, {}), ({"value_share": SPREAD}, {"values": "spread"})]


def gains(table: Table, later: int, left: np.ndarray) -> np.ndarray:
    """D of a compact table, by scipy."""
    at = scipy.interpolate.RegularGridInterpolator(
        (-table.points, np.arange(CELLS) + 0.5), table.gains, bounds_error=False, fill_value=None
    )
    place = np.clip(CELLS * np.sqrt((left + 0.5) / later / table.highest), 0.5, CELLS - 0.5)
    return at(np.column_stack([np.full(left.size, -1 / np.sqrt(later)), place]))


@pytest.mark.parametrize(("known", "terms"), CASES)
@pytest.mark.parametrize("later", [60, 250, 399])
def test_another_unit_of_money_is_worth_nearly_what_it_is_exactly(known: Any, terms: Any, later: int) -> None:
    exact = ValueTable(history(**known), 400, 2000, **terms).table
    left = np.arange(2 * later, 5 * later)
    truth = exact.values[later, left + 1] - exact.values[later, left]
    for rows, error in ((400, 0.01), (100, 0.02)):
        compact = CompactTable(history(**known), 400, 2000, rows=rows, **terms).table
        assert np.abs(gains(compact, later, left) / truth - 1).max() < error


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 2000), st.integers(0, 3000), st.floats(0, 0.5))
def test_bids_are_those_of_the_gains(later: int, left: int, value: float) -> None:
    table = CompactTable(history(), 2000, 3000, rows=60)
    most = min(left, table.table.highest)
    costs = np.cumsum(gains(table.table, later, left - 1 - np.arange(most))) if most else np.zeros(0)
    assert table.bids(later, left, value) in ((value - costs >= slack).sum() for slack in (-1e-12, 1e-12))


def test_bids_are_nearly_the_exact_ones_where_most_rows_are_missing() -> None:
    exact, compact = ValueTable(history(), 400, 1500), CompactTable(history(), 400, 1500, rows=100)
    rng = np.random.default_rng(1)
    later = rng.integers(0, 400, 5000)
    left = np.minimum(later * rng.uniform(0.5, 6, 5000), 1500).astype(np.int64)
    value = rng.uniform(0, 0.3, 5000)
    gap = compact.bids(later, left, value) - exact.bids(later, left, value)
    assert np.abs(gap).max() <= 2
    assert (gap != 0).mean() < 0.05


def test_it_is_small() -> None:
    table = CompactTable(history(), 10**9, 10**11, rows=50).table
    assert table.points.nbytes + table.gains.nbytes < 100_000
    assert np.isfinite(table.gains).all()
    assert (table.gains >= 0).all()


@pytest.mark.parametrize("opportunities", [1, 2, 3, 4])
def test_it_bids_in_the_shortest_episodes(opportunities: int) -> None:
    bids = CompactTable(history(), opportunities, 30, rows=1).bids(np.arange(opportunities), 30, 0.1)
    assert (bids[0], bids.min() >= 0) == (30, True)


def test_on_the_published_log_it_wins_what_the_exact_table_wins() -> None:
    files = shared_data("ipinyou-2997/test.theta.txt.gz"), shared_data("ipinyou-2997/info.json")
    found = replay(files[0], ["rlb", "rlb:table=compact"], info=files[1], c0=[1 / 32, 1 / 16]).bidders
    for column, error in (("clicks", 0.02), ("impressions", 0.001), ("cost", 0.001)):
        exact, compact = found[column].to_numpy(float).reshape(2, 2).T
        np.testing.assert_allclose(compact, exact, rtol=error)


def test_other_kinds_of_tables_are_refused() -> None:
    with pytest.raises(AgentError, match="table = 'small': must be exact or compact"):
        TableBidder(table="small")
