"""A small world of rows with every kind of feature, for tests of learners."""

import numpy as np
from numpy.typing import NDArray

from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, make_rows

SCHEMA = Schema(
    (Field("segment", 6), Field("hour", 24)),
    (Field("ad", 40), Field("category", 5)),
    history="category",
    length=4,
    context_numbers=2,
    ad_numbers=1,
)
PLAIN = Schema((Field("segment", 12), Field("page", 20)), (Field("ad", 30), Field("category", 8)))


def small_rows(count: int, seed: int = 0) -> tuple[Rows, NDArray[np.float32]]:
    """Rows, unknown values among them, and labels."""
    rng = np.random.default_rng(seed)
    ids = np.stack([rng.integers(-1, field.size + 1, count) for field in SCHEMA.fields], 1)
    history = rng.integers(-1, 6, (count, 4))
    rows = make_rows(SCHEMA, ids, history, rng.exponential(5, (count, 4)), rng.normal(0, 1, (count, 3)))
    logit = -1 + 0.5 * np.sin(ids[:, 2]) + 0.4 * rows.numbers[:, 0] + 0.5 * (history == ids[:, 3:]).sum(axis=1)
    return rows, (rng.random(count) < 1 / (1 + np.exp(-logit))).astype(np.float32)


def small_grid(count: int, size: int, seed: int = 0) -> tuple[Contexts, Ads]:
    """Opportunities and ads."""
    rows, _ = small_rows(max(count, size), seed)
    contexts = Contexts(
        SCHEMA, rows.ids[:count, :2], rows.history[:count], rows.age[:count], rows.numbers[:count, :2]
    )
    return contexts, Ads(SCHEMA, rows.ids[:size, 2:], rows.numbers[:size, 2:])


def crossed_rows(count: int, seed: int, scale: float = 1.6) -> tuple[Rows, NDArray[np.float32], NDArray[np.float64]]:
    """Rows whose truth is in pairs of values, doubly centred so that no main effect shows it; labels; true rates."""
    rng = np.random.default_rng(0)
    logits = []
    for first, second in ((0, 3), (1, 3), (0, 2)):
        a, b = (rng.normal(size=(PLAIN.fields[f].size, 2)) for f in (first, second))
        cross = (a - a.mean(axis=0)) @ (b - b.mean(axis=0)).T
        logits.append((first, second, cross / cross.std()))
    rng = np.random.default_rng([1, seed])
    ids = np.stack([rng.integers(0, field.size, count) for field in PLAIN.fields], 1)
    logit = -2.2 + scale / 3**0.5 * sum(cross[ids[:, f], ids[:, g]] for f, g, cross in logits)
    rates = 1 / (1 + np.exp(-logit))
    return make_rows(PLAIN, ids), (rng.random(count) < rates).astype(np.float32), rates
