"""`adsim.clear`: a batch of auctions in one call."""

from collections.abc import Sequence
from functools import cache
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.errors import AuctionError
from adsim.kernels import tiles
from adsim.kernels.auction import Candidates
from adsim.kernels.clearing import make_candidates, make_ranking, make_rule
from adsim.kernels.jit import OPTIONS, jit
from adsim.mechanisms.base import Mechanism
from adsim.mechanisms.dispatch import NUMBERS, clear_tile
from adsim.types import Clearing

LARGEST = 1e29


def clear(
    bids: ArrayLike,
    mechanism: str = "second_price",
    exposure: Sequence[float] = (1.0,),
    reserve: float = 0.0,
    user_experience: ArrayLike | None = None,
    beta: float = 0.0,
    quality: ArrayLike | None = None,
    liquid_value: ArrayLike | None = None,
    ad_share: float = 0.3,
    sell_at_reserve: bool = True,
) -> Clearing:
    """Clear a batch of auctions.

    Parameters
    ----------
    bids : array (T, N), or tiles (tiles, N, B) from `adsim.to_tiles`
        Money per exposure. float32 is cleared as such, all else as float64. Tiles skip a transposition.
    mechanism : str
        `first_price`, `second_price`, `gsp`, `vcg`, `lpa`, `split`, or one that another package registers.
    exposure : sequence of K floats
        Probability that each slot is seen, in (0, 1], non-increasing; its length is the number of slots.
    reserve : float
        Least price per exposure; a lower bid does not compete.
    user_experience : array like ``bids``, or (N,)
        Score of showing a campaign, added to its auction score with weight ``beta``.
    beta : float
        Weight of user experience, at least 0.
    quality : array like ``bids``, or (N,)
        Weight of the bid in the score; positive.
    liquid_value : array like ``bids``, or (N,)
        Value / target ROI per exposure: what a winner of `lpa` pays.
    ad_share : float
        Share of slots that `split` sells as ads, in [0, 1].
    sell_at_reserve : bool
        False: `second_price` and `gsp` keep a slot whose price is the reserve, so that the last bidder goes without
        and a lone one gets nothing, as in AuctionNet's published code (Su et al. 2024, arXiv 2412.10798).

    Returns
    -------
    Clearing
        ``winners`` int32 and ``prices`` float64 per exposure, both (T, K), or (tiles, K, B) for tiles; an unsold
        slot has winner -1 and price 0. Ties go to the lower index.

    Raises
    ------
    AuctionError
        For NaN, infinite or negative numbers, shapes that do not fit, exposures that increase or leave (0, 1].
    UnknownName
        For a mechanism that is not registered.

    Examples
    --------
    >>> import adsim
    >>> clearing = adsim.clear([[3.0, 1.0, 2.0]], mechanism="gsp", exposure=(1.0, 0.5), reserve=0.1)
    >>> clearing.winners.tolist(), clearing.prices.tolist()
    ([[0, 2]], [[2.0, 1.0]])
    """
    rule_class: type[Mechanism] = registry.load("mechanisms", mechanism)
    least = -LARGEST if rule_class.bids_may_be_negative else 0.0
    rows = _floats("bids", bids)
    if rows.ndim not in (2, 3) or rows.size == 0:
        raise AuctionError(f"bids have shape {rows.shape}: must be (T, N) or (tiles, N, B), none of them 0.")
    slots = check_exposure(exposure)
    if rule_class.single_slot and len(slots) > 1:
        raise AuctionError(f"{mechanism} sells one slot, exposure has {len(slots)}: use gsp or vcg.")
    _within("reserve", reserve, 0.0, LARGEST)
    _within("beta", beta, 0.0, LARGEST)
    _within("ad_share", ad_share, 0.0, 1.0)
    if user_experience is None and (beta > 0 or rule_class.needs_experience):
        raise AuctionError("user_experience is missing: this mechanism or beta > 0 ranks by it.")
    if liquid_value is None and rule_class.pays_liquid_value:
        raise AuctionError(f"liquid_value is missing: it is what a winner of {mechanism} pays.")
    plain = quality is None and beta == 0 and not rule_class.scored
    if not (sell_at_reserve or rule_class.keeps_at_reserve):
        raise AuctionError(f"sell_at_reserve = False is for gsp and second_price, not {mechanism}.")
    extras = (
        _like(rows, "quality", quality, np.finfo(rows.dtype).tiny, 1.0),
        _like(rows, "user_experience", user_experience, -LARGEST, 0.0),
        _like(rows, "liquid_value", liquid_value, 0.0, 0.0),
    )
    rule = make_rule(
        slots, reserve, beta, plain=plain, ad_share=ad_share, sell_at_reserve=sell_at_reserve, dtype=rows.dtype
    )
    tiled = rows.ndim == 3
    candidates = rows.shape[1]
    width = rows.shape[2] if tiled else tiles.tile_width(candidates)
    room = (
        make_candidates(candidates, width, rows.dtype),
        make_ranking(len(slots), candidates, width, rows.dtype),
    )
    shape = (rows.shape[0], len(slots), width) if tiled else (rows.shape[0], len(slots))
    clearing = Clearing(np.empty(shape, np.int32), np.empty(shape, np.float64))
    bounds = rows.dtype.type(least), rows.dtype.type(LARGEST)
    if _loop(mechanism, tiled)(NUMBERS.get(mechanism, -1), rows, *extras, *room, rule, *clearing, *bounds):
        _refuse_outside("bids", rows, least)
    return clearing


def to_tiles(bids: ArrayLike) -> NDArray[Any]:
    """Cut bids (T, N) into tiles (T / B, N, B), the layout that `clear` reads fastest.

    Raises
    ------
    AuctionError
        When T is not a multiple of the tile width B, which is a power of two from 64 to 512, larger for fewer
        campaigns.
    """
    rows = _floats("bids", bids)
    if rows.ndim != 2 or rows.size == 0:
        raise AuctionError(f"bids have shape {rows.shape}: must be (T, N) with T and N at least 1.")
    width = tiles.tile_width(rows.shape[1])
    if rows.shape[0] % width:
        raise AuctionError(f"{rows.shape[0]} auctions of {rows.shape[1]} campaigns: must be a multiple of {width}.")
    result = np.empty((rows.shape[0] // width, rows.shape[1], width), rows.dtype)
    tiles.to_tiles(rows, result)
    return result


def check_exposure(exposure: Sequence[float]) -> NDArray[np.float64]:
    """Exposure probabilities of the slots as an array.

    Raises
    ------
    AuctionError
        When there is no slot, or the numbers increase or leave (0, 1].
    """
    slots = np.atleast_1d(np.asarray(exposure, dtype=np.float64))
    if slots.ndim != 1 or slots.size == 0:
        raise AuctionError("exposure is empty: give one probability per slot, such as (1, 0.8, 0.6).")
    if not np.all((slots > 0) & (slots <= 1)) or np.any(np.diff(slots) > 0):
        raise AuctionError(f"exposure = {tuple(slots.tolist())}: must lie in (0, 1] and not increase.")
    return slots


def _within(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float | np.number) and low <= value <= high):
        raise AuctionError(f"{name} = {value}: must be a number from {low:g} to {high:g}.")


def _floats(name: str, values: ArrayLike) -> NDArray[Any]:
    """A contiguous array of float32, or of float64 for anything else."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"found {array.dtype}")
        return np.ascontiguousarray(array, np.float32 if array.dtype == np.float32 else np.float64)
    except (TypeError, ValueError) as error:
        raise AuctionError(f"{name}: must be an array of numbers ({error}).") from None


def _refuse_outside(name: str, array: NDArray[Any], low: float) -> None:
    """Name the first number that is not within [low, LARGEST], if there is one."""
    if array.size and not (array.min() >= low and array.max() <= LARGEST):
        place = tuple(np.argwhere(~((array >= low) & (array <= LARGEST)))[0].tolist())
        raise AuctionError(f"{name}{list(place)} = {array[place]}: must be a number of at least {low:g}.")


def _like(rows: NDArray[Any], name: str, values: ArrayLike | None, low: float, default: float) -> NDArray[Any]:
    """An array shaped as the bids, or one row or tile that stands for all."""
    candidates = rows.shape[1]
    if values is None:
        return np.full((1, *rows.shape[1:]), default, rows.dtype)
    array = _floats(name, values).astype(rows.dtype, copy=False)
    _refuse_outside(name, array, low)
    if array.shape == (candidates,):
        row = array[None, :] if rows.ndim == 2 else np.repeat(array[None, :, None], rows.shape[2], axis=2)
        return np.ascontiguousarray(row)
    if array.shape != rows.shape:
        raise AuctionError(f"{name} has shape {array.shape}: must be {rows.shape}, as bids, or ({candidates},).")
    return array


@jit
def _clear_rows(mechanism, bids, quality, experience, liquid, room, ranking, rule, winners, prices, low, high):  # type: ignore[no-untyped-def]
    outside = 0
    width = room.value.shape[1]
    for first in range(0, bids.shape[0], width):
        count = min(width, bids.shape[0] - first)
        tiles.load_tile(bids, first, count, room.value)
        outside += tiles.count_outside(room.value, count, low, high, ranking.winner[0])
        if not rule.plain:
            tiles.load_tile(quality, first, count, room.quality)
            tiles.load_tile(experience, first, count, room.experience)
            tiles.load_tile(liquid, first, count, room.liquid)
        clear_tile(mechanism, room, rule, ranking, first, 0, count)
        for k in range(rule.slots):
            for t in range(count):
                winners[first + t, k] = ranking.winner[k, t]
                prices[first + t, k] = ranking.price[k, t]
    return outside


@jit
def _clear_tiles(mechanism, bids, quality, experience, liquid, room, ranking, rule, winners, prices, low, high):  # type: ignore[no-untyped-def]
    outside = 0
    width = bids.shape[2]
    for i in range(bids.shape[0]):
        candidates = Candidates(
            bids[i],
            room.rate,
            quality[i if quality.shape[0] > 1 else 0],
            experience[i if experience.shape[0] > 1 else 0],
            liquid[i if liquid.shape[0] > 1 else 0],
            room.multiplier,
            room.cap,
            room.liquid_rate,
        )
        outside += tiles.count_outside(bids[i], width, low, high, ranking.winner[0])
        clear_tile(mechanism, candidates, rule, ranking, i * width, 0, width)
        for k in range(rule.slots):
            for t in range(width):
                winners[i, k, t] = ranking.winner[k, t]
                prices[i, k, t] = ranking.price[k, t]
    return outside


@cache
def _loop(mechanism: str, tiled: bool) -> Any:
    """The compiled loop; a mechanism from elsewhere gets one compiled around its own rule."""
    loop = _clear_tiles if tiled else _clear_rows
    return loop if mechanism in NUMBERS else recompile(loop, clear_tile=numbered(mechanism))


def numbered(mechanism: str) -> Any:
    """A mechanism's compiled rule in the form of `dispatch.clear_tile`."""
    rule = registry.load("mechanisms", mechanism).clear_tile

    def clear_tile(number, candidates, rule_, ranking, origin, start, stop):  # type: ignore[no-untyped-def]
        rule(candidates, rule_, ranking, origin, start, stop)

    return numba.njit(**OPTIONS)(clear_tile)


def recompile(kernel: Any, **callees: Any) -> Any:
    """The same kernel with other functions under some of its global names, compiled for this process only.

    It is compiled into its callers where the kernel is. numba keys its cache on the source, so the variant must not
    be cached.
    """
    function = getattr(kernel, "py_func", kernel)
    variant = FunctionType(function.__code__, {**function.__globals__, **callees}, function.__name__)
    inline = getattr(kernel, "targetoptions", {}).get("inline", "never")
    return numba.njit(inline=inline, **OPTIONS)(variant)
