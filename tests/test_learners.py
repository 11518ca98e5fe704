"""Learned predictors of the default install: against twins of their papers, and against each other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from naive_predictors import NaiveBayes, NaiveFtrl, NaiveMachine, features, probability
from small_rows import PLAIN, SCHEMA, crossed_rows, small_grid, small_rows

from adsim import predictors, registry
from adsim.errors import AdsimError
from adsim.kernels.counter import draw, normal, stream
from adsim.predictors.bayes import BayesianLogistic
from adsim.predictors.encoding import Encoder
from adsim.predictors.features import Ads, Contexts, Field, Schema, make_rows, pair
from adsim.predictors.fm import FactorizationMachine
from adsim.predictors.ftrl import FollowTheRegularizedLeader
from adsim.predictors.fwfm import FieldWeightedMachine
from adsim.predictors.learner import Learner, load

LINEAR = {"crosses": "segment*ad+category*hour+ad*category", "per": "ad", "bits": 14}
CROSSES = (0, 2), (3, 1), (2, 3)
SPECIFICATIONS = [
    "constant",
    "ftrl",
    "ftrl:crosses=segment*ad+category*hour+hour*segment:per=ad",
    "ftrl:per=segment:history=false",
    "bayes:thompson=0.5:crosses=ad*hour:per=ad",
    "fm",
    "fm:factors=4:history=false",
    "fwfm",
    "fwfm:factors=16",
]


def make(specification: str) -> Learner:
    name, parameters = registry.parse(specification)
    learner: Learner = registry.create("predictors", name, {**parameters, **({} if name == "constant" else BITS)})
    return learner


BITS = {"bits": 14}


def log_loss(p: Any, y: Any) -> float:
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def test_equal_values_of_two_fields_get_different_slots() -> None:
    schema = Schema((Field("a", 1000), Field("b", 1000)), (Field("c", 1000),))
    rows = make_rows(schema, np.repeat(np.arange(-1, 1000)[:, None], 3, axis=1))
    _, (slots, _) = next(Encoder(schema, 24, history=False).chunks(rows))
    assert np.unique(slots).size > 0.999 * slots.size
    for bits in (1, 5):
        _, (slots, _) = next(Encoder(schema, bits, history=False).chunks(rows))
        assert set(np.unique(slots)) == set(range(2**bits))


def test_values_outside_a_field_share_a_slot_with_no_known_value() -> None:
    schema = Schema((Field("a", 1000),), (Field("b", 10),))
    ids = np.array([[-1, 0], [1000, 0], [2**31 - 1, 0], [-(2**31), 0], *([a, 0] for a in range(1000))])
    _, (slots, _) = next(Encoder(schema, 26, history=False).chunks(make_rows(schema, ids)))
    assert np.unique(slots[:4, 0]).size == 1
    assert slots[0, 0] not in slots[4:, 0]


@pytest.mark.parametrize(
    ("learner", "twin"),
    [
        (FollowTheRegularizedLeader(0.1, 1, 0.05, 1.0, **LINEAR), NaiveFtrl(0.1, 1, 0.05, 1.0)),  # type: ignore[arg-type]
        (BayesianLogistic(precision=2, **LINEAR), NaiveBayes(2)),  # type: ignore[arg-type]
    ],
    ids=["ftrl", "bayes"],
)
def test_linear_learners_are_their_twins_bit_for_bit(learner: Any, twin: Any) -> None:
    rows, labels = small_rows(1500)
    weights = np.random.default_rng(1).exponential(1, 1500).astype(np.float32)
    learner.begin(SCHEMA).partial_fit(rows, labels, weights)
    twin_rows = [features(rows, i, 14, crosses=CROSSES, per=2) for i in range(1500)]
    for row, y, weight in zip(twin_rows, labels, weights, strict=True):
        twin.learn(row, y, weight)
    expected = [probability(twin.logit(row)) for row in twin_rows]
    np.testing.assert_array_equal(learner.predict_proba(rows), np.array(expected, np.float64))


@pytest.mark.parametrize("kind", [FactorizationMachine, FieldWeightedMachine])
@pytest.mark.parametrize("factors", [3, 8, 16])
def test_machines_add_up_all_pairs(kind: Callable[..., Any], factors: int) -> None:
    rows, labels = small_rows(600)
    learner = kind(factors=factors, bits=14).fit(rows, labels)
    machine = NaiveMachine(learner.table, getattr(learner, "strength", None))
    expected = [machine.logit(features(rows, i, 14)) for i in range(40)]
    p = learner.predict_proba(rows.take(slice(40)))
    np.testing.assert_allclose(np.log(p / (1 - p)), expected, atol=2e-5)


@pytest.mark.parametrize("kind", [FactorizationMachine, FieldWeightedMachine])
def test_machines_descend_the_gradient_of_the_log_loss(kind: Callable[..., Any]) -> None:
    """With a tiny rate and no penalty, a step of Adagrad from sums of 1 is minus the rate times the gradient."""
    rows, labels = small_rows(3, seed=5)
    rate, before = 1e-3, kind(rate=1e-3, l2=0, bits=14, spread=0.3).begin(SCHEMA)
    table = before.table.astype(float).copy()
    strength = getattr(before, "strength", None)
    strength = None if strength is None else strength.astype(float).copy()
    row, y = features(rows, 0, 14), float(labels[0])
    before.partial_fit(rows.take(slice(1)), labels[:1])

    def loss(table: Any, strength: Any) -> float:
        p = 1 / (1 + np.exp(-NaiveMachine(table, strength).logit(row)))
        return float(-y * np.log(p) - (1 - y) * np.log(1 - p))

    def check(array: Any, at: tuple[int, ...], after: float) -> None:
        start, sides = array[at], []
        for delta in (1e-5, -1e-5):
            array[at] = start + delta
            if array is strength:
                array[at[::-1]] = start + delta
            sides.append(loss(table, strength))
        array[at] = start
        if array is strength:
            array[at[::-1]] = start
        gradient = (sides[0] - sides[1]) / 2e-5
        moved = -rate * gradient / np.sqrt(1 + gradient**2)
        assert after - start == pytest.approx(moved, abs=1e-6)

    slots = [slot for _, slot, _ in row]
    for slot in {slot for slot in slots if slots.count(slot) == 1}:
        for column in (0, 2, 5, 9):
            check(table, (slot, column), before.table[slot, column])
    check(table, (table.shape[0] - 1, 0), before.table[-1, 0])
    if strength is not None:
        check(strength, (0, 3), before.strength[0, 3])
        check(strength, (1, 2), before.strength[1, 2])


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_a_grid_holds_what_its_rows_would_get(specification: str) -> None:
    rows, labels = small_rows(3000)
    learner = make(specification).fit(rows, labels)
    contexts, ads = small_grid(70, 9, seed=1)
    out = np.full((9, 80), 7, np.float32)
    learner.predict_grid(contexts, ads, out)
    opportunity, ad = np.tile(np.arange(70), 9), np.repeat(np.arange(9), 70)
    expected = learner.predict_proba(pair(contexts, opportunity, ads, ad)).reshape(9, 70)
    np.testing.assert_allclose(out[:, :70], expected, rtol=1e-5)
    assert np.all(out[:, 70:] == 7)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_a_saved_learner_goes_on_as_if_it_had_never_been_away(specification: str, tmp_path: Path) -> None:
    rows, labels = small_rows(2000)
    learner = make(specification).fit(rows, labels)
    learner.save(tmp_path / "model.npz")
    read = load(tmp_path / "model.npz")
    for each in (learner, read):
        each.partial_fit(rows, labels)
    np.testing.assert_array_equal(read.predict_proba(rows), learner.predict_proba(rows))
    other, _, _ = crossed_rows(5, 0)
    with pytest.raises(AdsimError, match="has learned other features"):
        read.predict_proba(other)
    with pytest.raises(AdsimError, match="has learned other features"):
        read.partial_fit(other, np.zeros(5))


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_parts_of_a_log_teach_what_the_whole_does(specification: str) -> None:
    rows, labels = small_rows(5000)
    whole, parts = make(specification).fit(rows, labels), make(specification).begin(SCHEMA)
    for part in (slice(0, 1), slice(1, 3000), slice(3000, 5000)):
        parts.partial_fit(rows.take(part), labels[part])
    np.testing.assert_allclose(parts.predict_proba(rows), whole.predict_proba(rows), rtol=1e-12)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_labels_that_never_happen_leave_a_small_positive_probability(specification: str) -> None:
    rows, _ = small_rows(20_000)
    for label in (0, 1):
        p = make(specification).fit(rows, np.full(20_000, label)).predict_proba(rows)
        assert np.all((p > 0) & (p < 1))
        assert np.all(abs(p - label) < 0.1)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_rows_of_no_weight_teach_nothing(specification: str) -> None:
    rows, labels = small_rows(2000)
    weights = (np.arange(2000) % 2).astype(np.float32)
    some = make(specification).fit(rows.take(weights > 0), labels[weights > 0])
    weighted = make(specification).fit(rows, labels, weights)
    if specification.startswith("f") and not specification.startswith("ftrl"):
        atol = 0.02  # the penalty pulls at what a row touches, whatever its weight
    else:
        atol = 1e-12
    np.testing.assert_allclose(weighted.predict_proba(rows), some.predict_proba(rows), atol=atol)


def test_more_weight_of_the_events_raises_predictions() -> None:
    rows, labels = small_rows(5000)
    for specification in SPECIFICATIONS:
        plain = make(specification).fit(rows, labels).predict_proba(rows).mean()
        assert make(specification).fit(rows, labels, 1 + 2 * labels).predict_proba(rows).mean() > 1.3 * plain


def test_crosses_and_machines_see_what_main_effects_do_not() -> None:
    train, valid, test = (crossed_rows(count, seed) for seed, count in enumerate((60_000, 8_000, 20_000)))

    def loss(specification: str) -> float:
        learner = make(specification).fit(*train[:2], valid=valid[:2])
        return log_loss(learner.predict_proba(test[0]), test[1])

    least, most = log_loss(test[2], test[1]), loss("constant")
    seen = {name: (most - loss(name)) / (most - least) for name in ("ftrl", "fm", "fwfm", CROSSED)}
    assert seen["ftrl"] < 0.05
    assert all(seen[name] > 0.5 for name in (CROSSED, "fm", "fwfm")), seen


CROSSED = "ftrl:crosses=segment*category+page*category+segment*ad"


def test_passes_without_validation_learn_the_rows_by_heart_and_validation_stops_them() -> None:
    train, valid, test = (crossed_rows(count, seed) for seed, count in enumerate((3_000, 3_000, 10_000)))
    by_heart = make("fwfm:epochs=30").fit(*train[:2])
    stopped = make("fwfm:epochs=30").fit(*train[:2], valid=valid[:2])
    losses = [[log_loss(m.predict_proba(d[0]), d[1]) for d in (train, test)] for m in (by_heart, stopped)]
    assert losses[0][0] < losses[1][0]
    assert losses[0][1] > losses[1][1] + 0.02


def test_the_posterior_of_one_weight_is_that_of_its_rows() -> None:
    """An intercept and one value alone: precision 1 + sum p (1 - p), checked against the exact posterior's."""
    schema = Schema((Field("one", 1),), (Field("ad", 1),))
    rows = make_rows(schema, np.full((4000, 2), -1))
    labels = (np.random.default_rng(0).random(4000) < 0.2).astype(np.float32)
    learner = BayesianLogistic(precision=1, bits=10).fit(rows, labels)
    assert learner.predict_proba(rows)[0] == pytest.approx(labels.mean(), abs=0.02)
    precision = 1 / float(learner.table[-1, 1])
    assert precision == pytest.approx(1 + 4000 * 0.2 * 0.8, rel=0.1)


def test_samples_spread_around_predictions_as_the_posterior_says() -> None:
    rows, labels = small_rows(4000)
    learner = BayesianLogistic(thompson=0.7, precision=1, **LINEAR).fit(rows, labels)  # type: ignore[arg-type]
    contexts, ads = small_grid(500, 6, seed=3)
    mean, sample = np.empty((2, 6, 500), np.float32)
    learner.predict_grid(contexts, ads, mean)
    learner.sample_grid(contexts, ads, 99, 1000, sample)
    z = np.empty((6, 500))
    for a in range(6):
        for t in range(500):
            z[a, t] = normal(np.uint64(draw(np.uint64(stream(99, a)), np.uint64(1000 + t))))
    twin = NaiveBayes(1)
    for i in range(4000):
        twin.learn(features(rows, i, 14, crosses=CROSSES, per=2), labels[i], np.float32(1))
    grid = pair(contexts, np.tile(np.arange(500), 6), ads, np.repeat(np.arange(6), 500))
    chosen = np.arange(0, 3000, 37)
    spread = [np.sqrt(twin.variance(features(grid, int(i), 14, crosses=CROSSES, per=2))) for i in chosen]
    logit = [np.log(p / (1 - p)).ravel()[chosen] for p in (mean.astype(float), sample.astype(float))]
    np.testing.assert_allclose(logit[1] - logit[0], 0.7 * np.array(spread) * z.ravel()[chosen], atol=2e-4)


def test_samples_do_not_depend_on_the_block_they_are_drawn_in() -> None:
    rows, labels = small_rows(1000)
    learner = make("bayes:thompson=1").fit(rows, labels)
    contexts, ads = small_grid(40, 5)
    assert learner.explores
    assert not make("bayes").explores
    whole, part = np.empty((5, 40), np.float32), np.empty((5, 15), np.float32)
    learner.sample_grid(contexts, ads, 5, 0, whole)
    cut = type(contexts)(
        SCHEMA, *(array[25:] for array in (contexts.ids, contexts.history, contexts.age, contexts.numbers))
    )
    learner.sample_grid(cut, ads, 5, 25, part)
    np.testing.assert_array_equal(part, whole[:, 25:])


def test_weights_per_ad_find_the_taste_for_each() -> None:
    """Contexts of four numbers, ads with weights of their own: an independent regression for each."""
    rng = np.random.default_rng(0)
    schema, taste = Schema((), (Field("ad", 12),), context_numbers=4), rng.normal(0, 1, (12, 5))
    ids, numbers = rng.integers(0, 12, (40_000, 1)), rng.normal(0, 1, (40_000, 4))
    rates = 1 / (1 + np.exp(-(taste[ids[:, 0], 0] - 2 + np.sum(numbers * taste[ids[:, 0], 1:], axis=1))))
    rows, labels = make_rows(schema, ids, numbers=numbers), rng.random(40_000) < rates

    def error(specification: str) -> float:
        return float(np.sqrt(np.mean((make(specification).fit(rows, labels).predict_proba(rows) - rates) ** 2)))

    assert error("bayes:precision=1") > 0.15
    assert error("bayes:precision=1:per=ad") < 0.03
    assert error("ftrl:per=ad") < 0.04


def test_thompson_sampling_finds_the_good_ad_that_greedy_leaves() -> None:
    """Blocks of opportunities, of which only the ad that is shown tells whether it is clicked."""
    schema = Schema((Field("page", 3),), (Field("ad", 12),))
    ads = Ads(schema, np.arange(12, dtype=np.int32)[:, None], np.empty((12, 0), np.float32))
    nothing = np.empty((100, 0), np.float32)

    def share_of_best(thompson: float, seed: int) -> float:
        rng = np.random.default_rng(seed)
        rates = np.append(rng.uniform(0.02, 0.1, 11), 0.2)
        learner, out = BayesianLogistic(thompson, bits=10).begin(schema), np.empty((12, 100), np.float32)
        for block in range(60):
            pages = rng.integers(0, 3, (100, 1)).astype(np.int32)
            contexts = Contexts(schema, pages, nothing.astype(np.int32), nothing, nothing)
            learner.sample_grid(contexts, ads, seed, 100 * block, out)
            shown = out.argmax(axis=0)
            learner.partial_fit(pair(contexts, np.arange(100), ads, shown), rng.random(100) < rates[shown])
        return float(np.mean(shown == 11))

    shares = np.array([[share_of_best(thompson, seed) for thompson in (0.0, 1.0)] for seed in range(6)])
    assert shares[:, 1].min() > 0.8
    assert shares[:, 1].mean() > shares[:, 0].mean() + 0.3


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ("ftrl:alpha=0", "alpha"),
        ("ftrl:bits=40", "bits"),
        ("fm:factors=0", "factors"),
        ("bayes:precision=-1", "precision"),
        ("fwfm:epochs=0", "epochs"),
        ("ftrl:crosses=segment*nowhere", "nowhere"),
        ("ftrl:crosses=segment", "pair"),
        ("bayes:per=nothing", "nothing"),
        ("ftrl:per=segment", "has no numbers"),
    ],
)
def test_impossible_parameters_are_refused_by_name(specification: str, message: str) -> None:
    name, parameters = registry.parse(specification)
    with pytest.raises(AdsimError, match=message):
        registry.create("predictors", name, parameters).begin(PLAIN)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_file_that_is_cut_short_or_of_something_else_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "model.npz"
    schema = Schema((Field("hour", 24),), (Field("ad", 2),))
    predictors.make("ftrl").fit(make_rows(schema, [[9, 0], [9, 1]]), [0, 1]).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept if kept >= 1 else kept * len(whole))])
    with pytest.raises(AdsimError, match="not a predictor that adsim wrote"):
        load(path)
    path.write_bytes(b"click price pctr")
    with pytest.raises(AdsimError, match="not a predictor that adsim wrote"):
        load(path)
    with pytest.raises(AdsimError, match="no such file"):
        load(tmp_path / "none.npz")


def test_only_what_learns_is_made() -> None:
    with pytest.raises(AdsimError, match="noise: does not learn"):
        predictors.make("noise")
