"""The learners of the default install as their papers print them: a row, a feature at a time, in float32."""

from typing import Any

import numpy as np

from adsim.kernels.elementary import sigmoid
from adsim.predictors.features import Rows, Schema

F = np.float32
MASK = 2**64 - 1
Feature = tuple[int, int, Any]
"""Field, slot and value."""


def mix(z: int) -> int:
    """The finaliser of splitmix64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def features(
    rows: Rows, i: int, bits: int, *, history: bool = True, crosses: tuple[tuple[int, int], ...] = (), per: int = -1
) -> list[Feature]:
    """What row ``i`` is made of; fields by number."""
    schema: Schema = rows.schema
    sizes = [field.size for field in schema.fields]

    def value(f: int) -> int:
        known = 0 <= rows.ids[i, f] < sizes[f]
        return mix(int(rows.ids[i, f]) + 1 if known else 0)

    def slot(field: int, hashed: int) -> int:
        return (hashed ^ mix(0x9E3779B97F4A7C15 * (field + 1) & MASK)) >> (64 - bits)

    found = [(f, slot(f, value(f)), F(1)) for f in range(len(sizes))]
    for f, g in crosses:
        number = len(found)
        found.append((number, slot(number, (value(f) * 0xBF58476D1CE4E5B9 + value(g)) & MASK), F(1)))
    number = len(found)
    if history and schema.length:
        known = [int(entry) for entry in rows.history[i] if 0 <= entry < sizes[schema.target]]
        found += [(number, slot(number, mix(entry + 1)), F(schema.length**-0.5)) for entry in known]
    for j, x in enumerate(rows.numbers[i]):
        of_ad = j >= schema.context_numbers
        owned = per >= 0 and (per >= len(schema.context)) != of_ad
        field = number + 1 + j
        found.append((field, slot(field, value(per) if owned else 0), x))
    return [feature for feature in found if feature[2] != 0]


def probability(logit: Any) -> Any:
    return sigmoid(min(max(logit, F(-15)), F(15)))


class NaiveLinear:
    """The intercept has the slot -1."""

    def __init__(self) -> None:
        self.w: dict[int, Any] = {}

    def logit(self, row: list[Feature]) -> Any:
        total = self.w.get(-1, F(0))
        for _, slot, x in row:
            total = total + self.w.get(slot, F(0)) * x
        return total


class NaiveFtrl(NaiveLinear):
    def __init__(self, alpha: float, beta: float, l1: float, l2: float) -> None:
        super().__init__()
        self.speed, self.beta, self.l1, self.l2 = F(1 / alpha), F(beta), F(l1), F(l2)
        self.z: dict[int, Any] = {}
        self.n: dict[int, Any] = {}

    def learn(self, row: list[Feature], y: Any, weight: Any) -> None:
        error = (probability(self.logit(row)) - y) * weight
        for _, slot, x in [(-1, -1, F(1)), *row]:
            g = error * x
            n, w, z = self.n.get(slot, F(0)), self.w.get(slot, F(0)), self.z.get(slot, F(0))
            sigma = (np.sqrt(n + g * g) - np.sqrt(n)) * self.speed
            z, n = z + (g - sigma * w), n + g * g
            self.z[slot], self.n[slot], self.w[slot] = z, n, F(0)
            if abs(z) > self.l1:
                rate = (self.beta + np.sqrt(n)) * self.speed + self.l2
                self.w[slot] = -(z - np.sign(z) * self.l1) / rate


class NaiveBayes(NaiveLinear):
    def __init__(self, precision: float) -> None:
        super().__init__()
        self.prior, self.s = F(1 / precision), {}  # type: ignore[var-annotated]

    def variance(self, row: list[Feature]) -> float:
        return sum(float(self.s.get(slot, self.prior)) * float(x) ** 2 for _, slot, x in [(-1, -1, F(1)), *row])

    def learn(self, row: list[Feature], y: Any, weight: Any) -> None:
        p, spread = probability(self.logit(row)), F(0)
        for _, slot, x in [(-1, -1, F(1)), *row]:
            spread = spread + self.s.get(slot, self.prior) * x * x
        h = p * (F(1) - p) * weight
        step = (y - p) * weight / (F(1) + h * spread)
        for _, slot, x in [(-1, -1, F(1)), *row]:
            s = self.s.get(slot, self.prior)
            self.w[slot] = self.w.get(slot, F(0)) + s * step * x
            self.s[slot] = s / (F(1) + h * x * x * s)


class NaiveMachine:
    """Factorization machine over pairs of features; with ``r``, over pairs of fields: float64, obvious, slow."""

    def __init__(self, table: Any, r: Any = None) -> None:
        self.w, self.b = table[:, 0].astype(float), float(table[-1, 0])
        self.v, self.r = table[:, 2 : 2 + (table.shape[1] - 2) // 2].astype(float), r

    def logit(self, row: list[Feature]) -> float:
        total = self.b + sum(self.w[slot] * x for _, slot, x in row)
        for i, (f, slot, x) in enumerate(row):
            for g, other, y in row[:i]:
                strength = 1.0 if self.r is None else float(self.r[f, g])
                total += strength * float(self.v[slot] @ self.v[other]) * x * y
        return float(total)
