"""Drawing a click world: who and what there is, and the tables of effects that its logits are sums of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from adsim.kernels.click_world import CONTEXT, FAVOURITES, HISTORY, MOODS, ClickTables
from adsim.kernels.counter import fill_streams, mix
from adsim.market.click_traffic import ClickTraffic
from adsim.types import Floats

RANK = 2
"""Of crosses."""
FIELDS = ("user", "segment", "page", "device", "hour", "ad", "advertiser", "category")
PAIRS = 5
"""Crossed pairs of fields: segment, page and hour by category, segment and device by advertiser."""
STEPS = 256
"""Of the drift."""
ALWAYS = -(2**62)
"""Entry of ads that are there before the period."""
CHANCES = 65_536
_STREAM = 5000
"""Streams of a click world are numbered from here, beside those of other traffic."""

Longs = NDArray[np.int64]


class Catalogue(NamedTuple):
    """The ads; (A,) each."""

    advertiser: Longs
    category: Longs
    content: Floats
    """(A, content_size), variance 1."""
    popularity: Floats
    """Relative frequency in traffic of before."""
    entry: Longs
    """First opportunity at which each can be shown."""


class People(NamedTuple):
    """Users and their traffic: values of a field by chance, and by these the share of each value."""

    chances: list[NDArray[np.int16]]
    """Of users, pages and devices; (65536,) each."""
    segment: NDArray[np.int16]
    favourites: NDArray[np.int16]
    share: dict[str, Floats]


def draw_catalogue(traffic: ClickTraffic, seed: int, ads: int, opportunities: int) -> Catalogue:
    """The ads of a seed; adding some changes nobody else's."""
    kinds = _generator(seed, 0)
    advertiser, category = (kinds.random((ads, 2)) * [traffic.advertisers, traffic.categories]).astype(np.int64).T
    centres = _generator(seed, 1).standard_normal((traffic.categories, traffic.content_size))
    own = _generator(seed, 2).standard_normal((ads, traffic.content_size))
    entering = _generator(seed, 3).random((ads, 2))
    entry = np.where(entering[:, 0] < traffic.cold, (entering[:, 1] * opportunities).astype(np.int64), ALWAYS)
    if not (entry == ALWAYS).any():
        entry[0] = ALWAYS
    return Catalogue(
        advertiser=advertiser,
        category=category,
        content=(centres[category] + own) * 0.5**0.5,
        popularity=_zipf(ads, traffic.zipf),
        entry=entry,
    )


def draw_people(traffic: ClickTraffic, seed: int) -> People:
    """The users of a seed, and what pages and devices they come by."""
    chances = [_chances(count, traffic.zipf) for count in (traffic.users, traffic.pages, traffic.devices)]
    segment = _generator(seed, 4).integers(traffic.segments, size=traffic.users).astype(np.int16)
    favourites = _generator(seed, 5).integers(traffic.categories, size=(traffic.users, FAVOURITES)).astype(np.int16)
    names, counts = ("user", "page", "device"), (traffic.users, traffic.pages, traffic.devices)
    share: dict[str, Floats] = {
        n: np.bincount(c, minlength=k) / CHANCES for n, c, k in zip(names, chances, counts, strict=True)
    }
    share["segment"] = _shares(segment, share["user"], traffic.segments)
    share["hour"] = np.full(24, 1 / 24)
    return People(chances, segment, favourites, share)


def draw_tables(
    traffic: ClickTraffic, seed: int, catalogue: Catalogue, people: People, opportunities: int
) -> ClickTables:
    """Everything that rates depend on, but for the intercepts, which are 0.

    Effects on conversions are ``correlation`` times those on clicks and an own part. All are centred, and of variance
    1 before their strength, under the shares in traffic of all values; crosses are products of rank 2 whose factors
    are centred, so that they contain no main effects.
    """
    draw = _Effects(seed, traffic.correlation)
    user_effect, groups = _effects(traffic, draw, catalogue, people.share)
    delay = traffic.delay * np.exp(traffic.delay_spread * draw.normals((traffic.categories,))[0])
    starts = np.cumsum([0, *(group.shape[1] for group in groups[:-1])])
    return ClickTables(
        keys=_keys(seed, traffic.length),
        hours=np.float64(24 * traffic.days / opportunities),
        opportunities=np.int64(opportunities),
        users=people.chances[0],
        pages=people.chances[1],
        devices=people.chances[2],
        device_count=np.int64(traffic.devices),
        segment=people.segment,
        favourites=people.favourites,
        bias=np.zeros(2, np.float32),
        user_effect=user_effect.astype(np.float32),
        intent=np.float32(traffic.intent),
        starts=starts.astype(np.int64),
        steps=np.int64(groups[-1].shape[1]),
        rows=np.concatenate(groups, axis=1).astype(np.float32),
        category=catalogue.category,
        categories=np.int64(traffic.categories),
        gap=np.float32(traffic.gap),
        loyalty=np.float32(traffic.loyalty),
        sequences=bool(traffic.history or traffic.evolving),
        history=np.float32(traffic.history),
        decay=np.float32(1 / traffic.decay),
        satiation=np.float32(traffic.satiation),
        satiation_decay=np.float32(1 / traffic.satiation_decay),
        evolving=np.float32(traffic.evolving),
        switch=np.float32(traffic.switch),
        fidelity=np.float32(traffic.fidelity),
        delay=delay.astype(np.float32),
    )


def intercept(logits: Floats, rate: float) -> float:
    """What to add to logits so that their mean probability is the rate."""
    return float(brentq(lambda bias: expit(logits + bias).mean() - rate, -60.0, 60.0))


class _Effects:
    """Draws of effects on clicks and conversions, the leading axis of all arrays; correlated."""

    def __init__(self, seed: int, correlation: float) -> None:
        self._generator = _generator(seed, 6)
        self._correlation = correlation

    def normals(self, shape: tuple[int, ...]) -> Floats:
        """Standard normals of a shape, one for clicks and one, correlated, for conversions."""
        both = self._generator.standard_normal((2, *shape))
        both[1] = self._correlation * both[0] + np.sqrt(1 - self._correlation**2) * both[1]
        return both

    def table(self, *shares: Floats) -> Floats:
        """Effects of the values of one, two or three fields, of variance 1 and without effects of fewer of them."""
        if len(shares) == 1:
            return self._scaled(self._centred(self.normals((shares[0].size,)), shares[0], axis=1), shares)
        factors = [self._centred(self.normals((share.size, RANK)), share, axis=1) for share in shares]
        letters = "abc"[: len(shares)]
        product = np.einsum(",".join(f"z{letter}r" for letter in letters) + f"->z{letters}", *factors)
        return self._scaled(np.asarray(product), shares)

    def _centred(self, values: Floats, share: Floats, axis: int) -> Floats:
        return np.asarray(values - np.expand_dims(np.tensordot(share, values, (0, axis)), axis))

    def _scaled(self, values: Floats, shares: tuple[Floats, ...]) -> Floats:
        weights = shares[0]
        for share in shares[1:]:
            weights = np.multiply.outer(weights, share)
        spread = np.sqrt((values**2 * weights).sum(axis=tuple(range(1, values.ndim)), keepdims=True))
        return np.divide(values, spread, out=np.zeros_like(values), where=spread > 0)


def _effects(
    traffic: ClickTraffic, draw: _Effects, catalogue: Catalogue, people: dict[str, Floats]
) -> tuple[Floats, list[Floats]]:
    """Effects of users, (2, U), and those on ads by segment and device, page, hour, mood and step, (2, rows, A) each.

    Main effects of ads stand with segment and device.
    """
    share, ads = dict(people), len(catalogue.category)
    share["ad"] = catalogue.popularity / catalogue.popularity.sum()
    share["category"] = _shares(catalogue.category, share["ad"], traffic.categories)
    share["advertiser"] = _shares(catalogue.advertiser, share["ad"], traffic.advertisers)
    of = {"ad": np.arange(ads), "category": catalogue.category, "advertiser": catalogue.advertiser}
    strength = np.array([traffic.main, traffic.cvr_main]) / np.sqrt(len(FIELDS))
    main = {name: strength[:, None] * draw.table(share[name]) for name in FIELDS}
    crosses = np.array([traffic.crosses, traffic.cvr_crosses]) / np.sqrt(PAIRS)

    def cross(context: str, ad: str) -> Floats:
        """Of the values of a context field on ads, (2, values, A)."""
        return crosses[:, None, None] * draw.table(share[context], share[ad])[:, :, of[ad]]

    segment = main["segment"][:, :, None] + cross("segment", "category") + cross("segment", "advertiser")
    device = main["device"][:, :, None] + cross("device", "advertiser")
    page = main["page"][:, :, None] + cross("page", "category")
    hour = main["hour"][:, :, None] + cross("hour", "category")
    of_ads = sum(main[name][:, values] for name, values in of.items())
    both = segment[:, :, None] + device[:, None] + np.asarray(of_ads)[:, None, None]
    triple = draw.table(share["segment"], share["device"], share["category"])[..., catalogue.category]
    both[0] += traffic.triple * triple[0] + _content(traffic, draw, catalogue, share)[:, None]
    hidden, walk = np.zeros((2, MOODS, ads)), np.zeros((2, 1, ads))
    hidden[0] = traffic.hidden * draw.table(np.full(MOODS, 1 / MOODS), share["ad"])[0]
    if traffic.drift:
        walk = traffic.drift / np.sqrt(STEPS) * np.cumsum(draw.normals((STEPS, ads)), axis=1)
    return main["user"], [both.reshape(2, -1, ads), page, hour, hidden, walk]


def _content(traffic: ClickTraffic, draw: _Effects, catalogue: Catalogue, share: dict[str, Floats]) -> Floats:
    """Effects of content by segment on clicks, (segments, A)."""
    if traffic.content_size == 0:
        return np.zeros((traffic.segments, len(catalogue.category)))
    scale = 1 / np.sqrt(traffic.content_size)
    quality = catalogue.content @ draw.normals((traffic.content_size,))[0] * scale
    taste = draw.normals((traffic.segments, traffic.content_size))[0]
    taste -= share["segment"] @ taste
    return np.asarray(traffic.content * quality + traffic.affinity * scale * taste @ catalogue.content.T)


def _generator(seed: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([_STREAM + purpose, int(seed)])


def _keys(seed: int, length: int) -> NDArray[np.uint64]:
    keys = np.empty((1, HISTORY + length), np.uint64)
    fill_streams(np.array([mix(np.uint64(seed))], np.uint64), _STREAM + CONTEXT, keys)
    return keys[0]


def _shares(values: NDArray[np.integer], weights: Floats, count: int) -> Floats:
    """Sum of the weights of each value."""
    return np.bincount(values, weights, count).astype(np.float64)


def _zipf(count: int, power: float) -> Floats:
    return np.arange(1, count + 1, dtype=np.float64) ** -power


def _chances(count: int, power: float) -> NDArray[np.int16]:
    """Values of a field in the proportions of their frequency, (65536,)."""
    cumulated = np.cumsum(_zipf(count, power))
    return np.searchsorted(cumulated, (np.arange(CHANCES) + 0.5) / CHANCES * cumulated[-1]).astype(np.int16)
