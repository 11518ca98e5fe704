"""Training a bidder with Stable-Baselines3: from the start, or from a checkpoint of the same training."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from adsim.envs.engine import SPAN, find_campaigns
from adsim.errors import AdsimError, UnknownName
from adsim.experiments.output import check_folder, save
from adsim.experiments.training.cards import complaint, current_features
from adsim.experiments.training.figures import learning
from adsim.experiments.training.learning_curve import LearningCurve
from adsim.experiments.training.models import (
    ALGORITHMS,
    Card,
    build,
    checkpoints,
    load_model,
    read_card,
    require_rl,
    save_model,
)
from adsim.experiments.training.settings import resolve
from adsim.market.campaigns import campaign_names
from adsim.market.scenario import Scenario

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm

STEPS = 400_000
ENVS = 128
KEPT_CHECKPOINTS = 3


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C while training; the message says what was saved and how to go on."""


@dataclass(frozen=True)
class Training:
    """What a training left."""

    card: Card
    model: "BaseAlgorithm"
    folder: Path
    scripted: pd.DataFrame
    """Runs of the scripted agents on the seeds of the learning curve, see
    `adsim.experiments.training.evaluate.Evaluation`."""

    @property
    def curve(self) -> pd.DataFrame:
        """The learning curve, a row per validation.

        steps, score, low, high (mean over the validation seeds and its interval), gain, gain_low, gain_high (paired
        difference to the scripted agent with the highest mean), violation (mean), return (mean score of the last
        training episodes, which explore), seconds.
        """
        return pd.DataFrame(self.card.curve, dtype=float)

    def facts(self) -> dict[str, Any]:
        """How the model was trained, ready for JSON."""
        return self.card.model_dump(mode="json", exclude={"format", "version", "curve", "features", "versions"})


def train(
    scenario: Scenario,
    algorithm: str = "ppo",
    *,
    folder: str | Path,
    campaign: int | str = 0,
    steps: int = STEPS,
    envs: int = ENVS,
    seed: int = 0,
    threads: int = 1,
    span: float = SPAN,
    reward: str = "normalised",
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Training:
    """Train a bidder for one campaign of a scenario.

    Its markets begin at a seed drawn between 2**40 and 2**62 and follow from there; the learning curve is measured on
    the 32 seeds from 2**32 on. Seeds 0, 1, 2 and on are left for `adsim.experiments.training.evaluate.evaluate`: no
    model has trained on them.

    The folder gets ``model.zip`` and ``model.json`` (see `adsim.experiments.training.models`), the last three
    checkpoints of the same kind, the learning curve as tables and pictures, and ``run.json``.

    Parameters
    ----------
    scenario : Scenario
        The market.
    algorithm : {"ppo", "sac", "td3"}
        Of Stable-Baselines3.
    folder : str or Path
        Created where missing.
    campaign : int or str
        Index or name.
    steps : int
        Environment steps, ticks times episodes; rounded up to what the algorithm collects at once.
    envs : int
        Markets side by side.
    seed : int
        Of parameters, exploration and training markets.
    threads : int
        How many share the markets; results do not depend on it.
    span : float
        Of the actions, see `adsim.envs.engine.Engine`.
    reward : {"normalised", "plain"}
        See `adsim.envs.stable_baselines.BiddingVecEnv`.
    settings : mapping, optional
        In place of `adsim.experiments.training.settings.DEFAULTS`, or further keywords of the algorithm.
    resume : bool
        Go on from the newest model or checkpoint in the folder to ``steps``, with parameters and optimisers as they
        were. Replay buffers are not saved: SAC and TD3 first refill theirs without learning.
    checkpoint_every : int, optional
        Steps between checkpoints; a tenth of all unless given.
    progress : callable, optional
        Called with the numbers of steps done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, the folder holds a model (without ``resume``), or holds none or one of another
        training (with it).
    TrainingInterrupted
        On Ctrl-C, after a checkpoint.
    """
    require_rl("train")
    _check(steps=steps, envs=envs, checkpoint_every=checkpoint_every or 1)
    path = check_folder(folder)
    card = _new_card(scenario, algorithm, campaign, envs, seed, span, reward, settings or {})
    newest = _newest(path)
    if newest and not resume:
        raise AdsimError(
            f"{path}: holds a model already. Go on with it (--resume), or name another folder (--out DIR)."
        )
    if resume:
        card = _resumed(card, newest, path, steps)
    every = checkpoint_every or max(steps // 10, 1)
    training = _learn(card, newest, path, steps, threads, every, progress)
    save(path, {"learning": training.curve}, {"learning": learning(training)}, training.facts())
    return training


def _learn(
    card: Card,
    newest: Path | None,
    folder: Path,
    steps: int,
    threads: int,
    checkpoint_every: int,
    progress: Callable[[int, int], None] | None,
) -> Training:
    """Train from the start, or from a model that was saved."""
    from adsim.envs.stable_baselines import BiddingVecEnv

    seed = (card.seed + card.steps) % 2**32
    settings: dict[str, Any] = card.settings
    env = BiddingVecEnv(
        card.envs,
        card.market,
        card.campaign,
        span=card.span,
        threads=threads,
        reward=card.reward,
        peers=settings.get("peers", 1),
    )
    try:
        with one_torch_thread():
            model = load_model(newest, env, seed=seed).model if newest else build(card, env, seed=seed)
            env.seed(first_market(card.seed, card.steps))
            run = _Run(card, folder, steps, threads, checkpoint_every)
            return Training(run.learn(model, progress), model, folder, run.scripted())
    finally:
        env.close()


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if not (isinstance(count, int | np.integer) and count >= 1):
            raise AdsimError(f"{name} = {count!r}: must be a whole number, 1 or more.")


def _new_card(
    scenario: Scenario,
    algorithm: str,
    campaign: int | str,
    envs: int,
    seed: int,
    span: float,
    reward: str,
    settings: Mapping[str, Any],
) -> Card:
    if algorithm not in ALGORITHMS:
        raise UnknownName("algorithm", algorithm, ALGORITHMS)
    if not 0 <= seed < 2**32:
        raise AdsimError(f"seed = {seed}: must be a whole number from 0 to 2**32 - 1.")
    (index,) = find_campaigns(scenario, [campaign])
    try:
        return Card(
            algorithm=algorithm,
            settings=resolve(algorithm, settings, scenario.market.ticks, envs),
            scenario=scenario.model_dump(mode="json"),
            campaign=index,
            campaign_name=campaign_names(scenario)[index],
            span=span,
            reward=reward,
            features=current_features(),
            envs=envs,
            seed=seed,
        )
    except ValidationError as error:
        raise AdsimError(f"{complaint(error)}.") from None


def _newest(folder: Path) -> Path | None:
    """The model or checkpoint with most steps."""
    found = [*checkpoints(folder), *([folder / "model.zip"] if (folder / "model.zip").is_file() else [])]
    return max(found, key=lambda file: read_card(file).steps, default=None)


def _resumed(card: Card, newest: Path | None, folder: Path, steps: int) -> Card:
    """The card of what is resumed, if it is of the same training.

    Raises
    ------
    AdsimError
        When there is nothing to resume, it differs, or is done.
    """
    if newest is None:
        raise AdsimError(f"{folder}: nothing to resume here. Name the folder of a training, or leave out --resume.")
    found = read_card(newest)
    for name in ("algorithm", "scenario", "campaign", "span", "reward", "seed", "settings"):
        if name == "settings" and card.envs != found.envs:
            continue  # they follow from envs
        ours, theirs = getattr(card, name), getattr(found, name)
        if ours != theirs:
            words = _difference(ours, theirs, name)
            raise AdsimError(f"{newest}: cannot be resumed with another {words}. Name another folder (--out DIR).")
    if found.steps >= steps:
        raise AdsimError(f"{newest}: has {found.steps:,} steps already. Ask for more (--steps).")
    return found


def _difference(ours: Any, theirs: Any, name: str) -> str:
    """The first place at which two values differ, in words."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        key = next(key for key in {**theirs, **ours} if ours.get(key) != theirs.get(key))
        return _difference(ours.get(key), theirs.get(key), f"{name}.{key}")
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        place = next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
        return _difference(ours[place], theirs[place], f"{name}.{place}")
    return f"{name}: {theirs!r} then, {ours!r} now"


class _Run:
    """One training on its way."""

    def __init__(self, card: Card, folder: Path, steps: int, threads: int, checkpoint_every: int) -> None:
        self.card, self.folder, self.steps = card, folder, steps
        self._begun = time.perf_counter() - card.seconds
        self._checkpoint_every, self._saved = checkpoint_every, card.steps
        self._curve = LearningCurve(card, steps, threads)

    def learn(self, model: "BaseAlgorithm", progress: Callable[[int, int], None] | None) -> Card:
        """Train to the number of steps, and save the model.

        Raises
        ------
        TrainingInterrupted
            On Ctrl-C, after a checkpoint.
        """
        from adsim.envs.stable_baselines import Hooks

        refill = self._refill(model)

        def between(model: "BaseAlgorithm") -> None:
            refill(model.num_timesteps)
            self._between(model)

        hooks = Hooks(lambda done: progress(min(done, self.steps), self.steps) if progress else None, between)
        try:
            left = self.steps - self.card.steps
            model.learn(left, callback=hooks, reset_num_timesteps=self.card.steps == 0)
            self._curve.add(model, self._seconds)
            return self._save(model, self.folder / "model.zip")
        except KeyboardInterrupt:
            raise TrainingInterrupted(self._rescue(model)) from None
        finally:
            self._curve.close()

    def scripted(self) -> pd.DataFrame:
        """Runs of the scripted agents on the validation seeds."""
        return self._curve.scripted

    def _refill(self, model: Any) -> Callable[[int], None]:
        """Let a resumed model with an empty replay buffer act, but not learn, until it is filled as at the start."""
        if self.card.steps == 0 or not hasattr(model, "replay_buffer"):
            return lambda done: None
        updates, model.gradient_steps = model.gradient_steps, 0
        filled = self.card.steps + model.learning_starts

        def refill(done: int) -> None:
            if done >= filled:
                model.gradient_steps = updates

        return refill

    def _between(self, model: "BaseAlgorithm") -> None:
        """Validate and save when it is time; the model is at rest."""
        if self._curve.is_due(model.num_timesteps):
            self._curve.add(model, self._seconds)
        if model.num_timesteps >= self._saved + self._checkpoint_every:
            self._checkpoint(model)

    def _seconds(self) -> float:
        return time.perf_counter() - self._begun

    def _checkpoint(self, model: "BaseAlgorithm") -> Path:
        path = self.folder / "checkpoints" / f"step-{model.num_timesteps}.zip"
        self._save(model, path)
        for old in checkpoints(self.folder)[:-KEPT_CHECKPOINTS]:
            old.unlink()
            old.with_suffix(".json").unlink(missing_ok=True)
        return path

    def _save(self, model: "BaseAlgorithm", path: Path) -> Card:
        card = self.card.model_copy(update={"curve": self._curve.rows, "seconds": self._seconds()})
        written = save_model(model, card, path)
        self._saved = written.steps
        return written

    def _rescue(self, model: "BaseAlgorithm") -> str:
        """Save what there is, and say how to go on."""
        done = model.num_timesteps
        if done == 0:
            return "interrupted before the first step; nothing was saved."
        if done > self._saved:
            self._checkpoint(model)
        return f"interrupted after {done:,} steps, saved in {self.folder}. The same command with --resume goes on."


def first_market(seed: int, done: int) -> int:
    """The seed of the first training market, far from small ones; others for what is resumed."""
    return int(np.random.default_rng([seed, done]).integers(2**40, 2**62))


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Small networks are faster on one thread, and give the same bits everywhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
