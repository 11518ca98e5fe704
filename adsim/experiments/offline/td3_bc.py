"""TD3+BC: a deterministic policy that climbs its critic, and is held to what the data did.

Fujimoto & Gu 2021, "A minimalist approach to offline reinforcement learning", arXiv 2106.06860; TD3 is that of
Fujimoto, van Hoof & Meger 2018, arXiv 1802.09477.
"""

from copy import deepcopy

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam

from adsim.experiments.offline.batches import Batch
from adsim.experiments.offline.learning import CriticSettings, Watch, descend, fit
from adsim.experiments.offline.networks import Critics, Normaliser, Policy, follow
from adsim.experiments.offline.trajectories import Trajectories

STEPS = 8_000
"""Batches, unless told otherwise."""


class Settings(CriticSettings):
    """The paper's but for alpha, which is 2.5 there."""

    alpha: float = Field(1.0, ge=0)
    """Weight of the critic, whose values are divided by their mean size; that of cloning is 1."""
    noise: float = Field(0.2, ge=0)
    """Standard deviation of what is added to the target policy's level."""
    most_noise: float = Field(0.5, ge=0)
    delay: int = Field(2, ge=1)
    """Steps of the critics to one of the policy."""


class TD3BC:
    """Critics by clipped double Q-learning with a smoothed target policy; a policy by gradients through the first."""

    def __init__(self, settings: Settings, normalise: Normaliser) -> None:
        self.settings = settings
        self.policy, self.critics = Policy(settings.hidden, normalise), Critics(settings.hidden)
        self.target_policy, self.targets = deepcopy(self.policy), deepcopy(self.critics)
        self.optimisers = [Adam(self.critics.parameters()), Adam(self.policy.parameters())]
        self._steps = 0

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from a batch."""
        critics = self.critics_loss(batch)
        descend(self.optimisers[0], critics)
        policy = self.policy_loss(batch)
        self._steps += 1
        if self._steps % self.settings.delay == 0:
            descend(self.optimisers[1], policy)
            follow(self.targets, self.critics, self.settings.follow)
            follow(self.target_policy, self.policy, self.settings.follow)
        return {"critics": critics, "policy": policy}

    def judge(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of critics and policy."""
        return {"critics": self.critics_loss(batch), "policy": self.policy_loss(batch)}

    def critics_loss(self, batch: Batch) -> Tensor:
        """Squared distance to what follows, by the lower of the targets."""
        with torch.no_grad():
            most = self.settings.most_noise
            noise = (torch.randn_like(batch.level) * self.settings.noise).clamp(-most, most)
            level = (self.target_policy(batch.following) + noise).clamp(-1, 1)
            following = self.targets(batch.following, level).amin(0)
            goal = batch.reward + batch.discount * following
        return (self.critics(batch.observation, batch.level) - goal).square().mean()

    def policy_loss(self, batch: Batch) -> Tensor:
        """Cloning, less what the first critic promises."""
        level = self.policy(batch.observation)
        promised = self.critics(batch.observation, level)[0]
        scale = self.settings.alpha / promised.detach().abs().mean().clamp(min=1e-6)
        return mse_loss(level, batch.level) - scale * promised.mean()


def build(settings: Settings) -> Policy:
    """An untrained policy, to be filled from a file."""
    return Policy(settings.hidden)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> Policy:
    """Learn from the data, see `adsim.experiments.offline.learning.fit`."""
    return fit(
        lambda normalise: TD3BC(settings, normalise), data, settings=settings, seed=seed, steps=steps, watch=watch
    )
