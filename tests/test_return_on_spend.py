"""Return on spend: what lambda tells of the past, and a target that is held to the last cent."""

import numpy as np
import pytest

from adsim.agents.return_on_spend import LOG_DUAL
from adsim.kernels.settlement import PREDICTED_VALUE, SPEND, VALUE
from adsim.market.markets import Markets, make_events
from adsim.market.scenario import Scenario, load_scenario
from adsim.types import Floats

POSTED = load_scenario("return_on_spend").replace({"market.opportunities": 4000, "market.ticks": 20})
RIVALS = POSTED.replace(
    {
        "auction.mechanism": "vcg",
        "auction.exposure": [1.0, 0.5],
        "campaigns.0.count": 5,
        "campaigns.0.target_roi": 1.0,
    }
)
SEEDS = 20


@pytest.mark.parametrize("scenario", [POSTED, RIVALS], ids=["posted", "rivals"])
def test_what_was_earned_beyond_the_target_is_what_lambda_has_lost(scenario: Scenario) -> None:
    """sum (v x - p) = -sqrt(T) log lambda, whenever one looks."""
    markets = Markets(scenario.replace({"campaigns.0.agent": "ros:unit=1"}), [0, 1])
    markets.open()
    for _ in range(scenario.market.ticks):
        markets.run_tick(make_events(0, 2))
        ledger = markets.fleet.accounts.ledger
        slack = ledger[..., PREDICTED_VALUE] - ledger[..., SPEND]
        told = -np.sqrt(scenario.market.opportunities) * markets.fleet.memory[..., LOG_DUAL]
        np.testing.assert_allclose(slack, told, rtol=1e-9, atol=1e-9)
    assert (np.abs(slack) > 1).all()


def slack(agent: str, opportunities: int, target: float) -> Floats:
    """What was earned beyond the target on each seed, over sqrt(T)."""
    size = {"market.opportunities": opportunities, "market.ticks": 4}
    campaign = {"campaigns.0.agent": agent, "campaigns.0.target_roi": target}
    markets = Markets(POSTED.replace(size | campaign), list(range(SEEDS)))
    markets.open()
    for _ in range(4):
        markets.run_tick(make_events(0, 1))
    ledger = markets.fleet.accounts.ledger[:, 0]
    earned: Floats = (ledger[:, VALUE] - target * ledger[:, SPEND]) / np.sqrt(opportunities)
    return earned


@pytest.mark.parametrize("opportunities", [1000, 16_000])
@pytest.mark.parametrize("target", [1.0, 1.2, 1.5])
def test_a_buffer_keeps_the_target_on_every_seed(opportunities: int, target: float) -> None:
    assert slack("ros:buffer=1", opportunities, target).min() > 0.3


@pytest.mark.parametrize(
    ("target", "opportunities", "least", "most"),
    [(1.2, 1000, 5, 15), (1.2, 16_000, 5, 19), (1.5, 1000, SEEDS, SEEDS), (1.5, 16_000, SEEDS, SEEDS)],
)
def test_without_a_buffer_a_tight_target_is_missed(target: float, opportunities: int, least: int, most: int) -> None:
    """By no more than sqrt(T) times the logarithm of lambda, here below 2."""
    earned = slack("ros", opportunities, target)
    assert least <= (earned < 0).sum() <= most
    assert earned.min() > -np.log(2)
