"""Markets whose predictors learn while they run, against the same markets with prescribed errors."""

import adsim
from adsim.experiments.comparison.compare import with_predictor
from benchmarks.timing import best

PREDICTORS = (
    "oracle",
    "noise:ctr_error=0.2",
    "constant",
    "ftrl",
    "bayes",
    "bayes:thompson=1",
    "fm",
    "fwfm",
)
OPPORTUNITIES = 400_000
HEADER = ["predictor", "campaigns", "M auctions/s", "ns/auction", "takes"]


def rows() -> list[list[str]]:
    """A row per predictor of the scenario click_market."""
    scenario = adsim.load_scenario("click_market").replace(
        {"market.opportunities": OPPORTUNITIES, "learning.before": 0}
    )
    seconds = {name: best(adsim.Market(with_predictor(scenario, name)).run) for name in PREDICTORS}
    return [
        [
            name,
            f"{scenario.size}",
            f"{OPPORTUNITIES / taken / 1e6:.2f}",
            f"{1e9 * taken / OPPORTUNITIES:.0f}",
            f"{taken / seconds['noise:ctr_error=0.2']:.1f}x",
        ]
        for name, taken in seconds.items()
    ]
