"""The native vector environment: all environments step in one compiled call."""

from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from adsim.envs.bidding import Bidders, spaces
from adsim.envs.engine import SPAN, Engine
from adsim.envs.features import NAMES
from adsim.envs.lockstep import LockstepVectorEnv
from adsim.market.scenario import Scenario


class BiddingVectorEnv(LockstepVectorEnv):
    """Many `BiddingEnv`, with the same numbers for the same seeds; all episodes begin and end together.

    Parameters
    ----------
    num_envs : int
        How many.
    scenario, campaign, span
        See `adsim.envs.bidding.BiddingEnv`.
    threads : int
        How many share the environments; results do not depend on it.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
        NextStep, SameStep or Disabled, by Gymnasium's rules.

    Raises
    ------
    EnvError
        As `BiddingEnv`; also for a partial ``reset_mask``, since all episodes end together.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "target_cpa",
        campaign: int | str = 0,
        *,
        span: float = SPAN,
        threads: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.engine = Engine(scenario, [campaign], markets=num_envs, span=span, threads=threads)
        super().__init__(Bidders(self.engine), num_envs, spaces(), autoreset_mode)
        self.feature_names = NAMES

    def close_extras(self, **kwargs: Any) -> None:
        """Let the threads go."""
        self.engine.close()
