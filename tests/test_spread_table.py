"""The value table for values that differ: a plain twin, the paper's table as a special case, and no better policy."""

import itertools
from pathlib import Path

import naive_value_table as naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adsim.agents.table_bidder import TableBidder
from adsim.agents.value_table import ValueTable
from adsim.errors import AgentError
from adsim.experiments.replay.replay import replay
from adsim.logs.auctions import read_auctions
from adsim.logs.base import Impressions
from adsim.logs.market_price import price_shares
from adsim.logs.theta import write
from adsim.logs.value_share import binned, no_values, value_shares
from adsim.types import History

counts = st.lists(st.integers(0, 30), min_size=1, max_size=25)
values = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 9)), min_size=1, max_size=6)


def history(count: list[int], spread: list[tuple[float, int]]) -> History:
    value, weight = np.array(sorted(spread)).T
    shares = np.array([value, weight / weight.sum()])
    return History(
        float(shares.prod(axis=0).sum()) or 0.5, 1.0, price_shares(dict(enumerate(count)), len(count) - 1), shares
    )


@settings(deadline=None)
@given(counts, values, st.integers(1, 7), st.integers(0, 60))
def test_table_is_its_twin(count, spread, opportunities: int, budget: int) -> None:
    known = history(count, spread)
    table = ValueTable(known, opportunities, budget, values="spread").table.values
    expected = naive.spread_values(known.price_share.tolist(), known.value_share.T.tolist(), opportunities, budget)
    np.testing.assert_allclose(table, np.array(expected)[:, : table.shape[1]], rtol=1e-9, atol=1e-9)


def test_wide_table_of_many_values_is_its_twin() -> None:
    rng = np.random.default_rng(0)
    known = history(rng.integers(0, 50, 30).tolist(), [(value, 1) for value in rng.lognormal(-4, 1, 8).tolist()])
    table = ValueTable(known, 22, 600, values="spread").table.values
    expected = naive.spread_values(known.price_share.tolist(), known.value_share.T.tolist(), 22, 600)
    np.testing.assert_allclose(table, expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(counts, st.floats(1e-4, 1), st.integers(1, 9), st.integers(0, 90))
def test_one_value_gives_the_table_of_the_paper(count, value: float, opportunities: int, budget: int) -> None:
    known = history(count, [(value, 1)])
    spread = ValueTable(known, opportunities, budget, values="spread").table.values
    np.testing.assert_allclose(spread, ValueTable(known, opportunities, budget).table.values, rtol=1e-13)


def test_no_policy_does_better_where_nothing_is_free() -> None:
    share, spread = [0.0, 0.4, 0.3, 0.2], [(0.3, 0.5), (1.0, 0.3), (2.0, 0.2)]
    best: dict[tuple[int, int], float] = {}
    for n, b in itertools.product(range(5), range(9)):
        best[n, b] = 0.0
        for bids in itertools.product(range(-1, min(b, 3) + 1), repeat=3) if n else ():  # -1: no bid at all
            worth = 0.0
            for bid, (value, chance) in zip(bids, spread, strict=True):
                won = sum(share[d] * (value + best[n - 1, b - d]) for d in range(bid + 1))
                worth += chance * (won + (1 - sum(share[: bid + 1])) * best[n - 1, b])
            best[n, b] = max(best[n, b], worth)
    known = History(1.0, 1.0, np.array(share), np.array(spread).T)
    table = ValueTable(known, 5, 8, values="spread").table.values
    np.testing.assert_allclose(table, [[best[n, b] for b in range(9)] for n in range(5)], rtol=1e-12)


def test_bids_by_the_table_earn_what_it_promises() -> None:
    rng, budget = np.random.default_rng(3), 60
    known = history([0, 4, 6, 3, 2, 2, 1, 1], [(0.02, 6), (0.2, 3), (0.9, 1)])
    table = ValueTable(known, 31, budget, values="spread")
    left, worth = np.full(20_000, budget), np.zeros(20_000)
    share, (value, chance) = known.price_share, known.value_share
    for later in range(29, -1, -1):
        offered = rng.choice(value, left.size, p=chance)
        price = rng.choice(share.size + 1, left.size, p=[*share, 1 - share.sum()])
        won = table.bids(np.full(left.size, later), left, offered) >= price
        left, worth = left - price * won, worth + offered * won
    assert abs(worth.mean() - table.table.values[30, budget]) < 3.5 * worth.std() / np.sqrt(worth.size)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.integers(1, 40))
def test_a_histogram_keeps_the_mean_and_the_order(pctr: list[float], cut: int) -> None:
    histogram, column = no_values(), np.array(pctr)
    chunks = [Impressions(part > 2, np.zeros(part.size, np.int64), part) for part in (column[:cut], column[cut:])]
    assert list(binned(chunks, histogram)) == chunks
    shares = value_shares(histogram)
    assert shares is not None
    value, chance = shares
    assert (np.diff(value) > 0).all()
    assert chance.sum() == pytest.approx(1)
    assert value @ chance == pytest.approx(column.mean(), rel=1e-9, abs=1e-12)
    nearest = np.abs(np.log2(np.maximum(column[:, None], 2.0**-39) / np.maximum(value, 2.0**-39))).min(axis=1)
    assert nearest.max() <= 1 / 8 + 1e-9


def make_log(path: Path, seed: int, size: int, sigma: float) -> Path:
    rng = np.random.default_rng(seed)
    pctr = np.minimum(0.05 * rng.lognormal(-(sigma**2) / 2, sigma, size), 1)
    price = np.rint(rng.lognormal(np.log(50), 0.7, size)).astype(np.int64)
    write(path, (rng.random(size) < pctr).astype(int), price, pctr)
    return path


def test_where_values_spread_far_it_leads_tuned_linear_and_the_papers_table(tmp_path: Path) -> None:
    train, log = (make_log(tmp_path / str(seed), seed, 60_000, 1.2) for seed in (0, 1))
    bidders = ["linear", "rlb", "rlb:values=spread"]
    rows = replay(log, bidders, train=train, episode=200, c0=[1 / 32, 1 / 2]).bidders
    tight, loose = (rows.query("c0 == @c0")["clicks_difference"].tolist() for c0 in (1 / 32, 1 / 2))
    assert tight[1] < 0 < tight[2]
    assert rows["clicks_difference_low"][2] > 0
    clicks = rows["clicks"].tolist()
    assert tight[2] / clicks[2] > 2 * loose[2] / clicks[5]


def test_a_replay_learns_values_from_where_it_learns_prices(tmp_path: Path) -> None:
    train, log = make_log(tmp_path / "train", 0, 500, 1.0), make_log(tmp_path / "log", 1, 400, 1.0)
    known = [read_auctions(log, train=path).history(300).value_share for path in (train, None)]
    means = [shares[0] @ shares[1] for shares in known if shares is not None]
    assert means == pytest.approx([read_auctions(path).auctions.value.mean() for path in (train, log)])


def test_values_that_are_not_known_are_asked_for(tmp_path: Path) -> None:
    log, info = make_log(tmp_path / "log", 0, 100, 1.0), tmp_path / "info"
    info.write_text('{"imp_train": 9, "clk_train": 2, "cost_train": 99, "price_counter_train": [1, 2, 3]}')
    with pytest.raises(AgentError, match="values=spread needs the predicted click rates"):
        replay(log, ["rlb:values=spread"], info=info, max_bid=2)


@pytest.mark.parametrize("kind", ["mean", 1, True])
def test_other_kinds_of_values_are_refused(kind: object) -> None:
    with pytest.raises(AgentError, match="values = "):
        TableBidder(values=kind)  # type: ignore[arg-type]
