"""Recorded periods as sequence models learn from them, and the bidder that such a model makes."""

from abc import abstractmethod
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from adsim.errors import AdsimError
from adsim.experiments.offline.learning import REPORTS, Watch
from adsim.experiments.offline.networks import FEATURE_COUNT, Normaliser
from adsim.experiments.offline.sequence_model import SequenceModel
from adsim.experiments.offline.trajectories import Trajectories
from adsim.types import Constraints, Floats, Totals


class SequenceSettings(BaseModel):
    """How a sequence model is made and trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ticks: int = Field(96, ge=1)
    """Most that a period may have."""
    width: int = Field(64, ge=1)
    layers: int = Field(3, ge=1)
    heads: int = Field(2, ge=1)
    window: int = Field(20, ge=1)
    """Ticks that are seen in each layer."""
    batch: int = Field(16, ge=1)
    """Periods of a step, all their ticks each."""
    learning_rate: float = Field(5e-4, gt=0)
    """Of AdamW; it rises over the first twentieth of the steps, and falls to 0."""
    decay: float = Field(1e-4, ge=0)
    clip: float = Field(0.25, gt=0)
    """Norm of the gradient."""


class Lesson(NamedTuple):
    """E periods of T ticks, and what is to be learned from them."""

    contexts: Tensor
    """(E, T, C)"""
    states: Tensor
    """Features, normalised; (E, T, F)."""
    levels: Tensor
    """To learn; (E, T)."""
    chance: Floats
    """Of a period to be drawn; (E,), sums to 1."""


class SequenceBidder(nn.Module):
    """A sequence model at play; an `adsim.experiments.offline.bidder.OfflineBidder`.

    Parameters
    ----------
    contexts : int
        Numbers in a context.
    settings : SequenceSettings
    """

    own: Constraints
    """Of the campaigns that it bids for."""

    def __init__(self, contexts: int, settings: SequenceSettings) -> None:
        super().__init__()
        shape = settings.model_dump(include={"width", "layers", "heads", "window"})
        self.network = SequenceModel(contexts, FEATURE_COUNT, settings.ticks, **shape)
        self.normalise = Normaliser()

    @abstractmethod
    def context(self, observation: NDArray[np.float32], totals: Totals) -> Floats:
        """What is asked for from the coming tick on, (E, C); arguments as in `act`."""

    def begin(self, own: Constraints) -> None:
        """See `adsim.experiments.offline.bidder.OfflineBidder.begin`."""
        self.own = own
        self._contexts: list[Tensor] = []
        self._states: list[Tensor] = []

    def act(self, observation: NDArray[np.float32], totals: Totals) -> NDArray[np.float32]:
        """See `adsim.experiments.offline.bidder.OfflineBidder.act`."""
        self._states.append(self.normalise(torch.from_numpy(observation)))
        self._contexts.append(torch.from_numpy(self.context(observation, totals)).float())
        with torch.inference_mode():
            levels = self.network(torch.stack(self._contexts, 1), torch.stack(self._states, 1))[:, -1]
        found: NDArray[np.float32] = levels.numpy()
        return found


def check_ticks(data: Trajectories, settings: SequenceSettings) -> None:
    """Refuse periods that are too long.

    Raises
    ------
    AdsimError
        When they have more ticks than the settings say.
    """
    ticks = data.action.shape[1]
    if ticks > settings.ticks:
        raise AdsimError(f"periods of {ticks} ticks: the model is made for {settings.ticks}; set ticks={ticks}.")


def states_of(data: Trajectories, normalise: Normaliser) -> Tensor:
    """Features before each tick, normalised; (E, T, F)."""
    return normalise(torch.from_numpy(data.observation[:, :-1]))


def fit(
    network: SequenceModel,
    lesson: Lesson,
    settings: SequenceSettings,
    *,
    seed: int,
    steps: int,
    watch: Watch | None = None,
) -> None:
    """Follow the squared error of the levels in periods drawn by their chance.

    Parameters
    ----------
    network : SequenceModel
        Changed in place.
    lesson : Lesson
    settings : SequenceSettings
    seed : int
        Of the draws.
    steps : int
        Batches.
    watch : callable, optional
        Gets mean losses since it was last called.
    """
    generator = np.random.default_rng(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, steps, pct_start=0.05)
    every, losses = max(steps // REPORTS, 1), []
    for done in range(1, steps + 1):
        drawn = torch.from_numpy(generator.choice(len(lesson.chance), settings.batch, p=lesson.chance))
        guess = network(lesson.contexts[drawn], lesson.states[drawn])
        loss = (guess - lesson.levels[drawn]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if watch and (done % every == 0 or done == steps):
            watch(done, {"policy": float(np.mean(losses))})
            losses.clear()
