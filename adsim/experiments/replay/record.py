"""A scenario's traffic written down as a bid log, for trying out a replay without data of one's own."""

from pathlib import Path

import numpy as np

from adsim.errors import ScenarioError
from adsim.logs import theta
from adsim.market.market import Market
from adsim.market.scenario import ContextualTraffic, Scenario

PRICE_UNITS = 1000
"""A log's prices are whole numbers per thousand exposures of a thousandth each: 0.05 per exposure becomes 50."""
WINS_ALL = 1e6


def record(scenario: Scenario, path: Path, seed: int = 0) -> int:
    """Write one period of a single-campaign scenario as `click price pctr` rows; returns how many.

    Every opportunity is recorded as one won by a bidder without limits: the posted price, whether its click came,
    and the predicted click rate. A path that ends in .gz is compressed.

    Raises
    ------
    ScenarioError
        When the scenario has several campaigns, no posted competition, conversions that are not clicks, or
        phases with values of their own.
    OutputError
        When the file cannot be written.
    """
    traffic = scenario.traffic
    clicks_convert = isinstance(traffic, ContextualTraffic) and traffic.cvr.range() == (1.0, 1.0)
    if scenario.size != 1 or scenario.competition is None or not clicks_convert:
        raise ScenarioError(
            f"scenario '{scenario.name}': a click log needs one campaign, posted competition and cvr = 1, "
            "as display_rtb has."
        )
    if scenario.phases is not None and scenario.phases.value is not None:
        raise ScenarioError(f"scenario '{scenario.name}': a log's clicks are all worth the same: drop phases.value.")
    unlimited = {"campaigns.0.agent": f"fixed:multiplier={WINS_ALL:g}", "campaigns.0.budget": 1e12}
    market = Market(scenario.replace({**unlimited, "market.outcomes": "sampled"}), seed)
    clicks = np.zeros(scenario.market.opportunities, np.int64)
    events = market.run(events=True).events
    clicks[events["opportunity"]] = events["clicks"]
    hindsight = market.hindsight()
    pctr = hindsight.predicted_value / market.campaigns.constraints.value_per_conversion[0]
    theta.write(path, clicks, np.rint(PRICE_UNITS * hindsight.price).astype(np.int64), np.minimum(pctr, 1))
    return clicks.size
