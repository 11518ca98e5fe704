"""Phases: parts of the period in which values and posted prices are scaled, so that input need not be stationary."""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

HIGHEST = 1e6
"""Of factors: scaled amounts and prices stay finite in float32."""

Share = Annotated[float, Field(gt=0)]
ValueFactor = Annotated[float, Field(ge=0, le=HIGHEST)]
PriceFactor = Annotated[float, Field(gt=0, le=HIGHEST)]


class PhasesTable(BaseModel):
    """`[phases]`: a cycle of phases, one number each in `share`, `value` and `price`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    cycles: int = Field(1, ge=1)
    """How often the phases follow each other in a period."""
    length: int | None = Field(None, ge=1)
    """Opportunities in a cycle, in place of `cycles`; the last cycle may be cut off."""
    share: tuple[Share, ...] | None = Field(None, min_length=1)
    """Of a cycle's opportunities, equal parts unless given; they sum to 1."""
    value: tuple[ValueFactor, ...] | None = Field(None, min_length=1)
    """Factors on what a conversion is worth to every campaign, 1 unless given."""
    price: tuple[PriceFactor, ...] | None = Field(None, min_length=1)
    """Factors on the posted price, 1 unless given."""

    @model_validator(mode="after")
    def _agree(self) -> "PhasesTable":
        lengths = {name: len(row) for name in ("share", "value", "price") if (row := getattr(self, name)) is not None}
        if self.value is None and self.price is None:
            raise ValueError("value and price are missing: give a factor for each phase in one of them, or in both")
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{length} in {name}" for name, length in lengths.items())
            raise ValueError(f"{listed}: give one number for each phase")
        if self.length is not None and "cycles" in self.model_fields_set:
            raise ValueError("give cycles or length, not both: one follows from the other")
        if self.share is not None and abs(math.fsum(self.share) - 1) > 1e-9:
            raise ValueError(f"share sums to {math.fsum(self.share):.10g}: the phases of a cycle must sum to 1")
        return self

    def check(self, opportunities: int, *, posted: bool) -> None:
        """Refuse more cycles than opportunities, and factors on prices where none are posted.

        Raises
        ------
        ValueError
            Naming the key.
        """
        if self.cycles > opportunities:
            raise ValueError(
                f"phases.cycles = {self.cycles}: a cycle is at least one of market.opportunities = {opportunities}"
            )
        if self.price is not None and not posted:
            raise ValueError("phases.price scales posted prices, and there is no [competition]: leave it out")

    @property
    def count(self) -> int:
        """Phases of a cycle."""
        return len(self.value or self.price or ())

    def cuts(self, opportunities: int) -> NDArray[np.int64]:
        """First opportunity of each phase of each cycle, and the number of all; (cycles * count + 1,)."""
        return cut(self.share or (1 / self.count,) * self.count, self._cycles(opportunities), opportunities)

    def factors(self, row: tuple[float, ...] | None, opportunities: int) -> NDArray[np.float32]:
        """`value` or `price`, cycle after cycle; (cycles * count,)."""
        cycles = math.ceil(self._cycles(opportunities))
        return np.tile(np.asarray(row or (1.0,) * self.count, np.float32), cycles)

    def _cycles(self, opportunities: int) -> float:
        return self.cycles if self.length is None else opportunities / self.length


def cut(share: Sequence[float], cycles: float, opportunities: int) -> NDArray[np.int64]:
    """Where the phases of a period begin.

    Parameters
    ----------
    share : sequence of float, length K
        Positive; of a cycle.
    cycles : float
        Equal parts of the period, but for the last one, which may be cut off.
    opportunities : int
        Of the period.

    Returns
    -------
    ndarray of int64, shape (ceil(cycles) * K + 1,)
        First opportunity of each phase, and the number of all. Non-decreasing: a phase may be shorter than one
        opportunity.
    """
    cumulated = np.concatenate([[0.0], np.cumsum(share)])
    start = np.arange(math.ceil(cycles))[:, None] + cumulated[:-1] / cumulated[-1]
    begin = np.rint(start.ravel() / cycles * opportunities).astype(np.int64)
    return np.append(np.minimum(begin, opportunities), opportunities)
