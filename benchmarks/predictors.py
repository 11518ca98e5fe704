"""Learners of clicks: rows learned and predicted a second, against numpy, scikit-learn and Vowpal Wabbit."""

from typing import Any

import numpy as np

from adsim import registry
from adsim.predictors.encoding import Encoder
from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, make_rows
from adsim.predictors.learner import Learner
from benchmarks.learner_rivals import NumpyLogistic, NumpyMachine, ScikitLogistic, VowpalWabbit, missing
from benchmarks.timing import best

COUNT, BITS, BLOCK, CANDIDATES = 200_000, 18, 512, 10
CONTEXT, AD = (12, 24, 7, 3, 5, 50, 2000), (400, 40, 20, 100, 8, 4, 1000)
"""Values of the fields."""
LEARNERS = ("ftrl", "bayes:thompson=1", "fm", "fwfm")
Seconds = dict[str, tuple[float, float]]
"""Of a pass that learns and one that predicts, by name of the rival."""
HEADER = [
    "learner",
    "M rows/s learned",
    "M rows/s predicted",
    f"M auctions/s, {CANDIDATES} ads",
    "with samples",
    "numpy learns",
    "scikit-learn",
    "VW",
    "numpy predicts",
    "scikit-learn",
    "VW",
]


def log() -> tuple[Rows, np.ndarray[Any, Any]]:
    """Rows of fourteen fields with skewed frequencies."""
    rng = np.random.default_rng(0)
    context, ad = (
        tuple(Field(f"{side}_{f}", size) for f, size in enumerate(sizes))
        for side, sizes in (("context", CONTEXT), ("ad", AD))
    )
    ids = np.stack([rng.zipf(1.3, COUNT) % size for size in CONTEXT + AD], 1)
    logit = sum(rng.normal(0, 0.5, size)[ids[:, f]] for f, size in enumerate(CONTEXT + AD)) - 2.5
    return make_rows(Schema(context, ad), ids), (rng.random(COUNT) < 1 / (1 + np.exp(-logit))).astype(np.float32)


def rows() -> list[list[str]]:
    """A row per learner; rivals of linear ones are linear, that of the machine is `--lrq` with as many factors."""
    given, labels = log()
    encoder = Encoder(given.schema, BITS, history=False)
    slots = np.concatenate([encoded.slots for _, encoded in encoder.chunks(given)])
    linear, machine = _linear(given, slots, labels), _machine(given, slots, labels)
    table = []
    for name in LEARNERS:
        kind, parameters = registry.parse(name)
        learner: Learner = registry.create("predictors", kind, parameters).begin(given.schema)
        learned = best(lambda: learner.partial_fit(given, labels))
        predicted = best(lambda: learner.predict_proba(given))
        against = {"ftrl": linear, "bayes": linear, "fm": machine}.get(kind, {})
        table.append([name, _millions(learned / COUNT), _millions(predicted / COUNT), *_grids(learner, given)])
        for part, ours in enumerate((learned, predicted)):
            seconds = [against[rival][part] if rival in against else None for rival in ("numpy", "sklearn", "vw")]
            table[-1] += ["" if other is None else f"{other / ours:.1f}x" for other in seconds]
    return table


def _grids(learner: Learner, given: Rows) -> list[str]:
    """Speed over blocks of opportunities, all candidates each; with samples too where the learner explores."""
    split, nothing = len(CONTEXT), np.empty((BLOCK, 0), np.float32)
    ads = Ads(given.schema, given.ids[:CANDIDATES, split:].copy(), np.empty((CANDIDATES, 0), np.float32))
    blocks = [
        Contexts(
            given.schema, given.ids[start : start + BLOCK, :split].copy(), nothing.astype(np.int32), *[nothing] * 2
        )
        for start in range(0, 20 * BLOCK, BLOCK)
    ]
    out = np.empty((CANDIDATES, BLOCK), np.float32)

    def predict(*, samples: bool) -> None:
        for block in blocks:
            learner.predict_grid(block, ads, out)
            if samples:
                learner.sample_grid(block, ads, 0, 0, out)

    opportunities = BLOCK * len(blocks)
    found = _millions(best(lambda: predict(samples=False)) / opportunities)
    return [found, _millions(best(lambda: predict(samples=True)) / opportunities) if learner.explores else ""]


def _linear(given: Rows, slots: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Seconds:
    size = 2**BITS
    ours = NumpyLogistic(size)
    found = {"numpy": (best(lambda: ours.learn(slots, labels)), best(lambda: ours.predict(slots)))}
    if "scikit-learn" not in missing():
        scikit = ScikitLogistic(size, slots)
        found["sklearn"] = best(lambda: scikit.learn(labels)), best(scikit.predict)
    if "vowpalwabbit" not in missing():
        found["vw"] = VowpalWabbit(given.ids, labels, len(CONTEXT)).seconds()
    return found


def _machine(given: Rows, slots: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Seconds:
    ours, few = NumpyMachine(2**BITS, 8), COUNT // 10
    learned = best(lambda: ours.learn(slots[:few], labels[:few]), least=1) * COUNT / few
    found = {"numpy": (learned, best(lambda: ours.predict(slots), least=1))}
    if "vowpalwabbit" not in missing():
        found["vw"] = VowpalWabbit(given.ids, labels, len(CONTEXT), "--lrq ua8").seconds()
    return found


def _millions(seconds: float) -> str:
    return f"{1e-6 / seconds:.2f}"
