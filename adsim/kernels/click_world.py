"""Contexts and true rates of the click world: tables looked up for each ad, interests computed once a user.

Every draw is addressed by the number of the opportunity, so that neither blocks nor their order change a bit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adsim.kernels.counter import draw, normal, stream, uniform
from adsim.kernels.elementary import exp, log, sigmoid
from adsim.kernels.jit import inline, jit

Singles = NDArray[np.float32]
Shorts = NDArray[np.int16]

USER, SEGMENT, PAGE, DEVICE, HOUR = range(5)
"""Columns of the context."""
CONTEXT, MOOD, INTENT, DELAY, POLICY, CLICK, CONVERSION, HISTORY = range(8)
"""Random streams; one per behaviour from the last."""
GROUP = 4
"""Categories next to each other that are related."""
MOODS = 8
FAVOURITES = 3
CLICKS, CONVERSIONS = range(2)
"""Tables of click logits, then of conversion logits."""
LOW16, S16, S32, S48, S61 = np.uint64(0xFFFF), *(np.uint64(bits) for bits in (16, 32, 48, 61))
F = np.float32
ZERO, ONE, TWO, RELATED = F(0), F(1), F(2), F(0.4)
SMALLEST = F(2.9802322e-08)
SHARE_BITS = F(65536.0)


class ClickTables(NamedTuple):
    """A click world of A ads, U users, C categories."""

    keys: NDArray[np.uint64]
    """Of the streams, then one per behaviour of a history; (HISTORY + length,)."""
    hours: np.float64
    """From one opportunity to the next."""
    opportunities: np.int64
    users: Shorts
    """The user of each of 65,536 equal chances, and so on."""
    pages: Shorts
    devices: Shorts
    device_count: np.int64
    segment: Shorts
    """Of each user, (U,)."""
    favourites: Shorts
    """Categories, (U, 3)."""
    bias: Singles
    """(2,)"""
    user_effect: Singles
    """(2, U)"""
    intent: np.float32
    starts: NDArray[np.int64]
    """First row of the tables by segment and device, page, hour, mood and step; (5,)."""
    steps: np.int64
    """Of the drift over the period."""
    rows: Singles
    """Effects of all these on each ad; (2, R, A)."""
    category: NDArray[np.int64]
    """Of each ad, (A,)."""
    categories: np.int64
    gap: np.float32
    loyalty: np.float32
    sequences: bool
    """Whether rates depend on histories."""
    history: np.float32
    decay: np.float32
    """Per hour."""
    satiation: np.float32
    satiation_decay: np.float32
    evolving: np.float32
    switch: np.float32
    fidelity: np.float32
    delay: Singles
    """Mean hours of each category, (C,)."""


class Room(NamedTuple):
    """Room for one opportunity."""

    ids: NDArray[np.int32]
    history: NDArray[np.int32]
    age: Singles
    score: Singles
    """Effect of the history on ads of each category, (C,)."""
    belief: Singles
    """(C,)"""


@inline
def draw_fields(world, opportunity, ids):
    """Fields of the context; a user's segment is always the same."""
    word = draw(world.keys[CONTEXT], np.uint64(opportunity))
    user = world.users[word & LOW16]
    ids[USER] = user
    ids[SEGMENT] = world.segment[user]
    ids[PAGE] = world.pages[(word >> S16) & LOW16]
    ids[DEVICE] = world.devices[(word >> S32) & LOW16]
    ids[HOUR] = np.int64(np.floor((np.float64(opportunity) + 0.5) * world.hours)) % 24


@inline
def draw_history(world, opportunity, user, history, age):
    """Categories that the user looked at, the latest first, and the hours since; -1 and 0 where there are no more."""
    length, count = history.size, np.uint64(world.categories)
    origin = np.uint64(opportunity)
    least = np.uint64((length + 1) // 2)
    word = draw(world.keys[CONTEXT], origin)
    seen = np.int64(least + (((word >> S48) * (np.uint64(length) - least + np.uint64(1))) >> S16))
    hours = ZERO
    for i in range(length):
        history[i], age[i] = -1, ZERO
    for i in range(seen):
        word = draw(world.keys[HISTORY + i], origin)
        hours -= world.gap * log(uniform(word) + SMALLEST)
        age[i] = hours
        if F(word & LOW16) < world.loyalty * SHARE_BITS:
            history[i] = world.favourites[user, (((word >> S16) & LOW16) * np.uint64(FAVOURITES)) >> S16]
        else:
            history[i] = np.int32((((word >> S16) & LOW16) * count) >> S16)
    if world.evolving != ZERO:
        _follow_interest(world, origin, history, seen)


@inline
def _follow_interest(world, origin, history, seen):
    """Overwrite the categories by what a moving interest emits, from the oldest on."""
    count, interest = np.uint64(world.categories), np.int32(0)
    for i in range(seen - 1, -1, -1):
        word = draw(stream(world.keys[HISTORY + i], 0), origin)
        if i == seen - 1 or F(word & LOW16) < world.switch * SHARE_BITS:
            interest = np.int32((((word >> S16) & LOW16) * count) >> S16)
        if F((word >> S32) & LOW16) < world.fidelity * SHARE_BITS:
            history[i] = interest
        else:
            history[i] = np.int32(((word >> S48) * count) >> S16)


@jit
def draw_contexts(world, first, ids, history, age):
    """Contexts of consecutive opportunities; ids (n, 5), history and age (n, length)."""
    for t in range(len(ids)):
        draw_fields(world, first + t, ids[t])
        draw_history(world, first + t, ids[t, USER], history[t], age[t])


@inline
def score_interests(world, history, age, score, belief):
    """Effect of a history on the click logit of ads of each category.

    ``history * tanh(sum_i k(age_i) S[c_i, c])`` with ``S = 1[same] + .4 1[related]`` and
    ``k(x) = exp(-x / decay) - satiation exp(-x / satiation_decay)``, plus ``evolving`` times the probability of `c`
    by the forward filter of the hidden Markov chain.
    """
    size = score.size
    for c in range(size):
        score[c], belief[c] = ZERO, ZERO
    if world.history != ZERO:
        for i in range(history.size):
            c = history[i]
            if c < 0:
                break
            weight = exp(-age[i] * world.decay)
            if world.satiation != ZERO:
                weight -= world.satiation * exp(-age[i] * world.satiation_decay)
            score[c] += weight
            belief[c // GROUP] += RELATED * weight
        for c in range(size):
            score[c] = world.history * (TWO * sigmoid(TWO * (score[c] + belief[c // GROUP])) - ONE)
    if world.evolving != ZERO:
        _filter(world, history, belief)
        for c in range(size):
            score[c] += world.evolving * belief[c]


@inline
def _filter(world, history, belief):
    """Probability of each present interest given the history; it sums to 1 at each step, and so needs no summing."""
    size = belief.size
    even = ONE / F(size)
    noise, moved = (ONE - world.fidelity) * even, world.switch * even
    for c in range(size):
        belief[c] = even
    for i in range(history.size - 1, -1, -1):
        seen = history[i]
        if seen >= 0:
            shown = world.fidelity * belief[seen]
            stay = (ONE - world.switch) / (noise + shown)
            for c in range(size):
                belief[c] = stay * noise * belief[c] + moved
            belief[seen] += stay * shown


@inline
def _prepare(world, opportunity, room):
    """Draw an opportunity, score its interests; returns its rows of the tables, and its hidden intent."""
    ids = room.ids
    draw_fields(world, opportunity, ids)
    if world.sequences:
        draw_history(world, opportunity, ids[USER], room.history, room.age)
        score_interests(world, room.history, room.age, room.score, room.belief)
    starts, origin = world.starts, np.uint64(opportunity)
    mood = np.int64(draw(world.keys[MOOD], origin) >> S61)
    step = min(max(opportunity * world.steps // world.opportunities, 0), world.steps - 1)
    intent = ZERO
    if world.intent != ZERO:
        intent = world.intent * normal(draw(world.keys[INTENT], origin))
    return (
        starts[0] + ids[SEGMENT] * world.device_count + ids[DEVICE],
        starts[1] + ids[PAGE],
        starts[2] + ids[HOUR],
        starts[3] + mood,
        starts[4] + step,
        intent,
    )


@inline
def _add(base, a, b, c, d, e):
    """A logit, always summed in the same order."""
    return ((((base + a) + b) + c) + d) + e


@jit
def fill_rates(world, first, start, stop, room, ctr, cvr):
    """True rates of the first ads; ctr and cvr (ads, n), of which the columns ``start`` to ``stop`` are filled."""
    size, category, score = len(ctr), world.category, room.score
    clicks, conversions = world.rows[CLICKS], world.rows[CONVERSIONS]
    for t in range(start, stop):
        p, q, r, s, z, intent = _prepare(world, first + t, room)
        user = room.ids[USER]
        base = world.bias[CLICKS] + world.user_effect[CLICKS, user] + intent
        a, b, c, d, e = clicks[p], clicks[q], clicks[r], clicks[s], clicks[z]
        for n in range(size):
            ctr[n, t] = _add(base, a[n], b[n], c[n], d[n], e[n]) + score[category[n]]
        base = world.bias[CONVERSIONS] + world.user_effect[CONVERSIONS, user] + intent
        a, b, c, d, e = conversions[p], conversions[q], conversions[r], conversions[s], conversions[z]
        for n in range(size):
            cvr[n, t] = _add(base, a[n], b[n], c[n], d[n], e[n])
    for n in range(size):
        x, y = ctr[n], cvr[n]
        for t in range(np.uint64(start), np.uint64(stop)):
            x[t] = sigmoid(x[t])
            y[t] = sigmoid(y[t])


@jit
def rates_of(world, opportunity, ad, room, ctr, cvr):
    """True rates of pairs of opportunity and ad, (n,) each."""
    for i in range(ad.size):
        n = ad[i]
        p, q, r, s, z, intent = _prepare(world, opportunity[i], room)
        user, x, y = room.ids[USER], world.rows[CLICKS], world.rows[CONVERSIONS]
        base = world.bias[CLICKS] + world.user_effect[CLICKS, user] + intent
        click = _add(base, x[p, n], x[q, n], x[r, n], x[s, n], x[z, n]) + room.score[world.category[n]]
        base = world.bias[CONVERSIONS] + world.user_effect[CONVERSIONS, user] + intent
        ctr[i] = sigmoid(click)
        cvr[i] = sigmoid(_add(base, y[p, n], y[q, n], y[r, n], y[s, n], y[z, n]))


@jit
def fill_delays(world, opportunity, ad, hours):
    """Hours from click to conversion of pairs, exponential with the mean of the ad's category; (n,) each."""
    for i in range(ad.size):
        word = draw(stream(world.keys[DELAY], ad[i]), np.uint64(opportunity[i]))
        hours[i] = -world.delay[world.category[ad[i]]] * log(uniform(word) + SMALLEST)
