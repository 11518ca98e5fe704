"""What `info` holds: the ledger of the controlled campaign and nobody else's."""

from typing import Any

from adsim.envs.engine import Engine


def describe(engine: Engine) -> dict[str, Any]:
    """By name, arrays (E, W): cost, score, multiplier, budget_left, stock_left, clipped_actions, and the ledger.

    ``cost`` is the constraint violation, for constrained RL: 0 until a campaign's period is over, then its relative
    shortfall from the target ROI plus its relative sales beyond the stock. ``score`` is what the return would be if
    the period ended now. The ledger holds sums since the period began, see `adsim.types.Totals`.
    """
    seats, fleet, own = engine.seats, engine.markets.fleet, engine.campaigns
    return {
        "cost": seats.cost.copy(),
        "score": seats.score.copy(),
        "multiplier": fleet.multiplier[:, own],
        "budget_left": fleet.accounts.budget_left[:, own],
        "stock_left": fleet.accounts.stock_left[:, own],
        "clipped_actions": engine.clipped.copy(),
        **engine.totals()._asdict(),
    }
