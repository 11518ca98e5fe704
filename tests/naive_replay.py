"""The slow, obvious twin of the replay: Python numbers, one auction after the other."""

from collections.abc import Sequence


def replay(
    bids: Sequence[float],
    values: Sequence[float],
    prices: Sequence[int],
    clicks: Sequence[bool],
    budget: int,
    max_bid: int,
) -> tuple[int, int, int, float]:
    """Impressions, clicks, cost and predicted value of what is won."""
    left, won = budget, []
    for bid, value, price, click in zip(bids, values, prices, clicks, strict=True):
        if min(max_bid if bid >= max_bid else int(bid), left) >= price:
            left -= price
            won.append((value, click))
    return len(won), sum(click for _, click in won), budget - left, sum(value for value, _ in won)


def episodes(
    bids: Sequence[float],
    prices: Sequence[int],
    clicks: Sequence[bool],
    size: int,
    budget: int,
    max_bid: int,
) -> list[tuple[int, int, int]]:
    """Impressions, clicks and cost of each block of `size` auctions, the last one shorter."""
    found = []
    for start in range(0, len(bids), size):
        block = slice(start, start + size)
        found.append(replay(bids[block], bids[block], prices[block], clicks[block], budget, max_bid)[:3])
    return found
