"""Which campaigns' seats are taken."""

from collections.abc import Sequence

import numpy as np

from adsim.envs.engine import find_campaigns
from adsim.errors import AdsimError
from adsim.market.scenario import Scenario


def find_seats(scenario: Scenario, seats: int | Sequence[int | str]) -> list[int]:
    """Indices of campaigns given by index or name; or of so many, evenly spread over all.

    Raises
    ------
    AdsimError
        When the scenario has no such campaign, or not so many.
    """
    if not isinstance(seats, int | np.integer):
        return find_campaigns(scenario, list(seats))
    if not 1 <= seats <= scenario.size:
        raise AdsimError(f"seats = {seats}: must be from 1 to the {scenario.size} campaigns of '{scenario.name}'.")
    return [place * scenario.size // int(seats) for place in range(int(seats))]
