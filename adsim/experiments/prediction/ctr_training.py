"""Click predictors learned from a recorded log, judged on what came after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim.errors import LogError
from adsim.experiments.prediction.log_features import ClickRows, read_click_rows
from adsim.experiments.tables import records
from adsim.predictors.learner import Learner, make
from adsim.predictors.metrics import prediction_row

VALID, TEST = 0.1, 0.2
"""Shares of the log, from its end, that stop a fit and that judge it where no other log does."""


@dataclass(frozen=True)
class Trained:
    """Learners fitted to a log."""

    learners: dict[str, Learner]
    """By the names they were asked for with."""
    table: pd.DataFrame
    """A row per learner: model and what `adsim.predictors.metrics.prediction_row` gives, of the test rows."""
    test: ClickRows
    predictions: dict[str, NDArray[np.float64]]
    """Of the test rows."""
    sizes: dict[str, int]
    """Impressions and clicks of training, validation and test."""

    def summary(self) -> dict[str, Any]:
        """Ready for JSON: NaN is None."""
        return {"sizes": self.sizes, "models": records(self.table)}


def train_ctr(
    log: str | Path,
    models: Sequence[str],
    *,
    test: str | Path | None = None,
    clicks: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Fit predictors of clicks to a log.

    Parameters
    ----------
    log : str or Path
        Impressions to learn from, see `adsim.experiments.prediction.log_features.read_click_rows`.
    models : sequence of str
        Learners as ``name:key=value``.
    test : str or Path, optional
        Impressions to be judged on; the last fifth of ``log`` unless given.
    clicks : str or Path, optional
        The click log of raw impressions.
    seed : int
        Of the initial weights.
    progress : callable, optional
        Called with the numbers of fits done and to do.

    Raises
    ------
    AdsimError
        When a model is unknown or does not learn, or a log cannot be read or is too short to be cut.
    """
    learners = {model: make(model) for model in models}
    known = read_click_rows(log, clicks)
    if test is None:
        cut = int(len(known.rows) * (1 - TEST))
        known, judged = _part(known, slice(cut)), _part(known, slice(cut, None))
    else:
        judged = read_click_rows(test, clicks)
    cut = int(len(known.rows) * (1 - VALID))
    training, valid = _part(known, slice(cut)), _part(known, slice(cut, None))
    if not (len(training.rows) and len(valid.rows) and len(judged.rows)):
        raise LogError(f"{log}: {len(known.rows)} impressions are too few to learn from. Give a longer log.")
    predictions = {}
    for number, (name, learner) in enumerate(learners.items(), 1):
        learner.fit(training.rows, training.click, valid=(valid.rows, valid.click), seed=seed)
        predictions[name] = learner.predict_proba(judged.rows)
        if progress:
            progress(number, len(learners))
    rows = [{"model": name, **prediction_row(judged.click, found)} for name, found in predictions.items()]
    parts = {"training": training, "validation": valid, "test": judged}
    sizes = {f"{name}_impressions": len(part.rows) for name, part in parts.items()}
    sizes |= {f"{name}_clicks": int(part.click.sum()) for name, part in parts.items()}
    return Trained(learners, pd.DataFrame(rows), judged, predictions, sizes)


def _part(whole: ClickRows, which: slice) -> ClickRows:
    return ClickRows(whole.rows.take(which), whole.click[which], whole.price[which])
