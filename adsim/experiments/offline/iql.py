"""IQL, implicit Q-learning: values of the better actions in the data, and cloning weighted by advantage.

Kostrikov, Nair & Levine 2022, "Offline reinforcement learning with implicit Q-learning", arXiv 2110.06169. No network
is ever asked about an action that the data do not hold.
"""

from copy import deepcopy

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Adam

from adsim.experiments.offline.batches import Batch
from adsim.experiments.offline.learning import CriticSettings, Watch, descend, fit
from adsim.experiments.offline.networks import FEATURE_COUNT, Critics, Normaliser, Policy, follow, perceptron
from adsim.experiments.offline.trajectories import Trajectories

STEPS = 8_000
"""Batches, unless told otherwise."""


class Settings(CriticSettings):
    """The paper's are expectile 0.7, beta 3 and discount 0.99, for rewards of another size."""

    expectile: float = Field(0.7, gt=0, lt=1)
    """Of action values that a state's value stands for; 0.5 is their mean, 1 their maximum."""
    beta: float = Field(60.0, ge=0)
    """Of the weight exp(beta * advantage); advantages are shares of a period's worth, a tick's hence small."""
    most_weight: float = Field(20.0, ge=1)
    """At which weights are cut off."""


class ImplicitQ:
    """State values by expectile regression, action values by their Bellman equation, a policy by weighted cloning."""

    def __init__(self, settings: Settings, normalise: Normaliser) -> None:
        self.settings = settings
        self.policy = Policy(settings.hidden, normalise)
        self.value = perceptron(FEATURE_COUNT, settings.hidden, 1)
        self.critics = Critics(settings.hidden)
        self.targets = deepcopy(self.critics)
        parts: list[nn.Module] = [self.value, self.critics, self.policy]
        self.optimisers = [Adam(part.parameters()) for part in parts]

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from a batch: all three from the same parameters."""
        losses = self.judge(batch)
        for optimiser, loss in zip(self.optimisers, losses.values(), strict=True):
            descend(optimiser, loss)
        follow(self.targets, self.critics, self.settings.follow)
        return losses

    def judge(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of state values, action values and policy."""
        with torch.no_grad():
            best = self.targets(batch.observation, batch.level).amin(0)
            following = self.value(batch.following)[:, 0]
            goal = batch.reward + batch.discount * following
        value = self.value(batch.observation)[:, 0]
        advantage = best - value
        weight = (self.settings.beta * advantage.detach()).exp().clamp(max=self.settings.most_weight)
        return {
            "value": expectile_loss(advantage, self.settings.expectile),
            "critics": (self.critics(batch.observation, batch.level) - goal).square().mean(),
            "policy": (weight * (self.policy(batch.observation) - batch.level).square()).mean(),
        }


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """Mean square of errors (estimates below their target are positive), those below 0 weighted 1 - expectile."""
    return (torch.where(error < 0, 1 - expectile, expectile) * error.square()).mean()


def build(settings: Settings) -> Policy:
    """An untrained policy, to be filled from a file."""
    return Policy(settings.hidden)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> Policy:
    """Learn from the data, see `adsim.experiments.offline.learning.fit`."""
    return fit(
        lambda normalise: ImplicitQ(settings, normalise), data, settings=settings, seed=seed, steps=steps, watch=watch
    )
