"""How a schema's features become slots of a table, for whole rows, and for opportunities and ads apart."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.errors import AdsimError, UnknownName
from adsim.kernels.counter import stream
from adsim.kernels.hashing import Columns, fill_hashes, fill_slots
from adsim.predictors.features import Ads, Contexts, Rows, Schema, Singles
from adsim.types import Ints

CHUNK = 2048
"""Rows that are hashed at a time: their slots stay in cache."""
CONTEXT, AD, BOTH = range(3)


class Encoded(NamedTuple):
    """Features of ``n`` rows, opportunities or ads, ready for a kernel."""

    slots: Ints
    """(n, columns)"""
    values: Singles
    """Values of the last columns; those before are 1. (n, columns that are not plain)."""


class Crosses(NamedTuple):
    """Hashed values of the crosses of a context field and an ad field, see `adsim.kernels.linear.add_crosses`."""

    context: NDArray[np.uint64]
    ad: NDArray[np.uint64]
    reverse: NDArray[np.bool_]
    salts: NDArray[np.uint64]
    shift: np.uint64


class _Column(NamedTuple):
    """A feature: a field, two crossed ones, an entry of the history, or a number and perhaps a field that owns it."""

    field: int
    """Number of the field, crosses, history and numbers being fields of their own: no two share slots."""
    first: int = -1
    second: int = -1
    entry: bool = False
    number: int = -1

    @property
    def plain(self) -> bool:
        """Whether its value is always 1."""
        return not self.entry and self.number < 0


class Encoder:
    """Slots of a schema's fields, of crosses of two fields, of the history's entries and of numbers.

    Parameters
    ----------
    schema : Schema
    bits : int
        The table has ``2**bits`` slots.
    history : bool
        Whether entries of the history are features, each of value ``1 / sqrt(length)``.
    crosses : str
        Pairs of fields whose values are also hashed together, as in ``segment*ad+hour*ad``.
    per : str
        A field of the ad (of the context) each of whose values has own weights of the context's (the ad's) numbers.

    Raises
    ------
    UnknownName
        When a cross or ``per`` names a field that the schema has not.
    AdsimError
        When a cross is not written as two names, or the side that ``per`` is not on has no numbers.
    """

    def __init__(self, schema: Schema, bits: int, *, history: bool, crosses: str = "", per: str = "") -> None:
        self.schema = schema
        self._names = [field.name for field in schema.fields]
        self._sizes = np.array([field.size for field in schema.fields], np.int32)
        self._shift = np.uint64(64 - bits)
        self._length = schema.length if history and schema.history else 0
        self._owner = self._named(per) if per else -1
        self.columns = self._all(crosses)
        self._whole = self._part(self.columns)
        self._sides = [[c for c in self.columns if self._side(c) == side] for side in (CONTEXT, AD)]
        self._contexts, self._ads = (self._part(columns, side) for side, columns in enumerate(self._sides))
        crossed = [c for c in self.columns if c.plain and self._side(c) == BOTH]
        self._owned = [c for c in self.columns if c.number >= 0 and self._side(c) == BOTH]
        if per and not self._owned:
            raise AdsimError(f"per = {per}: the other side has no numbers that this field's values could weigh.")
        self._crosses = self._pairs(crossed)

    @property
    def neutral(self) -> Ints:
        """Slots of each field's unknown values, and of numbers, which should say nothing before they are learned."""
        return np.array([int(_salt(c.field) >> self._shift) for c in self.columns if c.second < 0], np.int32)

    def fields(self, side: int) -> Ints:
        """The field that each column of `contexts` (`CONTEXT`), `ads` (`AD`) or rows (`BOTH`) belongs to."""
        return np.array([column.field for column in (*self._sides, self.columns)[side]], np.int32)

    def chunks(self, rows: Rows) -> Iterator[tuple[slice, Encoded]]:
        """Rows, a few at a time."""
        for start in range(0, len(rows), CHUNK):
            part = slice(start, min(start + CHUNK, len(rows)))
            yield part, self._encode(self._whole, rows.ids[part], rows.history[part], rows.numbers[part])

    def contexts(self, contexts: Contexts) -> Encoded:
        """Columns that depend on the opportunity alone."""
        return self._encode(self._contexts, contexts.ids, contexts.history, contexts.numbers)

    def ads(self, ads: Ads) -> Encoded:
        """Columns that depend on the ad alone."""
        return self._encode(self._ads, ads.ids, None, ads.numbers)

    def crosses(self, contexts: Contexts, ads: Ads) -> Crosses | None:
        """Crosses of a context field and an ad field, if there are any."""
        of_context, of_ad, reverse, salts = self._crosses
        if not salts.size:
            return None
        split = len(self.schema.context)
        context = np.empty((salts.size, len(contexts)), np.uint64)
        ad = np.empty((salts.size, len(ads)), np.uint64)
        for ids, sizes, which, hashes in (
            (contexts.ids, self._sizes[:split], of_context, context),
            (ads.ids, self._sizes[split:], of_ad, ad),
        ):
            fill_hashes(_ids(ids), sizes, which, np.empty(len(ids), np.int32), hashes)
        return Crosses(context, ad, reverse, salts, self._shift)

    def owned(self, contexts: Contexts, ads: Ads, weights: Singles, power: int) -> tuple[Singles, Singles] | None:
        """Factors of the sum over numbers that a field of the other side owns: of the ads (N, k), of contexts (k, n).

        ``weights`` (slots,) are those to be multiplied by the numbers' power.
        """
        if not self._owned:
            return None
        side = AD if self._owner >= len(self.schema.context) else CONTEXT
        of_field = [column._replace(number=-1) for column in self._owned]
        ids = ads.ids if side == AD else contexts.ids
        own = weights[self._encode(self._part(of_field, side), ids, None, np.empty((len(ids), 0))).slots]
        if side == AD:
            return own, np.ascontiguousarray(contexts.numbers.T**power, np.float32)
        return np.ascontiguousarray(ads.numbers**power, np.float32), np.ascontiguousarray(own.T)

    def _all(self, crosses: str) -> list[_Column]:
        schema, size = self.schema, len(self.schema.fields)
        pairs = [self._pair(text) for text in crosses.split("+")] if crosses else []
        fields = [(f, -1) for f in range(size)] + pairs
        columns = [_Column(f, *pair) for f, pair in enumerate(fields)]
        columns += [_Column(len(fields), entry=True)] * self._length
        for j in range(schema.numbers):
            owned = self._owner >= 0 and self._side_of_field(self._owner) != (j >= schema.context_numbers)
            columns.append(_Column(len(fields) + 1 + j, self._owner if owned else -1, number=j))
        return columns

    def _part(self, columns: list[_Column], side: int = BOTH) -> tuple[Columns, int, int]:
        """Some columns for the kernel, fields and numbers counted within their side; entries, plain columns."""
        split = len(self.schema.context) if side == AD else 0
        skipped = self.schema.context_numbers if side == AD else 0
        pairs = [[f - split if f >= 0 else -1 for f in (column.first, column.second)] for column in columns]
        found = Columns(
            np.array(pairs, np.int32).reshape(-1, 2),
            np.array([_salt(column.field) for column in columns], np.uint64),
            self._sizes[split:] if side != CONTEXT else self._sizes[: len(self.schema.context)],
            np.array([column.number - skipped for column in columns if column.number >= 0], np.int32),
            np.int32(self._sizes[self.schema.target] if self._length else 0),
            np.float32(self._length**-0.5 if self._length else 0),
            self._shift,
        )
        return found, sum(column.entry for column in columns), sum(column.plain for column in columns)

    def _encode(
        self, part: tuple[Columns, int, int], ids: Ints, history: Ints | None, numbers: NDArray[np.floating]
    ) -> Encoded:
        columns, entries, plain = part
        count, size = len(ids), len(columns.salts)
        slots, values = np.empty((count, size), np.int32), np.empty((count, size - plain), np.float32)
        seen = _ids(history) if entries and history is not None else np.empty((count, 0), np.int32)
        scratch = np.empty(count, np.int32), np.empty((2, count), np.uint64)
        fill_slots(_ids(ids), seen, np.ascontiguousarray(numbers, np.float32), columns, slots, values, *scratch)
        return Encoded(slots, values)

    def _pairs(self, columns: list[_Column]) -> tuple[Ints, Ints, NDArray[np.bool_], NDArray[np.uint64]]:
        """Fields of crosses of both sides within their side, order and salts."""
        split = len(self.schema.context)
        return (
            np.array([min(column.first, column.second) for column in columns], np.int32),
            np.array([max(column.first, column.second) - split for column in columns], np.int32),
            np.array([column.first > column.second for column in columns], np.bool_),
            np.array([_salt(column.field) for column in columns], np.uint64),
        )

    def _side_of_field(self, field: int) -> int:
        return AD if field >= len(self.schema.context) else CONTEXT

    def _side(self, column: _Column) -> int:
        sides = {self._side_of_field(field) for field in (column.first, column.second) if field >= 0}
        if column.entry:
            sides.add(CONTEXT)
        if column.number >= 0:
            sides.add(AD if column.number >= self.schema.context_numbers else CONTEXT)
        return sides.pop() if len(sides) == 1 else BOTH

    def _named(self, name: str) -> int:
        if name not in self._names:
            raise UnknownName("field", name, self._names)
        return self._names.index(name)

    def _pair(self, text: str) -> tuple[int, int]:
        first, times, second = (part.strip() for part in text.partition("*"))
        if not (first and times and second):
            raise AdsimError(f"crosses: '{text}' is not a pair of fields, as in segment*ad+hour*ad.")
        return self._named(first), self._named(second)


def _salt(field: int) -> np.uint64:
    return np.uint64(stream(0, field))


def _ids(ids: Ints) -> Ints:
    return np.ascontiguousarray(ids, np.int32)
