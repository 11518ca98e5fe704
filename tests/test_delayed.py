"""Late conversions: which example arrives when, with which weight, and what that comes to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adsim.errors import AdsimError
from adsim.predictors.constant import Constant
from adsim.predictors.delayed import METHODS, Delayed, Lateness, stream
from adsim.predictors.features import Field, Rows, Schema, make_rows
from adsim.predictors.ftrl import FollowTheRegularizedLeader
from adsim.types import Floats

SCHEMA = Schema((Field("segment", 2),), (Field("ad", 2),))
RATES = np.array([[0.1, 0.2], [0.3, 0.5]])
MEANS = np.array([0.5, 4.0])
"""Days from click to conversion, by ad."""
WINDOW = 10.0
DAYS = 60.0


def late_clicks(count: int, seed: int = 0) -> tuple[Rows, Floats, Floats]:
    """Clicks over sixty days, and their delays."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 2, (count, 2))
    happens = rng.random(count) < RATES[ids[:, 0], ids[:, 1]]
    delay = np.where(happens, rng.exponential(MEANS[ids[:, 1]]), np.nan)
    return make_rows(SCHEMA, ids), np.sort(rng.uniform(0, DAYS, count)), delay


def learner() -> FollowTheRegularizedLeader:
    return FollowTheRegularizedLeader(bits=8, crosses="segment*ad")


def test_examples_arrive_when_they_are_known() -> None:
    clicked, delay = [0.0, 1.0, 2.0, 3.0], [0.5, np.nan, 4.0, 11.0]

    def arrivals(method: str, wait: float = 0.0) -> list[tuple[int, float, float]]:
        found = Delayed(method, WINDOW, wait).arrivals(clicked, delay)
        return [(int(which), float(time), float(label)) for which, time, label in zip(*found, strict=True)]

    assert arrivals("oracle") == [(0, 0, 1), (1, 1, 0), (2, 2, 1), (3, 3, 0)]
    assert arrivals("wait", 1) == [(0, 1, 1), (1, 2, 0), (2, 3, 0), (3, 4, 0)]
    assert arrivals("wait", WINDOW) == [(0, 10, 1), (1, 11, 0), (2, 12, 1), (3, 13, 0)]
    duplicates = [(0, 0, 0), (0, 0.5, 1), (1, 1, 0), (2, 2, 0), (3, 3, 0), (2, 6, 1)]
    assert arrivals("duplicates") == arrivals("fnw") == duplicates
    assert arrivals("esdfm", 1) == [(0, 1, 1), (1, 2, 0), (2, 3, 0), (3, 4, 0), (2, 6, 1)]


@given(rate=st.floats(0.01, 0.99), late_share=st.floats(0, 1), wait=st.sampled_from([0.0, 2.0]))
def test_weights_restore_the_share_of_positives(rate: float, late_share: float, wait: float) -> None:
    """Of a click: early and late conversions are positives; late ones and real negatives, negatives at first."""
    early, late = rate * (1 - late_share), rate * late_share
    methods = [("esdfm", late, (1 - rate) / (1 - early))]
    if wait == 0:
        early, late = 0.0, rate
        methods = [("fnw", late, 0.0), ("esdfm", late, 1.0 - rate)]
    for method, p_dp, p_rn in methods:
        both = np.array([1.0, 0.0], np.float32)
        predictions = (np.full(2, value) for value in (rate, p_dp, p_rn))
        positive, negative = Delayed(method, WINDOW, wait).weights(both, *predictions)
        share = positive * (early + late) / (positive * (early + late) + negative * (late + 1 - rate))
        assert share == pytest.approx(rate)


def test_weights_are_as_printed() -> None:
    labels, p, late, negative = np.array([1, 0], np.float32), np.full(2, 0.2), np.full(2, 0.1), np.full(2, 0.9)
    assert Delayed("fnw", 1).weights(labels, p, late, negative) == pytest.approx([1.2, 0.96])
    assert Delayed("esdfm", 1).weights(labels, p, late, negative) == pytest.approx([1.1, 0.99])
    assert Delayed("duplicates", 1).weights(labels, p, late, negative).tolist() == [1, 1]


def test_lateness_is_learned_from_what_is_settled() -> None:
    rows, _, delay = late_clicks(60_000)
    rule = Delayed("esdfm", WINDOW, 1.0)
    lateness = Lateness(rule, learner, SCHEMA, 0)
    assert [part.tolist() for part in lateness.predict(rows.take(slice(1)))] == [[0], [1]]
    lateness.learn(rows, delay)
    corners = make_rows(SCHEMA, [[0, 0], [0, 1], [1, 0], [1, 1]])
    reached = 1 - np.exp(-np.array([1.0, WINDOW])[:, None] / MEANS)
    early, within = (RATES * share for share in reached)
    late, negative = lateness.predict(corners)
    np.testing.assert_allclose(late, (within - early).ravel(), atol=0.012)
    np.testing.assert_allclose(negative, ((1 - within) / (1 - early)).ravel(), atol=0.02)


def test_weighted_duplicates_are_calibrated_while_others_are_not() -> None:
    rows, clicked, delay = late_clicks(60_000, 1)
    scored, converted = clicked > DAYS / 2, delay <= WINDOW

    def calibration(method: str, wait: float = 0.0) -> float:
        p = stream(rows, clicked, delay, Delayed(method, WINDOW, wait), learner, step=0.25)
        return float(p[scored].sum() / converted[scored].sum())

    for method, wait in (("oracle", 0.0), ("fnw", 0.0), ("esdfm", 0.25), ("esdfm", 1.0), ("wait", WINDOW)):
        assert calibration(method, wait) == pytest.approx(1, abs=0.03), method
    rates = (converted.mean(), (delay <= 0.25).mean())
    assert calibration("duplicates") == pytest.approx(1 / (1 + rates[0]), abs=0.04)
    assert calibration("wait", 0.25) == pytest.approx(rates[1] / rates[0], abs=0.03)


@pytest.mark.parametrize("method", METHODS)
def test_predictions_know_nothing_of_what_comes_later(method: str) -> None:
    rows, clicked, delay = late_clicks(3000, 2)
    now = 31.0
    known = np.where(clicked + delay < now, delay, np.nan)
    rule = Delayed(method, WINDOW, 0.5 if method in ("wait", "esdfm") else 0.0)
    full, blind = (stream(rows, clicked, given, rule, learner, step=0.5) for given in (delay, known))
    before = clicked < now - 0.5
    same = np.array_equal(full[before], blind[before])
    assert same == (method != "oracle")
    assert not np.array_equal(full, blind)


def test_each_click_is_predicted_by_what_was_known_when_its_step_began() -> None:
    rows, clicked, delay = late_clicks(500, 3)
    predicted = stream(rows, clicked, delay, Delayed("wait", WINDOW, 0.0), Constant, step=100.0)
    assert np.unique(predicted).size == 1


def test_mistakes_are_named() -> None:
    rows, clicked, delay = late_clicks(10)
    with pytest.raises(AdsimError, match="unknown method 'fsiw'"):
        Delayed("fsiw", WINDOW)
    with pytest.raises(AdsimError, match="between 0 and the window"):
        Delayed("wait", WINDOW, 11)
    with pytest.raises(AdsimError, match="one for each click"):
        Delayed("wait", WINDOW).arrivals(clicked, delay[1:])
    with pytest.raises(AdsimError, match="none before the one above"):
        stream(rows, clicked[::-1], delay, Delayed("wait", WINDOW), learner, step=1)
    with pytest.raises(AdsimError, match="positive time"):
        stream(rows, clicked, delay, Delayed("wait", WINDOW), learner, step=0)
    nothing = stream(rows.take(slice(0)), [], [], Delayed("fnw", WINDOW), learner, step=1)
    assert nothing.size == 0
