"""The slow, obvious twin of the value table: the Bellman equation in Python numbers."""

from collections.abc import Sequence


def values(share: Sequence[float], value: float, opportunities: int, budget: int) -> list[list[float]]:
    """Expected value of 0 to ``opportunities - 1`` opportunities with 0 to ``budget``, bidding as `bid` does."""
    table = [[0.0] * (budget + 1)]
    for n in range(1, opportunities):
        later, row = table[-1], []
        certain = n * sum(chance * value for chance in share)
        for b in range(budget + 1):
            worth = later[b]
            for price in range(bid(later, value, b, len(share) - 1) + 1 if b else 0):
                worth += share[price] * (value + (later[b - price] - later[b]))
            row.append(worth)
            if abs(worth - certain) < 1e-10:
                break
        table.append(row + [certain] * (budget + 1 - len(row)))
    return table


def bid(later: Sequence[float], value: float, left: int, highest: int) -> int:
    """The last price, counting up, at which winning is no loss."""
    price = 0
    while price < min(left, highest) and value + (later[left - price - 1] - later[left]) >= 0:
        price += 1
    return price


def replay(
    table: Sequence[Sequence[float]],
    highest: int,
    worth: Sequence[float],
    price: Sequence[int],
    click: Sequence[bool],
    budget: int,
) -> tuple[int, int, int]:
    """Impressions, clicks and cost of an episode of as many opportunities as the table has rows."""
    left, won = budget, []
    for t in range(len(price)):
        if bid(table[len(table) - 1 - t], worth[t], left, highest) >= price[t]:
            left -= price[t]
            won.append(click[t])
    return len(won), sum(won), budget - left


def spread_values(
    share: Sequence[float], spread: Sequence[tuple[float, float]], opportunities: int, budget: int
) -> list[list[float]]:
    """As `values`, where each later opportunity has one of several values, given with their probabilities."""
    table = [[0.0] * (budget + 1)]
    for _ in range(1, opportunities):
        later, row = table[-1], [0.0]
        for b in range(1, budget + 1):
            gains = (
                chance * share[price] * max(0.0, value + later[b - price] - later[b])
                for value, chance in spread
                for price in range(min(b, len(share) - 1) + 1)
            )
            row.append(later[b] + sum(gains))
        table.append(row)
    return table
