"""Trained bidders as files: Stable-Baselines3's own zip, and beside it a JSON that says how it was trained.

Loading never unpickles: the algorithm is built anew from the JSON, and from the zip come tensors alone
(``torch.load(weights_only=True)``), once its SHA-256 is the one that the JSON states. Stable-Baselines3 can load the
zip as well, by its own rules.
"""

import io
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from adsim.errors import AdsimError
from adsim.experiments.training.cards import BaseCard, read_card_of, read_model, require, write_model

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

ALGORITHMS = {"ppo": "PPO", "sac": "SAC", "td3": "TD3"}
PACKAGES = ("adsim", "numpy", "numba", "torch", "stable-baselines3", "gymnasium")
OF_POLICY = ("net_arch", "log_std_init")
"""Settings that SB3 takes as ``policy_kwargs``; so is ``activation``."""
ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "elu": "ELU", "silu": "SiLU"}
IDLE = {"ppo": {"n_steps": 2, "batch_size": 2}, "sac": {"buffer_size": 1}, "td3": {"buffer_size": 1}}
"""Settings of a model that only predicts: no room for what it would learn from."""


class Card(BaseCard):
    """How a model was trained; the JSON beside the zip."""

    algorithm: Literal["ppo", "sac", "td3"]
    campaign: int
    campaign_name: str
    reward: Literal["normalised", "plain"]
    envs: int
    updates: int = 0


class Trained(NamedTuple):
    """A model, how it was trained, and the file it came from."""

    model: "BaseAlgorithm"
    card: Card
    path: Path


def require_rl(command: str) -> None:
    """Say what to install where the extra is missing.

    Raises
    ------
    AdsimError
        When it is.
    """
    require("rl", "stable_baselines3", command)


def build(card: Card, env: "VecEnv | None" = None, *, seed: int | None = None) -> "BaseAlgorithm":
    """An untrained model as the card describes it; without an environment, one that only predicts.

    Settings are the keywords of SB3's algorithm, and some that travel as JSON: net_arch and log_std_init of the
    policy; activation by name; action_noise, the standard deviation of Gaussian noise; anneal, whether the learning
    rate falls linearly to 0 over the steps that were asked for; peers of `adsim.envs.stable_baselines.BiddingVecEnv`.

    Raises
    ------
    AdsimError
        When SB3 does not take the settings.
    """
    import torch

    settings: dict[str, Any] = {**card.settings, **({} if env else IDLE[card.algorithm])}
    settings.pop("peers", None)  # for the environment
    policy: dict[str, Any] = {name: settings.pop(name) for name in OF_POLICY if name in settings}
    if "activation" in settings:
        policy["activation_fn"] = getattr(torch.nn, ACTIVATIONS[settings.pop("activation")])
    if settings.get("action_noise") is not None:
        settings["action_noise"] = _noise(float(settings["action_noise"]))
    if settings.pop("anneal", False):
        settings["learning_rate"] = _Falling(float(settings["learning_rate"]))
    algorithm = getattr(import_module("stable_baselines3"), ALGORITHMS[card.algorithm])
    try:
        model: BaseAlgorithm = algorithm(
            "MlpPolicy", env or _spaces_alone(), policy_kwargs=policy, seed=seed, device="cpu", **settings
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise AdsimError(f"{card.algorithm}: {' '.join(str(error).split())}") from None
    return model


class _Falling:
    """A learning rate that falls linearly to 0."""

    def __init__(self, start: float) -> None:
        self.start = start

    def __call__(self, left: float) -> float:
        return self.start * left


def _noise(sigma: float) -> Any:
    import numpy as np
    from stable_baselines3.common.noise import NormalActionNoise

    return NormalActionNoise(np.zeros(1), np.full(1, sigma))


def _spaces_alone() -> Any:
    """An environment that knows its spaces and nothing else."""
    import gymnasium

    from adsim.envs.bidding import spaces

    env: gymnasium.Env[Any, Any] = gymnasium.Env()
    env.observation_space, env.action_space = spaces()
    return env


def save_model(model: "BaseAlgorithm", card: Card, path: Path) -> Card:
    """Write ``path`` (.zip) and the JSON beside it; each appears whole or not at all.

    Returns
    -------
    Card
        As written: with steps, updates, versions and SHA-256.

    Raises
    ------
    OutputError
        When a file can't be written.
    """
    facts = {"steps": int(model.num_timesteps), "updates": int(getattr(model, "_n_updates", 0))}
    return write_model(card, path, model.save, PACKAGES, facts)


def load_model(path: str | Path, env: "VecEnv | None" = None, *, seed: int | None = None) -> Trained:
    """A model that `save_model` wrote; without an environment, one that only predicts.

    Parameters
    ----------
    path : str or Path
        The zip, or a folder with ``model.zip``.
    env : VecEnv, optional
        To train on; the optimisers' state is loaded too.
    seed : int, optional
        Of the training to come.

    Raises
    ------
    AdsimError
        For a file that is missing, that `save_model` did not write, or whose observation is not this version's.
    """
    file = find_model(path)
    card, content = read_model(Card, file)
    model = build(card, env, seed=seed)
    _fill(model, _tensors(content, file), file)
    model.num_timesteps = card.steps
    if hasattr(model, "_n_updates"):
        model._n_updates = card.updates
    return Trained(model, card, file)


def find_model(path: str | Path) -> Path:
    """The zip that a path stands for.

    Raises
    ------
    AdsimError
        When there is none.
    """
    place = Path(path)
    if place.is_dir():
        if (place / "model.zip").is_file():
            return place / "model.zip"
        steps = checkpoints(place)
        if steps:
            raise AdsimError(
                f"{place}: training was interrupted. Go on with adsim train --resume, or name a checkpoint, such as "
                f"{steps[-1]}."
            )
        raise AdsimError(f"{place}: no model.zip in this folder. Name one that adsim train wrote.")
    if place.suffix == ".json":
        place = place.with_suffix(".zip")
    if not place.is_file():
        raise AdsimError(f"{place}: no such file. Name a folder or .zip that adsim train wrote.")
    return place


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a training, the oldest first."""
    found = [file for file in (folder / "checkpoints").glob("step-*.zip") if file.stem[5:].isdigit()]
    return sorted(found, key=lambda file: int(file.stem[5:]))


def read_card(file: Path) -> Card:
    """The JSON beside a zip.

    Raises
    ------
    AdsimError
        When it is missing or says something else.
    """
    return read_card_of(Card, file)


def _tensors(content: bytes, file: Path) -> dict[str, Any]:
    """What the ``.pth`` members of a zip hold, by name; nothing else is read."""
    import torch

    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                if member.endswith(".pth"):
                    with archive.open(member) as stream:
                        found[member[:-4]] = torch.load(stream, map_location="cpu", weights_only=True)
    except Exception:  # whatever a file that is something else makes of zipfile and torch
        raise AdsimError(f"{file}: not a zip of tensors, as Stable-Baselines3 saves them. Train again.") from None
    return found


def _fill(model: "BaseAlgorithm", tensors: Mapping[str, Any], file: Path) -> None:
    """Set parameters, optimisers' state and single variables."""
    states, variables = model._get_torch_save_params()
    try:
        model.set_parameters({name: tensors[name] for name in states}, exact_match=True, device="cpu")
        for name in variables:
            getattr(model, name).data.copy_(tensors["pytorch_variables"][name].data)
    except (KeyError, ValueError, RuntimeError, TypeError, AttributeError):
        raise AdsimError(
            f"{file}: its parameters are not those of the model that {file.with_suffix('.json').name} describes. "
            "Copy both again, or train again."
        ) from None
