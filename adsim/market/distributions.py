"""Numbers in a scenario that may be drawn from the seed: 3.0, or { distribution = "uniform", low = 1, high = 5 }."""

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_serializer, model_validator

from adsim.errors import UnknownName
from adsim.types import Floats


class _Distribution(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def sample(self, uniforms: Floats, index: NDArray[np.int64]) -> Floats:
        """Draws by inverting the distribution at uniform numbers; ``index`` counts the campaigns."""
        raise NotImplementedError

    def range(self) -> tuple[float, float]:
        """Smallest and largest value that can be drawn."""
        raise NotImplementedError

    def scaled(self, factor: float) -> "_Distribution":
        """That of draws times a positive factor."""
        raise NotImplementedError

    def beginning(self, index: int) -> "_Distribution":
        """That of the campaigns from number ``index`` on."""
        return self


class Constant(_Distribution):
    """The same number for all."""

    distribution: Literal["constant"] = "constant"
    value: float

    @model_serializer
    def _as_number(self) -> float:
        return self.value

    def sample(self, uniforms: Floats, index: NDArray[np.int64]) -> Floats:
        """All the same."""
        return np.full(uniforms.shape, self.value)

    def range(self) -> tuple[float, float]:
        """The number."""
        return self.value, self.value

    def scaled(self, factor: float) -> "Constant":
        """The number times the factor."""
        return Constant(value=self.value * factor)


class Uniform(_Distribution):
    """Uniform on [low, high)."""

    distribution: Literal["uniform"]
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} lies above high = {self.high:g}")
        return self

    def sample(self, uniforms: Floats, index: NDArray[np.int64]) -> Floats:
        """Draws."""
        return self.low + (self.high - self.low) * uniforms

    def range(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high

    def scaled(self, factor: float) -> "Uniform":
        """Between the ends times the factor."""
        return Uniform(distribution="uniform", low=self.low * factor, high=self.high * factor)


class LogNormal(_Distribution):
    """``median * exp(sigma z)``, z standard normal."""

    distribution: Literal["lognormal"]
    median: float = Field(gt=0)
    sigma: float = Field(ge=0)

    def sample(self, uniforms: Floats, index: NDArray[np.int64]) -> Floats:
        """Draws."""
        from scipy.special import ndtri

        return np.asarray(self.median * np.exp(self.sigma * ndtri(np.maximum(uniforms, 2.0**-53))))

    def range(self) -> tuple[float, float]:
        """Positive, without a bound."""
        return np.nextafter(0, 1), np.inf

    def scaled(self, factor: float) -> "LogNormal":
        """Around the median times the factor."""
        return LogNormal(distribution="lognormal", median=self.median * factor, sigma=self.sigma)


class Values(_Distribution):
    """A list that the campaigns take in turn."""

    distribution: Literal["values"]
    values: tuple[float, ...] = Field(min_length=1)

    def sample(self, uniforms: Floats, index: NDArray[np.int64]) -> Floats:
        """The list, repeated."""
        return np.broadcast_to(np.asarray(self.values)[index % len(self.values)], uniforms.shape)

    def range(self) -> tuple[float, float]:
        """Smallest and largest of the list."""
        return min(self.values), max(self.values)

    def scaled(self, factor: float) -> "Values":
        """Each times the factor."""
        return Values(distribution="values", values=tuple(value * factor for value in self.values))

    def beginning(self, index: int) -> "Values":
        """The list from there on, round and round."""
        first = index % len(self.values)
        return Values(distribution="values", values=self.values[first:] + self.values[:first])


Distribution = Constant | Uniform | LogNormal | Values
_KINDS: dict[str, type[_Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "lognormal": LogNormal,
    "values": Values,
}


def _read(value: Any) -> Any:
    """A bare number is a constant; a table is read by the class that its `distribution` names."""
    if isinstance(value, _Distribution):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Constant(value=value)
    if not isinstance(value, dict) or "distribution" not in value:
        raise ValueError("must be a number or a table such as { distribution = 'uniform', low = 1, high = 5 }")
    kind = value["distribution"]
    if kind not in _KINDS:
        raise ValueError(str(UnknownName("distribution", str(kind), _KINDS)))
    return _KINDS[kind](**value)


def _at_least(smallest: float, words: str) -> Any:
    def check(distribution: _Distribution) -> _Distribution:
        if not distribution.range()[0] >= smallest:
            fixed = isinstance(distribution, Constant)
            raise ValueError(f"must be {words}" + ("" if fixed else f", and draws reach {distribution.range()[0]:g}"))
        return distribution

    return check


Draw = Annotated[Distribution, BeforeValidator(_read)]
Positive = Annotated[Draw, AfterValidator(_at_least(np.nextafter(0, 1), "positive"))]
NonNegative = Annotated[Draw, AfterValidator(_at_least(0.0, "at least 0"))]


def _drawable(distribution: _Distribution) -> _Distribution:
    if isinstance(distribution, Values):
        raise ValueError("a list of values cannot be drawn for each opportunity: use uniform or lognormal")
    return distribution


PerOpportunity = Annotated[NonNegative, AfterValidator(_drawable)]
