"""An agent's parameters, searched on training markets and checked on others."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import qmc

from adsim import registry
from adsim.errors import AdsimError
from adsim.experiments.aggregates import mean, stratified
from adsim.experiments.benchmark.bidders import make_bidder
from adsim.experiments.benchmark.seats import find_seats
from adsim.experiments.statistics import Estimate
from adsim.experiments.training.evaluate import agent_runs
from adsim.market.campaigns import campaign_names
from adsim.market.scenario import Scenario
from adsim.types import Floats

ROUNDS = 3
"""Of the search: in each, half of the trials of the one before, on twice its seeds."""
CHECKED = ("score", "value", "spend", "violation", "budget_use")
Range = tuple[float, float]


@dataclass(frozen=True)
class Tuning:
    """What a search found."""

    scenario: Scenario
    agent: str
    """As it was given."""
    best: str
    """As ``name:key=value``: the trial of the last round with the highest mean score."""
    seats: list[str]
    """Names of the campaigns whose seats were taken."""
    seeds: list[int]
    """Of the training markets, all of them."""
    held_out: list[int]
    """Seeds of the markets of the check."""
    trials: pd.DataFrame
    """A row per trial: trial (0 is the agent as given), specification, a column per parameter, seeds (how many it
    played), score (mean over seats and those seeds), gain, low, high (paired difference to the agent as given on
    those). Scores compare between trials of as many seeds."""
    check: pd.DataFrame
    """A row per metric, of the best's paired differences to the agent as given on the held-out seeds: metric, before,
    after (means), mean, low, high, excludes_zero."""

    def facts(self) -> dict[str, Any]:
        """What was searched, ready for JSON."""
        return {
            "scenario": self.scenario.name,
            "agent": self.agent,
            "best": self.best,
            "seats": self.seats,
            "seeds": self.seeds,
            "held_out": self.held_out,
        }


def tune(
    scenario: Scenario,
    agent: str,
    over: Mapping[str, Range],
    *,
    seats: int | Sequence[int | str] = 6,
    trials: int = 32,
    seeds: int = 32,
    seed: int = 0,
    held_out: int = 50,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Tuning:
    """Search for the parameters with the highest mean score, on common random numbers.

    Trials are points of a scrambled Sobol sequence, on a logarithmic scale where a range lies above 0, rounded to
    three digits; the agent as it was given is one of them. Successive halving (Jamieson & Talwalkar 2016): a quarter
    of the seeds decides which half of the trials goes on, half of the seeds which quarter; the agent as given, to
    which all are compared, always does.

    Parameters
    ----------
    scenario : Scenario
        The market; the other campaigns play their own agents.
    agent : str
        As ``name:key=value``; values that are not searched stay.
    over : mapping
        Lowest and highest value by parameter.
    seats : int or sequence
        Campaigns by index or name, one at a time; or how many, evenly spread over all.
    trials : int
        In the first round, the agent as given included.
    seeds : int
        Training markets of the last round; they lie beyond 2**40, where no evaluation looks.
    seed : int
        Of the sequence, and of the choice of the training markets.
    held_out : int
        Markets of the check, seeds 0, 1, 2 and on.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of markets played and to play.

    Raises
    ------
    AdsimError
        When a setting is impossible, or the agent has no such parameter or does not fit a seat.
    """
    for name, count, least in (
        ("trials", trials, 2),
        ("seeds", seeds, 4),
        ("held_out", held_out, 1),
        ("workers", workers, 1),
    ):
        if not (isinstance(count, int | np.integer) and count >= least):
            raise AdsimError(f"{name} = {count!r}: must be a whole number, {least} or more.")
    specifications = _specifications(agent, over, trials, seed)
    places = find_seats(scenario, seats)
    for each in specifications:
        bidder = make_bidder(each)
        for place in places:
            bidder.check(scenario, place)
    first = int(np.random.default_rng(seed).integers(2**40, 2**62))
    numbers, unseen = np.arange(first, first + seeds), np.arange(held_out)
    play = _Play(scenario, places, workers, progress, _markets(trials, seeds, held_out) * len(places))
    scores, alive = _halve(play, specifications, numbers)
    best = specifications[alive[0]]
    return Tuning(
        scenario=scenario,
        agent=agent,
        best=best,
        seats=[campaign_names(scenario)[place] for place in places],
        seeds=numbers.tolist(),
        held_out=unseen.tolist(),
        trials=_table(specifications, over, scores),
        check=_check(play.runs([agent, best], unseen)),
    )


def _specifications(agent: str, over: Mapping[str, Range], trials: int, seed: int) -> list[str]:
    """The agent as given, then with parameters of its own for each trial."""
    name, given = registry.parse(agent)
    takes = inspect.signature(registry.load("agents", name)).parameters
    if not over:
        raise AdsimError("nothing to tune: name a parameter and its range, such as proportional=0.05..1.")
    for key, (low, high) in over.items():
        if not low < high < np.inf:
            raise AdsimError(f"{key}={low:g}..{high:g}: must be a range from a lower to a higher number.")
        registry.create("agents", name, {**given, key: high})
    sobol = qmc.Sobol(len(over), seed=np.random.default_rng(seed))
    points = sobol.random_base2(int(trials - 1).bit_length())[: trials - 1]
    whole = [isinstance(takes[key].default, int) for key in over]
    columns = [_spread(column, *each) for column, each in zip(points.T, over.values(), strict=True)]
    rows = [
        {key: round(x) if count else float(f"{x:.3g}") for key, x, count in zip(over, row, whole, strict=True)}
        for row in zip(*columns, strict=True)
    ]
    return [agent, *(_written(name, {**given, **row}) for row in rows)]


def _spread(points: Floats, low: float, high: float) -> Floats:
    """Points of [0, 1) over a range."""
    return np.asarray(low * (high / low) ** points if low > 0 else low + (high - low) * points)


def _written(name: str, parameters: Mapping[str, Any]) -> str:
    return ":".join([name, *(f"{key}={value}" for key, value in parameters.items())])


def _markets(trials: int, seeds: int, held_out: int) -> int:
    """How many are played in one seat."""
    found, played = 2 * held_out, 0
    for alive, until in _rounds(trials, seeds):
        found += alive * (until - played)
        played = until
    return found


def _rounds(trials: int, seeds: int) -> list[tuple[int, int]]:
    """Trials of each round, and the seeds that they have played after it."""
    return [(max(trials >> i, 2), seeds >> (ROUNDS - 1 - i)) for i in range(ROUNDS)]


class _Play:
    """Plays agents in all seats, and counts the markets."""

    def __init__(
        self,
        scenario: Scenario,
        seats: Sequence[int],
        workers: int,
        progress: Callable[[int, int], None] | None,
        total: int,
    ) -> None:
        self._scenario, self._seats, self._workers = scenario, seats, workers
        self._progress, self._done, self._total = progress, 0, total

    def runs(self, agents: Sequence[str], seeds: NDArray[np.integer]) -> list[dict[str, Floats]]:
        """Metrics of each agent by name, (seats, seeds)."""
        calls = [
            joblib.delayed(agent_runs)(each, self._scenario, seat, seeds) for each in agents for seat in self._seats
        ]
        found = []
        for runs in joblib.Parallel(n_jobs=min(self._workers, len(calls)), return_as="generator")(calls):
            found.append(runs)
            self._done += seeds.size
            if self._progress:
                self._progress(self._done, self._total)
        parts = [found[i : i + len(self._seats)] for i in range(0, len(found), len(self._seats))]
        return [{name: np.array([runs[name] for runs in part], np.float64) for name in CHECKED} for part in parts]


def _halve(play: _Play, specifications: list[str], seeds: NDArray[np.integer]) -> tuple[list[Floats], list[int]]:
    """Scores of each trial on the seeds that it played, (seats, seeds); and the last round's trials, best first."""
    scores = [np.zeros((0, 0))] * len(specifications)
    alive, played = list(range(len(specifications))), 0
    for count, until in _rounds(len(specifications), seeds.size):
        alive = alive[:count] if 0 in alive[:count] else [*alive[: count - 1], 0]
        found = play.runs([specifications[i] for i in alive], seeds[played:until])
        for i, runs in zip(alive, found, strict=True):
            scores[i] = np.hstack([scores[i], runs["score"]]) if played else runs["score"]
        alive.sort(key=lambda i: -float(scores[i].mean()))
        played = until
    return scores, alive


def _table(specifications: Sequence[str], over: Mapping[str, Range], scores: Sequence[Floats]) -> pd.DataFrame:
    """`Tuning.trials`."""
    rows = []
    for trial, (each, found) in enumerate(zip(specifications, scores, strict=True)):
        made = registry.create("agents", *registry.parse(each))
        values = {key: getattr(made, key) for key in over}
        gain = stratified((found - scores[0][:, : found.shape[1]])[..., None], mean)
        row = {"trial": trial, "specification": each, **values, "seeds": found.shape[1]}
        rows.append({**row, "score": float(found.mean()), "gain": gain.mean, "low": gain.low, "high": gain.high})
    return pd.DataFrame(rows)


def _check(runs: Sequence[dict[str, Floats]]) -> pd.DataFrame:
    """`Tuning.check`."""
    before, after = runs
    rows = []
    for metric in CHECKED:
        gap = stratified((after[metric] - before[metric])[..., None], mean)
        means = [float(side[metric].mean()) for side in (before, after)]
        rows.append([metric, *means, *gap, gap.excludes_zero])
    return pd.DataFrame(rows, columns=["metric", "before", "after", *Estimate._fields, "excludes_zero"])
