"""Campaigns: constraints drawn from the scenario, and the agents that bid for them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim import registry
from adsim.errors import ScenarioError
from adsim.market.scenario import Scenario
from adsim.market.supply import Seeds, Trait, Traits, conversions_per_exposure, per_campaign
from adsim.types import Constraints


class Group(NamedTuple):
    """Campaigns next to each other, and the name of their agent."""

    members: slice
    agent: str | None
    """None for a campaign whose multiplier comes from outside."""


class Campaigns(NamedTuple):
    """All campaigns of a market."""

    names: list[str]
    groups: list[Group]
    constraints: Constraints
    """Arrays of shape (E, N): of the same campaigns in E markets."""

    def of(self, members: slice) -> Constraints:
        """Constraints of some in all markets, copied, (E * n,): an agent cannot rewrite what it may not break."""
        return Constraints._make(field[:, members].flatten() for field in self.constraints)


def make_campaigns(scenario: Scenario, seeds: Seeds, traits: Traits, agents: Mapping[int, str | None]) -> Campaigns:
    """Draw what every campaign wants and may not break; ``agents`` names those of single campaigns, None: nobody.

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
    target = np.where(cpa > 0, traits.value / np.where(cpa > 0, cpa, 1), roi)
    in_value = per_campaign(scenario, seeds, Trait.STOCK, lambda table: table.stock_value, np.inf)
    stock = np.minimum(units, in_value / traits.value)
    if np.isfinite(relative).any():
        fair_share = scenario.market.opportunities / size * conversions_per_exposure(scenario, traits)
        stock = np.minimum(stock, relative * fair_share)
    for name, values in (("budget", budget), ("stock", stock)):
        if np.any(np.isnan(values) | (values <= 0)):
            raise ScenarioError(f"campaigns: a drawn {name} of {values.min()} is not positive.")
    return Campaigns(
        names=campaign_names(scenario),
        groups=_groups(scenario, agents),
        constraints=Constraints(
            value_per_conversion=traits.value,
            maximizes_value=np.tile(_objectives(scenario), (len(seeds), 1)),
            budget=budget,
            target_roi=target,
            stock=stock,
            stock_unit=np.where(np.isfinite(in_value), traits.value, 0.0),
        ),
    )


def _objectives(scenario: Scenario) -> NDArray[np.bool_]:
    return np.concatenate([np.full(table.count, table.objective == "value") for table in scenario.campaigns])


def campaign_names(scenario: Scenario) -> list[str]:
    """The table's name, numbered where it stands for several campaigns or is used twice."""
    plain = [table.name for table in scenario.campaigns for _ in range(table.count)]
    seen: dict[str, int] = {}
    names = []
    for name in plain:
        seen[name] = seen.get(name, 0) + 1
        names.append(f"{name}-{seen[name]}" if plain.count(name) > 1 else name)
    return names


def _groups(scenario: Scenario, agents: Mapping[int, str | None]) -> list[Group]:
    """Campaigns next to each other that have the same agent; those with an agent of their own stand alone."""
    default = registry.load("mechanisms", scenario.auction.mechanism).default_agent
    groups: list[Group] = []
    number = 0
    for table in scenario.campaigns:
        for member in range(table.count):
            named = table.agent_of(member)
            agent = agents.get(number, default if named == "auto" else named)
            alone = number in agents or number - 1 in agents
            if member > 0 and not alone and groups[-1].agent == agent:
                groups[-1] = Group(slice(groups[-1].members.start, number + 1), agent)
            else:
                groups.append(Group(slice(number, number + 1), agent))
            number += 1
    return groups
