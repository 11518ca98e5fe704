"""Learners of clicks as numpy, scikit-learn and Vowpal Wabbit have them; hashing is not counted for the first two."""

import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 1000
Array = np.ndarray[Any, Any]


class NumpyLogistic:
    """Logistic regression, a batch at a time: Adagrad over the slots that the batch touches."""

    def __init__(self, size: int) -> None:
        self.w, self.squares = np.zeros(size, np.float32), np.ones(size, np.float32)

    def learn(self, slots: Array, labels: Array) -> None:
        """One pass."""
        for start in range(0, len(slots), BATCH):
            part = slots[start : start + BATCH]
            error = self.predict(part) - labels[start : start + BATCH]
            touched, where = np.unique(part, return_inverse=True)
            gradient = np.bincount(where.ravel(), np.repeat(error, part.shape[1]), touched.size)
            self.squares[touched] += gradient**2
            self.w[touched] -= 0.1 * gradient / np.sqrt(self.squares[touched])

    def predict(self, slots: Array) -> Array:
        """Probabilities of all rows."""
        return 1 / (1 + np.exp(-self.w[slots].sum(axis=1)))


class NumpyMachine:
    """Factorization machine, a batch at a time: Adagrad over the slots that the batch touches."""

    def __init__(self, size: int, factors: int) -> None:
        rng = np.random.default_rng(0)
        self.v = rng.normal(0, 0.1, (size, factors + 1)).astype(np.float32)
        self.v[:, 0] = 0
        self.squares = np.ones_like(self.v)

    def learn(self, slots: Array, labels: Array) -> None:
        """One pass."""
        for start in range(0, len(slots), BATCH):
            part = slots[start : start + BATCH]
            met = self.v[part]
            error = (self._predict(met) - labels[start : start + BATCH])[:, None, None]
            slope = error * (met.sum(axis=1, keepdims=True) - met)
            slope[:, :, 0] = error[:, :, 0]
            touched, where = np.unique(part, return_inverse=True)
            gradient = np.zeros((touched.size, met.shape[2]), np.float32)
            np.add.at(gradient, where.ravel(), slope.reshape(-1, met.shape[2]))
            self.squares[touched] += gradient**2
            self.v[touched] -= 0.08 * gradient / np.sqrt(self.squares[touched])

    def predict(self, slots: Array) -> Array:
        """Probabilities of all rows."""
        return np.concatenate(
            [self._predict(self.v[slots[start : start + BATCH]]) for start in range(0, len(slots), BATCH)]
        )

    def _predict(self, met: Array) -> Array:
        v = met[:, :, 1:]
        cross = (v.sum(axis=1) ** 2).sum(axis=1) - (v**2).sum(axis=(1, 2))
        return 1 / (1 + np.exp(-met[:, :, 0].sum(axis=1) - cross / 2))


class ScikitLogistic:
    """SGDClassifier on a matrix that is ready: all rows in one call, in their order, which is three times as fast."""

    def __init__(self, size: int, slots: Array) -> None:
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import SGDClassifier

        pointers = np.arange(0, slots.size + 1, slots.shape[1])
        self.matrix = csr_matrix((np.ones(slots.size, np.float32), slots.ravel(), pointers), (len(slots), size))
        self.model = SGDClassifier(loss="log_loss", learning_rate="constant", eta0=0.05, shuffle=False)

    def learn(self, labels: Array) -> None:
        """One pass."""
        self.model.partial_fit(self.matrix, labels, classes=[0, 1])

    def predict(self) -> Array:
        """Probabilities of all rows."""
        return self.model.predict_proba(self.matrix)[:, 1]  # type: ignore[no-any-return]


class VowpalWabbit:
    """Vowpal Wabbit reading a text file, as its command line does; threads' CPU times are added up."""

    def __init__(self, ids: Array, labels: Array, context: int, options: str = "") -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.data, self.model = (Path(self.folder.name) / name for name in ("rows.vw", "model"))
        self.options = f"-d {self.data} --loss_function logistic -b 18 --quiet {options}"
        with self.data.open("w") as file:
            for row, label in zip(ids.tolist(), labels, strict=True):
                words = [f"{f}_{value}" for f, value in enumerate(row)]
                sides = f"|u {' '.join(words[:context])} |a {' '.join(words[context:])}"
                file.write(f"{1 if label else -1} {sides}\n")

    def seconds(self) -> tuple[float, float]:
        """Of a pass that learns, and of one that predicts."""
        return min(self._run(f"-f {self.model}") for _ in range(3)), min(
            self._run(f"-t -i {self.model}") for _ in range(3)
        )

    def _run(self, options: str) -> float:
        from vowpalwabbit import Workspace

        kept = self.options if "-i" not in options else f"-d {self.data} --quiet"
        start = time.process_time()
        Workspace(f"{kept} {options}").finish()
        return time.process_time() - start


def missing() -> list[str]:
    """Names of rivals that are not installed."""
    names = {"sklearn": "scikit-learn", "vowpalwabbit": "vowpalwabbit"}
    return [name for module, name in names.items() if find_spec(module) is None]
