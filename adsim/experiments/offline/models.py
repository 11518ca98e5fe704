"""Bidders that learned offline as files: ``model.pt``, tensors alone, and beside it a JSON that says how they did.

Loading never unpickles: the network is built anew from the JSON, and filled with ``torch.load(weights_only=True)``
once the file's SHA-256 is the one that the JSON states.
"""

import io
import pickle
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from pydantic import BaseModel, ValidationError, field_validator

from adsim.errors import AdsimError, UnknownName
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.offline.trajectories import Trajectories
from adsim.experiments.training.cards import BaseCard, complaint, read_card_of, read_model, require, write_model

if TYPE_CHECKING:
    from torch import nn

    from adsim.experiments.offline.learning import Watch

LEARNERS = {
    "bc": "adsim.experiments.offline.behaviour_cloning",
    "td3bc": "adsim.experiments.offline.td3_bc",
    "cql": "adsim.experiments.offline.cql",
    "iql": "adsim.experiments.offline.iql",
    "dt": "adsim.experiments.offline.decision_transformer",
    "probid": "adsim.experiments.offline.probid",
}
"""Modules that each have ``Settings``, ``train`` and ``build``, see `Method`."""
PACKAGES = ("adsim", "numpy", "numba", "torch")


class Method(Protocol):
    """What the module of a learner has."""

    Settings: type[BaseModel]
    STEPS: int
    """Batches, unless told otherwise."""

    def build(self, settings: Any) -> "nn.Module":
        """An untrained `OfflineBidder`, whose parameters and buffers are all that bidding needs."""

    def train(
        self, data: Trajectories, settings: Any, *, seed: int, steps: int, watch: "Watch | None" = None
    ) -> "nn.Module":
        """A trained one."""


class Card(BaseCard):
    """How a bidder was trained; the JSON beside its tensors."""

    data: dict[str, Any]
    """Trajectories and markets that it learned from, and their origin."""

    @field_validator("algorithm")
    @classmethod
    def _known(cls, algorithm: str) -> str:
        if algorithm not in LEARNERS:
            raise UnknownName("algorithm", algorithm, LEARNERS)
        return algorithm


class Learned(NamedTuple):
    """A bidder, how it was trained, and the file it came from."""

    bidder: OfflineBidder
    card: Card
    path: Path


def method(algorithm: str) -> Method:
    """The module of a learner.

    Raises
    ------
    UnknownName
        For one that there is not.
    """
    if algorithm not in LEARNERS:
        raise UnknownName("algorithm", algorithm, LEARNERS)
    return cast(Method, import_module(LEARNERS[algorithm]))


def is_offline(path: str | Path) -> bool:
    """Whether a path is a bidder's that learned offline: its ``.pt``, or a folder with ``model.pt``."""
    place = Path(path)
    return (place / "model.pt").is_file() if place.is_dir() else place.suffix == ".pt"


def find_bidder(path: str | Path) -> Path:
    """The .pt that a path stands for.

    Raises
    ------
    AdsimError
        When there is none.
    """
    file = Path(path) / "model.pt" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise AdsimError(f"{file}: no such file. Name a folder or .pt that adsim train wrote.")
    return file


def read_bidder_card(path: str | Path) -> Card:
    """The JSON beside a bidder.

    Raises
    ------
    AdsimError
        When it is missing or says something else.
    """
    return read_card_of(Card, find_bidder(path))


def save_bidder(bidder: "nn.Module", card: Card, path: Path) -> Card:
    """Write ``path`` (.pt) and the JSON beside it; each appears whole or not at all.

    Returns
    -------
    Card
        As written: with versions and SHA-256.

    Raises
    ------
    OutputError
        When a file can't be written.
    """
    import torch

    content = io.BytesIO()
    torch.save(bidder.state_dict(), content)

    def write(file: Path) -> None:
        file.write_bytes(content.getvalue())

    return write_model(card, path, write, PACKAGES)


def load_bidder(path: str | Path) -> Learned:
    """A bidder that `save_bidder` wrote.

    Raises
    ------
    AdsimError
        For a file that is missing, that `save_bidder` did not write, or whose observation is not this version's.
    """
    require("offline", "torch", "evaluate")
    file = find_bidder(path)
    card, content = read_model(Card, file)
    module = method(card.algorithm)
    try:
        bidder = module.build(module.Settings.model_validate(card.settings))
    except ValidationError as error:
        raise AdsimError(f"{file.with_suffix('.json')}: settings.{complaint(error)}. Train it again.") from None
    try:
        bidder.load_state_dict(_tensors(content, file))
    except RuntimeError:
        raise AdsimError(f"{file}: its parameters are not those of its settings. Train it again.") from None
    return Learned(cast(OfflineBidder, bidder.eval()), card, file)


def _tensors(content: bytes, file: Path) -> dict[str, Any]:
    """What the file holds, by name."""
    import torch

    try:
        found: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, pickle.UnpicklingError):
        raise AdsimError(f"{file}: not a file of tensors. Copy the .pt and the .json again, together.") from None
    return found
