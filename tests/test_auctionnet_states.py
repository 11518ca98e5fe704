"""The learners' table of an AuctionNet log: equal to its definition, and published as AuctionNet publishes it."""

import ast
from pathlib import Path

import naive_auctionnet as naive
import numpy as np
import pandas as pd
import pytest
from data_path import shared_data

from adsim.errors import LogError
from adsim.logs.auctionnet import CAMPAIGN, AuctionNetLog
from adsim.logs.auctionnet_states import STATE, next_states, states, write_states

SAMPLE = "auctionnet/auctionnet_log_10k_pvs.csv.gz"
SOME = (0, 20, 47)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    """Three advertisers of the sample."""
    table = AuctionNetLog(shared_data(SAMPLE)).table()
    return table[table["advertiserNumber"].isin(SOME)].reset_index(drop=True)


@pytest.fixture(scope="module")
def table(log: pd.DataFrame) -> pd.DataFrame:
    return states([log])


def test_every_number_is_that_of_the_definition(log: pd.DataFrame, table: pd.DataFrame) -> None:
    assert list(table["advertiserNumber"].unique()) == list(SOME)
    for advertiser, part in table.groupby("advertiserNumber"):
        rows = log[log["advertiserNumber"] == advertiser]
        expected = naive.states(rows.to_dict("records"), ticks=48)
        assert len(part) == len(expected)
        for row, wanted in zip(part.to_dict("records"), expected, strict=True):
            np.testing.assert_allclose([row[name] for name in STATE], wanted["state"], rtol=1e-11, atol=1e-15)
            for name in ("action", "reward_continuous", "realAllCost"):
                np.testing.assert_allclose(row[name], wanted[name], rtol=1e-11)
            for name in ("timeStepIndex", "reward", "done", "realAllConversion"):
                assert row[name] == wanted[name]


def test_the_last_three_ticks_are_not_the_first_three(table: pd.DataFrame) -> None:
    late = table[table["timeStepIndex"] == 40]
    early = table[table["timeStepIndex"] == 3]
    assert (late["least_winning_cost_last_3"].to_numpy() != early["least_winning_cost_last_3"].to_numpy()).all()


def test_blocks_and_order_of_rows_do_not_matter(log: pd.DataFrame, table: pd.DataFrame) -> None:
    shuffled = log.sample(frac=1, random_state=0)
    parts = [shuffled.iloc[start : start + 7001] for start in range(0, len(log), 7001)]
    pd.testing.assert_frame_equal(states(parts), table, rtol=1e-11)


def test_periods_do_not_mix(log: pd.DataFrame, table: pd.DataFrame) -> None:
    both = states([log, log.assign(deliveryPeriodIndex=1)])
    for period, part in both.groupby("deliveryPeriodIndex"):
        expected = table.assign(deliveryPeriodIndex=period)
        pd.testing.assert_frame_equal(part.reset_index(drop=True), expected, rtol=1e-11)


def test_the_next_state_is_the_next_row_until_done(table: pd.DataFrame) -> None:
    following = next_states(table)
    for _, part in table.groupby(CAMPAIGN):
        state, after = part[list(STATE)].to_numpy(), following.loc[part.index].to_numpy()
        done = part["done"].to_numpy() == 1
        assert done[-1]
        assert np.isnan(after[done]).all()
        np.testing.assert_array_equal(after[~done], state[1:][~done[:-1]])


def test_the_published_csv_holds_tuples(table: pd.DataFrame, tmp_path: Path) -> None:
    write_states(tmp_path / "table.csv.gz", table)
    found = pd.read_csv(tmp_path / "table.csv.gz")
    assert list(found) == [
        *CAMPAIGN, "realAllCost", "realAllConversion", "timeStepIndex", "state", "action", "reward",
        "reward_continuous", "done", "next_state",
    ]  # fmt: skip
    assert [ast.literal_eval(text) for text in found["state"]] == [*table[list(STATE)].itertuples(False, None)]
    assert (found["next_state"].isna() == (table["done"] == 1)).all()
    assert found.loc[0, "next_state"] == found.loc[1, "state"]


def test_parquet_gives_the_table_back(table: pd.DataFrame, tmp_path: Path) -> None:
    write_states(tmp_path / "table.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table, check_exact=True)


def test_a_log_of_nothing_or_with_more_ticks_is_refused(log: pd.DataFrame) -> None:
    with pytest.raises(LogError, match="without rows"):
        states([])
    with pytest.raises(LogError, match="48 at least"):
        states([log], ticks=24)
