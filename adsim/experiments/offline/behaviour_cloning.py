"""BC: do as the data did."""

from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim import Adam

from adsim.experiments.offline import learning
from adsim.experiments.offline.batches import Batch
from adsim.experiments.offline.learning import Watch, descend, fit
from adsim.experiments.offline.networks import Normaliser, Policy
from adsim.experiments.offline.trajectories import Trajectories

STEPS = 5_000
"""Batches, unless told otherwise."""


class Settings(learning.Settings):
    """Those of all learners on transitions."""


class BehaviourCloning:
    """The mean level of the data at an observation: that of most likelihood under Gaussian noise of one spread."""

    def __init__(self, settings: Settings, normalise: Normaliser) -> None:
        self.policy = Policy(settings.hidden, normalise)
        self.optimisers = [Adam(self.policy.parameters())]

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from a batch."""
        losses = self.judge(batch)
        descend(self.optimisers[0], losses["policy"])
        return losses

    def judge(self, batch: Batch) -> dict[str, Tensor]:
        """Mean squared error of the level."""
        return {"policy": mse_loss(self.policy(batch.observation), batch.level)}


def build(settings: Settings) -> Policy:
    """An untrained policy, to be filled from a file."""
    return Policy(settings.hidden)


def train(
    data: Trajectories, settings: Settings, *, seed: int = 0, steps: int = STEPS, watch: Watch | None = None
) -> Policy:
    """Clone the behaviour in the data, see `adsim.experiments.offline.learning.fit`."""
    return fit(
        lambda normalise: BehaviourCloning(settings, normalise),
        data,
        settings=settings,
        seed=seed,
        steps=steps,
        watch=watch,
    )
