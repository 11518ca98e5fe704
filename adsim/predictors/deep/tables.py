"""What all deep models begin with: rows as tensors, and tables that turn values into vectors."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from adsim.predictors.features import Rows, Schema
from adsim.types import Ints

SPREAD, MEMORY_SPREAD = 0.05, 0.3
"""Standard deviations of initial vectors: of fields, and of what histories list."""


class Batch(NamedTuple):
    """Rows as tensors; a value v is v + 1, and 0 stands for an unknown one, or for none in a history."""

    ids: Tensor
    """(n, fields)"""
    history: Tensor
    """(n, length)"""
    age: Tensor
    """Hours, (n, length)."""
    numbers: Tensor
    """(n, numbers)"""


class Inputs(NamedTuple):
    """What a model sees of rows: vectors of ``k`` numbers for values."""

    fields: Tensor
    """(n, fields, k)"""
    numbers: Tensor
    """(n, numbers)"""
    history: Tensor
    """Vectors of the values listed, the latest first, zero where there is none; (n, length, k)."""
    target: Tensor
    """The vector, from the same table, of what a history lists as the ad has it; (n, k)."""
    present: Tensor
    """Whether there is an entry, (n, length)."""
    age: Tensor
    """Hours since each, (n, length)."""

    @property
    def flat(self) -> Tensor:
        """Vectors of fields side by side, then numbers; (n, fields * k + numbers)."""
        return torch.cat([self.fields.flatten(1), self.numbers], 1)


def batch_of(rows: Rows) -> Batch:
    """Rows as tensors."""
    sizes = np.array([field.size for field in rows.schema.fields])
    listed = rows.schema.fields[rows.schema.target].size if rows.schema.history else 0
    parts = _known(rows.ids, sizes), _known(rows.history, listed), rows.age, rows.numbers
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def _known(ids: Ints, sizes: NDArray[np.integer] | int) -> NDArray[np.int64]:
    return np.where((ids >= 0) & (ids < sizes), ids + 1, 0).astype(np.int64)


def width(schema: Schema, k: int) -> int:
    """Columns of `Inputs.flat`."""
    return len(schema.fields) * k + schema.numbers


class Tables(nn.Module):
    """Vectors of fields from one table, whose first columns are linear weights; those of what histories list from
    another, where the ad's own value of that field is looked up, too.

    Parameters
    ----------
    schema : Schema
        Of the rows.
    k : int
        Numbers of a vector.
    events : int
        How many events have linear weights of their own.
    """

    first: Tensor

    def __init__(self, schema: Schema, k: int, events: int) -> None:
        super().__init__()
        sizes = [field.size + 1 for field in schema.fields]
        self.register_buffer("first", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)
        self.events, self.target = events, schema.target if schema.history else None
        self.table = nn.Embedding(sum(sizes), events + k)
        self.slopes = nn.Parameter(torch.zeros(schema.numbers, events))
        self.memory = nn.Embedding(sizes[schema.target] if schema.history else 1, k, padding_idx=0)
        with torch.no_grad():
            self.table.weight.normal_(std=SPREAD)[:, :events] = 0
            self.table.weight[self.first] = 0
            self.memory.weight.normal_(std=MEMORY_SPREAD)[0] = 0

    def forward(self, batch: Batch) -> tuple[Tensor, Inputs]:
        """Sums of linear weights (n, events), and vectors."""
        found = self.table(batch.ids + self.first)
        target = batch.ids.new_zeros(len(batch.ids)) if self.target is None else batch.ids[:, self.target]
        inputs = Inputs(
            found[:, :, self.events :],
            batch.numbers,
            self.memory(batch.history),
            self.memory(target),
            batch.history > 0,
            batch.age,
        )
        return found[:, :, : self.events].sum(1) + batch.numbers @ self.slopes, inputs


class Network(nn.Module):
    """logit = sum of the linear weights of values and numbers + body(their vectors), for one event or several.

    Events share their vectors, and nothing else.
    """

    def __init__(self, schema: Schema, k: int, *bodies: nn.Module) -> None:
        super().__init__()
        self.tables, self.bodies = Tables(schema, k, len(bodies)), nn.ModuleList(bodies)

    def forward(self, batch: Batch) -> Tensor:
        """Logits, (n,) of one event or (n, events)."""
        linear, inputs = self.tables(batch)
        logits: Tensor = linear + torch.stack([body(inputs) for body in self.bodies], 1)
        return logits.squeeze(1)
