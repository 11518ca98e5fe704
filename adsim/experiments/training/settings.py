"""What the algorithms of a training are made with, unless told otherwise."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from adsim.errors import UnknownName
from adsim.experiments.training.models import ACTIVATIONS, ALGORITHMS

DEFAULTS: dict[str, dict[str, Any]] = {
    "ppo": {
        "peers": None,  # 8, or what else divides the environments
        "learning_rate": 7e-4,
        "anneal": True,
        "n_steps": None,  # the scenario's ticks: rollouts are whole episodes
        "batch_size": None,  # an eighth of a rollout
        "n_epochs": 6,
        "gamma": 1.0,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "ent_coef": 0.0,
        "vf_coef": 0.5,
        "max_grad_norm": 0.5,
        "net_arch": [64, 64],
        "activation": "tanh",
        "log_std_init": -2.0,
    },
    "sac": {
        "learning_rate": 3e-4,
        "anneal": False,
        "buffer_size": 300_000,
        "learning_starts": None,  # an episode in every environment
        "batch_size": 256,
        "gamma": 0.999,
        "tau": 0.005,
        "train_freq": 1,
        "gradient_steps": 32,
        "ent_coef": "auto_0.01",
        "net_arch": [64, 64],
        "activation": "relu",
    },
    "td3": {
        "learning_rate": 3e-4,
        "anneal": False,
        "buffer_size": 300_000,
        "learning_starts": None,
        "batch_size": 256,
        "gamma": 0.999,
        "tau": 0.005,
        "train_freq": 1,
        "gradient_steps": 32,
        "action_noise": 0.05,
        "net_arch": [64, 64],
        "activation": "relu",
    },
}
"""What the algorithms are made with, see `adsim.experiments.training.models.build`; None is filled in from the
scenario."""


def resolve(algorithm: str, settings: Mapping[str, Any], ticks: int, envs: int) -> dict[str, Any]:
    """All settings of an algorithm: the given ones over `DEFAULTS`.

    Raises
    ------
    UnknownName
        For a setting that the algorithm does not take, or an activation that is not known.
    """
    made = {**DEFAULTS[algorithm], **settings}
    known = {*DEFAULTS[algorithm], *_keywords(algorithm)}
    for name in settings:
        if name not in known:
            raise UnknownName(f"setting of {algorithm}", name, known)
    if made["activation"] not in ACTIVATIONS:
        raise UnknownName("activation", str(made["activation"]), ACTIVATIONS)
    if algorithm == "ppo":
        made["peers"] = made["peers"] or max(n for n in range(1, 9) if envs % n == 0 and (n == 1 or envs >= 2 * n))
        made["n_steps"] = made["n_steps"] or ticks
        rollout = int(made["n_steps"]) * envs
        made["batch_size"] = made["batch_size"] or rollout // max(n for n in range(1, 9) if rollout % n == 0)
    elif made["learning_starts"] is None:
        made["learning_starts"] = ticks * envs
    return made


def _keywords(algorithm: str) -> list[str]:
    """The keywords of SB3's algorithm whose values are plain."""
    made = getattr(import_module("stable_baselines3"), ALGORITHMS[algorithm])
    plain = (int, float, str, bool, type(None))
    ours = {"seed", "device", "verbose", "tensorboard_log", "policy_kwargs", "_init_setup_model"}
    parameters = inspect.signature(made).parameters.values()
    return [
        each.name
        for each in parameters
        if each.default is not each.empty
        and isinstance(each.default, plain)
        and each.name not in ours
        and not each.name.startswith(("rollout_buffer", "replay_buffer"))
    ]
