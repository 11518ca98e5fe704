"""Mechanisms, agents or predictors on the same markets: paired seeds, means with intervals, paired differences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import joblib
import numpy as np
import pandas as pd

from adsim import registry
from adsim.errors import AdsimError, AgentError, ScenarioError
from adsim.experiments.comparison.prediction_quality import prediction_quality
from adsim.experiments.optimum.weighted_optimum import is_quick, weighted_optimum
from adsim.experiments.statistics import Estimate, difference, estimate
from adsim.market.market import Market
from adsim.market.scenario import Scenario

BASELINE = "lpa"
"""What differences are taken to where it is compared; of predictors, the oracle."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; a *variant* is a mechanism, an agent or a predictor."""

    scenario: Scenario
    varied: Literal["mechanism", "agent", "predictor"]
    baseline: str
    """The variant that differences are taken to."""
    seeds: list[int]
    left_out: dict[str, str]
    """Mechanisms that do not fit the scenario, and why."""
    runs: pd.DataFrame
    """A row per variant and seed: variant, seed and the metrics of `Result.summary`; and, with the optimum,
    objective_share (weighted objective over the bound of `adsim.experiments.optimum.weighted_optimum`, which no
    allocation exceeds in expectation; NaN where that is 0)."""
    campaigns: pd.DataFrame
    """A row per variant, seed and campaign: variant, seed and the columns of `Result.campaigns`."""
    table: pd.DataFrame
    """A row per variant and metric: variant, metric, mean, low, high."""
    differences: pd.DataFrame
    """A row per variant (but the baseline) and metric, of the paired differences to the baseline: variant, metric,
    mean, low, high, excludes_zero."""

    @property
    def variants(self) -> list[str]:
        """Names, in the order in which they were given."""
        return list(dict.fromkeys(self.runs["variant"]))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return list(self.runs.columns[2:])

    def summary(self) -> dict[str, Any]:
        """Means, differences and their intervals by variant and metric, ready for JSON: NaN is None."""
        return {
            "scenario": self.scenario.name,
            "varied": self.varied,
            "baseline": self.baseline,
            "seeds": self.seeds,
            "left_out": self.left_out,
            "variants": nested(self.table),
            "differences": nested(self.differences),
        }


def compare(
    scenario: Scenario,
    *,
    mechanisms: Sequence[str] | None = None,
    agents: Sequence[str] | None = None,
    predictors: Sequence[str] | None = None,
    seeds: int = 20,
    first_seed: int = 0,
    optimum: bool | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Run variants of a scenario on the same seeds.

    Parameters
    ----------
    scenario : Scenario
        What is varied.
    mechanisms : sequence of str, optional
        All registered ones that fit the scenario, unless given.
    agents : sequence of str, optional
        Agents as ``name:key=value``, compared in place of mechanisms; each bids for every campaign.
    predictors : sequence of str, optional
        Predictors, likewise; ``learning.key=value`` among the parameters changes that of the table `[learning]`.
    seeds, first_seed : int
        How many markets to run of each variant, and the seed of the first.
    optimum : bool, optional
        Whether to find each market's optimum, too; unless given, where there is user experience and stock and it
        takes seconds.
    workers : int
        Processes; results do not depend on it.
    progress : callable, optional
        Called with the numbers of runs, and optima, done and to do.

    Raises
    ------
    AdsimError
        When a setting is impossible, a variant that was named does not fit the scenario, or the optimum is asked for
        and not known.
    """
    _check(seeds=seeds, workers=workers)
    given = {"mechanism": mechanisms, "agent": agents, "predictor": predictors}
    varied = [kind for kind, names in given.items() if names is not None] or ["mechanism"]
    if len(varied) > 1:
        raise AdsimError(f"{varied[0]}s and {varied[1]}s are both given: compare one at a time.")
    left_out: dict[str, str] = {}
    if agents is not None:
        variants = _with_agents(scenario, agents)
    elif predictors is not None:
        variants = {name: with_predictor(scenario, name) for name in predictors}
    elif mechanisms is not None:
        variants = {name: _with_mechanism(scenario, name) for name in mechanisms}
    else:
        variants, left_out = _fitting(scenario)
    if not variants:
        raise AdsimError(f"nothing to compare: name one {varied[0]} at least.")
    span = list(range(first_seed, first_seed + seeds))
    judged = predictors is not None
    cells = [
        joblib.delayed(_outcome)(name, variant, seed, judged) for name, variant in variants.items() for seed in span
    ]
    weighed = is_quick(scenario) if optimum is None else optimum
    optima = [joblib.delayed(_bound)(scenario, seed) for seed in span] if weighed else []
    found = list(_run([*optima, *cells], workers, progress))
    bounds, outcomes = found[: len(optima)], found[len(optima) :]
    runs, campaigns = zip(*outcomes, strict=True)
    table = pd.DataFrame(list(runs))
    if weighed:
        bound = table["seed"].map(dict(zip(span, bounds, strict=True)))
        table["objective_share"] = table["weighted_objective"] / bound.where(bound > 0, np.nan)
    baseline = next((name for name in (BASELINE, "oracle") if name in variants), next(iter(variants)))
    return Comparison(
        scenario=scenario,
        varied=varied[0],  # type: ignore[arg-type]
        baseline=baseline,
        seeds=span,
        left_out=left_out,
        runs=table,
        campaigns=pd.concat(campaigns, ignore_index=True),
        table=means(table),
        differences=_differences(table, baseline),
    )


def _check(**counts: int) -> None:
    for name, count in counts.items():
        if not (isinstance(count, int) and count >= 1):
            raise AdsimError(f"{name} = {count}: must be a whole number, 1 or more.")


def _with_mechanism(scenario: Scenario, name: str) -> Scenario:
    registry.load("mechanisms", name)
    return scenario.replace({"auction.mechanism": name})


def _with_agents(scenario: Scenario, agents: Sequence[str]) -> dict[str, Scenario]:
    """For each agent, the scenario in which it bids for all campaigns."""
    places = [f"campaigns.{number}.agent" for number in range(len(scenario.campaigns))]
    for agent in agents:
        registry.create("agents", *registry.parse(agent))
    return {agent: scenario.replace(dict.fromkeys(places, agent)) for agent in agents}


def with_predictor(scenario: Scenario, specification: str) -> Scenario:
    """The scenario with another predictor; one that does not learn has no use for the table `[learning]`."""
    kind, parameters = registry.parse(specification)
    prefix = "learning."
    terms = {key: value for key, value in parameters.items() if key.startswith(prefix)}
    own = {key: value for key, value in parameters.items() if key not in terms}
    changed = scenario.replace({"learning": None, "predictor": {"kind": kind, **own}})
    if not changed.predictor.learns and terms:
        raise AdsimError(f"'{specification}': {kind} does not learn, so {next(iter(terms))} changes nothing.")
    if not changed.predictor.learns:
        return changed
    table = {} if scenario.learning is None else scenario.learning.model_dump(exclude_unset=True)
    return changed.replace({"learning": {**table, **{key.removeprefix(prefix): terms[key] for key in terms}}})


def _fitting(scenario: Scenario) -> tuple[dict[str, Scenario], dict[str, str]]:
    """The scenario under every mechanism that it allows, and why the others do not fit."""
    fitting, left_out = {}, {}
    for name in registry.known("mechanisms"):
        try:
            fitting[name] = _with_mechanism(scenario, name)
        except ScenarioError as error:
            left_out[name] = str(error).removeprefix(f"scenario '{scenario.name}': ")
    return fitting, left_out


def _run(calls: list[Any], workers: int, progress: Callable[[int, int], None] | None) -> Iterator[Any]:
    """Outcomes of delayed calls, in their order."""
    parallel = joblib.Parallel(n_jobs=min(workers, len(calls)), return_as="generator")
    for done, outcome in enumerate(parallel(calls), 1):
        yield outcome
        if progress:
            progress(done, len(calls))


def _bound(scenario: Scenario, seed: int) -> float:
    return weighted_optimum(scenario, seed).bound


def _outcome(name: str, scenario: Scenario, seed: int, judged: bool) -> tuple[dict[str, Any], pd.DataFrame]:
    """A row of `runs` and the rows of `campaigns` that belong to it; ``judged``: with the quality of predictions."""
    try:
        result = Market(scenario, seed).run()
    except AgentError as error:
        raise AgentError(f"{name}, seed {seed}: {error}") from None
    campaigns = result.campaigns
    campaigns.insert(0, "variant", name)
    campaigns.insert(1, "seed", seed)
    quality = prediction_quality(result, seed) if judged else {}
    return {"variant": name, "seed": seed, **result.summary, **quality}, campaigns


def _by_variant(runs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The metrics of each variant, a row per seed."""
    return {str(name): rows.drop(columns=["variant", "seed"]) for name, rows in runs.groupby("variant", sort=False)}


def means(runs: pd.DataFrame) -> pd.DataFrame:
    """A row per variant and metric: mean over seeds and its interval."""
    return pd.DataFrame(
        [
            _row(name, metric, estimate(samples))
            for name, metrics in _by_variant(runs).items()
            for metric, samples in metrics.items()
        ]
    )


def _differences(runs: pd.DataFrame, baseline: str) -> pd.DataFrame:
    rows = []
    variants = _by_variant(runs)
    base = variants.pop(baseline)
    for name, metrics in variants.items():
        for metric, samples in metrics.items():
            found = difference(samples, base[metric])
            rows.append({**_row(name, metric, found), "excludes_zero": found.excludes_zero})
    return pd.DataFrame(rows, columns=["variant", "metric", *Estimate._fields, "excludes_zero"])


def _row(variant: str, metric: Any, found: Estimate) -> dict[str, Any]:
    return {"variant": variant, "metric": str(metric), **found._asdict()}


def nested(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Rows as variant -> metric -> numbers, for JSON: NaN is None."""
    plain = table.astype(object).where(table.notna(), None)
    tree: dict[str, dict[str, dict[str, Any]]] = {}
    for row in plain.to_dict("records"):
        numbers = {str(column): value for column, value in row.items()}
        tree.setdefault(numbers.pop("variant"), {})[numbers.pop("metric")] = numbers
    return tree
