"""Trained bidders as files: Stable-Baselines3's own zip, and beside it a JSON that says how it was trained.

Loading never unpickles: the algorithm is built anew from the JSON, and from the zip come tensors alone
(``torch.load(weights_only=True)``), once its SHA-256 is the one that the JSON states. Stable-Baselines3 can load the
zip as well, by its own rules.
"""

import hashlib
import io
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from adsim.envs.features import FEATURES
from adsim.errors import AdsimError, OutputError
from adsim.market.scenario import Scenario, read_scenario

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

FORMAT, VERSION = "adsim model", 1
ALGORITHMS = {"ppo": "PPO", "sac": "SAC", "td3": "TD3"}
PACKAGES = ("adsim", "numpy", "numba", "torch", "stable-baselines3", "gymnasium")
OF_POLICY = ("net_arch", "log_std_init")
"""Settings that SB3 takes as ``policy_kwargs``; so is ``activation``."""
ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "elu": "ELU", "silu": "SiLU"}
IDLE = {"ppo": {"n_steps": 2, "batch_size": 2}, "sac": {"buffer_size": 1}, "td3": {"buffer_size": 1}}
"""Settings of a model that only predicts: no room for what it would learn from."""


class FeatureRange(BaseModel):
    """A number of the observation."""

    name: str
    low: float
    high: float


class Card(BaseModel):
    """How a model was trained; the JSON beside the zip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["adsim model"] = "adsim model"
    version: Literal[1] = 1
    algorithm: Literal["ppo", "sac", "td3"]
    settings: dict[str, JsonValue]
    """Everything that the algorithm and its policy were made with, see `build`."""
    scenario: dict[str, JsonValue]
    campaign: int
    campaign_name: str
    span: float
    reward: Literal["normalised", "plain"]
    features: list[FeatureRange]
    envs: int
    seed: int
    steps: int = 0
    """Environment steps done: ticks times episodes."""
    updates: int = 0
    seconds: float = 0.0
    """That training took."""
    curve: list[dict[str, float | None]] = []
    """Rows of the learning curve."""
    versions: dict[str, str] = {}
    sha256: str = ""
    """Of the zip."""

    @property
    def market(self) -> Scenario:
        """The scenario it was trained on."""
        return read_scenario(self.scenario, "the model's scenario")


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
    try:
        import_module("stable_baselines3")
    except ImportError:
        raise AdsimError(f"adsim {command} needs the extra rl: pip install 'adsim[rl]'.") from None


def current_features() -> list[FeatureRange]:
    """The observation as this version has it."""
    return [FeatureRange(name=each.name, low=each.low, high=each.high) for each in FEATURES]


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
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adsim-", dir=path.parent) as staging:
            whole = Path(staging, "model.zip")
            model.save(whole)
            steps, updates = int(model.num_timesteps), int(getattr(model, "_n_updates", 0))
            facts = {
                "steps": steps,
                "updates": updates,
                "versions": versions,
                "sha256": hashlib.sha256(whole.read_bytes()).hexdigest(),
            }
            written = card.model_copy(update=facts)
            text = json.dumps(written.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
            Path(staging, "model.json").write_text(text, encoding="utf-8")
            whole.replace(path)
            Path(staging, "model.json").replace(path.with_suffix(".json"))
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise OutputError(f"{path}: the model cannot be written there ({reason}). Name another folder.") from None
    return written


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
    card = read_card(file)
    check_features(card, file)
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise AdsimError(
            f"{file}: changed since it was saved: its SHA-256 is not the one in {file.with_suffix('.json').name}. "
            "Copy both again, or load a checkpoint."
        )
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
    beside = file.with_suffix(".json")
    if not beside.is_file():
        raise AdsimError(
            f"{beside}: missing. adsim loads models that adsim train saved, a .zip and a .json together."
        )
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise AdsimError(f"{beside}: not JSON. Copy the .zip and the .json again, together.") from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise AdsimError(f"{beside}: no '{FORMAT}'. adsim loads models that adsim train saved, and no others.")
    if facts.get("version") != VERSION:
        raise AdsimError(
            f"{beside}: version {facts.get('version')!r} of the format, and this adsim reads {VERSION}. "
            "Load it with the adsim that wrote it, or train again."
        )
    try:
        return Card.model_validate(facts)
    except ValidationError as error:
        raise AdsimError(f"{beside}: {complaint(error)}. Copy the .zip and the .json again, together.") from None


def complaint(error: ValidationError) -> str:
    """Where the first fault of a card is, and which."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def check_features(card: Card, file: Path) -> None:
    """Refuse a model that was trained on another observation.

    Raises
    ------
    AdsimError
        Naming the features that differ.
    """
    difference = features_that_differ(card.features)
    if difference:
        raise AdsimError(f"{file}: trained on other features ({difference}). Train it again.")


def features_that_differ(features: Sequence[FeatureRange]) -> str:
    """What an observation and this version's do not have in common, in words; empty where they are the same."""
    ours, theirs = ({each.name: (each.low, each.high) for each in side} for side in (current_features(), features))
    if list(ours.items()) == list(theirs.items()):
        return ""
    parts = {
        "unknown here": [name for name in theirs if name not in ours],
        "missing there": [name for name in ours if name not in theirs],
        "of another range": [name for name in ours if name in theirs and ours[name] != theirs[name]],
    }
    words = [f"{what}: {', '.join(names)}" for what, names in parts.items() if names]
    return "; ".join(words or ["in another order"])


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
