"""How good predicted probabilities are: ranking, likelihood, calibration, and the winner's curse.

Labels are 0 or 1, predictions probabilities, weights 1; all arrays are (n,). What is not defined, such as an AUC of
labels that are all the same, is NaN.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from adsim.errors import AdsimError
from adsim.types import Floats

CLIP = 1e-7
"""Probabilities are kept so far from 0 and 1 where a logarithm is taken."""
BINS = 20
NEWTON_STEPS = 50


def auc(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Probability that a positive is ranked above a negative, ties counting half: area under the ROC curve."""
    y, p = _checked(labels, predictions)
    return _auc(y, p)


def grouped_auc(labels: ArrayLike, predictions: ArrayLike, groups: ArrayLike) -> float:
    """GAUC: mean AUC within groups, users say, weighted by their rows; groups of one label only are left out.

    Zhu et al. 2017, "Optimized cost per click in Taobao display advertising" (arXiv 1703.02091).
    """
    y, p = _checked(labels, predictions)
    group = np.asarray(groups)
    if group.shape != y.shape:
        raise AdsimError(f"groups: have shape {group.shape}, must have {y.shape}, one for each label.")
    order = np.argsort(group, kind="stable")
    cuts = np.flatnonzero(np.diff(group[order])) + 1
    parts = [part for part in np.split(order, cuts) if 0 < y[part].sum() < part.size]
    if not parts:
        return float("nan")
    return float(np.average([_auc(y[part], p[part]) for part in parts], weights=[part.size for part in parts]))


def log_loss(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean negative log-likelihood, in nats."""
    y, p = _checked(labels, predictions)
    likely = np.clip(p, CLIP, 1 - CLIP)
    return float(-np.mean(y * np.log(likely) + (1 - y) * np.log1p(-likely)))


def normalized_entropy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Log loss over that of predicting the mean of the labels: below 1 where something was learned.

    He et al. 2014, "Practical lessons from predicting clicks on ads at Facebook".
    """
    y, _ = _checked(labels, predictions)
    mean = y.mean()
    if not 0 < mean < 1:
        return float("nan")
    return log_loss(labels, predictions) / float(-(mean * np.log(mean) + (1 - mean) * np.log1p(-mean)))


def calibration(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Sum of predictions over sum of labels: above 1 where too much is promised."""
    y, p = _checked(labels, predictions)
    return float(p.sum() / y.sum()) if y.sum() > 0 else float("nan")


def reliability(labels: ArrayLike, predictions: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """A row per bin of equal mass, from low predictions to high: bin, rows, predicted, observed, calibration.

    Raises
    ------
    AdsimError
        When arrays do not fit each other, or there are fewer rows than bins.
    """
    y, p = _checked(labels, predictions)
    if not 1 <= bins <= y.size:
        raise AdsimError(f"bins = {bins}: must be from 1 to the number of rows, {y.size}.")
    parts = np.array_split(np.argsort(p, kind="stable"), bins)
    predicted = np.array([p[part].mean() for part in parts])
    observed = np.array([y[part].mean() for part in parts])
    ratio = np.divide(predicted, observed, out=np.full(bins, np.nan), where=observed > 0)
    sizes = [part.size for part in parts]
    return pd.DataFrame(
        {"bin": np.arange(bins), "rows": sizes, "predicted": predicted, "observed": observed, "calibration": ratio}
    )


def calibration_error(labels: ArrayLike, predictions: ArrayLike, bins: int = BINS) -> float:
    """ECE: mean distance between predicted and observed rates over bins of equal mass.

    Given true rates in place of labels, it is free of their noise.
    """
    table = reliability(labels, predictions, min(bins, max(1, np.size(labels))))
    return float(np.average((table["predicted"] - table["observed"]).abs(), weights=table["rows"]))


def calibration_line(labels: ArrayLike, predictions: ArrayLike) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of labels on the logits of predictions; 1 and 0 are ideal.

    A slope below 1 says that predictions spread too far (Cox 1958).
    """
    y, p = _checked(labels, predictions)
    score = logit(np.clip(p, CLIP, 1 - CLIP))
    if not 0 < y.mean() < 1 or np.ptp(score) == 0:
        return float("nan"), float("nan")
    centre, spread = score.mean(), score.std()
    features = np.stack([np.ones_like(score), (score - centre) / spread])
    theta = np.array([logit(y.mean()), 0.0])
    for _ in range(NEWTON_STEPS):
        fitted = expit(theta @ features)
        hessian = features * (fitted * (1 - fitted)) @ features.T
        step = np.linalg.lstsq(hessian, features @ (y - fitted), rcond=None)[0]
        theta += step * min(1.0, 2.0 / max(np.abs(step).max(), CLIP))
        if np.abs(step).max() < 1e-10:
            break
    slope = theta[1] / spread
    return float(slope), float(theta[0] - slope * centre)


def winners_curse(rates: ArrayLike, predictions: ArrayLike, won: ArrayLike) -> float:
    """Sum of predictions over sum of true rates, on what was won: what the winners were promised too much.

    Parameters
    ----------
    rates : array (n,)
        True rates, or labels.
    predictions : array (n,)
    won : array (n,)
        Which of the rows were won, as booleans or indices.
    """
    y, p = _checked(rates, predictions)
    chosen = np.asarray(won)
    return calibration(y[chosen], p[chosen])


def expected_curse(sigma: float, spread: float, candidates: int, rate: float = 0.0) -> float:
    """The winner's curse where the highest of N predicted scores wins and logits carry independent normal errors.

    ``1 + (1 - p) sigma^2 e_N / sqrt(sigma^2 + s^2)``, with ``e_N`` the expected maximum of N standard normals: the
    winner's noisy score lies ``e_N`` deviations above the mean, of which the share ``sigma^2 / (sigma^2 + s^2)`` is
    error, and the factor ``1 - p`` turns an error of the logit into a relative one of the rate. Our derivation, to
    first order: good for N from 5 and sigma up to half of the spread, too low for N = 2 and for larger sigma.

    Parameters
    ----------
    sigma : float
        Standard deviation of the errors of the logit.
    spread : float
        That of the candidates' true log scores.
    candidates : int
        N, 1 at least.
    rate : float
        Mean true rate of winners.
    """
    if sigma < 0 or spread < 0 or candidates < 1 or not 0 <= rate <= 1:
        raise AdsimError("expected_curse: sigma and spread must be at least 0, candidates 1, the rate from 0 to 1.")
    total = float(np.hypot(sigma, spread))
    if total == 0:
        return 1.0
    return 1 + (1 - rate) * sigma**2 * _expected_maximum(candidates) / total


def prediction_row(labels: ArrayLike, predictions: ArrayLike, groups: ArrayLike | None = None) -> dict[str, float]:
    """All that a table of predictors reports.

    Returns
    -------
    dict
        auc, gauc (with ``groups``), log_loss, normalized_entropy, calibration, calibration_error, slope, intercept.
    """
    slope, start = calibration_line(labels, predictions)
    return {
        "auc": auc(labels, predictions),
        **({} if groups is None else {"gauc": grouped_auc(labels, predictions, groups)}),
        "log_loss": log_loss(labels, predictions),
        "normalized_entropy": normalized_entropy(labels, predictions),
        "calibration": calibration(labels, predictions),
        "calibration_error": calibration_error(labels, predictions),
        "slope": slope,
        "intercept": start,
    }


def _expected_maximum(count: int) -> float:
    """E of the maximum of standard normals, by quadrature over quantiles of its law."""
    nodes = (np.arange(20_000) + 0.5) / 20_000
    return float(norm.ppf(nodes ** (1 / count)).mean())


def _auc(y: Floats, p: Floats) -> float:
    positives = y.sum()
    negatives = y.size - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    ranks: NDArray[np.float64] = rankdata(p)
    return float((ranks @ y - positives * (positives + 1) / 2) / (positives * negatives))


def _checked(labels: ArrayLike, predictions: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 (n,).

    Raises
    ------
    AdsimError
        When lengths differ, there is nothing, or a number is no probability.
    """
    y, p = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if y.ndim != 1 or y.shape != p.shape or y.size == 0:
        raise AdsimError(f"labels {y.shape} and predictions {p.shape}: must be of one length, at least 1.")
    for name, array in (("labels", y), ("predictions", p)):
        if not np.all((array >= 0) & (array <= 1)):
            raise AdsimError(f"{name}: must lie between 0 and 1.")
    return y, p
