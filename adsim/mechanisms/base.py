"""What every mechanism declares."""

from abc import ABC
from typing import Any, ClassVar


class Mechanism(ABC):
    """A rule that ranks candidates, fills the slots and prices each winner.

    Attributes
    ----------
    name : str
        As users write it.
    summary : str
        One line for lists.
    clear_tile : callable
        The compiled rule, ``clear_tile(candidates, rule, ranking, origin, start, stop)``: fills rows 0 to K - 1
        of ``ranking.winner`` and ``ranking.price`` for opportunities ``start`` to ``stop`` of a tile whose first
        opportunity is number ``origin`` of the period, and leaves the scores by rank in ``ranking.score``.
    single_slot : bool
        Sells one slot only.
    bids_may_be_negative : bool
        A stock dual may push bids below zero.
    pays_liquid_value : bool
        The winner pays its own liquid value, whatever it bids; every campaign needs a target ROI.
    pays_next_score : bool
        With one slot, plain bids and a single campaign, the price is the posted bid to beat.
    keeps_at_reserve : bool
        Knows what to do where no slot is to be sold at the reserve (``sell_at_reserve = false``).
    needs_experience : bool
        Ranks by user-experience scores.
    scored : bool
        Needs the tile of scores even where scores are the bids.
    default_agent : str
        The bidder that knows this mechanism's payment rule best.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    clear_tile: ClassVar[Any]
    single_slot: ClassVar[bool] = False
    bids_may_be_negative: ClassVar[bool] = False
    pays_liquid_value: ClassVar[bool] = False
    pays_next_score: ClassVar[bool] = False
    keeps_at_reserve: ClassVar[bool] = False
    needs_experience: ClassVar[bool] = False
    scored: ClassVar[bool] = False
    default_agent: ClassVar[str] = "feedback"
