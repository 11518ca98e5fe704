"""Trajectories as files: a Parquet table with a row per tick, and beside it a JSON that says where they are from."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from adsim.envs.engine import SPAN
from adsim.envs.features import HIGH, LOW, NAMES
from adsim.errors import AdsimError
from adsim.experiments.offline.minari_dataset import require_minari, write_dataset
from adsim.experiments.offline.trajectories import Trajectories, to_go
from adsim.experiments.output import staged
from adsim.experiments.training.cards import FeatureRange, current_features, features_that_differ, read_facts
from adsim.market.scenario import Scenario, read_scenario

FORMAT, VERSION = "adsim trajectories", 1
PACKAGES = ("adsim", "numpy", "numba")
DATA, CARD = "trajectories.parquet", "trajectories.json"
OF_PERIODS = ("seed", "campaign", "agent", "budget", "target_roi", "value_per_conversion")
"""Columns that are the same in all rows of a trajectory."""
OF_TICKS = ("action", "reward", "value", "spend")
"""Columns that are null in its last row, which holds the observation after the last tick."""
TO_GO = {"return_to_go": "reward", "value_to_go": "value", "spend_to_go": "spend"}
"""Columns that are sums of others from a tick to the end; read by others, not by `load_trajectories`."""
READ = ("trajectory", "tick", *OF_PERIODS, *NAMES, *OF_TICKS)


class Card(BaseModel):
    """Where trajectories are from; the JSON beside the Parquet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["adsim trajectories"] = "adsim trajectories"
    version: Literal[1] = 1
    scenario: dict[str, JsonValue]
    span: float
    features: list[FeatureRange]
    origin: dict[str, JsonValue]
    """How they were collected."""
    trajectories: int
    ticks: int
    versions: dict[str, str]
    sha256: str
    """Of the Parquet file."""

    @property
    def market(self) -> Scenario:
        """The scenario they were recorded in."""
        return read_scenario(self.scenario, "the scenario of the trajectories")


def save_trajectories(
    folder: str | Path,
    trajectories: Trajectories,
    scenario: Scenario,
    *,
    span: float = SPAN,
    origin: Mapping[str, Any] | None = None,
    minari: bool = False,
) -> Card:
    """Write ``trajectories.parquet`` and ``trajectories.json``; all appear whole, or nothing does.

    The table has T + 1 rows for each trajectory, its columns being trajectory, tick, seed, campaign, agent, budget,
    target_roi, value_per_conversion, the features of `adsim.envs.features` before the tick, action, reward, value,
    spend of the tick, and return_to_go, value_to_go, spend_to_go from the tick on. The last row holds what is
    observed in the end; action, reward, value and spend are null there.

    Parameters
    ----------
    folder : str or Path
        Created where missing; earlier trajectories are replaced.
    trajectories : Trajectories
    scenario : Scenario
        They were recorded in.
    span : float
        Of the actions, see `adsim.envs.engine.Engine`.
    origin : mapping, optional
        How they were collected, ready for JSON.
    minari : bool
        Write a Minari dataset to ``minari`` in the folder as well, see
        `adsim.experiments.offline.minari_dataset.write_dataset`.

    Raises
    ------
    AdsimError
        For trajectories that are none, see `check_trajectories`, or without Minari, where it is asked for.
    OutputError
        When a file can't be written.
    """
    check_trajectories(trajectories, "trajectories")
    if minari:
        require_minari()
    with staged(folder) as staging:
        pq.write_table(_table(trajectories), staging / DATA, compression="zstd")
        if minari:
            write_dataset(staging / "minari", trajectories, scenario, span=span)
        card = Card(
            scenario=scenario.model_dump(mode="json"),
            span=span,
            features=current_features(),
            origin=dict(origin or {}),
            trajectories=trajectories.action.shape[0],
            ticks=trajectories.action.shape[1],
            versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
            sha256=hashlib.sha256((staging / DATA).read_bytes()).hexdigest(),
        )
        text = json.dumps(card.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
        (staging / CARD).write_text(text, encoding="utf-8")
    return card


def _table(found: Trajectories) -> Any:
    """A row per tick, and one for the end, of each trajectory."""
    count, ticks = found.action.shape
    columns: dict[str, Any] = {
        "trajectory": np.repeat(np.arange(count, dtype=np.int32), ticks + 1),
        "tick": np.tile(np.arange(ticks + 1, dtype=np.int32), count),
    }
    columns |= {name: _repeated(getattr(found, name), ticks + 1) for name in OF_PERIODS}
    columns |= {name: found.observation[:, :, f].ravel() for f, name in enumerate(NAMES)}
    ended = np.zeros((count, 1))
    last = np.tile(np.arange(ticks + 1) == ticks, count)
    for name in OF_TICKS:
        amounts = getattr(found, name)
        columns[name] = pa.array(np.hstack([amounts, ended.astype(amounts.dtype)]).ravel(), mask=last)
    for name, of in TO_GO.items():
        columns[name] = np.hstack([to_go(getattr(found, of)), ended]).ravel()
    return pa.table(columns)


def _repeated(values: NDArray[Any], times: int) -> Any:
    """Each value so many times; texts as a dictionary."""
    if values.dtype.kind != "U":
        return np.repeat(values, times)
    names, codes = np.unique(values, return_inverse=True)
    return pa.DictionaryArray.from_arrays(np.repeat(codes.astype(np.int32), times), names.tolist())


def load_trajectories(folder: str | Path) -> Trajectories:
    """What `save_trajectories` wrote, bit for bit.

    Raises
    ------
    AdsimError
        For files that are missing, truncated or changed, lack columns, have other features than this version's, or
        hold what no trajectory does, see `check_trajectories`.
    """
    file = _file(folder)
    card = read_card(folder)
    difference = features_that_differ(card.features)
    if difference:
        raise AdsimError(f"{file}: other features than this version's ({difference}). Collect them again.")
    try:
        content = file.read_bytes()
        table = pq.read_table(pa.BufferReader(content))
    except (OSError, pa.ArrowException):
        raise AdsimError(f"{file}: truncated, or no Parquet file. Copy it again, or collect again.") from None
    missing = [name for name in READ if name not in table.column_names]
    if missing:
        raise AdsimError(f"{file}: no column {', '.join(missing)}. Copy it again, or collect again.")
    _check_types(table, file)
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise AdsimError(
            f"{file}: changed since it was written: its SHA-256 is not the one in {CARD}. Copy both again, together."
        )
    found = _trajectories(table, card, file)
    check_trajectories(found, str(file))
    return found


def read_card(folder: str | Path) -> Card:
    """The JSON beside trajectories.

    Raises
    ------
    AdsimError
        When it is missing or says something else.
    """
    beside = _file(folder).with_name(CARD)
    if not beside.is_file():
        raise AdsimError(f"{beside}: missing. {DATA} and {CARD} belong together: copy both again.")
    both, origin = f"{DATA} and {CARD}", "Name a folder that adsim collect wrote."
    return read_facts(Card, beside, FORMAT, VERSION, both, origin, "Collect again.")


def _file(folder: str | Path) -> Path:
    """The Parquet file in a folder."""
    file = Path(folder) / DATA
    if not file.is_file():
        raise AdsimError(f"{file}: no such file. Name a folder that adsim collect wrote.")
    return file


def _check_types(table: Any, file: Path) -> None:
    """Refuse columns of anything but numbers."""
    for name in READ:
        kind = table.schema.field(name).type
        if name != "agent" and not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise AdsimError(f"{file}: column {name} holds {kind}: must hold numbers. Collect again.")


def _trajectories(table: Any, card: Card, file: Path) -> Trajectories:
    """The columns of a table as arrays, once its rows are those of trajectories of equal length."""
    shape = card.trajectories, card.ticks + 1
    trajectory, tick = (table[name].to_numpy() for name in ("trajectory", "tick"))
    lengths = np.bincount(trajectory.clip(0), minlength=shape[0])
    if (lengths != shape[1]).any():
        odd = int(np.argmax(lengths != shape[1]))
        raise AdsimError(
            f"{file}: trajectory {odd} has {lengths[odd]} rows, and the others {shape[1]}: all must be of one length."
        )
    if (trajectory != np.repeat(np.arange(shape[0]), shape[1])).any() or (
        tick != np.tile(np.arange(shape[1]), shape[0])
    ).any():
        raise AdsimError(f"{file}: rows are not in the order of trajectory and tick. Sort them.")
    columns = {name: table[name].to_numpy().reshape(shape) for name in (*OF_PERIODS, *NAMES, *OF_TICKS)}
    for name in OF_PERIODS:
        changing = (columns[name] != columns[name][:, :1]).any(axis=1)
        if changing.any():
            raise AdsimError(f"{file}: {name} changes within trajectory {np.argmax(changing)}: must be the same.")
    return Trajectories(
        observation=np.stack([columns[name] for name in NAMES], axis=2),
        **{name: np.ascontiguousarray(columns[name][:, :-1]) for name in OF_TICKS},
        **{name: columns[name][:, 0].copy() for name in OF_PERIODS if name != "agent"},
        agent=columns["agent"][:, 0].astype(np.str_),
    )


def check_trajectories(found: Trajectories, origin: str) -> None:
    """Refuse what no recorded period is; ``origin`` is named in complaints.

    Raises
    ------
    AdsimError
        For none, for arrays of other shapes, numbers that are none, actions beyond [-1, 1], observations beyond the
        bounds of a feature, budgets or values that are not positive, negative spend or targets.
    """
    for fault in _faults(found):
        raise AdsimError(f"{origin}: {fault}.")


def _faults(found: Trajectories) -> Iterator[str]:
    if found.action.ndim != 2 or not found.action.size:
        yield f"action of shape {found.action.shape}: must be (trajectories, ticks), one of each at least"
    count, ticks = found.action.shape
    shapes = {"observation": (count, ticks + 1, len(NAMES)), **dict.fromkeys(OF_TICKS, (count, ticks))}
    shapes |= dict.fromkeys(OF_PERIODS, (count,))
    for name, shape in shapes.items():
        if getattr(found, name).shape != shape:
            yield f"{name} of shape {getattr(found, name).shape}: must be {shape}"
    for name in ("observation", *OF_TICKS):
        finite = np.isfinite(getattr(found, name))
        if not finite.all():
            e, tick, *feature = np.argwhere(~finite)[0].tolist()
            what = NAMES[feature[0]] if feature else name
            yield f"{what} of trajectory {e}, tick {tick}, is {getattr(found, name)[e, tick, *feature]}: not a number"
    beyond = np.argwhere((found.observation < LOW) | (found.observation > HIGH))
    for e, tick, feature in beyond[:1].tolist():
        number, low, high = found.observation[e, tick, feature], LOW[feature], HIGH[feature]
        yield f"{NAMES[feature]} of trajectory {e}, tick {tick}, is {number:g}: must be within [{low:g}, {high:g}]"
    bounds: dict[str, tuple[NDArray[Any], NDArray[np.bool_], str]] = {
        "action": (found.action, np.abs(found.action) <= 1, "within [-1, 1]"),
        "spend": (found.spend, found.spend >= 0, "0 or more"),
        "budget": (found.budget, found.budget > 0, "above 0, inf without one"),
        "target_roi": (found.target_roi, (found.target_roi >= 0) & (found.target_roi < np.inf), "0 or more"),
        "value_per_conversion": (found.value_per_conversion, found.value_per_conversion > 0, "above 0"),
    }
    for name, (values, fine, range_) in bounds.items():
        if not fine.all():
            place = tuple(np.argwhere(~fine)[0].tolist())
            yield f"{name} of trajectory {place[0]} is {values[place]:g}: must be {range_}"
