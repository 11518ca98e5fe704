"""Kernels against numpy and Python integers: elementary functions, random numbers, phases of the traffic."""

from itertools import pairwise
from typing import Any

import naive
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laid_out import lay_out
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import kstest

from adsim.kernels import counter, elementary, tiles, traffic
from adsim.market.market import Market
from adsim.market.scenario import ContextualTraffic, ExperienceTable, read_scenario
from adsim.market.supply import _experience, _unbiased
from adsim.market.world import Truth

F = np.float32
words = st.integers(0, naive.MASK)
KEY = np.uint64(0x1234567890ABCDEF)
MANY = 200_000


@numba.njit
def each(function: Any, values: Any, results: Any) -> None:
    for i in range(values.size):
        results[i] = function(values[i])


@numba.njit
def each_pair(function: Any, values: Any, first: Any, second: Any) -> None:
    for i in range(values.size):
        first[i], second[i] = function(values[i])


@numba.njit
def draws(key: Any, start: Any, results: Any) -> None:
    for i in range(results.size):
        results[i] = counter.draw(key, np.uint64(start + i))


def applied(function: Any, values: Any, kind: type = np.float32) -> NDArray[Any]:
    """A scalar kernel on every value."""
    results = np.empty(values.size, kind)
    each(function, values, results)
    return results


def drawn(count: int, key: Any = KEY, start: int = 0) -> NDArray[np.uint64]:
    results = np.empty(count, np.uint64)
    draws(key, start, results)
    return results


def pairs(function: Any, values: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    first, second = np.empty(values.size, F), np.empty(values.size, F)
    each_pair(function, values, first, second)
    return first, second


def units_in_last_place(found: Any, exact: Any) -> float:
    return float(np.max(np.abs(found - exact) / np.spacing(np.abs(exact).astype(F)).astype(float)))


# exp, log, sigmoid, cosine and sine


def test_exp_errs_by_two_units_in_the_last_place_at_most() -> None:
    x = np.concatenate([np.linspace(-87, 88, 500_001), np.linspace(-1, 1, 100_001)]).astype(F)
    assert units_in_last_place(applied(elementary.exp, x), np.exp(x.astype(float))) <= 2


def test_exp_is_clamped() -> None:
    x = np.array([-np.inf, -1e30, -87.5, 88.5, 1e30, np.inf], F)
    ends = applied(elementary.exp, np.array([-87, 88], F))
    assert applied(elementary.exp, x).tolist() == [ends[0]] * 3 + [ends[1]] * 3


def test_exp_of_zero_is_one() -> None:
    assert applied(elementary.exp, np.array([0.0, -0.0], F)).tolist() == [1.0, 1.0]


def test_log_errs_by_two_units_in_the_last_place_at_most() -> None:
    x = np.concatenate([np.geomspace(1.2e-38, 3e38, 500_001), np.linspace(0.5, 2, 100_001)]).astype(F)
    assert units_in_last_place(applied(elementary.log, x), np.log(x.astype(float))) <= 2


def test_log_of_one_is_zero() -> None:
    assert applied(elementary.log, np.array([1.0], F)).tolist() == [0.0]


def test_sigmoid_is_as_good_as_float32() -> None:
    x = np.linspace(-80, 80, 200_001).astype(F)
    np.testing.assert_allclose(applied(elementary.sigmoid, x), expit(x.astype(float)), rtol=5e-7)


@pytest.mark.parametrize(("x", "limit"), [(-np.inf, 0.0), (np.inf, 1.0)])
def test_sigmoid_at_the_ends_is_a_probability(x: float, limit: float) -> None:
    (found,) = applied(elementary.sigmoid, np.array([x], F))
    assert 0 <= found <= 1
    assert found == pytest.approx(limit, abs=1e-30)


def test_cosine_and_sine_err_by_a_millionth_at_most() -> None:
    turn = np.concatenate([np.linspace(0, 1, 400_001)[:-1], [1 - 2.0**-24]]).astype(F)
    cosine, sine = pairs(elementary.cosine_sine, turn)
    np.testing.assert_allclose(cosine, np.cos(2 * np.pi * turn.astype(float)), atol=1e-6, rtol=0)
    np.testing.assert_allclose(sine, np.sin(2 * np.pi * turn.astype(float)), atol=1e-6, rtol=0)


# random numbers


@settings(deadline=None)
@given(words)
def test_mix_is_the_finaliser_of_splitmix64(word: int) -> None:
    assert int(counter.mix(np.uint64(word))) == naive.mix(word)


def test_the_first_numbers_of_splitmix64_are_the_published_ones() -> None:
    """Seed 1234567, as in the reference implementation's tests."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(counter.draw(np.uint64(1234567), np.uint64(i))) for i in range(1, 5)] == published


@settings(deadline=None)
@given(words, words)
def test_a_draw_is_its_twin(key: int, index: int) -> None:
    word = np.uint64(counter.draw(np.uint64(key), np.uint64(index)))
    assert int(word) == naive.draw(key, index)
    assert float(counter.uniform_double(word)) == naive.uniform(key, index)


@settings(deadline=None)
@given(words, st.integers(0, 2**32))
def test_a_stream_is_keyed_by_the_next_draw(key: int, number: int) -> None:
    assert int(counter.stream(np.uint64(key), number)) == naive.draw(key, number + 1)


def test_uniforms_of_a_key_are_its_draws() -> None:
    values = np.empty((2, 100))
    counter.fill_uniforms(np.array([KEY, 5], np.uint64), values)
    assert values.tolist() == [[naive.uniform(key, i) for i in range(100)] for key in (int(KEY), 5)]


@pytest.mark.parametrize(("function", "kind"), [(counter.uniform, F), (counter.uniform_double, float)])
def test_uniforms_lie_in_the_unit_interval_at_the_ends_too(function: Any, kind: type) -> None:
    low, high = applied(function, np.array([0, naive.MASK], np.uint64), kind)
    assert low == 0
    assert 0.9999999 < high < 1


@pytest.mark.parametrize(("function", "kind"), [(counter.uniform, F), (counter.uniform_double, float)])
def test_uniforms_are_uniform(function: Any, kind: type) -> None:
    assert kstest(applied(function, drawn(MANY), kind), "uniform").pvalue > 1e-4


def test_normals_have_the_stated_moments_and_range() -> None:
    z = applied(counter.normal, drawn(5 * MANY)).astype(float)
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert z.var() == pytest.approx(1, abs=4 * np.sqrt(1.7 / z.size))
    assert (z**4).mean() == pytest.approx(2.70, abs=0.03)
    assert np.abs(z).max() < 3.47


def test_variance_of_normals_is_one() -> None:
    """Of four uniform integers from 0 to 65535, exactly."""
    variance = 4 * (65536**2 - 1) / 12
    assert float(counter.NORMAL_SCALE) == pytest.approx(variance**-0.5, rel=1e-6)


@pytest.mark.parametrize("word", [0, naive.MASK])
def test_extreme_words_give_the_extreme_normals(word: int) -> None:
    (z,) = applied(counter.normal, np.array([word], np.uint64))
    assert abs(z) == pytest.approx(np.sqrt(12), rel=1e-4)
    assert (z > 0) == (word > 0)


def test_coarse_normals_are_two_independent_near_normals() -> None:
    x, y = (values.astype(float) for values in pairs(counter.coarse_normals, drawn(MANY)))
    for z in (x, y):
        assert abs(z.mean()) < 4 / np.sqrt(MANY)
        assert z.var() == pytest.approx(1, abs=4 * np.sqrt(1.7 / MANY))
        assert (z**4).mean() == pytest.approx(2.70, abs=0.06)
        assert np.abs(z).max() < 3.46
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(MANY)
    assert abs(np.corrcoef(x**2, y**2)[0, 1]) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize("word", [0, naive.MASK])
def test_extreme_words_give_the_extreme_coarse_normals(word: int) -> None:
    for (z,) in pairs(counter.coarse_normals, np.array([word], np.uint64)):
        assert abs(z) == pytest.approx(np.sqrt(12), rel=0.01)
        assert (z > 0) == (word > 0)


def test_normal_pairs_are_two_independent_normals() -> None:
    x, y = (values.astype(float) for values in pairs(counter.normal_pair, drawn(MANY)))
    for z in (x, y):
        assert kstest(z, "norm").pvalue > 1e-4
    assert abs(np.corrcoef(x, y)[0, 1]) < 4 / np.sqrt(MANY)
    assert abs(np.corrcoef(x**2, y**2)[0, 1]) < 4 / np.sqrt(MANY)


def test_normal_pairs_of_extreme_words_are_finite() -> None:
    extremes = [high << 40 | low for high in (0, 1, 2**23, 2**24 - 1) for low in (0, 1, 2**24 - 2, 2**24 - 1)]
    x, y = pairs(counter.normal_pair, np.array(extremes, np.uint64))
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    assert max(np.abs(x).max(), np.abs(y).max()) < 6


def neighbours() -> list[tuple[str, Any, Any]]:
    """Pairs of sequences that must not know of each other."""
    key = naive.mix(0)
    seeds = [np.uint64(naive.draw(naive.mix(seed), 3)) for seed in (0, 1)]
    streams = [np.uint64(naive.draw(key, number)) for number in (1, 2)]
    entities = [np.uint64(naive.draw(int(streams[0]), number)) for number in (1, 2)]
    return [
        ("seeds", drawn(MANY, seeds[0]), drawn(MANY, seeds[1])),
        ("streams", drawn(MANY, streams[0]), drawn(MANY, streams[1])),
        ("campaigns", drawn(MANY, entities[0]), drawn(MANY, entities[1])),
        ("indices", drawn(MANY), drawn(MANY, start=1)),
        ("raw keys", drawn(MANY, np.uint64(0)), drawn(MANY, np.uint64(1))),
    ]


@pytest.mark.parametrize(("name", "first", "second"), neighbours())
def test_neighbours_are_uncorrelated(name: str, first: Any, second: Any) -> None:
    for function, kind in ((counter.uniform, F), (counter.normal, F)):
        one, other = applied(function, first, kind), applied(function, second, kind)
        assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(MANY), name
        assert abs(np.corrcoef(np.abs(one - one.mean()), np.abs(other - other.mean()))[0, 1]) < 4 / np.sqrt(MANY)


def test_every_output_bit_depends_on_every_bit_of_the_index() -> None:
    base = drawn(4000)
    for bit in (0, 5, 20, 31):
        flipped = np.array([naive.draw(int(KEY), i ^ (1 << bit)) for i in range(4000)], np.uint64)
        changed = ((base ^ flipped)[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
        np.testing.assert_allclose(changed.mean(axis=0), 0.5, atol=5 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize(("coarse", "levels"), [(False, 65536), (True, 256)])
@pytest.mark.parametrize("sigma", [0.0, 0.1, 0.5, 1.0, 3.0])
def test_log_mean_exp_is_that_of_the_draws(sigma: float, coarse: bool, levels: int) -> None:
    """Of four uniform integers, by the sum of a geometric series."""
    step = sigma * (4 * (levels**2 - 1) / 12) ** -0.5
    exact = 4 * np.log(np.sinh(levels * step / 2) / np.sinh(step / 2) / levels) if sigma else 0.0
    assert counter.log_mean_exp(sigma, coarse=coarse) == pytest.approx(exact, rel=1e-5, abs=1e-12)


def test_log_mean_exp_is_that_of_a_sample() -> None:
    z = applied(counter.normal, drawn(5 * MANY)).astype(float)
    assert np.exp(z - counter.log_mean_exp(1.0)).mean() == pytest.approx(1, abs=5 * 1.3 / np.sqrt(z.size))


# phases of the traffic

WIDTH = 96


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def twin_normals(key: int, number: int, first: int, width: int) -> NDArray[Any]:
    """The normal draws of a campaign's own stream, from Python integers."""
    own = naive.draw(key, number + 1)
    found = []
    for t in range(width):
        word = naive.draw(own, first + t)
        total = sum(word >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        found.append((total - 131070) * float(counter.NORMAL_SCALE))
    return np.array(found)


def twin_coarse_normals(key: int, number: int, first: int, width: int) -> NDArray[Any]:
    """Both coarse normal draws of a campaign's own stream; (2, width)."""
    own = naive.draw(key, number + 1)
    found = []
    for t in range(width):
        octets = naive.draw(own, first + t).to_bytes(8, "little")
        found.append([(sum(octets[half : half + 4]) - 510) * float(counter.COARSE_SCALE) for half in (0, 4)])
    return np.array(found).T


def test_affinity_logits_are_matrix_products() -> None:
    bias, direction = rng().normal(size=(2, 5)).astype(F), rng().normal(size=(2, 5, 8)).astype(F)
    context, ctr, cvr = rng().normal(size=(8, WIDTH)).astype(F), np.zeros((5, WIDTH), F), np.zeros((5, WIDTH), F)
    traffic.affinity_logits(bias[0], direction[0], bias[1], direction[1], context, ctr, cvr, WIDTH - 3)
    for k, logit in enumerate((ctr, cvr)):
        np.testing.assert_allclose(logit[:, :-3], (bias[k, :, None] + direction[k] @ context)[:, :-3], atol=1e-5)
        assert (logit[:, -3:] == 0).all()


def test_noise_is_each_campaigns_own() -> None:
    logit = np.ones((3, WIDTH), F)
    traffic.add_noise(KEY, F(0.5), 1000, logit, 3, WIDTH)
    for n in range(3):
        expected = 1 + 0.5 * twin_normals(int(KEY), n, 1000, WIDTH)
        np.testing.assert_allclose(logit[n], expected, atol=1e-6)


def test_logits_become_rates() -> None:
    logit = rng().normal(size=(3, WIDTH)).astype(F)
    expected = expit(logit.astype(float))
    traffic.logits_to_rates(logit, 3, WIDTH)
    np.testing.assert_allclose(logit, expected, rtol=5e-7)


def test_contexts_are_independent_standard_normals() -> None:
    context = np.zeros((traffic.DIMENSIONS, MANY // 2), F)
    traffic.draw_contexts(KEY, 0, context, MANY // 2)
    for row in context:
        assert kstest(row, "norm").pvalue > 1e-4
    correlation = np.corrcoef(context) - np.eye(traffic.DIMENSIONS)
    assert np.abs(correlation).max() < 4.5 / np.sqrt(MANY // 2)


def test_experience_is_its_formula() -> None:
    logit, bias = rng().normal(size=(2, WIDTH)).astype(F), np.array([0.5, -1.0], F)
    found = np.zeros((2, WIDTH), F)
    traffic.experience_scores(KEY, 7, logit, bias, F(0.3), F(0.4), F(-0.2), found, WIDTH)
    for n in range(2):
        z = twin_normals(int(KEY), n, 7, WIDTH)
        np.testing.assert_allclose(found[n], np.exp(0.3 * (logit[n] - bias[n]) + 0.4 * z - 0.2), rtol=1e-5)


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.7, 1.0])
@pytest.mark.parametrize(("affinity", "noise"), [(0.8, 0.0), (0.3, 0.6), (0.0, 0.5), (0.0, 0.0)])
def test_experience_has_the_promised_mean_and_correlation(correlation: float, affinity: float, noise: float) -> None:
    table = ExperienceTable(mean=2.5, sigma=0.6, correlation=correlation)
    slope, sigma, constant = _experience(ContextualTraffic(ctr_affinity=affinity, ctr_noise=noise, experience=table))
    bias, direction = np.array([-3.0], F), np.zeros((1, traffic.DIMENSIONS), F)
    direction[0, 2] = affinity
    context, logit, found = (np.zeros((rows, MANY), F) for rows in (traffic.DIMENSIONS, 1, 1))
    traffic.draw_contexts(KEY, 0, context, MANY)
    traffic.affinity_logits(bias, direction, bias, direction, context, logit, found, MANY)
    traffic.add_noise(np.uint64(5), F(noise), 0, logit, 1, MANY)
    traffic.experience_scores(np.uint64(6), 0, logit, bias, F(slope), F(sigma), F(constant), found, MANY)
    score = found[0].astype(float)
    assert score.mean() == pytest.approx(2.5, rel=5 * 0.66 / np.sqrt(MANY))
    assert np.log(score).std() == pytest.approx(0.6, rel=0.01)
    if affinity or noise:
        found_correlation = np.corrcoef(np.log(score), logit[0])[0, 1]
        assert found_correlation == pytest.approx(correlation, abs=4 / np.sqrt(MANY))


def predicted(truth: Truth, errors: Any, biases: Any, first: int = 0) -> tuple[Any, Any, Any]:
    """pCTR, pCVR and predicted value; errors are (sigma, constant) of clicks and conversions."""
    found = [np.zeros_like(truth.ctr) for _ in range(3)]
    normals = np.zeros((2, truth.ctr.shape[1]), np.float32)
    traffic.predict_with_errors(KEY, first, truth, *errors, *biases, normals, *found, truth.ctr.shape[1])
    return tuple(found)


def test_distorted_logits_are_their_formula() -> None:
    truth = Truth(*rng().uniform(0.01, 0.9, (3, 2, WIDTH)).astype(F))
    truth.ctr[0, :2] = 0, 1
    pctr, pcvr, value = (np.zeros_like(truth.ctr) for _ in range(3))
    bias = np.array([0.4, -1.0], F)
    given = (F(1.5), F(0.3), bias, np.zeros((2, WIDTH), F), pctr, pcvr, value)
    traffic.predict_distorted_logits(KEY, 3, truth, *given, WIDTH)
    for n in range(2):
        z, _ = twin_coarse_normals(int(KEY), n, 3, WIDTH)
        rate = np.clip(truth.ctr[n].astype(float), 1e-7, 1 - 1.2e-7)
        expected = 1 / (1 + np.exp(-(1.5 * np.log(rate / (1 - rate)) + bias[n] + 0.3 * z)))
        np.testing.assert_allclose(pctr[n], expected, rtol=1e-4)
    np.testing.assert_array_equal(pcvr, truth.cvr)
    np.testing.assert_array_equal(value, pctr * pcvr * truth.amount)
    assert np.all(pctr > 0)


def test_prediction_errors_are_their_formula_and_never_exceed_one() -> None:
    truth = Truth(*rng().uniform(0.3, 0.9, (3, 2, WIDTH)).astype(F))
    errors = (F(0.5), F(-0.1)), (F(0.3), F(0.2))
    biases = np.array([[0.5, 2.0], [1.0, 0.7]], F)
    pctr, pcvr, value = predicted(truth, errors, biases, first=3)
    for n in range(2):
        z = twin_coarse_normals(int(KEY), n, 3, WIDTH)
        for rate, true, (sigma, constant), bias, draws in zip((pctr, pcvr), truth, errors, biases, z, strict=False):
            error = np.exp(sigma * draws + constant)
            np.testing.assert_allclose(rate[n], np.minimum(1, true[n] * bias[n] * error), rtol=1e-5)
    np.testing.assert_array_equal(value, pctr * pcvr * truth.amount)
    assert pctr.max() == 1


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_predictions_are_unbiased(sigma: float) -> None:
    truth = Truth(*np.full((3, 1, MANY), 1e-3, F))
    error = _unbiased(sigma, coarse=True)
    rates = predicted(truth, (error, error), np.ones((2, 1), F))[:2]
    errors = [rate[0].astype(float) / 1e-3 for rate in rates]
    for found in errors:
        assert found.mean() == pytest.approx(1, abs=4 * found.std() / np.sqrt(MANY))
        assert np.log(found).std() == pytest.approx(sigma, rel=0.01)
    assert abs(np.corrcoef(*np.log(errors))[0, 1]) < 4 / np.sqrt(MANY)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.0])
def test_baskets_have_mean_one(sigma: float) -> None:
    basket, amount, bound = np.ones(MANY, F), np.zeros((2, MANY), F), np.zeros(2, F)
    traffic.basket_amounts(KEY, *_unbiased(sigma), 0, np.array([1.0, 3.0], F), basket, amount, bound, MANY)
    values = basket.astype(float)
    assert values.mean() == pytest.approx(1, abs=4 * values.std() / np.sqrt(MANY) + 1e-7)
    np.testing.assert_array_equal(amount, np.array([[1.0], [3.0]], F) * basket)
    np.testing.assert_array_equal(bound, amount.max(axis=1))


@pytest.mark.parametrize(
    ("kind", "a", "b", "law"),
    [
        (traffic.UNIFORM, 2.0, 5.0, ("uniform", (2.0, 3.0))),
        (traffic.LOGNORMAL, 2.0, 0.5, ("lognorm", (0.5, 0.0, 2.0))),
    ],
)
def test_amounts_are_drawn_from_their_distribution(kind: int, a: float, b: float, law: tuple[str, Any]) -> None:
    amount, bound = np.zeros((1, MANY), F), np.zeros(1, F)
    traffic.independent_amounts(KEY, kind, F(a), F(b), 0, np.ones(1, F), amount, bound, MANY)
    assert kstest(amount[0], *law).pvalue > 1e-4
    assert bound[0] == amount.max()


def test_a_constant_amount_is_constant() -> None:
    amount, bound = np.zeros((2, WIDTH), F), np.zeros(2, F)
    traffic.independent_amounts(KEY, traffic.CONSTANT, F(2), F(0), 0, np.array([1, 3], F), amount, bound, WIDTH)
    assert amount.tolist() == [[2.0] * WIDTH, [6.0] * WIDTH]
    assert bound.tolist() == [2.0, 6.0]


def test_exact_values_and_conversion_rates_are_products() -> None:
    truth = Truth(*rng().uniform(0.1, 1, (3, 2, WIDTH)).astype(F))
    value, rate = np.zeros((2, WIDTH), F), np.zeros((2, WIDTH), F)
    traffic.predict_exactly(truth, value, 2, WIDTH)
    traffic.conversion_rates(truth.ctr, truth.cvr, rate, 2, WIDTH)
    np.testing.assert_array_equal(value, truth.ctr * truth.cvr * truth.amount)
    np.testing.assert_array_equal(rate, truth.ctr * truth.cvr)


# tiles


@pytest.mark.parametrize("count", [1, 3, 64, 65, 100, 5000, 10**6])
def test_tile_width_is_a_power_of_two_from_64_to_512(count: int) -> None:
    width = tiles.tile_width(count)
    assert 64 <= width <= 512
    assert width & (width - 1) == 0
    assert width in (64, 512) or width * count <= tiles.ELEMENTS < 2 * width * count


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 16, 19])
@pytest.mark.parametrize(("first", "width"), [(0, 512), (3, 200), (690, 10), (5, 129), (0, 1)])
def test_a_tile_is_a_transposed_window_of_rows(first: int, width: int, columns: int) -> None:
    rows, tile = rng().uniform(size=(700, columns)), np.full((columns, 512), -1.0)
    tiles.load_tile(rows, first, width, tile)
    np.testing.assert_array_equal(tile[:, :width], rows[first : first + width].T)
    assert (tile[:, width:] == -1).all()


def test_one_row_fills_a_tile() -> None:
    tile = np.zeros((3, 8))
    tiles.load_tile(np.array([[1.0, 2.0, 3.0]]), 5, 8, tile)
    assert tile.tolist() == [[1.0] * 8, [2.0] * 8, [3.0] * 8]


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1, np.inf, -np.inf])
@pytest.mark.parametrize("count", range(1, 10))
def test_an_opportunity_with_a_number_out_of_range_is_noticed(bad: float, count: int) -> None:
    flags = np.ones(8, np.int32)
    for n in range(count):
        tile = np.tile([0.0, 1.0], (count, 4))
        assert tiles.count_outside(tile, 8, 0.0, 1.0, flags) == 0
        tile[n, 5] = bad
        assert tiles.count_outside(tile, 8, 0.0, 1.0, flags) == 1
        assert tiles.count_outside(tile, 5, 0.0, 1.0, flags) == 0


@pytest.mark.parametrize("charge", ["exposure", "click", "conversion"])
@pytest.mark.parametrize("source", ["contextual", "independent"])
def test_traffic_does_not_depend_on_where_tiles_begin(source: str, charge: str) -> None:
    """One tile of 300 opportunities, and the same ones in tiles of other widths and beginnings."""
    contextual = {"ctr_noise": 0.2, "cvr_affinity": 0.3, "basket": 0.5, "experience": {"mean": 1.0}}
    scenario = read_scenario(
        {
            "market": {"opportunities": 300},
            "auction": {"charge": charge},
            "traffic": {
                "source": source,
                **(
                    contextual
                    if source == "contextual"
                    else {"value": {"distribution": "uniform", "low": 0, "high": 1}}
                ),
            },
            "competition": {"price": {"distribution": "lognormal", "median": 1.0, "sigma": 0.3}},
            "predictor": {"kind": "noise", "bias_spread": 0.2},
            "campaigns": [{"count": 5, "target_roi": 1.0}],
        },
        "test",
    )

    def numbers(cuts: list[int]) -> NDArray[Any]:
        parts = []
        market = lay_out(Market(scenario, 3))
        candidates = market.candidates
        for first, last in pairwise(cuts):
            market.fill(first, last - first)
            fields = [*market.truth, candidates.value, candidates.rate, candidates.experience]
            parts.append(np.stack([field[:, : last - first] for field in fields]).copy())
        return np.concatenate(parts, axis=2)

    whole = numbers([0, 300])
    assert np.unique(whole[3, 0]).size > 290
    for cuts in ([0, 1, 2, 300], [0, 7, 64, 131, 299, 300]):
        np.testing.assert_array_equal(numbers(cuts), whole)
