"""Second price: one slot, the winner pays the least bid that still wins."""

from adsim.mechanisms.base import Mechanism
from adsim.mechanisms.generalized_second_price import clear_tile


class SecondPrice(Mechanism):
    """The winner pays ``(s_(2) - beta u_i) / q_i`` (Vickrey 1961): GSP with one slot, and truthful."""

    name = "second_price"
    summary = "one slot; pay the least bid that still wins"
    clear_tile = staticmethod(clear_tile)
    single_slot = True
    pays_next_score = True
    keeps_at_reserve = True
