"""Conditions of a benchmark: whose seat it is, with how much money, in which market."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from adsim.errors import AdsimError
from adsim.market.scenario import CampaignTable, Scenario

RIVALS, TARGET = "rivals", "target"
SHIFTS: Mapping[str, float] = {RIVALS: 1.1, TARGET: 0.8}
"""Factors on the budgets of all campaigns but the seat, and on the seat's own target CPA."""
PLAIN = "none"
"""Without a shift."""


class Condition(NamedTuple):
    """What is changed in a scenario."""

    seat: int
    """Index of the campaign."""
    budget: float = 1.0
    """Factor on its budget."""
    shift: str = PLAIN
    factor: float = 1.0
    """Of the shift."""


def changed(scenario: Scenario, condition: Condition) -> Scenario:
    """The scenario under a condition: the same campaigns, draws and names.

    Raises
    ------
    AdsimError
        When a campaign has no budget or target to change, or the shift is unknown.
    """
    if condition.shift not in (PLAIN, *SHIFTS):
        raise AdsimError(f"shift {condition.shift!r}: must be {' or '.join(SHIFTS)}.")
    for factor in (condition.budget, condition.factor):
        if not 0 < factor < 1e6:
            raise AdsimError(f"factor {factor!r}: must be a positive number.")
    before, seat, after = _apart(scenario, condition.seat)
    if condition.budget != 1:
        seat = _scaled(seat, "budget", condition.budget)
    if condition.shift == TARGET:
        relative = seat.target_roi is not None
        seat = _scaled(
            seat, *(("target_roi", 1 / condition.factor) if relative else ("target_cpa", condition.factor))
        )
    elif condition.shift == RIVALS:
        before, after = ([_scaled(each, "budget", condition.factor) for each in side] for side in (before, after))
    tables = [table.model_dump(mode="json", exclude_unset=True) for table in (*before, seat, *after)]
    return scenario.replace({"campaigns": tables})


def _apart(scenario: Scenario, index: int) -> tuple[list[CampaignTable], CampaignTable, list[CampaignTable]]:
    """The tables before a campaign, one for it alone, and those after it."""
    start = 0
    for number, table in enumerate(scenario.campaigns):
        own = index - start
        if 0 <= own < table.count:
            before = [*scenario.campaigns[:number], *_part(table, 0, own)]
            after = [*_part(table, own + 1, table.count), *scenario.campaigns[number + 1 :]]
            return before, _part(table, own, own + 1)[0], after
        start += table.count
    raise AdsimError(f"seat {index}: scenario '{scenario.name}' has {scenario.size} campaigns, numbered from 0.")


def _part(table: CampaignTable, first: int, last: int) -> list[CampaignTable]:
    """Campaigns ``first`` to ``last`` of a table as one of their own, if there are any."""
    if first == last:
        return []
    fields = {name: getattr(table, name) for name in table.model_fields_set}
    drawn = {name: value.beginning(first) for name, value in fields.items() if hasattr(value, "beginning")}
    return [table.model_copy(update={**drawn, "count": last - first})]


def _scaled(table: CampaignTable, field: str, factor: float) -> CampaignTable:
    drawn: Any = getattr(table, field)
    if drawn is None:
        raise AdsimError(f"campaign '{table.name}' has no {field} to change: leave its factor out.")
    return table.model_copy(update={field: drawn.scaled(factor)})
