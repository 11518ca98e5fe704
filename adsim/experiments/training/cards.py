"""What all trained bidders have as files: tensors, and beside them a JSON, the card, that says how they trained."""

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from adsim.envs.features import FEATURES
from adsim.errors import AdsimError, OutputError
from adsim.market.scenario import Scenario, read_scenario

FORMAT, VERSION = "adsim model", 1


class FeatureRange(BaseModel):
    """A number of the observation."""

    name: str
    low: float
    high: float


class BaseCard(BaseModel):
    """How a model was trained; the JSON beside its tensors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["adsim model"] = "adsim model"
    version: Literal[1] = 1
    algorithm: str
    settings: dict[str, JsonValue]
    """Everything that the algorithm and its networks were made with."""
    scenario: dict[str, JsonValue]
    span: float
    features: list[FeatureRange]
    seed: int
    steps: int = 0
    """Environment steps done, ticks times episodes; batches, of a learner from recorded periods."""
    seconds: float = 0.0
    """That training took."""
    curve: list[dict[str, float | None]] = []
    """Rows of the learning curve."""
    versions: dict[str, str] = {}
    sha256: str = ""
    """Of the tensors' file."""

    @property
    def market(self) -> Scenario:
        """The scenario it was trained on."""
        return read_scenario(self.scenario, "the model's scenario")


C = TypeVar("C", bound=BaseCard)
M = TypeVar("M", bound=BaseModel)


def require(extra: str, package: str, command: str) -> None:
    """Say what to install where an extra is missing.

    Raises
    ------
    AdsimError
        When it is.
    """
    try:
        import_module(package)
    except ImportError:
        raise AdsimError(f"adsim {command} needs the extra {extra}: pip install 'adsim[{extra}]'.") from None


def current_features() -> list[FeatureRange]:
    """The observation as this version has it."""
    return [FeatureRange(name=each.name, low=each.low, high=each.high) for each in FEATURES]


def write_model(
    card: C,
    path: Path,
    write: Callable[[Path], None],
    packages: Sequence[str],
    facts: Mapping[str, Any] | None = None,
) -> C:
    """Write a model's file and the JSON beside it; each appears whole or not at all.

    Parameters
    ----------
    card : BaseCard
    path : Path
        Of the tensors.
    write : callable
        Writes them to a path of the same ending.
    packages : sequence of str
        Whose versions matter.
    facts : mapping, optional
        Fields of the card to fill in besides versions and SHA-256.

    Returns
    -------
    BaseCard
        As written.

    Raises
    ------
    OutputError
        When a file can't be written.
    """
    versions = {"python": platform.python_version(), **{name: version(name) for name in packages}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".adsim-", dir=path.parent) as staging:
            whole = Path(staging, f"model{path.suffix}")
            write(whole)
            digest = hashlib.sha256(whole.read_bytes()).hexdigest()
            written = card.model_copy(update={**(facts or {}), "versions": versions, "sha256": digest})
            text = json.dumps(written.model_dump(mode="json"), indent=2, allow_nan=False) + "\n"
            Path(staging, "model.json").write_text(text, encoding="utf-8")
            whole.replace(path)
            Path(staging, "model.json").replace(path.with_suffix(".json"))
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise OutputError(f"{path}: the model cannot be written there ({reason}). Name another folder.") from None
    return written


def read_model(kind: type[C], file: Path) -> tuple[C, bytes]:
    """The card and the content of a model's file, which is what was saved, of this version's observation.

    Raises
    ------
    AdsimError
        When it is not.
    """
    card = read_card_of(kind, file)
    difference = features_that_differ(card.features)
    if difference:
        raise AdsimError(f"{file}: trained on other features ({difference}). Train it again.")
    content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise AdsimError(
            f"{file}: changed since it was saved: its SHA-256 is not the one in {file.with_suffix('.json').name}. "
            "Copy both again, or load a checkpoint."
        )
    return card, content


def read_card_of(kind: type[C], file: Path) -> C:
    """The JSON beside a model's file.

    Raises
    ------
    AdsimError
        When it is missing or says something else.
    """
    beside = file.with_suffix(".json")
    both = f"the {file.suffix} and the .json"
    if not beside.is_file():
        raise AdsimError(
            f"{beside}: missing. adsim loads models that adsim train saved, a {file.suffix} and a .json together."
        )
    origin = "adsim loads models that adsim train saved, and no others."
    return read_facts(
        kind, beside, FORMAT, VERSION, both, origin, "Load it with the adsim that wrote it, or train again."
    )


def read_facts(kind: type[M], beside: Path, format: str, number: int, both: str, origin: str, remedy: str) -> M:
    """A JSON that states its format and version.

    Parameters
    ----------
    kind : type
        The model to read.
    beside : Path
    format, number : str, int
        What it must state.
    both : str
        The files that belong together, for complaints.
    origin : str
        What is read, said of other formats.
    remedy : str
        What to do about another version.

    Raises
    ------
    AdsimError
        When it says something else.
    """
    try:
        facts = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise AdsimError(f"{beside}: not JSON. Copy {both} again, together.") from None
    if not isinstance(facts, dict) or facts.get("format") != format:
        raise AdsimError(f"{beside}: no '{format}'. {origin}")
    if facts.get("version") != number:
        found = facts.get("version")
        raise AdsimError(f"{beside}: version {found!r} of the format, and this adsim reads {number}. {remedy}")
    try:
        return kind.model_validate(facts)
    except ValidationError as error:
        raise AdsimError(f"{beside}: {complaint(error)}. Copy {both} again, together.") from None


def complaint(error: ValidationError) -> str:
    """Where the first fault of a card is, and which."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def features_that_differ(features: Sequence[FeatureRange]) -> str:
    """What an observation and this version's do not have in common, in words; empty where they are the same."""
    ours, theirs = ({each.name: (each.low, each.high) for each in side} for side in (current_features(), features))
    if list(ours.items()) == list(theirs.items()):
        return ""
    parts = {
        "unknown here": [name for name in theirs if name not in ours],
        "missing there": [name for name in ours if name not in theirs],
        "of another range": [name for name in ours if name in theirs and ours[name] != theirs[name]],
    }
    words = [f"{what}: {', '.join(names)}" for what, names in parts.items() if names]
    return "; ".join(words or ["in another order"])
