"""Environments: train bidders on adsim's markets through Gymnasium and PettingZoo.

>>> import adsim, gymnasium
>>> env = gymnasium.make("adsim/Bidding-v0", scenario="quickstart", campaign=3)
>>> envs = gymnasium.make_vec("adsim/Bidding-v0", num_envs=4, vectorization_mode="vector_entry_point")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gymnasium.envs.registration import register, registry

if TYPE_CHECKING:
    from adsim.envs.parallel import BiddingParallelEnv
    from adsim.market.scenario import Scenario


def parallel_env(
    scenario: "str | Path | Scenario" = "target_cpa",
    campaigns: Sequence[int | str] | int | str | None = None,
    *,
    span: float = 10.0,
) -> "BiddingParallelEnv":
    """PettingZoo's view of a market, see `adsim.envs.parallel.BiddingParallelEnv`.

    >>> env = parallel_env("quickstart", campaigns=["shop-1", "shop-2"])
    >>> env.possible_agents
    ['shop-1', 'shop-2']
    """
    from adsim.envs.parallel import BiddingParallelEnv

    return BiddingParallelEnv(scenario, campaigns, span=span)


for _name, _vector in (("Bidding", "vector"), ("Impression", "impression")):
    if f"adsim/{_name}-v0" not in registry:
        register(
            f"adsim/{_name}-v0",
            entry_point=f"adsim.envs.{_name.lower()}:{_name}Env",
            vector_entry_point=f"adsim.envs.{_vector}:{_name}VectorEnv",
        )
