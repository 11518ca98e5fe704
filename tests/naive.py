"""Slow, obvious twins of the auctions and of the market, written from the rules: one page after the other.

The numbers may be Python floats, or numpy's float32 where a test wants the market's own rounding.
"""

from collections.abc import Sequence
from itertools import permutations
from math import floor
from typing import Any, NamedTuple

EXHAUSTED = 1e-6
"""A campaign leaves with less than this share of its budget, and bids at most what is left less this share."""


class Auction(NamedTuple):
    """One page. A campaign's cap is the most that it can pay for an exposure; -1 for a campaign that has left."""

    bids: Sequence[float]
    exposure: Sequence[float] = (1.0,)
    reserve: float = 0.0
    quality: Sequence[float] | None = None
    experience: Sequence[float] | None = None
    beta: float = 0.0
    liquid: Sequence[float] | None = None
    caps: Sequence[float] | None = None
    ad_share: float = 0.3
    page: int = 0

    def weight(self, n: int) -> float:
        return 1.0 if self.quality is None else self.quality[n]

    def bonus(self, n: int) -> float:
        return 0.0 if self.experience is None else self.beta * self.experience[n]

    def present(self, n: int) -> bool:
        return self.caps is None or self.caps[n] >= 0

    def bid(self, n: int) -> float:
        return self.bids[n] if self.caps is None else min(self.bids[n], self.caps[n])


class Page(NamedTuple):
    """Who is in each slot (-1: nobody), and the price per exposure."""

    winners: list[int]
    prices: list[float]


def best_first(scores: dict[int, float]) -> list[int]:
    """Campaigns by score; ties go to the lower index."""
    return sorted(scores, key=lambda n: (-scores[n], n))


def bid_scores(auction: Auction) -> dict[int, float]:
    """Scores of those who compete: a bid of at least the reserve, and a score that is not negative."""
    scores = {}
    for n in range(len(auction.bids)):
        score = auction.bid(n) * auction.weight(n) + auction.bonus(n)
        if auction.present(n) and auction.bid(n) >= auction.reserve and score >= 0:
            scores[n] = score
    return scores


def least_bid(auction: Auction, n: int, score: float) -> float:
    """The least bid with which campaign ``n`` competes and reaches a score; never more than it bid."""
    needed = (max(score, 0.0) - auction.bonus(n)) / auction.weight(n)
    return min(max(needed, auction.reserve), auction.bid(n))


def fill(auction: Auction, ranked: list[int], price: Any) -> Page:
    """Give the slots to the first campaigns of a ranking, ``price(k)`` being that of slot k."""
    sold = min(len(ranked), len(auction.exposure))
    unsold = len(auction.exposure) - sold
    return Page(ranked[:sold] + [-1] * unsold, [price(k) for k in range(sold)] + [0.0] * unsold)


def first_price(auction: Auction) -> Page:
    ranked = best_first(bid_scores(auction))
    return fill(auction, ranked, lambda k: auction.bid(ranked[k]))


def gsp(auction: Auction) -> Page:
    """The least bid that keeps the slot."""
    scores = bid_scores(auction)
    ranked = best_first(scores)
    ladder = [scores[n] for n in ranked] + [0.0]
    return fill(auction, ranked, lambda k: least_bid(auction, ranked[k], ladder[k + 1]))


def second_price(auction: Auction) -> Page:
    assert len(auction.exposure) == 1
    return gsp(auction)


def vcg(auction: Auction) -> Page:
    """Myerson: each step of exposure, from nothing up to the slot, at the least bid that reaches it."""
    scores = bid_scores(auction)
    ranked = best_first(scores)
    slots = len(auction.exposure)
    ladder = [scores[n] for n in ranked] + [0.0] * (slots + 1)
    steps = [*auction.exposure, 0.0]

    def price(k: int) -> float:
        payment = 0.0
        for lower in range(k, slots):
            payment += (steps[lower] - steps[lower + 1]) * least_bid(auction, ranked[k], ladder[lower + 1])
        return payment / auction.exposure[k]

    return fill(auction, ranked, price)


def vcg_by_solving_again(bids: Sequence[float], exposure: Sequence[float], reserve: float = 0.0) -> Page:
    """What others lose by a campaign's presence, the best assignments found by trying them all.

    The seller takes part with as many bidders at the reserve as there are slots.
    """
    slots = len(exposure)
    everybody = list(bids) + [reserve] * slots
    ranked = best_first({n: bid for n, bid in enumerate(bids) if bid >= reserve})

    def welfare(bidders: list[float]) -> float:
        return max(
            sum(e * bid for e, bid in zip(exposure, chosen, strict=True)) for chosen in permutations(bidders, slots)
        )

    def price(k: int) -> float:
        n = ranked[k]
        others_with = welfare(everybody) - exposure[k] * bids[n]
        others_without = welfare(everybody[:n] + everybody[n + 1 :])
        return (others_without - others_with) / exposure[k]

    return fill(Auction(bids, exposure, reserve), ranked, price)


def lpa(auction: Auction) -> Page:
    """Everyone who can pay its liquid value, of at least the reserve, ranks by score, and pays just that."""
    assert auction.liquid is not None
    liquid, scores = auction.liquid, {}
    for n in range(len(auction.bids)):
        affordable = auction.caps is None or liquid[n] <= auction.caps[n]
        score = auction.bids[n] * auction.weight(n) + auction.bonus(n)
        if auction.present(n) and affordable and liquid[n] >= auction.reserve and score >= 0:
            scores[n] = score
    ranked = best_first(scores)
    return fill(auction, ranked, lambda k: liquid[ranked[k]])


def is_ad(slot: int, share: float) -> bool:
    """Whether a slot of the endless feed completes another ad."""
    return floor((slot + 1) * share) > floor(slot * share)


def split(auction: Auction) -> Page:
    """Ads by bid at the next bid, the rest of the page by experience, free."""
    assert auction.experience is not None
    slots = len(auction.exposure)
    bids = {n: auction.bid(n) for n in range(len(auction.bids))}
    bids = {n: bid for n, bid in bids.items() if auction.present(n) and bid >= auction.reserve}
    bidders = best_first(bids)
    ads = [k for k in range(slots) if is_ad(auction.page * slots + k, auction.ad_share)]
    page = Page([-1] * slots, [0.0] * slots)
    for rank, k in enumerate(ads):
        if rank < len(bidders):
            page.winners[k] = bidders[rank]
            page.prices[k] = bids[bidders[rank + 1]] if rank + 1 < len(bidders) else auction.reserve
    scores = dict(enumerate(auction.experience))
    eligible = {n: u for n, u in scores.items() if u >= 0 and auction.present(n) and n not in page.winners}
    organic = best_first(eligible)
    for rank, k in enumerate(k for k in range(slots) if k not in ads):
        page.winners[k] = organic[rank] if rank < len(organic) else -1
    return page


MECHANISMS = {
    "first_price": first_price,
    "second_price": second_price,
    "gsp": gsp,
    "vcg": vcg,
    "lpa": lpa,
    "split": split,
}

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mix(z: int) -> int:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draw(key: int, index: int) -> int:
    """64 random bits."""
    return mix((key + GOLDEN * index) & MASK)


def uniform(key: int, index: int) -> float:
    """A float64 in [0, 1) of 53 random bits."""
    return (draw(key, index) >> 11) / 2**53


class Traffic(NamedTuple):
    """What opportunities bring, ``[n][t]``, and the keys of the draws."""

    value: Any
    """Predicted value of an exposure."""
    rate: Any
    """Predicted charging events of an exposure."""
    ctr: Any
    cvr: Any
    amount: Any
    experience: Any
    posted: Any
    """A competing bid ``[t]``, or None."""
    scan_key: int
    click_keys: Sequence[int]
    conversion_keys: Sequence[int]


class Terms(NamedTuple):
    """What campaigns agreed with the platform; one number each."""

    multiplier: Sequence[float]
    budget: Sequence[float]
    target_roi: Sequence[float]
    stock: Sequence[float]
    quality: Sequence[float]
    stock_unit: Sequence[float] | None = None
    """Money of sales that is a unit of stock; a conversion is one where it is 0, or nothing is said."""


class Sale(NamedTuple):
    """One slot of one page that went to a campaign."""

    opportunity: int
    slot: int
    winner: int
    shown: float
    clicks: float
    conversions: float
    value: float
    predicted_value: float
    charge: float
    experience: float


def market(
    mechanism: str, auction: dict[str, Any], traffic: Traffic, terms: Terms, charge: str, expected: bool, kind: Any
) -> tuple[list[Sale], list[float], list[float]]:
    """Sales, money left and stock left after one page after the other; ``kind`` rounds bids."""
    money, stock = list(terms.budget), list(terms.stock)
    size, sales = len(money), []
    for t in range(len(traffic.value[0])):
        caps = [_cap(terms.budget[n], money[n], stock[n], traffic.rate[n][t], kind) for n in range(size)]
        bids = [kind(terms.multiplier[n]) * traffic.value[n][t] for n in range(size)]
        liquid = [kind(1 / roi if roi else 0) * traffic.value[n][t] for n, roi in enumerate(terms.target_roi)]
        quality, experience = [kind(q) for q in terms.quality], [traffic.experience[n][t] for n in range(size)]
        if traffic.posted is not None:
            caps, bids, liquid = [*caps, kind(1e30)], [*bids, traffic.posted[t]], [*liquid, traffic.posted[t]]
            quality, experience = [*quality, kind(1)], [*experience, kind(0)]
        page = MECHANISMS[mechanism](
            Auction(bids, quality=quality, experience=experience, liquid=liquid, caps=caps, page=t, **auction)
        )
        for k, (n, price) in enumerate(zip(*page, strict=True)):
            if 0 <= n < size:
                sale = _sell(traffic, terms, auction, mechanism, charge, expected, t, k, n, float(price))
                sales.append(sale)
                money[n] -= sale.charge
                unit = terms.stock_unit[n] if terms.stock_unit else 0.0
                stock[n] -= sale.value / unit if unit else sale.conversions
    return sales, money, stock


def _cap(budget: float, money: float, stock: float, rate: float, kind: Any) -> float:
    """The most that a campaign can pay for an exposure; -1 if it has left."""
    if stock <= 0 or money < EXHAUSTED * budget:
        return kind(-1)
    return kind(min(money * (1 - EXHAUSTED), 1e30)) * rate


def _sell(
    traffic: Traffic,
    terms: Terms,
    auction: dict[str, Any],
    mechanism: str,
    charge: str,
    expected: bool,
    t: int,
    k: int,
    n: int,
    price: float,
) -> Sale:
    """What comes of a slot that was won."""
    exposure = float(auction["exposure"][k])
    ctr, cvr, amount = float(traffic.ctr[n][t]), float(traffic.cvr[n][t]), float(traffic.amount[n][t])
    if expected:
        shown = exposure
        clicks = shown * ctr
        conversions = clicks * cvr
    else:
        shown = float(uniform(traffic.scan_key, t) < exposure)
        clicks = float(shown and uniform(traffic.click_keys[n], t) < ctr)
        conversions = float(clicks and uniform(traffic.conversion_keys[n], t) < cvr)
    events = {"exposure": shown, "click": clicks, "conversion": conversions}[charge]
    paid = events * price / float(traffic.rate[n][t]) if price > 0 else 0.0
    if mechanism == "lpa" and charge == "conversion":
        paid = conversions * amount / terms.target_roi[n]
    predicted, experience = float(traffic.value[n][t]), float(traffic.experience[n][t])
    return Sale(
        t, k, n, shown, clicks, conversions, conversions * amount, shown * predicted, paid, shown * experience
    )
