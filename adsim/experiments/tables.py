"""Tidy tables that experiments have in common: means over seeds, and rows for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from adsim.experiments.statistics import Estimate, estimate


def means(runs: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """A row per group and metric, groups in the order of `runs`: the columns ``by``, metric, mean, low, high."""
    rows = [
        [*key, metric, *estimate(cell[metric])]
        for key, cell in runs.groupby(list(by), sort=False)
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=[*by, "metric", *Estimate._fields])


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows ready for JSON: what is not finite is None."""
    plain = table.astype(object).where(table.notna() & ~table.isin([np.inf, -np.inf]), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
