"""Trajectories as a Minari dataset, for libraries of offline reinforcement learning.

Minari (Younis et al. 2024) is the Farama Foundation's format; episodes are kept as Arrow files.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from adsim.envs.bidding import spaces
from adsim.envs.engine import SPAN
from adsim.errors import AdsimError
from adsim.experiments.offline.trajectories import Trajectories, shortfalls, to_go
from adsim.market.scenario import Scenario
from adsim.types import Floats

DATASET = "bidding-v0"
"""Identifier within its folder."""


def require_minari() -> None:
    """Say what to install where the extra is missing.

    Raises
    ------
    AdsimError
        When it is.
    """
    try:
        import_module("minari")
    except ImportError:
        raise AdsimError("a Minari dataset needs the extra offline: pip install 'adsim[offline]'.") from None


def write_dataset(folder: Path, trajectories: Trajectories, scenario: Scenario, *, span: float = SPAN) -> None:
    """Write the Minari dataset ``bidding-v0``, an episode per trajectory, to a folder that has none.

    Observations, actions and rewards are those of `adsim/Bidding-v0`, from which the market can be made again:
    ``dataset.recover_environment(campaign=c)`` and ``reset(seed=s)`` with the campaign and the seed that the metadata
    of an episode say, where agents have not wandered and budgets are the scenario's. Entry t of an info belongs to
    observation t, so that there is one more than rewards:

    - as in the environment, value and spend so far, budget_left, and cost, 0 but in the end: the relative shortfall
      from the target ROI;
    - return_to_go, value_to_go and spend_to_go, 0 in the end;
    - budget, target_roi and value_per_conversion, always the same.

    Parameters
    ----------
    folder : Path
        What `minari` calls its root: its environment variable MINARI_DATASETS_PATH names it when loading.
    trajectories : Trajectories
    scenario : Scenario
        They were recorded in.
    span : float
        Of the actions, see `adsim.envs.engine.Engine`.

    Raises
    ------
    AdsimError
        Without Minari.
    """
    require_minari()
    import minari

    observed, acts = spaces()
    env = gymnasium.make("adsim/Bidding-v0", scenario=scenario.model_dump(mode="json"), span=span)
    with _root(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`.*` is set to None", UserWarning)
        dataset = minari.create_dataset_from_buffers(
            DATASET,
            [],
            env=env,
            eval_env=env,
            observation_space=observed,
            action_space=acts,
            algorithm_name=", ".join(dict.fromkeys(trajectories.agent.tolist())),
            description=f"Campaigns of the adsim scenario {scenario.name}, a period per episode.",
            requirements=[f"adsim=={version('adsim')}"],
            data_format="arrow",
        )
    env.close()
    facts = zip(trajectories.campaign.tolist(), trajectories.agent.tolist(), strict=True)
    storage = dataset.storage
    with _unmeasured(storage):
        storage.update_episodes(_episodes(trajectories))
        storage.update_episode_metadata([{"campaign": n, "agent": agent} for n, agent in facts])
    storage.update_metadata({"dataset_size": storage.get_size()})


@contextmanager
def _unmeasured(storage: Any) -> Iterator[None]:
    """Spare Minari from measuring the whole folder after each of thousands of episodes."""
    storage.get_size = lambda: 0.0
    try:
        yield
    finally:
        del storage.get_size


@contextmanager
def _root(folder: Path) -> Iterator[None]:
    """Let Minari write to a folder."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(folder)
    try:
        yield
    finally:
        del os.environ["MINARI_DATASETS_PATH"]
        if before is not None:
            os.environ["MINARI_DATASETS_PATH"] = before


def _episodes(found: Trajectories) -> Iterator[Any]:
    """Minari's buffers."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    infos = _infos(found)
    count, ticks = found.action.shape
    terminations = np.arange(ticks) == ticks - 1
    for e in range(count):
        yield EpisodeBuffer(
            id=e,
            seed=int(found.seed[e]),
            observations=found.observation[e],
            actions=found.action[e, :, None],
            rewards=found.reward[e],
            terminations=terminations,
            truncations=np.zeros(ticks, np.bool_),
            infos={name: info[e].tolist() for name, info in infos.items()},
        )


def _infos(found: Trajectories) -> dict[str, Floats]:
    """By name, (E, T + 1)."""
    zero = np.zeros((found.action.shape[0], 1))
    value, spend = (np.hstack([zero, np.cumsum(each, axis=1)]) for each in (found.value, found.spend))
    cost = np.zeros_like(value)
    cost[:, -1] = shortfalls(found)
    ahead = {"return_to_go": found.reward, "value_to_go": found.value, "spend_to_go": found.spend}
    constants = ("budget", "target_roi", "value_per_conversion")
    return {
        "value": value,
        "spend": spend,
        "budget_left": found.budget[:, None] - spend,
        "cost": cost,
        **{name: np.hstack([to_go(amounts), zero]) for name, amounts in ahead.items()},
        **{name: np.broadcast_to(getattr(found, name)[:, None], value.shape) for name in constants},
    }
