"""What a period left behind, as tidy tables."""

from functools import cached_property

import numpy as np
import pandas as pd

from adsim.kernels.settlement import Events
from adsim.market import metrics
from adsim.market.campaigns import Campaigns
from adsim.market.scenario import Scenario
from adsim.market.tally import COLUMNS
from adsim.types import Floats, Totals


class Result:
    """Outcome of `Market.run`.

    Attributes
    ----------
    campaigns : pandas.DataFrame
        A row per campaign: constraints, outcomes, roi, violation, utilisation.
    ticks : pandas.DataFrame
        A row per (tick, campaign): multiplier and what the tick brought.
    summary : dict
        See `adsim.market.metrics.summarize`.
    events : pandas.DataFrame
        A row per slot that was sold, if `run` was asked to keep them.
    learning : pandas.DataFrame
        A row per tick: how good a learned predictor's click rates were; without rows for other predictors.
    """

    def __init__(
        self,
        scenario: Scenario,
        campaigns: Campaigns,
        traffic_share: Floats,
        history: Floats,
        left: tuple[Floats, Floats],
        multipliers: Floats,
        score_to_beat: Floats,
        events: Events | None,
        tallies: Floats,
    ) -> None:
        self._campaigns, self._events, self.tallies = campaigns, events, tallies
        self.scenario = scenario
        self.constraints = campaigns.constraints
        """What the campaigns wanted and might not break; arrays (N,)."""
        self.traffic_share = traffic_share
        """Expected share of the opportunities in each tick; (ticks,)."""
        self.history = history
        """Totals at the beginning of each tick and at the end, (ticks + 1, N, 8); columns of `adsim.types.Totals`."""
        self.budget_left, self.stock_left = left
        """At the end; each (N,)."""
        self.multipliers = multipliers
        """(ticks, N)"""
        self.score_to_beat = score_to_beat
        """Mean score that would have won a slot in each tick, see `adsim.types.Observation`; (ticks, N)."""

    @property
    def totals(self) -> Totals:
        """Sums over the period; each (N,)."""
        return Totals(*self.history[-1].T)

    @cached_property
    def summary(self) -> dict[str, float]:
        """One number for each question about the period."""
        scenario = self.scenario
        offered = scenario.market.opportunities * len(scenario.auction.slot_exposure)
        return metrics.summarize(self.constraints, self.totals, scenario.auction.beta, offered)

    @cached_property
    def campaigns(self) -> pd.DataFrame:
        """A row per campaign."""
        campaigns, constraints, totals = self._campaigns, self.constraints, self.totals
        agents = np.concatenate(
            [np.repeat(str(group.agent), group.members.stop - group.members.start) for group in campaigns.groups]
        )
        return pd.DataFrame(
            {
                "campaign": campaigns.names,
                "agent": agents,
                "objective": np.where(constraints.maximizes_value, "value", "utility"),
                "value_per_conversion": constraints.value_per_conversion,
                "budget": constraints.budget,
                "target_roi": np.where(constraints.target_roi > 0, constraints.target_roi, np.nan),
                "stock": constraints.stock,
                **totals._asdict(),
                "roi": metrics.ratio(totals.value, totals.spend),
                "roi_shortfall": metrics.roi_shortfall(constraints, totals),
                "utilisation": metrics.ratio(totals.spend, constraints.budget),
                "stock_use": metrics.ratio(metrics.units_sold(constraints, totals), constraints.stock),
                "liquid_value": metrics.liquid_value(constraints, totals),
                "multiplier": self.multipliers[-1],
            }
        )

    @cached_property
    def ticks(self) -> pd.DataFrame:
        """A row per (tick, campaign)."""
        gains = np.diff(self.history, axis=0)
        ticks, size, _ = gains.shape
        columns = {name: gains[:, :, column].ravel() for column, name in enumerate(Totals._fields)}
        return pd.DataFrame(
            {
                "tick": np.repeat(np.arange(ticks), size),
                "campaign": self._campaigns.names * ticks,
                "traffic_share": np.repeat(self.traffic_share, size),
                "multiplier": self.multipliers.ravel(),
                "score_to_beat": self.score_to_beat.ravel(),
                **columns,
            }
        )

    @cached_property
    def events(self) -> pd.DataFrame:
        """A row per slot that was sold."""
        if self._events is None:
            raise ValueError("events were not kept: call run(events=True).")
        opportunity, slot = np.nonzero(self._events.winner >= 0)
        return pd.DataFrame(
            {
                "opportunity": opportunity,
                "slot": slot,
                **{name: field[opportunity, slot] for name, field in self._events._asdict().items()},
            }
        )

    @cached_property
    def learning(self) -> pd.DataFrame:
        """A row per tick: mean log losses, and predicted over true click rates, of all candidates and of those shown.

        ``log_loss`` is the expected one of all ads that could be shown, ``least_log_loss`` that of the true rates;
        ``shown_log_loss`` is measured on clicks. ``calibration`` beside ``shown_calibration`` tells the winner's
        curse.
        """
        sums = dict(zip(COLUMNS, self.tallies.T, strict=True))
        every, shown = sums["candidates"], sums["shown"]
        return pd.DataFrame(
            {
                "tick": np.arange(len(self.tallies)),
                "candidates": every,
                "log_loss": metrics.ratio(sums["log_loss"], every),
                "least_log_loss": metrics.ratio(sums["least_log_loss"], every),
                "calibration": metrics.ratio(sums["predicted"], sums["true"]),
                "shown": shown,
                "clicks": sums["shown_clicks"],
                "shown_log_loss": metrics.ratio(sums["shown_log_loss"], shown),
                "shown_calibration": metrics.ratio(sums["shown_predicted"], sums["shown_true"]),
            }
        )
