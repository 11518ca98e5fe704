"""The learning curve of a training: now and then, a model plays markets that it does not train on."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from adsim.envs.engine import Engine
from adsim.experiments.statistics import difference, estimate
from adsim.experiments.training.evaluate import agent_runs, play, policy_of, scripted
from adsim.experiments.training.models import Card

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

VALIDATION = 2**32 + np.arange(32)
"""Seeds of the learning curve."""
MOST_VALIDATIONS = 20
VALIDATION_SHARE = 0.1
"""Of the episodes, at most: validations are fewer where training is short."""


class LearningCurve:
    """Plays the validation seeds: once with the scripted agents, with the model when it is due.

    Parameters
    ----------
    card : Card
        Of what is trained; its curve goes on.
    steps : int
        At which training ends.
    threads : int
        How many share the markets.
    """

    def __init__(self, card: Card, steps: int, threads: int) -> None:
        self.rows = list(card.curve)
        """See `adsim.experiments.training.train.Training.curve`."""
        scenario, campaign = card.market, card.campaign
        self._engine = Engine(scenario, [campaign], markets=VALIDATION.size, span=card.span, threads=threads)
        parts = [
            agent_runs(agent, scenario, campaign, VALIDATION, threads=threads)
            for agent in scripted(scenario, campaign)
        ]
        self.scripted = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["bidder", "score"])
        """Runs of the scripted agents."""
        self._best = best_scores(self.scripted)
        episodes = (steps - card.steps) / scenario.market.ticks
        validations = min(max(int(VALIDATION_SHARE * episodes / VALIDATION.size), 1), MOST_VALIDATIONS)
        self._last = int(self.rows[-1]["steps"] or 0) if self.rows else -1
        self._steps, self._every = steps, (steps - card.steps) / validations

    def is_due(self, done: int) -> bool:
        """Whether it is time for a validation, other than the one in the end."""
        due = self._last < 0 or done >= self._last + self._every
        return due and (done == 0 or done < self._steps - self._every / 2)

    def add(self, model: "BaseAlgorithm", clock: Callable[[], float]) -> None:
        """Validate and add a row, unless there is one of the same step; the clock tells the seconds of training."""
        done = model.num_timesteps
        if done == self._last:
            return
        episodes = [episode["r"] for episode in model.ep_info_buffer or ()]
        explored = float(np.mean(episodes)) if episodes else None
        self.rows.append({"steps": float(done), **self._validation(model), "return": explored, "seconds": clock()})
        self._last = done

    def close(self) -> None:
        """Release the markets."""
        self._engine.close()

    def _validation(self, model: "BaseAlgorithm") -> dict[str, float | None]:
        """What a model makes of the seeds now."""
        runs = play("model", policy_of(model), self._engine, VALIDATION)
        found = estimate(runs["score"])
        row: dict[str, float | None] = {"score": found.mean, "low": found.low, "high": found.high}
        if self._best is not None:
            gain = difference(runs["score"], self._best)
            row |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high}
        return row | {"violation": float(runs["violation"].mean())}


def best_scores(scripted: pd.DataFrame) -> "pd.Series[float] | None":
    """Scores of the scripted agent with the highest mean, a row per seed; None without agents."""
    if scripted.empty:
        return None
    best = scripted.groupby("bidder")["score"].mean().idxmax()
    return scripted.loc[scripted["bidder"] == best, "score"].reset_index(drop=True)
