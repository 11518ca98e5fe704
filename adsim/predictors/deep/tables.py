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


class Network(nn.Module):
    """logit = sum of the linear weights of values and numbers + body(their vectors).

    Vectors of fields come from one table, whose first column is the linear weight; those of histories and of the ad's
    value that they list from another.
    """

    def __init__(self, schema: Schema, k: int, body: nn.Module) -> None:
        super().__init__()
        sizes = [field.size + 1 for field in schema.fields]
        first = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        self.register_buffer("first", first, persistent=False)
        self.table = nn.Embedding(sum(sizes), 1 + k)
        self.slopes = nn.Parameter(torch.zeros(schema.numbers))
        self.memory = nn.Embedding(sizes[schema.target] if schema.history else 1, k, padding_idx=0)
        self.body = body
        with torch.no_grad():
            self.table.weight.normal_(std=SPREAD)[:, 0] = 0
            self.table.weight[first] = 0
            self.memory.weight.normal_(std=MEMORY_SPREAD)[0] = 0
        self.target = schema.target if schema.history else None

    def forward(self, batch: Batch) -> Tensor:
        """Logits, (n,)."""
        found = self.table(batch.ids + self.first)
        target = torch.zeros(len(batch.ids), dtype=torch.int64) if self.target is None else batch.ids[:, self.target]
        inputs = Inputs(
            found[:, :, 1:],
            batch.numbers,
            self.memory(batch.history),
            self.memory(target),
            batch.history > 0,
            batch.age,
        )
        linear = found[:, :, 0].sum(1) + batch.numbers @ self.slopes
        logit: Tensor = linear + self.body(inputs)
        return logit
