"""Environments: train bidders on adsim's markets through Gymnasium and PettingZoo.

>>> import adsim, gymnasium
>>> env = gymnasium.make("adsim/Bidding-v0", scenario="quickstart", campaign=3)
>>> envs = gymnasium.make_vec("adsim/Bidding-v0", num_envs=4, vectorization_mode="vector_entry_point")
"""

from typing import Any

from gymnasium.envs.registration import register, registry


def parallel_env(*args: Any, **kwargs: Any) -> Any:
    """PettingZoo's view of a market, see `adsim.envs.parallel.BiddingParallelEnv`."""
    from adsim.envs.parallel import BiddingParallelEnv

    return BiddingParallelEnv(*args, **kwargs)


for _name, _module in (("Bidding", "bidding"), ("Impression", "impression")):
    if f"adsim/{_name}-v0" not in registry:
        register(
            f"adsim/{_name}-v0",
            entry_point=f"adsim.envs.{_module}:{_name}Env",
            vector_entry_point=f"adsim.envs.{_module if _module == 'impression' else 'vector'}:{_name}VectorEnv",
        )
