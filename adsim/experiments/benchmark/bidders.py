"""Who bids in a benchmark: agents of the registry inside the market, trained models and policies from outside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adsim import registry
from adsim.envs.engine import SPAN, Engine
from adsim.errors import AdsimError
from adsim.experiments.offline.bidder import OfflineBidder
from adsim.experiments.training.evaluate import BATCH, Policy, agent_runs, bidder_of, play
from adsim.market.markets import Markets
from adsim.market.scenario import Scenario

Specification = str | Path | OfflineBidder | Policy
"""An agent as ``name:key=value``, the folder or file of a trained model, or who bids."""
Seeds = NDArray[np.integer]


@dataclass(frozen=True)
class Bidder:
    """Somebody who can take any seat."""

    name: str
    runs: Callable[[Scenario, int, Seeds], pd.DataFrame]
    """Rows of `adsim.experiments.training.evaluate.Evaluation.runs` of a seat in the markets of some seeds."""
    check: Callable[[Scenario, int], None]
    """Complains where it cannot take a seat."""


def make_bidder(specification: Specification, name: str | None = None) -> Bidder:
    """Somebody who bids, whatever kind it is.

    Parameters
    ----------
    specification : str, Path, OfflineBidder or callable
        An agent as ``name:key=value``; a folder or file that `adsim train` wrote; an
        `adsim.experiments.offline.bidder.OfflineBidder`; or a function of observations (E, F) to actions (E, 1).
    name : str, optional
        For tables and figures; the agent as it was written, or the folder's name, unless given.

    Raises
    ------
    AdsimError
        For what is neither an agent nor a model.
    """
    if isinstance(specification, str | Path):
        text = str(specification)
        if text.partition(":")[0] in registry.known("agents"):
            return _scripted(text, name or text)
        if not Path(text).exists():
            names = ", ".join(sorted(registry.known("agents")))
            raise AdsimError(f"bidder {text!r}: neither a folder of adsim train nor an agent. Agents: {names}.")
        bidder, card = bidder_of(text)
        return _outside(name or _stem(Path(text)), bidder, card.span if card else SPAN)
    if not (isinstance(specification, OfflineBidder) or callable(specification)):
        raise AdsimError(f"bidder {specification!r}: must be an agent, a path, an OfflineBidder or a function.")
    return _outside(name or type(specification).__name__, specification, SPAN)


def _stem(path: Path) -> str:
    """The folder of a model, or its file where it has a name of its own."""
    return path.resolve().parent.name if path.stem == "model" else path.resolve().stem


def _scripted(agent: str, name: str) -> Bidder:
    """An agent of the registry."""
    if registry.create("agents", *registry.parse(agent)).privileged:
        raise AdsimError(f"bidder {agent}: is shown the truth, and cannot be ranked with those who are not.")

    def runs(scenario: Scenario, seat: int, seeds: Seeds) -> pd.DataFrame:
        return agent_runs(agent, scenario, seat, seeds).assign(bidder=name)

    def check(scenario: Scenario, seat: int) -> None:
        Markets(scenario, [0], agents={seat: agent}).open()

    return Bidder(name, runs, check)


def _outside(name: str, policy: Policy | OfflineBidder, span: float) -> Bidder:
    """Who sets the multiplier of an environment's seat."""

    def runs(scenario: Scenario, seat: int, seeds: Seeds) -> pd.DataFrame:
        parts = []
        for batch in np.split(seeds, range(BATCH, seeds.size, BATCH)):
            engine = Engine(scenario, [seat], markets=batch.size, span=span)
            parts.append(play(name, policy, engine, batch))
            engine.close()
        return pd.concat(parts, ignore_index=True)

    def check(scenario: Scenario, seat: int) -> None:
        Engine(scenario, [seat], span=span)

    return Bidder(name, runs, check)
