"""What learned offline bidders have in common, whatever network they hold."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from adsim.types import Constraints, Totals


@runtime_checkable
class OfflineBidder(Protocol):
    """Bids for E campaigns side by side, one in each of E markets, a tick at a time."""

    def begin(self, own: Constraints) -> None:
        """Take the campaigns' constraints, arrays (E,), before the first tick of a period."""

    def act(self, observation: NDArray[np.float32], totals: Totals) -> NDArray[np.float32]:
        """Levels for the coming tick, in [-1, 1], (E,); see `adsim.experiments.offline.trajectories.Trajectories`.

        Parameters
        ----------
        observation : array (E, F)
            Features of `adsim.envs.features`.
        totals : Totals
            The campaigns' ledgers since the period began; arrays (E,).
        """
