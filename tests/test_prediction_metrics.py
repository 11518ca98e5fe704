"""Metrics of predictions against counts, optimisers and simulated auctions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.special import expit, logit

from adsim.errors import AdsimError
from adsim.predictors import metrics

FEW = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=30)


def sample(count: int = 20_000, seed: int = 0) -> tuple[Any, Any]:
    """Labels, and the probabilities that they were drawn with."""
    rng = np.random.default_rng(seed)
    rates = expit(rng.normal(-2.0, 1.0, count))
    return (rng.random(count) < rates).astype(np.float32), rates


def counted_auc(labels: Any, predictions: Any) -> float:
    """Pairs in the right order, ties half, by counting."""
    above, below = predictions[labels == 1][:, None], predictions[labels == 0][None]
    return float(np.mean((above > below) + 0.5 * (above == below))) if above.size and below.size else float("nan")


@given(FEW)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, int]]) -> None:
    labels, scores = np.array(rows).T
    assert metrics.auc(labels, scores / 5) == pytest.approx(counted_auc(labels, scores / 5), abs=1e-12, nan_ok=True)


@settings(max_examples=50)
@given(FEW, st.integers(1, 4))
def test_grouped_auc_is_the_mean_of_groups_that_have_both_labels(rows: list[tuple[int, int]], count: int) -> None:
    labels, scores = np.array(rows).T
    groups = np.arange(labels.size) % count
    found, weights = [], []
    for group in range(count):
        part = groups == group
        if part.any() and 0 < labels[part].mean() < 1:
            found.append(counted_auc(labels[part], scores[part]))
            weights.append(part.sum())
    expected = np.average(found, weights=weights) if found else np.nan
    assert metrics.grouped_auc(labels, scores / 5, groups) == pytest.approx(expected, nan_ok=True)


def test_log_loss_and_entropy_have_their_closed_forms() -> None:
    labels = np.array([1.0, 0, 0, 0])
    assert metrics.log_loss(labels, np.full(4, 0.25)) == pytest.approx(-(np.log(0.25) + 3 * np.log(0.75)) / 4)
    assert metrics.normalized_entropy(labels, np.full(4, 0.25)) == pytest.approx(1)
    assert metrics.normalized_entropy(labels, np.full(4, 0.5)) > 1
    assert np.isfinite(metrics.log_loss(labels, np.array([0.0, 1, 1, 1])))


def test_the_truth_is_calibrated_everywhere_and_a_shifted_one_nowhere() -> None:
    labels, rates = sample(200_000)
    assert metrics.calibration(labels, rates) == pytest.approx(1, abs=0.02)
    assert metrics.reliability(labels, rates)["calibration"].to_numpy() == pytest.approx(1, abs=0.15)
    assert metrics.calibration_error(labels, rates) < 0.005
    high = expit(logit(rates) + 0.4)
    assert metrics.calibration(labels, high) > 1.25
    assert (metrics.reliability(labels, high)["calibration"] > 1.1).all()
    assert metrics.calibration_error(labels, high) == pytest.approx((high - rates).mean(), abs=0.005)


def test_bins_hold_as_many_rows_in_the_order_of_predictions() -> None:
    labels, rates = sample(1005)
    table = metrics.reliability(labels, rates, 20)
    assert table["rows"].isin([50, 51]).all()
    assert table["rows"].sum() == 1005
    assert table["predicted"].is_monotonic_increasing
    order = np.argsort(rates)
    assert table["observed"][19] == pytest.approx(labels[order[-50:]].mean())


def test_the_line_finds_how_logits_were_bent() -> None:
    labels, rates = sample(200_000)
    slope, intercept = metrics.calibration_line(labels, expit((logit(rates) + 0.3) / 0.7))
    assert slope == pytest.approx(0.7, abs=0.02)
    assert intercept == pytest.approx(-0.3, abs=0.05)


def test_the_line_is_the_most_likely_one() -> None:
    labels, rates = sample(2000)
    bent = expit(1.7 * logit(rates) - 1)

    def loss(theta: Any) -> float:
        return metrics.log_loss(labels, expit(theta[0] * logit(bent) + theta[1]))

    best = optimize.minimize(loss, [1.0, 0.0], tol=1e-10).x
    assert metrics.calibration_line(labels, bent) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("candidates", [5, 10])
@pytest.mark.parametrize("sigma", [0.25, 0.5, 0.8])
def test_the_winners_curse_follows_its_formula(candidates: int, sigma: float) -> None:
    rng, auctions = np.random.default_rng(7), 40_000
    truth = rng.normal(-3.0, 1.3, (auctions, candidates))
    bids = rng.normal(0.0, 0.9, (auctions, candidates))
    scores = truth + sigma * rng.standard_normal(truth.shape)
    won = np.zeros(truth.shape, bool)
    won[np.arange(auctions), np.argmax(bids + scores, axis=1)] = True
    rates = expit(truth)
    found = metrics.winners_curse(rates.ravel(), expit(scores).ravel(), won.ravel())
    expected = metrics.expected_curse(sigma, np.hypot(1.3, 0.9), candidates, rates[won].mean())
    assert found > 1.02
    assert found == pytest.approx(expected, rel=0.05)


def test_there_is_no_curse_without_errors_or_rivals() -> None:
    assert metrics.expected_curse(0.0, 1.0, 10) == 1
    assert metrics.expected_curse(0.5, 1.0, 1) == pytest.approx(1)
    assert metrics.expected_curse(0.0, 0.0, 5) == 1


def test_a_row_holds_what_a_table_of_predictors_reports() -> None:
    labels, rates = sample()
    row = metrics.prediction_row(labels, rates, np.arange(labels.size) % 7)
    assert list(row) == [
        "auc", "gauc", "log_loss", "normalized_entropy", "calibration", "calibration_error", "slope", "intercept",
    ]  # fmt: skip
    assert row["auc"] == pytest.approx(row["gauc"], abs=0.02)
    assert "gauc" not in metrics.prediction_row(labels, rates)


def test_labels_that_are_all_alike_give_nan_where_nothing_can_be_said() -> None:
    row = metrics.prediction_row(np.zeros(50), np.full(50, 0.1), np.zeros(50))
    assert np.isnan([row[name] for name in ("auc", "gauc", "normalized_entropy", "calibration", "slope")]).all()
    assert row["log_loss"] == pytest.approx(-np.log(0.9))


def test_faults_are_named() -> None:
    for labels, predictions, words in (
        ([1, 0], [0.5], "must be of one length"),
        ([], [], "must be of one length"),
        ([1, 0], [0.5, np.nan], "predictions: must lie"),
        ([2, 0], [0.5, 0.5], "labels: must lie"),
    ):
        with pytest.raises(AdsimError, match=words):
            metrics.auc(labels, predictions)
    with pytest.raises(AdsimError, match="groups: have shape"):
        metrics.grouped_auc([0, 1], [0.1, 0.2], [1])
    with pytest.raises(AdsimError, match="bins = 3"):
        metrics.reliability([0, 1], [0.1, 0.2], 3)
    with pytest.raises(AdsimError, match="expected_curse"):
        metrics.expected_curse(-1.0, 1.0, 3)
