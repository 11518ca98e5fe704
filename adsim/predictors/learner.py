"""What all learned predictors share: scikit-learn's verbs over rows of features, and files without pickle."""

import json
from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim import registry
from adsim.errors import AdsimError
from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, Singles, pair
from adsim.types import Floats


class Learner(ABC):
    """Learns the probability of an event, a click say, from rows that tell whether it happened.

    A subclass keeps the parameters of its constructor under their own names, so that it can be written to a file.
    """

    schema: Schema
    """Of the rows that it has begun with."""

    @property
    def explores(self) -> bool:
        """Whether `sample_grid` differs from `predict_grid`."""
        return False

    @abstractmethod
    def begin(self, schema: Schema, seed: int = 0) -> Self:
        """Forget everything; initial weights are drawn from the seed."""

    @abstractmethod
    def partial_fit(self, rows: Rows, labels: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Learn from more rows, in their order, once each.

        Parameters
        ----------
        rows : Rows
            Of the schema that was begun with.
        labels : array (n,)
            1 where the event happened, 0 where not; shares between for soft labels.
        weights : array (n,), optional
            Of the rows, 1 unless given.

        Raises
        ------
        AdsimError
            When rows have another schema, or labels or weights another length or impossible values.
        """

    def fit(
        self,
        rows: Rows,
        labels: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        valid: tuple[Rows, ArrayLike] | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn from scratch; a learner with several passes over the rows stops by the log loss on ``valid``."""
        return self.begin(rows.schema, seed).partial_fit(rows, labels, weights)

    @abstractmethod
    def predict_proba(self, rows: Rows) -> Floats:
        """Probability of the event, (n,), between 0 and 1.

        Raises
        ------
        AdsimError
            When rows have another schema.
        """

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """Probabilities of all ads for all opportunities into ``out`` (ads, opportunities)."""
        count, size = len(contexts), len(ads)
        opportunity, ad = np.tile(np.arange(count), size), np.repeat(np.arange(size), count)
        out[:, :count] = self.predict_proba(pair(contexts, opportunity, ads, ad)).reshape(size, count)

    def sample_grid(self, contexts: Contexts, ads: Ads, key: int, first: int, out: Singles) -> None:
        """Probabilities drawn from what the learner believes, for Thompson sampling; predictions unless it explores.

        Parameters
        ----------
        contexts, ads : Contexts, Ads
        key : int
            Of the market's randomness; 64 bits.
        first : int
            Number of the first opportunity: the draw for an ad and an opportunity depends on key, ad and its number.
        out : float32 array (ads, opportunities)
            Filled.
        """
        self.predict_grid(contexts, ads, out)

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything learned, by name."""

    @abstractmethod
    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what another of the same parameters and schema has learned."""

    def parameters(self) -> dict[str, Any]:
        """What it was constructed with."""
        import inspect

        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def save(self, path: str | Path) -> None:
        """Write to a file: arrays and a line of JSON, nothing that runs when it is read.

        Raises
        ------
        AdsimError
            When nothing was learned yet, the class is not registered, or the file cannot be written.
        """
        about = {"kind": _name_of(self), "parameters": self.parameters(), "schema": asdict(self._begun())}
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        try:
            with Path(path).open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, about=text, **self.arrays())
        except OSError as error:
            raise AdsimError(f"{path}: cannot be written: {error.strerror}.") from None

    def check(self, rows: Rows | Contexts | Ads) -> None:
        """Refuse features of another schema."""
        if rows.schema != self._begun():
            raise AdsimError(
                f"{type(self).__name__} has learned other features: {_columns(self.schema)}, not "
                f"{_columns(rows.schema)}. Fit it again, or give it the rows it knows."
            )

    def _begun(self) -> Schema:
        if not hasattr(self, "schema"):
            raise AdsimError(f"{type(self).__name__} has learned nothing yet: call fit first.")
        return self.schema


def make(specification: str) -> Learner:
    """A learner by the name it is registered under, with parameters: ``name:key=value``.

    Raises
    ------
    AdsimError
        When there is none of that name, it does not take a parameter, or does not learn.
    """
    made = registry.create("predictors", *registry.parse(specification))
    if not isinstance(made, Learner):
        raise AdsimError(f"{specification}: does not learn; take one that does, such as ftrl.")
    return made


def load(path: str | Path) -> Learner:
    """A learner from a file that `Learner.save` wrote.

    Raises
    ------
    AdsimError
        When the file is missing or is none of these.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(arrays.pop("about").tobytes())
        learner: Learner = registry.create("predictors", about["kind"], about["parameters"])
        learner.begin(_schema(about["schema"]))
        learner.restore(arrays)
    except FileNotFoundError:
        raise AdsimError(f"{path}: no such file.") from None
    except (OSError, EOFError, BadZipFile, ValueError, KeyError, TypeError):
        raise AdsimError(f"{path}: not a predictor that adsim wrote, or not all of it. Save it again.") from None
    return learner


def check_labels(rows: Rows, labels: ArrayLike, weights: ArrayLike | None) -> tuple[Singles, Singles]:
    """Labels and weights as arrays (n,).

    Raises
    ------
    AdsimError
        When a length is wrong, a label lies outside [0, 1], or a weight is negative or not finite.
    """
    found = np.ascontiguousarray(labels, np.float32)
    importance = np.ones_like(found) if weights is None else np.ascontiguousarray(weights, np.float32)
    for name, array in (("labels", found), ("weights", importance)):
        if array.shape != (len(rows),):
            raise AdsimError(f"{name}: have shape {array.shape}, must have {(len(rows),)}, one number a row.")
    if not np.all((found >= 0) & (found <= 1)):
        raise AdsimError("labels: must lie between 0 and 1.")
    if not np.all((importance >= 0) & np.isfinite(importance)):
        raise AdsimError("weights: must be finite and not negative.")
    return found, importance


def _name_of(learner: Learner) -> str:
    """The name under which a learner's class is registered."""
    path = f"{type(learner).__module__}:{type(learner).__name__}"
    for name, registered in registry.known("predictors").items():
        if registered == path:
            return name
    raise AdsimError(f"{path} is not registered: only predictors that the registry knows can be read back.")


def _schema(tables: dict[str, Any]) -> Schema:
    """From JSON."""
    fields = {key: tuple(Field(*field) for field in tables[key]) for key in ("context", "ad")}
    return Schema(**{**tables, **fields})


def _columns(schema: Schema) -> str:
    """A schema in a few words."""
    names = ", ".join(f"{field.name} ({field.size})" for field in schema.fields)
    extras = [f"history of {schema.history} ({schema.length})"] if schema.history else []
    extras += [f"{schema.numbers} numbers"] if schema.numbers else []
    return "; ".join([names, *extras])
