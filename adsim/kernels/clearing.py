"""Storage for one tile of auctions."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from adsim.kernels.auction import UNCAPPED, Array, Candidates, Ranking, Rule


def make_rule(
    exposure: Array,
    reserve: float,
    beta: float,
    *,
    plain: bool,
    ad_share: float,
    sell_at_reserve: bool,
    dtype: DTypeLike,
) -> Rule:
    """The auction's parameters, typed."""
    kind: Any = np.dtype(dtype).type
    reserve += 0.0  # -0.0 would rank below every key
    below = np.nextafter(kind(reserve), kind(-1)) if reserve > 0 else kind(-0.5)
    return Rule(
        slots=len(exposure),
        plain=plain,
        reserve=kind(reserve),
        below_reserve=below,
        below_zero=kind(-0.5),
        zero=kind(0),
        absent=kind(-1),
        beta=kind(beta),
        exposure=np.append(exposure, 0).astype(kind),
        ad_share=ad_share,
        sell_at_reserve=sell_at_reserve,
    )


def make_ranking(slots: int, candidates: int, width: int, dtype: DTypeLike) -> Ranking:
    """Room for a mechanism's results and scratch."""
    return Ranking(
        winner=np.full((slots + 1, width), -1, np.int32),
        score=np.zeros((slots + 1, width), dtype),
        price=np.zeros((slots, width), dtype),
        scores=np.zeros((candidates, width), dtype),
        ones=np.ones(candidates, dtype),
        uncapped=np.full(candidates, UNCAPPED, dtype),
        keys=np.zeros((max(4, slots + 2), width), np.int64),
        high=np.zeros(width, np.int64),
        low=np.zeros(width, np.int64),
        entry=np.zeros(width, dtype),
        offset=np.zeros(width, dtype),
        weight=np.ones(width, dtype),
        ceiling=np.zeros(width, dtype),
        held_winner=np.zeros((slots, width), np.int32),
        held_price=np.zeros((slots, width), dtype),
    )


def make_candidates(candidates: int, width: int, dtype: DTypeLike) -> Candidates:
    """Uniform bidders without constraints, quality 1 and no user experience."""
    return Candidates(
        value=np.zeros((candidates, width), dtype),
        rate=np.ones((candidates, width), dtype),
        quality=np.ones((candidates, width), dtype),
        experience=np.zeros((candidates, width), dtype),
        liquid=np.zeros((candidates, width), dtype),
        multiplier=np.ones(candidates, dtype),
        cap=np.full(candidates, UNCAPPED, dtype),
        liquid_rate=np.ones(candidates, dtype),
    )
