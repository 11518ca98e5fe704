"""Calibration, path ensembles, semantic ids and label proportions, around the learners of the default install."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import rankdata
from small_rows import SCHEMA, crossed_rows, small_grid, small_rows

from adsim import registry
from adsim.errors import AdsimError
from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, concatenate, make_rows, pair
from adsim.predictors.learner import Learner, load
from adsim.predictors.proportions import LabelProportions
from adsim.predictors.semantic import SemanticIds
from adsim.predictors.wrapper import logits

CALIBRATED = ["platt:of=fm/bits=14", "isotonic:of=fm/bits=14", "binned:of=bayes/bits=14/thompson=0.3"]
WRAPPED = [*CALIBRATED, "paths:of=fwfm/bits=14", "semantic:of=ftrl/bits=14", "proportions:of=ftrl/bits=14"]
NESTED = "isotonic:of=paths/of=fwfm//bits=12:bins=30"


def make(specification: str) -> Learner:
    name, parameters = registry.parse(specification)
    learner: Learner = registry.create("predictors", name, parameters)
    return learner


def log_loss(p: Any, y: Any) -> float:
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def auc(p: Any, y: Any) -> float:
    ranks, events = rankdata(p), y.sum()
    return float((ranks[y > 0].sum() - events * (events + 1) / 2) / (events * (y.size - events)))


def expected_error(p: Any, truth: Any) -> float:
    """Mean distance of predictions from true rates, over twenty bins of equal size."""
    order = np.array_split(np.argsort(p), 20)
    return float(np.mean([abs(p[bin].mean() - truth[bin].mean()) for bin in order]))


@pytest.mark.parametrize("specification", [*WRAPPED, NESTED])
def test_a_wrapper_is_a_learner(specification: str, tmp_path: Path) -> None:
    """Grids hold what rows get, files give back what went in, other features are refused, extremes are finite."""
    rows, labels = small_rows(4000)
    learner = make(specification).fit(rows, labels)
    contexts, ads = small_grid(60, 7, seed=1)
    out = np.full((7, 64), 7, np.float32)
    learner.predict_grid(contexts, ads, out)
    expected = learner.predict_proba(pair(contexts, np.tile(np.arange(60), 7), ads, np.repeat(np.arange(7), 60)))
    np.testing.assert_allclose(out[:, :60], expected.reshape(7, 60), rtol=2e-4)
    assert np.all(out[:, 60:] == 7)
    learner.sample_grid(contexts, ads, 1, 0, out)
    assert learner.explores == (not np.allclose(out[:, :60], expected.reshape(7, 60), rtol=2e-4))

    learner.save(tmp_path / "model.npz")
    read = load(tmp_path / "model.npz")
    for each in (learner, read):
        each.partial_fit(rows, labels)
    np.testing.assert_array_equal(read.predict_proba(rows), learner.predict_proba(rows))
    other, _, _ = crossed_rows(5, 0)
    with pytest.raises(AdsimError, match="has learned other features"):
        read.predict_proba(other)
    split = len(other.schema.context)
    strangers = Contexts(other.schema, other.ids[:, :split], other.history, other.age, other.numbers)
    with pytest.raises(AdsimError, match="has learned other features"):
        read.predict_grid(strangers, Ads(other.schema, other.ids[:, split:], other.numbers), out)

    p = make(specification).fit(rows, np.zeros(4000)).predict_proba(rows)
    assert np.all((p > 0) & (p < 0.2))


@pytest.mark.parametrize(
    ("of", "message"),
    [("noise", "does not learn"), ("fmm", "fm"), ("fm/factor=3", "factors"), ("ftrl/alpha=-1", "alpha")],
)
def test_what_cannot_be_wrapped_is_refused_by_name(of: str, message: str) -> None:
    with pytest.raises(AdsimError, match=message):
        make(f"platt:of={of}").begin(SCHEMA)


@pytest.mark.parametrize("kind", ["platt", "isotonic", "binned"])
@pytest.mark.parametrize("online", [False, True])
def test_calibration_mends_a_model_that_has_learned_its_rows_by_heart(kind: str, online: bool) -> None:
    train, valid, test = (crossed_rows(count, seed) for seed, count in enumerate((3_000, 20_000, 20_000)))
    by_heart = make("fwfm:epochs=12:bits=14").fit(*train[:2])
    calibrated = make(f"{kind}:of=fwfm/epochs=12/bits=14:half_life=1e9:holdout={20 / 23}")
    if online:
        calibrated.begin(train[0].schema).inner.restore(by_heart.arrays())  # type: ignore[attr-defined]
        for start in range(0, 20_000, 500):
            part = slice(start, start + 500)
            calibrated.partial_fit(valid[0].take(part), valid[1][part])
    else:
        calibrated.fit(concatenate([train[0], valid[0]]), np.concatenate([train[1], valid[1]]))
    losses = [log_loss(learner.predict_proba(test[0]), test[1]) for learner in (by_heart, calibrated)]
    assert losses[1] < losses[0] - 0.025
    errors = [expected_error(learner.predict_proba(test[0]), test[2]) for learner in (by_heart, calibrated)]
    assert errors[1] < 0.5 * errors[0]


def test_platts_line_is_the_largest_posterior() -> None:
    rows, labels = small_rows(6000)
    learner = make("platt:of=fm/bits=14:holdout=0.5").fit(rows, labels)
    inner = make("fm:bits=14").fit(rows.take(slice(3000)), labels[:3000])
    logit, y = logits(inner.predict_proba(rows.take(slice(3000, None)))), labels[3000:].astype(float)

    def loss(line: Any) -> float:
        z = line[0] * logit + line[1]
        return float(np.sum(np.logaddexp(0, z) - y * z) + ((line[0] - 1) ** 2 + line[1] ** 2) / 2)

    best = minimize(loss, [1, 0], tol=1e-10).x
    assert (learner.slope, learner.shift) == pytest.approx(best, abs=5e-3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["platt", "isotonic", "binned"])
def test_a_calibrated_curve_learns_the_distortion_that_was_made(kind: str) -> None:
    """Labels of known odds against a model that says twice the logit, and one more: only the curve can be wrong."""
    rng = np.random.default_rng(0)
    layer = make(f"{kind}:of=constant").begin(SCHEMA)
    truth = rng.normal(-2, 1, 200_000)
    said, y = 2 * truth + 1, rng.random(200_000) < 1 / (1 + np.exp(-truth))
    cell = np.clip((said + 16) * 64, 0, 2047).astype(int)
    layer.histogram[...] = [np.bincount(cell, each, 2048) for each in (np.ones_like(said), y, said)]  # type: ignore[attr-defined]
    layer._fit_curve()  # type: ignore[attr-defined]
    asked = np.quantile(said, np.linspace(0.02, 0.98, 50))
    found = layer._curve(asked)  # type: ignore[attr-defined]
    error = np.abs(1 / (1 + np.exp(-found)) - 1 / (1 + np.exp(-(asked - 1) / 2)))
    assert error.mean() < {"platt": 0.003, "isotonic": 0.012, "binned": 0.02}[kind]
    if kind != "binned":
        assert np.all(np.diff(found) >= -1e-9)


def long_tailed(count: int, seed: int, users: int = 3000) -> tuple[Rows, Any]:
    """Rows of many rare values, each with an effect of its own and crossed with the others."""
    rng, world = np.random.default_rng([2, seed]), np.random.default_rng(3)
    schema = Schema((Field("user", users), Field("segment", 8)), (Field("ad", users // 5), Field("category", 10)))
    ids = np.stack([(field.size * rng.random(count) ** 3).astype(int) for field in schema.fields], 1)
    effects = [world.normal(0, 0.6, field.size) for field in schema.fields]
    cross = world.normal(0, 0.8, (8, 10))
    logit = -2 + sum(effect[ids[:, f]] for f, effect in enumerate(effects)) + cross[ids[:, 1], ids[:, 3]]
    return make_rows(schema, ids), (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.float32)


def test_paths_help_where_values_are_rare_and_leave_common_ones_alone() -> None:
    gains = []
    for seed in range(3):
        train, test = long_tailed(12_000, seed), long_tailed(20_000, 100 + seed)
        p = [
            make(s).fit(*train, seed=seed).predict_proba(test[0]) for s in ("fwfm:epochs=3", "paths:of=fwfm/epochs=3")
        ]
        gains.append(log_loss(p[0], test[1]) - log_loss(p[1], test[1]))
    assert min(gains) > 0
    assert np.mean(gains) > 0.002
    few = make("paths:of=fwfm/epochs=3:kappa=1e-6").fit(*train)
    np.testing.assert_allclose(
        few.predict_proba(train[0]), make("fwfm:epochs=3").fit(*train).predict_proba(train[0]), rtol=1e-4
    )


def content_world(count: int, seed: int, ads: slice) -> tuple[Rows, Any]:
    """Ads whose appeal to a segment is linear in the sixteen numbers of their content."""
    rng, world = np.random.default_rng([4, seed]), np.random.default_rng(5)
    schema = Schema((Field("segment", 6),), (Field("ad", 300),), ad_numbers=16)
    kinds = world.normal(0, 1, (12, 16))
    content = kinds[world.integers(0, 12, 300)] + 0.3 * world.normal(size=(300, 16))
    taste = world.normal(0, 0.35, (6, 16))
    ad = rng.integers(*ads.indices(300)[:2], count)
    segment = rng.integers(0, 6, count)
    logit = -1.5 + np.sum(content[ad] * (taste[segment] + 0.2), axis=1)
    rows = make_rows(schema, np.stack([segment, ad], 1), numbers=content[ad])
    return rows, (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.float32)


def test_semantic_ids_tell_what_ads_are_like_that_were_never_shown() -> None:
    train, cold = content_world(30_000, 0, slice(0, 200)), content_world(10_000, 1, slice(200, 300))
    plain = Schema((Field("segment", 6),), (Field("ad", 300),))

    def blind(rows: Rows) -> Rows:
        return make_rows(plain, rows.ids)

    ids_only = make("fwfm").fit(blind(train[0]), train[1]).predict_proba(blind(cold[0]))
    semantic = make("semantic:of=fwfm").fit(*train).predict_proba(cold[0])
    assert auc(semantic, cold[1]) > auc(ids_only, cold[1]) + 0.1


def test_codes_of_a_further_level_leave_less_unexplained() -> None:
    rows, labels = content_world(3000, 0, slice(0, 300))
    learner = SemanticIds("ftrl").fit(rows, labels)
    left, before = learner._scaled(rows.numbers), np.inf
    codes = learner.codes_of(rows.numbers)
    for level in range(3):
        assert (left**2).sum() < 0.9 * before
        before = (left**2).sum()
        left = left - learner._centres[level][codes[:, level]]
    assert (left**2).sum() < 0.9 * before
    np.testing.assert_array_equal(codes[:, 3], codes[:, 0] * 16 + codes[:, 1])
    with pytest.raises(AdsimError, match="numbers"):
        SemanticIds("ftrl").begin(crossed_rows(1, 0)[0].schema)


@pytest.mark.parametrize("method", ["tilt", "loss"])
def test_counts_per_bag_teach_nearly_what_labels_do(method: str) -> None:
    train, test = long_tailed(60_000, 0, 300), long_tailed(20_000, 1, 300)
    found = {}
    for size in (8, 64):
        bag = np.arange(60_000) // size
        counts = np.bincount(bag, train[1])
        learner = LabelProportions("ftrl", method).fit_bags(train[0], bag, counts)
        naive = make("ftrl").fit(train[0], (counts / np.bincount(bag))[bag])
        found[size] = [auc(each.predict_proba(test[0]), test[1]) for each in (naive, learner)]
    labelled = auc(make("ftrl").fit(*train).predict_proba(test[0]), test[1])
    assert found[8][1] > found[8][0] + 0.003, found
    assert found[64][1] > found[64][0] + {"loss": 0.04, "tilt": 0.01}[method], found
    assert labelled > found[8][1] > labelled - 0.02, (labelled, found)
    assert found[8][1] > found[64][1]


def test_tilted_labels_add_up_to_their_bags_counts() -> None:
    rows, labels = small_rows(500)
    bag = np.random.default_rng(0).integers(0, 40, 500).astype(np.int32)
    learner = LabelProportions("ftrl").fit(rows, labels)
    counts = np.bincount(bag, labels, 40).astype(float)
    counts[0], counts[1] = 0, np.sum(bag == 1)
    soft = learner._tilted(rows, bag, counts)
    np.testing.assert_allclose(np.bincount(bag, soft, 40), counts, atol=1e-4)


@pytest.mark.parametrize(
    ("bag", "counts", "message"),
    [([0, 0], [1], "each of the 3"), ([0, 0, 2], [1, 1], "one for each bag"), ([0, 0, 1], [3, 0], "cannot have")],
)
def test_bags_that_cannot_be_are_refused(bag: list[int], counts: list[float], message: str) -> None:
    rows, _ = small_rows(3)
    with pytest.raises(AdsimError, match=message):
        LabelProportions("ftrl").fit_bags(rows, bag, counts)
