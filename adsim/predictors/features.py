"""What predictors see of an impression: categorical fields of context and ad, browsing history, numbers.

Nothing here tells a true rate.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError
from adsim.types import Ints

Singles = NDArray[np.float32]


class Field(NamedTuple):
    """A categorical field."""

    name: str
    size: int
    """Number of values; they are 0 to ``size - 1``, and any other stands for an unknown one."""


@dataclass(frozen=True)
class Schema:
    """The features of a world or a log. Two sets of rows with the same schema mean the same by each column."""

    context: tuple[Field, ...]
    """Fields of the user and the page."""
    ad: tuple[Field, ...]
    """Fields of the ad."""
    history: str = ""
    """The ad field whose values a user's history lists, or none."""
    length: int = 0
    """Most entries of a history."""
    context_numbers: int = 0
    """Numeric features of the context."""
    ad_numbers: int = 0
    """Numeric features of the ad."""

    def __post_init__(self) -> None:
        if self.history and self.history not in [field.name for field in self.ad]:
            raise AdsimError(f"history = '{self.history}': is none of the ad's fields {[f.name for f in self.ad]}.")

    @property
    def fields(self) -> tuple[Field, ...]:
        """Those of the context, then those of the ad."""
        return self.context + self.ad

    @property
    def target(self) -> int:
        """Column of the ad field that histories list."""
        return [field.name for field in self.fields].index(self.history)

    @property
    def numbers(self) -> int:
        """Numeric features of context and ad together."""
        return self.context_numbers + self.ad_numbers


@dataclass(frozen=True)
class Contexts:
    """Opportunities, without ads."""

    schema: Schema
    ids: Ints
    """Values of the context fields, (n, context fields)."""
    history: Ints
    """Values of the field ``schema.history``, the latest first, -1 where there is none; (n, length)."""
    age: Singles
    """Hours since each; (n, length)."""
    numbers: Singles
    """(n, context_numbers)"""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, which: slice) -> "Contexts":
        """Some of the opportunities."""
        return Contexts(self.schema, self.ids[which], self.history[which], self.age[which], self.numbers[which])


@dataclass(frozen=True)
class Ads:
    """What can be shown."""

    schema: Schema
    ids: Ints
    """Values of the ad fields, (N, ad fields)."""
    numbers: Singles
    """(N, ad_numbers)"""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Rows:
    """Impressions: an opportunity and an ad each."""

    schema: Schema
    ids: Ints
    """Values of all fields, context first; (n, fields)."""
    history: Ints
    age: Singles
    """(n, length), see `Contexts`."""
    numbers: Singles
    """(n, context_numbers + ad_numbers)"""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, which: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Rows":
        """Some of the rows."""
        return Rows(self.schema, self.ids[which], self.history[which], self.age[which], self.numbers[which])


def pair(contexts: Contexts, opportunity: NDArray[np.integer], ads: Ads, ad: NDArray[np.integer]) -> Rows:
    """Rows of given opportunities and ads, by index; (n,) each."""
    return Rows(
        contexts.schema,
        np.hstack([contexts.ids[opportunity], ads.ids[ad]]),
        contexts.history[opportunity],
        contexts.age[opportunity],
        np.hstack([contexts.numbers[opportunity], ads.numbers[ad]]),
    )


def make_rows(
    schema: Schema,
    ids: ArrayLike,
    history: ArrayLike | None = None,
    age: ArrayLike | None = None,
    numbers: ArrayLike | None = None,
) -> Rows:
    """Rows from arrays of one's own, checked.

    Raises
    ------
    AdsimError
        When a shape does not fit the schema, or a number is not finite.
    """
    fields = np.ascontiguousarray(ids, np.int32)
    count = len(fields)

    def given(values: ArrayLike | None, width: int, dtype: type, missing: float) -> NDArray[np.generic]:
        if values is None:
            return np.full((count, width), missing, dtype)
        return np.ascontiguousarray(values, dtype)

    rows = Rows(
        schema,
        fields,
        given(history, schema.length, np.int32, -1),  # type: ignore[arg-type]
        given(age, schema.length, np.float32, 0),  # type: ignore[arg-type]
        given(numbers, schema.numbers, np.float32, 0),  # type: ignore[arg-type]
    )
    widths = {"ids": len(schema.fields), "history": schema.length, "age": schema.length, "numbers": schema.numbers}
    for name, width in widths.items():
        array = getattr(rows, name)
        if array.shape != (count, width):
            raise AdsimError(f"{name}: has shape {array.shape}, must have {(count, width)}, as the schema says.")
        wrong = ~np.isfinite(array)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise AdsimError(f"{name}: row {row}, column {column} is {array[row, column]}: fill it or leave it out.")
    return rows


def concatenate(parts: list[Rows]) -> Rows:
    """Rows of one schema, one after another."""
    return Rows(
        parts[0].schema,
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "history", "age", "numbers")),
    )
