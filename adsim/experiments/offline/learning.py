"""How all learners on transitions learn: random batches, learning rates that fall to 0, losses reported at times."""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.optim import Adam

from adsim.experiments.offline.batches import Batch, Transitions, split
from adsim.experiments.offline.networks import Normaliser, Policy
from adsim.experiments.offline.trajectories import Trajectories
from adsim.predictors.deep.training import settled

REPORTS = 50
"""Times that a training reports."""
JUDGED = 8192
"""Transitions held out on which losses are measured, at most."""

Watch = Callable[[int, Mapping[str, float]], None]
"""Called now and then with the number of steps done, and losses by name."""


class Settings(BaseModel):
    """What all learners on transitions are made with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hidden: tuple[int, ...] = (128, 128)
    """Sizes of hidden layers, of every network."""
    batch: int = Field(256, ge=1)
    """Transitions of a step."""
    learning_rate: float = Field(3e-4, gt=0)
    """Of Adam; falls linearly to 0 over the training."""


class CriticSettings(Settings):
    """What learners with critics are made with besides."""

    discount: float = Field(1.0, gt=0, le=1)
    """From tick to tick."""
    ahead: int = Field(4, ge=1)
    """Ticks whose rewards a critic's target sums, as the data went on, before it trusts its own value of the rest.

    A level held for one tick hardly matters, and levels in the data persist; multi-step targets (Hessel et al. 2018,
    arXiv 1710.02298) lift what a level brings out of the noise, and lean towards the data's behaviour in return.
    """
    follow: float = Field(0.02, gt=0, le=1)
    """Share by which target networks move in a step."""


class Learner(Protocol):
    """A policy that learns from batches, and what else it learns beside."""

    policy: Policy
    optimisers: list[Adam]

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from a batch; losses by name, from before."""

    def judge(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name, and nothing learned."""


def descend(optimiser: Adam, loss: Tensor) -> None:
    """Follow a loss's gradient once."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def fit(
    make: Callable[[Normaliser], Learner],
    data: Trajectories,
    *,
    settings: Settings,
    seed: int,
    steps: int,
    watch: Watch | None = None,
) -> Policy:
    """Train a learner; one seed gives the same bits.

    Parameters
    ----------
    make : callable
        The learner, with its normaliser's mean and spread known.
    data : Trajectories
        A part is held out, see `adsim.experiments.offline.batches.split`.
    settings : Settings
    seed : int
        Of parameters, batches and what is held out.
    steps : int
        Batches.
    watch : callable, optional
        Gets mean losses since it was last called, and ``held_out_*`` of transitions that are not trained on.

    Raises
    ------
    AdsimError
        When the data are too few.
    """
    with settled(seed):
        training, held = split(data, seed)
        normalise = Normaliser()
        normalise.fit(training.observation[:, :-1])
        learner = make(normalise)
        horizon = (settings.ahead, settings.discount) if isinstance(settings, CriticSettings) else (1, 1.0)
        rows, judged = (Transitions(part, normalise, *horizon) for part in (training, held))
        generator = torch.Generator().manual_seed(seed)
        unseen = judged.sample(min(judged.size, JUDGED), generator)
        every, sums = max(steps // REPORTS, 1), _Sums()
        for done in range(1, steps + 1):
            for optimiser in learner.optimisers:
                optimiser.param_groups[0]["lr"] = settings.learning_rate * (1 - (done - 1) / steps)
            sums.add(learner.update(rows.sample(settings.batch, generator)))
            if watch and (done % every == 0 or done == steps):
                with torch.no_grad():
                    beyond = {f"held_out_{name}": float(loss) for name, loss in learner.judge(unseen).items()}
                watch(done, {**sums.means(), **beyond})
        return learner.policy.eval()


class _Sums:
    """Losses since the last report."""

    def __init__(self) -> None:
        self._count, self._sums = 0, {}  # type: tuple[int, dict[str, Tensor]]

    def add(self, losses: Mapping[str, Tensor]) -> None:
        self._count += 1
        self._sums = {name: self._sums.get(name, 0.0) + loss.detach() for name, loss in losses.items()}

    def means(self) -> dict[str, float]:
        found = {name: float(total) / self._count for name, total in self._sums.items()}
        self._count, self._sums = 0, {}
        return found
