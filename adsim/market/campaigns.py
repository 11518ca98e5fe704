"""Campaigns: constraints drawn from the scenario, and the agents that bid for them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.errors import ScenarioError
from adsim.market.scenario import Scenario
from adsim.market.supply import Seeds, Trait, Traits, per_campaign
from adsim.types import Constraints


class Group(NamedTuple):
    """Campaigns of one table of the scenario, and the name of their agent."""

    members: slice
    agent: str


class Campaigns(NamedTuple):
    """All campaigns of a market."""

    names: list[str]
    groups: list[Group]
    constraints: Constraints
    """Arrays of shape (N,)."""

    def of(self, members: slice) -> Constraints:
        """The constraints of some, as copies: an agent cannot rewrite what it may not break."""
        c = self.constraints
        return Constraints(
            c.value_per_conversion[members].copy(),
            c.maximizes_value[members].copy(),
            c.budget[members].copy(),
            c.target_roi[members].copy(),
            c.stock[members].copy(),
        )


def make_campaigns(scenario: Scenario, seeds: Seeds, traits: Traits) -> Campaigns:
    """Draw what every campaign wants and may not break.

    Raises
    ------
    ScenarioError
        When a draw leaves the permitted range.
    """
    size = scenario.size
    budget = per_campaign(scenario, seeds, Trait.BUDGET, lambda table: table.budget, np.inf)
    roi = per_campaign(scenario, seeds, Trait.TARGET, lambda table: table.target_roi)
    cpa = per_campaign(scenario, seeds, Trait.TARGET, lambda table: table.target_cpa)
    units = per_campaign(scenario, seeds, Trait.STOCK, lambda table: table.stock, np.inf)
    relative = per_campaign(scenario, seeds, Trait.STOCK, lambda table: table.relative_stock, np.inf)
    fair_share = scenario.market.opportunities / size * traits.conversions_per_exposure
    target = np.where(cpa > 0, traits.value / np.where(cpa > 0, cpa, 1), roi)
    stock = np.minimum(units, relative * fair_share)
    for name, values in (("budget", budget), ("stock", stock)):
        if np.any(np.isnan(values) | (values <= 0)):
            raise ScenarioError(f"campaigns: a drawn {name} of {values.min()} is not positive.")
    return Campaigns(
        names=_names(scenario),
        groups=_groups(scenario),
        constraints=Constraints(
            value_per_conversion=traits.value,
            maximizes_value=_objectives(scenario),
            budget=budget,
            target_roi=target,
            stock=stock,
        ),
    )


def _objectives(scenario: Scenario) -> NDArray[np.bool_]:
    return np.concatenate([np.full(table.count, table.objective == "value") for table in scenario.campaigns])


def _names(scenario: Scenario) -> list[str]:
    """The table's name, numbered where it stands for several campaigns or is used twice."""
    plain = [table.name for table in scenario.campaigns for _ in range(table.count)]
    seen: dict[str, int] = {}
    names = []
    for name in plain:
        seen[name] = seen.get(name, 0) + 1
        names.append(f"{name}-{seen[name]}" if plain.count(name) > 1 else name)
    return names


def _groups(scenario: Scenario) -> list[Group]:
    default = registry.load("mechanisms", scenario.auction.mechanism).default_agent
    groups, start = [], 0
    for table in scenario.campaigns:
        agent = default if table.agent == "auto" else table.agent
        groups.append(Group(slice(start, start + table.count), agent))
        start += table.count
    return groups
