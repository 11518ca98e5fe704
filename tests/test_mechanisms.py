"""Every auction against its plain-Python twin, and the properties that its rule promises."""

from itertools import product
from typing import Any, NamedTuple

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adsim
from adsim.kernels.tiles import tile_width

MECHANISMS = sorted(naive.MECHANISMS)
PRICED_BY_BID = ["first_price", "gsp", "vcg"]
EXPOSURES = [(1.0,), (0.5,), (1.0, 0.5), (0.75, 0.75), (1.0, 0.75, 0.5), (1.0, 0.5, 0.5, 0.25), (0.875,) * 6]
"""All have exact binary fractions, so that float32 and float64 agree on every tie."""


class Batch(NamedTuple):
    """Many random auctions, all numbers multiples of an eighth."""

    bids: Any
    exposure: tuple[float, ...]
    options: dict[str, Any]
    """Keyword arguments of `adsim.clear` besides."""


def make_batch(
    mechanism: str,
    seed: int,
    auctions: int,
    campaigns: int,
    exposure: tuple[float, ...],
    reserve: float,
    extras: bool,
) -> Batch:
    """Random auctions with frequent ties; ``extras`` are quality, user experience (also negative) and beta."""
    rng = np.random.default_rng(seed)
    shape = auctions, campaigns
    low = -8 if mechanism == "lpa" else 0
    options: dict[str, Any] = {"reserve": reserve}
    if mechanism == "lpa":
        options["liquid_value"] = rng.integers(0, 17, shape) / 8
    if mechanism == "split":
        options["ad_share"] = float(rng.choice([0.0, 0.25, 0.3, 0.5, 1.0]))
    if extras:
        options["quality"] = rng.choice([0.5, 1.0, 2.0], shape)
        options["beta"] = float(rng.choice([0.5, 1.0, 4.0]))
    if extras or mechanism == "split":
        options["user_experience"] = rng.integers(-8, 9, shape) / 8
    if mechanism == "second_price":
        exposure = exposure[:1]
    return Batch(rng.integers(low, 17, shape) / 8, exposure, options)


batches = {
    mechanism: st.builds(
        make_batch,
        st.just(mechanism),
        seed=st.integers(0, 2**32 - 1),
        auctions=st.integers(1, 40),
        campaigns=st.one_of(st.integers(1, 9), st.integers(10, 70)),
        exposure=st.sampled_from(EXPOSURES),
        reserve=st.sampled_from([0.0, 0.125, 1.0, 1.875, 3.0]),
        extras=st.booleans(),
    )
    for mechanism in MECHANISMS
}


def run(mechanism: str, batch: Batch, kind: type = np.float64, **changes: Any) -> adsim.Clearing:
    options = {**batch.options, **changes}
    return adsim.clear(batch.bids.astype(kind), mechanism, exposure=batch.exposure, **options)


def naive_pages(mechanism: str, batch: Batch) -> list[naive.Page]:
    """The twin's pages, one for each row of bids."""

    def row(name: str, t: int) -> list[float] | None:
        return batch.options[name][t].tolist() if name in batch.options else None

    return [
        naive.MECHANISMS[mechanism](
            naive.Auction(
                bids.tolist(),
                batch.exposure,
                batch.options["reserve"],
                quality=row("quality", t),
                experience=row("user_experience", t),
                beta=batch.options.get("beta", 0.0),
                liquid=row("liquid_value", t),
                ad_share=batch.options.get("ad_share", 0.3),
                page=t,
            )
        )
        for t, bids in enumerate(batch.bids)
    ]


def assert_equal_to_twin(mechanism: str, batch: Batch, kind: type) -> None:
    clearing, pages = run(mechanism, batch, kind), naive_pages(mechanism, batch)
    assert clearing.winners.tolist() == [page.winners for page in pages]
    tolerance = 1e-6 if kind is np.float32 else 1e-13
    np.testing.assert_allclose(clearing.prices, [page.prices for page in pages], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_clears_as_its_twin(mechanism: str, kind: type) -> None:
    @settings(deadline=None, max_examples=150)
    @given(batches[mechanism])
    def check(batch: Batch) -> None:
        assert_equal_to_twin(mechanism, batch, kind)

    check()


@pytest.mark.parametrize("campaigns", range(1, 14))
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_every_remainder_of_the_unrolled_loops(campaigns: int, kind: type) -> None:
    for mechanism, exposure in product(MECHANISMS, [(1.0,), (1.0, 0.5, 0.25)]):
        assert_equal_to_twin(mechanism, make_batch(mechanism, campaigns, 30, campaigns, exposure, 0.25, False), kind)


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("campaigns", "auctions"), [(3, 1100), (70, 300)])
def test_the_last_tile_may_be_short(mechanism: str, campaigns: int, auctions: int) -> None:
    assert auctions > tile_width(campaigns)
    assert auctions % tile_width(campaigns)
    assert_equal_to_twin(mechanism, make_batch(mechanism, 1, auctions, campaigns, (1.0, 0.5), 0.25, True), np.float32)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_tiles_clear_as_rows(mechanism: str, kind: type) -> None:
    width = tile_width(5)
    batch = make_batch(mechanism, 7, 2 * width, 5, (1.0, 0.75, 0.5), 0.5, True)
    rows = run(mechanism, batch, kind)
    tiled = batch._replace(bids=adsim.to_tiles(batch.bids.astype(kind)))
    arrays = {key: adsim.to_tiles(value) for key, value in batch.options.items() if isinstance(value, np.ndarray)}
    tiles = run(mechanism, tiled, kind, **arrays)
    assert tiles.winners.shape == (2, len(batch.exposure), width)
    for row_field, tile_field in zip(rows, tiles, strict=True):
        np.testing.assert_array_equal(row_field, np.concatenate(list(tile_field), axis=1).T)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_one_row_of_terms_stands_for_all(mechanism: str, tiled: bool) -> None:
    width = tile_width(4)
    batch = make_batch(mechanism, 3, 2 * width, 4, (1.0, 0.5), 0.25, True)
    rows = {key: value[0] for key, value in batch.options.items() if isinstance(value, np.ndarray)}
    full = {key: np.tile(value, (2 * width, 1)) for key, value in rows.items()}
    if tiled:
        batch = batch._replace(bids=adsim.to_tiles(batch.bids))
        full = {key: adsim.to_tiles(value) for key, value in full.items()}
    for one, many in zip(run(mechanism, batch, **rows), run(mechanism, batch, **full), strict=True):
        np.testing.assert_array_equal(one, many)


def test_lists_and_integers_clear_as_floats() -> None:
    assert adsim.clear([[3, 1, 2]], "gsp", exposure=[1, 0.5]).prices.tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_clearing_has_the_promised_types(mechanism: str, kind: type) -> None:
    clearing = run(mechanism, make_batch(mechanism, 0, 5, 3, (1.0, 0.5), 0.0, False), kind)
    assert (clearing.winners.dtype, clearing.prices.dtype) == (np.int32, np.float64)


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_nothing_is_sold_below_the_reserve(mechanism: str) -> None:
    clearing = adsim.clear(np.full((3, 5), 0.875), mechanism, exposure=(1.0,), reserve=1.0)
    assert (clearing.winners == -1).all()
    assert (clearing.prices == 0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg"])
@pytest.mark.parametrize("exposure", [(1.0,), (1.0, 0.5)])
def test_a_bid_equal_to_the_reserve_competes_and_one_below_does_not(mechanism: str, kind: type, exposure) -> None:
    reserve = kind(0.1)
    bids = np.array([[reserve, np.nextafter(reserve, kind(0))]], kind)
    clearing = adsim.clear(bids, mechanism, exposure=exposure, reserve=float(reserve))
    assert clearing.winners.tolist() == [[0, -1][: len(exposure)]]
    assert clearing.prices[0, 0] == reserve


@pytest.mark.parametrize("mechanism", ["first_price", "gsp", "vcg"])
@pytest.mark.parametrize("exposure", [(1.0,), (1.0, 0.5), (1.0, 0.5, 0.25, 0.125)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_ties_go_to_the_lower_index(mechanism: str, exposure, kind: type) -> None:
    clearing = adsim.clear(np.ones((20, 9), kind), mechanism, exposure=exposure)
    assert (clearing.winners == np.arange(len(exposure))).all()


@pytest.mark.parametrize("mechanism", ["first_price", "second_price", "gsp", "vcg"])
def test_negative_zero_is_a_bid_of_zero(mechanism: str) -> None:
    bids = np.array([[-0.0, 0.0, -0.0]], np.float32)
    exposure = (1.0,) if mechanism == "second_price" else (1.0, 0.5)
    assert adsim.clear(bids, mechanism, exposure=exposure).winners[0].tolist() == [0, 1][: len(exposure)]


@pytest.mark.parametrize("reserve", [0.0, -0.0])
def test_a_reserve_of_negative_zero_is_none(reserve: float) -> None:
    bids = np.array([[0.0, 1.0, 2.0]], np.float32)
    clearing = adsim.clear(bids, "gsp", exposure=(1.0, 0.5, 0.25, 0.125), reserve=reserve)
    assert clearing.winners.tolist() == [[2, 1, 0, -1]]


# what the rules promise


def some_batch(mechanisms: list[str]) -> st.SearchStrategy[tuple[str, Batch]]:
    return st.sampled_from(mechanisms).flatmap(lambda name: st.tuples(st.just(name), batches[name]))


@settings(deadline=None, max_examples=150)
@given(some_batch(MECHANISMS))
def test_no_campaign_wins_twice_on_a_page(case: tuple[str, Batch]) -> None:
    winners = np.sort(run(*case).winners, axis=1)
    assert not ((winners[:, 1:] == winners[:, :-1]) & (winners[:, 1:] >= 0)).any()


@settings(deadline=None, max_examples=150)
@given(some_batch(PRICED_BY_BID))
def test_price_lies_between_reserve_and_bid(case: tuple[str, Batch]) -> None:
    _, batch = case
    winners, prices = run(*case)
    sold = winners >= 0
    bids = np.take_along_axis(batch.bids, np.maximum(winners, 0), axis=1)
    assert (prices[sold] <= bids[sold]).all()
    assert (prices[sold] >= batch.options["reserve"]).all()


@settings(deadline=None, max_examples=100)
@given(batches["lpa"])
def test_a_liquid_payment_is_the_liquid_value(batch: Batch) -> None:
    winners, prices = run("lpa", batch)
    liquid = np.take_along_axis(batch.options["liquid_value"], np.maximum(winners, 0), axis=1)
    assert (prices == np.where(winners >= 0, liquid, 0)).all()
    assert (prices[winners >= 0] >= batch.options["reserve"]).all()


@settings(deadline=None, max_examples=100)
@given(batches["lpa"])
def test_a_liquid_payment_does_not_depend_on_bids(batch: Batch) -> None:
    before = run("lpa", batch)
    after = run("lpa", batch._replace(bids=batch.bids + 100))
    for t in range(len(batch.bids)):
        paid = dict(zip(before.winners[t].tolist(), before.prices[t].tolist(), strict=True))
        again = dict(zip(after.winners[t].tolist(), after.prices[t].tolist(), strict=True))
        assert all(paid[n] == again[n] for n in paid.keys() & again.keys())


@settings(deadline=None, max_examples=150)
@given(some_batch([*PRICED_BY_BID, "lpa"]), st.integers(1, 16))
def test_a_higher_bid_never_gets_a_lower_slot(case: tuple[str, Batch], eighths: int) -> None:
    mechanism, batch = case
    raised = batch.bids.copy()
    raised[:, 0] += eighths / 8

    def slot(bids: Any) -> Any:
        """Slot of campaign 0, K where it has none."""
        winners = run(mechanism, batch._replace(bids=bids)).winners
        return np.where((winners == 0).any(axis=1), (winners == 0).argmax(axis=1), winners.shape[1])

    assert (slot(raised) <= slot(batch.bids)).all()


@settings(deadline=None, max_examples=100)
@given(batches["second_price"])
def test_one_slot_of_gsp_and_vcg_is_second_price(batch: Batch) -> None:
    expected = run("second_price", batch)
    for mechanism in ("gsp", "vcg"):
        clearing = run(mechanism, batch)
        np.testing.assert_array_equal(clearing.winners, expected.winners)
        np.testing.assert_allclose(clearing.prices, expected.prices, rtol=1e-14, atol=0)


@settings(deadline=None, max_examples=100)
@given(batches["vcg"])
def test_vcg_never_charges_more_than_gsp(batch: Batch) -> None:
    assert (run("vcg", batch).prices <= run("gsp", batch).prices + 1e-12).all()


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    campaigns=st.integers(1, 4),
    exposure=st.sampled_from([e for e in EXPOSURES if len(e) <= 3]),
    reserve=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_vcg_price_is_the_externality(seed: int, campaigns: int, exposure: tuple[float, ...], reserve: float) -> None:
    bids = np.random.default_rng(seed).integers(0, 17, (10, campaigns)) / 8
    clearing = adsim.clear(bids, "vcg", exposure=exposure, reserve=reserve)
    pages = [naive.vcg_by_solving_again(row.tolist(), exposure, reserve) for row in bids]
    assert clearing.winners.tolist() == [page.winners for page in pages]
    np.testing.assert_allclose(clearing.prices, [page.prices for page in pages], rtol=1e-12, atol=1e-12)


def utilities(mechanism: str, batch: Batch, value: float, bids: Any) -> Any:
    """Utility of campaign 0, worth ``value`` an exposure, with each of its bids against each row of the others'."""
    rows = np.repeat(batch.bids, len(bids), axis=0)
    rows[:, 0] = np.tile(bids, len(batch.bids))
    arrays = {
        key: np.repeat(array, len(bids), axis=0)
        for key, array in batch.options.items()
        if isinstance(array, np.ndarray)
    }
    winners, prices = run(mechanism, batch._replace(bids=rows), **arrays)
    gain = np.where(winners == 0, (value - prices) * np.asarray(batch.exposure), 0).sum(axis=1)
    return gain.reshape(len(batch.bids), len(bids))


def largest_gain(mechanism: str, batch: Batch, value: float) -> float:
    """The most that campaign 0 gains by any bid but its value, over the auctions of a batch."""
    deviations = np.arange(0, 40) / 16
    utility = utilities(mechanism, batch, value, np.concatenate([[value], deviations]))
    return float((utility[:, 1:] - utility[:, :1]).max())


@pytest.mark.parametrize("mechanism", ["second_price", "vcg"])
def test_truthful_bidding_is_best(mechanism: str) -> None:
    @settings(deadline=None, max_examples=100)
    @given(batches[mechanism], st.integers(0, 20))
    def check(batch: Batch, eighths: int) -> None:
        assert largest_gain(mechanism, batch, eighths / 8) <= 1e-12

    check()


@pytest.mark.parametrize("mechanism", ["first_price", "gsp"])
def test_where_truth_does_not_pay_the_check_of_it_says_so(mechanism: str) -> None:
    batch = make_batch(mechanism, 5, 40, 4, (1.0, 0.75), 0.0, False)
    assert largest_gain(mechanism, batch, 2.0) > 0.1


@pytest.mark.parametrize("mechanism", ["second_price", "gsp", "vcg"])
def test_experience_lowers_the_price_by_its_weight(mechanism: str) -> None:
    clearing = adsim.clear(
        [[2.0, 2.0]], mechanism, user_experience=[1.0, 0.5], beta=0.5, quality=[2.0, 1.0], reserve=0.25
    )
    assert clearing.winners.tolist() == [[0]]
    assert clearing.prices.tolist() == [[(2.0 + 0.5 * 0.5 - 0.5 * 1.0) / 2.0]]


# split traffic


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("slots", [1, 3, 4])
def test_the_share_of_ads_is_exact_over_a_long_feed(share: float, slots: int) -> None:
    pages = 3000
    clearing = adsim.clear(
        np.ones((pages, slots + 2)),
        "split",
        exposure=(1.0,) * slots,
        user_experience=np.ones(slots + 2),
        ad_share=share,
    )
    ads = np.cumsum(clearing.prices.ravel() > 0)
    due = share * np.arange(1, pages * slots + 1)
    assert (np.abs(ads - due) <= 1).all()


def test_organic_slots_are_free_and_go_by_experience() -> None:
    clearing = adsim.clear(
        [[5.0, 4.0, 0.0, 3.0]] * 2,
        "split",
        exposure=(1.0, 1.0),
        user_experience=[0.0, 0.5, 2.0, -1.0],
        ad_share=0.5,
    )
    assert clearing.winners.tolist() == [[2, 0], [2, 0]]
    assert clearing.prices.tolist() == [[0.0, 4.0], [0.0, 4.0]]


def test_a_campaign_shown_as_an_ad_is_not_shown_again() -> None:
    clearing = adsim.clear([[5.0, 4.0]], "split", exposure=(1.0, 1.0), user_experience=[9.0, 1.0], ad_share=0.5)
    assert clearing.winners.tolist() == [[1, 0]]


def test_a_bad_experience_is_not_shown_for_free() -> None:
    clearing = adsim.clear([[5.0, 4.0]], "split", exposure=(1.0, 1.0), user_experience=[-0.5, -1.0], ad_share=0.0)
    assert (clearing.winners == -1).all()
