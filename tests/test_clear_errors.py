"""Every bad input of `adsim.clear` is one exception whose message names the field and the remedy."""

from typing import Any

import numpy as np
import pytest

import adsim
from adsim.errors import AdsimError, AuctionError, UnknownName
from adsim.kernels.tiles import tile_width

NAN, INF = float("nan"), float("inf")
BIDS = [[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]


def refused(*words: str, bids: Any = BIDS, **options: Any) -> None:
    """Clearing fails with one message that has all the words."""
    with pytest.raises(AuctionError) as caught:
        adsim.clear(bids, **options)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [NAN, INF, -INF, -1.0, 1e30])
def test_a_bad_bid_is_named_with_its_place(bad: float, kind: type) -> None:
    bids = np.array(BIDS, kind)
    bids[1, 2] = bad
    refused("bids[1, 2]", "at least 0", bids=bids)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_bid_that_is_no_number_is_refused_by_lpa_too(bad: float) -> None:
    refused("bids[0, 0]", bids=[[bad, 1.0]], mechanism="lpa", liquid_value=[1.0, 1.0])


def test_a_negative_bid_is_a_bid_in_lpa() -> None:
    options: dict[str, Any] = {"mechanism": "lpa", "liquid_value": [1.0, 1.0]}
    assert adsim.clear([[-1.0, -2.0]], **options).winners.tolist() == [[-1]]
    assert adsim.clear([[-1.0, -2.0]], user_experience=[0.0, 3.0], beta=1.0, **options).winners.tolist() == [[1]]


@pytest.mark.parametrize("shape", [(3,), (2, 2, 2, 2), (2, 0), (2, 0, 4), (2, 3, 0)])
def test_bids_of_another_shape(shape: tuple[int, ...]) -> None:
    refused("bids", f"{shape}", "(T, N)", bids=np.ones(shape))


def test_no_auctions_at_all_is_a_mistake() -> None:
    refused("bids", "(0, 3)", "(T, N)", bids=np.ones((0, 3)))


def test_no_tiles_at_all_is_a_mistake() -> None:
    refused("bids", "(0, 3, 4)", "(tiles, N, B)", bids=np.ones((0, 3, 4)))


def test_a_single_number_is_no_batch_of_auctions() -> None:
    refused("bids", "(T, N)", bids=3.0)


@pytest.mark.parametrize("bids", [[["a", "b"]], [[1.0, 2.0], [1.0]], None, [[1j, 2.0]]])
def test_bids_that_are_no_array_of_real_numbers(bids: Any) -> None:
    refused("bids", bids=bids)


@pytest.mark.parametrize("exposure", [(1.0, 0.5, 0.6), (0.0,), (1.0, 0.0), (1.5,), (-0.5,), (NAN,), (INF,)])
def test_exposure_out_of_range(exposure: tuple[float, ...]) -> None:
    refused("exposure", "(0, 1]", "not increase", mechanism="gsp", exposure=exposure)


def test_exposure_without_slots() -> None:
    refused("exposure", "empty", "one probability per slot", mechanism="gsp", exposure=())


def test_second_price_sells_one_slot() -> None:
    refused("second_price", "one slot", "gsp", "vcg", exposure=(1.0, 0.5))


@pytest.mark.parametrize("name", ["quality", "user_experience", "liquid_value"])
@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 3, 1), (1, 3), (4,)])
def test_terms_of_another_shape(name: str, shape: tuple[int, ...]) -> None:
    refused(name, f"{shape}", "(2, 3)", "(3,)", **{name: np.ones(shape)})


@pytest.mark.parametrize("name", ["quality", "user_experience", "liquid_value"])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_terms_that_are_no_numbers(name: str, bad: float) -> None:
    refused(f"{name}[1]", **{name: [1.0, bad, 1.0]})


@pytest.mark.parametrize("bad", [0.0, -1.0])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_quality_is_positive(bad: float, kind: type) -> None:
    refused("quality[0]", bids=np.array(BIDS, kind), quality=[bad, 1.0, 1.0])


def test_quality_too_small_for_float32_is_refused() -> None:
    refused("quality[0]", bids=np.array(BIDS, np.float32), quality=[1e-50, 1.0, 1.0])


def test_a_liquid_value_is_not_negative() -> None:
    refused("liquid_value[2]", mechanism="lpa", liquid_value=[1.0, 1.0, -0.5])


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_beta_needs_user_experience(mechanism: str) -> None:
    refused("user_experience", "missing", mechanism=mechanism, beta=0.5)


def test_split_needs_user_experience() -> None:
    refused("user_experience", "missing", mechanism="split")


def test_lpa_needs_liquid_values() -> None:
    refused("liquid_value", "missing", "lpa", mechanism="lpa")


@pytest.mark.parametrize("name", ["reserve", "beta", "ad_share"])
@pytest.mark.parametrize("bad", [-0.1, NAN, INF, -INF])
def test_numbers_out_of_range(name: str, bad: float) -> None:
    refused(name, f"{bad}", mechanism="split", user_experience=[1.0, 1.0, 1.0], **{name: bad})


def test_ad_share_is_at_most_one() -> None:
    refused("ad_share", mechanism="split", user_experience=[1.0, 1.0, 1.0], ad_share=1.1)


@pytest.mark.parametrize("name", ["reserve", "beta", "ad_share"])
def test_a_number_written_as_a_word(name: str) -> None:
    refused(name, mechanism="split", user_experience=[1.0, 1.0, 1.0], **{name: "much"})


@pytest.mark.parametrize(("written", "meant"), [("secondprice", "second_price"), ("gps", "gsp"), ("VCG", "vcg")])
def test_an_unknown_mechanism_names_the_nearest(written: str, meant: str) -> None:
    with pytest.raises(UnknownName, match=f"mechanism '{written}'.*Did you mean '{meant}'"):
        adsim.clear(BIDS, written)


def test_an_unknown_mechanism_like_none_lists_all() -> None:
    with pytest.raises(UnknownName, match="Known: first_price, gsp, lpa, second_price, split, vcg"):
        adsim.clear(BIDS, "zzz")


@pytest.mark.parametrize("extra", [1, -1])
def test_tiles_need_a_multiple_of_the_width(extra: int) -> None:
    width = tile_width(3)
    with pytest.raises(AuctionError, match=rf"{width + extra} auctions.*multiple of {width}"):
        adsim.to_tiles(np.ones((width + extra, 3)))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (1, 1, 1)])
def test_tiles_are_cut_from_rows(shape: tuple[int, ...]) -> None:
    with pytest.raises(AuctionError, match=r"bids.*\(T, N\)"):
        adsim.to_tiles(np.ones(shape))


def test_every_fault_is_one_kind_of_error() -> None:
    assert issubclass(AuctionError, AdsimError)
    assert issubclass(UnknownName, AdsimError)
    assert issubclass(AdsimError, ValueError)


def test_inputs_are_left_as_they_were() -> None:
    bids, quality = np.array(BIDS), np.array([1.0, 2.0, 0.5])
    adsim.clear(bids, "vcg", exposure=(1.0, 0.5), quality=quality)
    assert bids.tolist() == BIDS
    assert quality.tolist() == [1.0, 2.0, 0.5]
