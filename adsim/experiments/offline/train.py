"""Training a bidder on recorded periods, into a folder."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ValidationError

from adsim.envs.engine import SPAN
from adsim.errors import AdsimError, UnknownName
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.offline.figures import learning
from adsim.experiments.offline.models import Card, method, save_bidder
from adsim.experiments.offline.trajectories import Trajectories
from adsim.experiments.output import check_folder, save
from adsim.experiments.training.cards import complaint, current_features, require
from adsim.market.scenario import Scenario

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class OfflineTraining:
    """What a training left."""

    card: Card
    bidder: OfflineBidder
    folder: Path

    @property
    def curve(self) -> pd.DataFrame:
        """The learning curve: steps, seconds, mean losses since the last row, and of transitions held out."""
        return pd.DataFrame(self.card.curve, dtype=float)

    def facts(self) -> dict[str, Any]:
        """How the bidder was trained, ready for JSON."""
        return self.card.model_dump(mode="json", exclude={"format", "version", "curve", "features", "versions"})


def train(
    data: Trajectories,
    scenario: Scenario,
    algorithm: str = "iql",
    *,
    folder: str | Path,
    steps: int | None = None,
    seed: int = 0,
    span: float = SPAN,
    settings: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OfflineTraining:
    """Train a bidder for all campaigns of a scenario on recorded periods alone.

    The folder gets ``model.pt`` and ``model.json`` (see `adsim.experiments.offline.models`), the learning curve as
    tables and pictures, and ``run.json``, all in the end: what is interrupted leaves nothing. One seed gives the same
    bits on one machine.

    Parameters
    ----------
    data : Trajectories
        See `adsim.experiments.offline.storage.load_trajectories`.
    scenario : Scenario
        They were recorded in.
    algorithm : str
        One of `adsim.experiments.offline.models.LEARNERS`.
    folder : str or Path
        Created where missing.
    steps : int, optional
        Batches; the learner's own number unless given.
    seed : int
        Of parameters and batches.
    span : float
        Of the levels in the data, see `adsim.envs.engine.Engine`.
    settings : mapping, optional
        In place of the defaults of the learner's ``Settings``.
    origin : mapping, optional
        Where the data are from, ready for JSON; kept on the card.
    progress : callable, optional
        Called with the numbers of steps done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the folder holds a model, or the data are too few.
    """
    require("offline", "torch", f"train {algorithm}")
    made = method(algorithm)
    chosen = resolve(algorithm, made.Settings, settings or {})
    total = made.STEPS if steps is None else steps
    if total < 1:
        raise AdsimError(f"steps = {total}: must be a whole number, 1 or more.")
    if not 0 <= seed < 2**32:
        raise AdsimError(f"seed = {seed}: must be a whole number from 0 to 2**32 - 1.")
    path = check_folder(folder)
    if (path / "model.pt").exists() or (path / "model.zip").exists():
        raise AdsimError(f"{path}: holds a model already. Name another folder (--out DIR).")
    curve = _Curve(total, progress)
    module = made.train(data, chosen, seed=seed, steps=total, watch=curve.add)
    card = Card(
        algorithm=algorithm,
        settings=chosen.model_dump(mode="json"),
        scenario=scenario.model_dump(mode="json"),
        span=span,
        features=current_features(),
        seed=seed,
        steps=total,
        seconds=curve.seconds(),
        curve=curve.rows,
        data={"trajectories": len(data.seed), "markets": len(np.unique(data.seed)), "origin": dict(origin or {})},
    )
    return _keep(module, card, path)


def _keep(module: "nn.Module", card: Card, folder: Path) -> OfflineTraining:
    """Write everything."""
    written = save_bidder(module, card, folder / "model.pt")
    assert isinstance(module, OfflineBidder)
    training = OfflineTraining(written, module, folder)
    save(folder, {"learning": training.curve}, {"learning": learning(training.curve, written)}, training.facts())
    return training


def resolve(algorithm: str, settings: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """All settings of a learner: the given ones over its defaults.

    Raises
    ------
    UnknownName
        For a setting that the learner does not take.
    AdsimError
        For a value that is impossible.
    """
    for name in given:
        if name not in settings.model_fields:
            raise UnknownName(f"setting of {algorithm}", name, settings.model_fields)
    try:
        return settings.model_validate(given)
    except ValidationError as error:
        raise AdsimError(f"{algorithm}: {complaint(error)}.") from None


class _Curve:
    """Rows of a learning curve, and word of the progress."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self.rows: list[dict[str, float | None]] = []
        self._total, self._progress, self._begun = total, progress, time.perf_counter()

    def add(self, done: int, losses: Mapping[str, float]) -> None:
        self.rows.append({"steps": float(done), "seconds": self.seconds(), **losses})
        if self._progress:
            self._progress(done, self._total)

    def seconds(self) -> float:
        return time.perf_counter() - self._begun
