"""`adsim/Bidding-v0`: one campaign under control, the others played by their scenario's agents; a step is a tick."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.envs.engine import SPAN, Engine
from adsim.envs.features import HIGH, LOW, NAMES
from adsim.envs.info import describe
from adsim.envs.lockstep import LockstepEnv, Observations, Space
from adsim.envs.recording import Recording
from adsim.errors import EnvError
from adsim.market.scenario import Scenario
from adsim.types import Floats

RENDER_MODES = ("rgb_array", "human")


def spaces() -> tuple[Space, Space]:
    """The boxes of observations and actions of one campaign."""
    return gymnasium.spaces.Box(LOW, HIGH, dtype=np.float32), gymnasium.spaces.Box(-1, 1, (1,), np.float32)


class Bidders:
    """The one controlled campaign of each market of an engine, see `adsim.envs.lockstep.Lockstep`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def over(self) -> bool:
        """Whether the episodes have ended."""
        return self.engine.over

    def reset(self, seeds: NDArray[np.uint64], options: dict[str, Any]) -> Observations:
        """Begin episodes; observations (E, F)."""
        self.engine.reset(seeds)
        return self.engine.seats.observation[:, 0].copy()

    def step(self, actions: ArrayLike) -> tuple[Observations, Floats]:
        """Play a tick by actions (E, 1): observations (E, F) and rewards (E,)."""
        self.engine.step(actions)
        seats = self.engine.seats
        return seats.observation[:, 0].copy(), seats.reward[:, 0].copy()

    def info(self) -> dict[str, NDArray[Any]]:
        """Arrays (E,) by name, see `adsim.envs.info`."""
        return {name: field[:, 0] for name, field in describe(self.engine).items()}


class BiddingEnv(LockstepEnv):
    """One campaign bids in a scenario's market.

    The action, in [-1, 1], moves the log-multiplier: that of the last tick, at first the reference, is multiplied by
    ``span**action`` and kept between ``reference / span`` and ``reference * span``. The campaign bids it times the
    predicted value of each opportunity of the coming tick. The reference is 1 / target ROI, or 1 without a target.
    Actions beyond are clipped, and counted in ``info["clipped_actions"]``.

    Observations are the features of `adsim.envs.features`. The reward is the value won in the tick (less spend, for a
    utility maximizer); when the campaign's period is over, a correction makes the return `adsim.envs.score.score`.
    Episodes end (``terminated``) with the scenario's last tick. ``info`` is described in `adsim.envs.info`.

    ``reset(seed=s)`` begins in the market of seed s, the one of ``adsim.Market(scenario, s)``; later resets without a
    seed go on to markets that follow from it.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Name of a shipped scenario, a TOML file, its tables, or a scenario.
    campaign : int or str
        Which to control, by index or name.
    span : float
        Multipliers reach from ``reference / span`` to ``reference * span``.
    render_mode : {"rgb_array", "human"}, optional
        Draw spend, ROI, multiplier and price to beat, see `adsim.envs.rendering`.

    Raises
    ------
    EnvError
        For a scenario without that campaign, and in `step` before `reset`, after the end, for an action of another
        shape or that is not a number.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": list(RENDER_MODES),
        "render_fps": 8,
    }

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario = "target_cpa",
        campaign: int | str = 0,
        *,
        span: float = SPAN,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *RENDER_MODES):
            raise EnvError(f"render_mode = {render_mode!r}: must be one of {', '.join(RENDER_MODES)}.")
        self.engine = Engine(scenario, [campaign], span=span)
        super().__init__(Bidders(self.engine), spaces())
        self.render_mode = render_mode
        self.feature_names = NAMES
        self._recording = Recording(self.engine) if render_mode else None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        begun = super().reset(seed=seed, options=options)
        if self._recording:
            self._recording.begin()
            self._show()
        return begun

    def step(self, action: Observations) -> tuple[Observations, float, bool, bool, dict[str, Any]]:
        """Play a tick; see `gymnasium.Env.step`."""
        played = super().step(action)
        if self._recording:
            self._recording.add()
            self._show()
        return played

    def render(self) -> NDArray[np.uint8] | None:
        """The episode so far as a picture, (height, width, 3), in mode rgb_array; see `gymnasium.Env.render`."""
        if self._recording is None:
            gymnasium.logger.warn("render() without render_mode: give one to make, such as 'rgb_array'.")
            return None
        return self._recording.picture() if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._recording:
            self._recording.close()

    def _show(self) -> None:
        if self._recording and self.render_mode == "human":
            self._recording.show()
