"""What prediction errors cost: predictors on the same markets, under several mechanisms."""

from collections.abc import Callable, Sequence

import pandas as pd

from adsim.experiments.comparison.compare import Comparison, compare
from adsim.market.scenario import Scenario

PREDICTORS = ("oracle", "fwfm", "fm", "ftrl", "constant")
"""Compared unless others are named, where predictors can learn."""
DISTORTED = ("oracle", "noise:ctr_error=0.2", "noise:ctr_error=0.5", "noise:ctr_bias=1.3")
"""Compared unless others are named, where there is nothing to learn from."""


def prediction_errors(
    scenario: Scenario,
    *,
    mechanisms: Sequence[str] | None = None,
    predictors: Sequence[str] | None = None,
    seeds: int = 20,
    first_seed: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Comparison]:
    """Compare predictors under each of some mechanisms.

    Parameters
    ----------
    scenario : Scenario
        Of all markets.
    mechanisms : sequence of str, optional
        The scenario's own unless given.
    predictors : sequence of str, optional
        `PREDICTORS` where traffic has features, else `DISTORTED`, unless given; differences are taken to the oracle,
        or to the first.
    seeds, first_seed, workers, progress
        As in `adsim.experiments.comparison.compare.compare`.

    Returns
    -------
    dict
        A comparison for each mechanism.

    Raises
    ------
    AdsimError
        When a name is unknown, or does not fit the scenario.
    """
    usual = PREDICTORS if scenario.traffic.source == "click_world" else DISTORTED
    names = list(mechanisms or [scenario.auction.mechanism])
    markets = {name: scenario.replace({"auction.mechanism": name}) for name in names}

    def part(number: int) -> Callable[[int, int], None] | None:
        return progress and (lambda done, count: progress(number * count + done, len(names) * count))

    return {
        name: compare(
            market,
            predictors=list(predictors or usual),
            seeds=seeds,
            first_seed=first_seed,
            workers=workers,
            progress=part(number),
        )
        for number, (name, market) in enumerate(markets.items())
    }


def joined(comparisons: dict[str, Comparison], table: str) -> pd.DataFrame:
    """One of the tables of all comparisons, the mechanism in the first column."""
    parts = [getattr(found, table).assign(mechanism=name) for name, found in comparisons.items()]
    whole = pd.concat(parts, ignore_index=True)
    return whole[["mechanism", *whole.columns.drop("mechanism")]]
