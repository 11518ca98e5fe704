"""CQL, conservative Q-learning: critics pushed down wherever the data are not, and soft actor-critic on them.

Kumar, Zhou, Tucker & Levine 2020, "Conservative Q-learning for offline reinforcement learning", arXiv 2006.04779, its
CQL(H); soft actor-critic is that of Haarnoja et al. 2018, arXiv 1812.05905. The logarithm of the integral of exp(Q)
over actions is the paper's; an action being one number here, we take it by a jittered grid instead of drawn actions.
"""

from copy import deepcopy
from math import log

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Adam

from adsim.experiments.offline.batches import Batch
from adsim.experiments.offline.learning import CriticSettings, Watch, descend, fit
from adsim.experiments.offline.networks import Critics, Normaliser, Policy, follow
from adsim.experiments.offline.trajectories import Trajectories

LEAST_LOG, MOST_LOG = -5.0, 1.0
"""Of the spread around the level, before tanh."""

STEPS = 4_000
"""Batches, unless told otherwise."""


class Settings(CriticSettings):
    """Those of soft actor-critic, and how strongly critics are pushed."""

    push: float = Field(0.05, ge=0)
    """Weight of the conservative term, the paper's alpha, against the squared Bellman error in units of a period's
    worth."""
    grid: int = Field(10, ge=2)
    """Levels at which critics are pushed down."""
    entropy: float = Field(-2.0)
    """That the policy keeps on average; the uniform policy's is log 2."""


class ConservativeQ:
    """Critics, a policy of tanh-Gaussian levels, and the price of its entropy."""

    def __init__(self, settings: Settings, normalise: Normaliser) -> None:
        self.settings = settings
        self.policy, self.critics = Policy(settings.hidden, normalise, outputs=2), Critics(settings.hidden)
        self.targets = deepcopy(self.critics)
        self.log_price = nn.Parameter(torch.tensor(-5.0))
        self.optimisers = [Adam(self.critics.parameters()), Adam(self.policy.parameters()), Adam([self.log_price])]

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from a batch."""
        bellman, push = self.critics_losses(batch)
        descend(self.optimisers[0], bellman + self.settings.push * push)
        level, likelihood = self.draw(batch.observation)
        policy = self.policy_loss(batch, level, likelihood)
        descend(self.optimisers[1], policy)
        descend(self.optimisers[2], -self.log_price * (likelihood.detach().mean() + self.settings.entropy))
        follow(self.targets, self.critics, self.settings.follow)
        return {"critics": bellman, "push": push, "policy": policy}

    def judge(self, batch: Batch) -> dict[str, Tensor]:
        """Squared Bellman error, the conservative term, and the policy's loss."""
        bellman, push = self.critics_losses(batch)
        return {"critics": bellman, "push": push, "policy": self.policy_loss(batch, *self.draw(batch.observation))}

    def critics_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Squared distance to what follows, by the lower of the targets; how far values off the data lie above."""
        with torch.no_grad():
            level, _ = self.draw(batch.following)
            following = self.targets(batch.following, level).amin(0)
            goal = batch.reward + batch.discount * following
        here = self.critics(batch.observation, batch.level)
        return (here - goal).square().mean(), (self.soft_maximum(batch.observation) - here).mean()

    def soft_maximum(self, normalised: Tensor) -> Tensor:
        """Logarithm of the integral of exp(Q) over levels, by a jittered grid; (2, B)."""
        count = self.settings.grid
        cells = torch.arange(count) + torch.rand(len(normalised), count)
        levels = cells * (2 / count) - 1
        values: Tensor = self.critics(normalised[:, None].expand(-1, count, -1), levels)
        return values.logsumexp(-1) + log(2 / count)

    def draw(self, normalised: Tensor) -> tuple[Tensor, Tensor]:
        """Levels of the policy, and the logarithms of their densities; (B,)."""
        middle, spread = self.policy.body(normalised).unbind(-1)
        gaussian = torch.distributions.Normal(middle, spread.clamp(LEAST_LOG, MOST_LOG).exp(), validate_args=False)
        before = gaussian.rsample()
        stretch = 2 * (log(2.0) - before - softplus(-2 * before))  # log of the derivative of tanh
        return torch.tanh(before), gaussian.log_prob(before) - stretch  # type: ignore[no-untyped-call]

    def policy_loss(self, batch: Batch, level: Tensor, likelihood: Tensor) -> Tensor:
        """The entropy's price, less what the lower critic promises."""
        promised = self.critics(batch.observation, level).amin(0)
        return (self.log_price.detach().exp() * likelihood - promised).mean()


def build(settings: Settings) -> Policy:
    """An untrained policy, to be filled from a file."""
    return Policy(settings.hidden, outputs=2)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> Policy:
    """Learn from the data, see `adsim.experiments.offline.learning.fit`."""
    return fit(
        lambda normalise: ConservativeQ(settings, normalise),
        data,
        settings=settings,
        seed=seed,
        steps=steps,
        watch=watch,
    )
