"""The click world in plain Python: one opportunity and ad at a time, in double precision."""

from math import exp, floor, log, tanh
from typing import Any

import numpy as np

from adsim.kernels.click_world import CONTEXT, HISTORY, INTENT, MOOD

MASK = 2**64 - 1
CHANCES = 2**16


def mixed(z: int) -> int:
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def word(key: int, index: int) -> int:
    return mixed((int(key) + 0x9E3779B97F4A7C15 * (index % 2**64)) & MASK)


def parts(bits: int) -> list[int]:
    """Four numbers of 16 bits, the low ones first."""
    return [(bits >> shift) & 0xFFFF for shift in (0, 16, 32, 48)]


def context(tables: Any, t: int) -> tuple[list[int], list[int], list[float]]:
    """Fields, categories of the history, hours since each."""
    user, page, device, length = parts(word(tables.keys[CONTEXT], t))
    user = int(tables.users[user])
    hour = floor((t + 0.5) * float(tables.hours)) % 24
    fields = [user, int(tables.segment[user]), int(tables.pages[page]), int(tables.devices[device]), hour]
    most = len(tables.keys) - HISTORY
    least = (most + 1) // 2
    seen = least + length * (most - least + 1) // CHANCES
    categories, ages, hours = [], [], 0.0
    for i in range(seen):
        bits = word(tables.keys[HISTORY + i], t)
        hours -= float(tables.gap) * log((bits >> 40) / 2**24 + 2.0**-25)
        ages.append(hours)
        loyal, which, _, _ = parts(bits)
        if loyal / CHANCES < tables.loyalty:
            categories.append(int(tables.favourites[user][which * 3 // CHANCES]))
        else:
            categories.append(which * int(tables.categories) // CHANCES)
    if tables.evolving:
        categories = emitted(tables, t, seen)
    return fields, categories, ages


def emitted(tables: Any, t: int, seen: int) -> list[int]:
    count, interest, found = int(tables.categories), 0, []
    for i in reversed(range(seen)):
        sub = mixed((int(tables.keys[HISTORY + i]) + 0x9E3779B97F4A7C15) & MASK)
        moves, where, shows, noise = parts(word(sub, t))
        if i == seen - 1 or moves / CHANCES < tables.switch:
            interest = where * count // CHANCES
        found.append(interest if shows / CHANCES < tables.fidelity else noise * count // CHANCES)
    return found[::-1]


def belief(tables: Any, categories: list[int]) -> list[float]:
    """Probability of each present interest: the forward algorithm, from the oldest behaviour."""
    count, stay, true = int(tables.categories), 1 - float(tables.switch), float(tables.fidelity)
    now = np.full(count, 1 / count)
    for seen in reversed(categories):
        now = now * ((1 - true) / count + true * (np.arange(count) == seen))
        now = stay * now / now.sum() + (1 - stay) / count
    return now.tolist()


def interest(tables: Any, categories: list[int], ages: list[float], wanted: int) -> float:
    total = 0.0
    for category, age in zip(categories, ages, strict=True):
        similar = (category == wanted) + 0.4 * (category // 4 == wanted // 4)
        kernel = exp(-age * tables.decay) - float(tables.satiation) * exp(-age * tables.satiation_decay)
        total += similar * kernel
    effect = float(tables.history) * tanh(total)
    return effect + float(tables.evolving) * belief(tables, categories)[wanted]


def rates(tables: Any, t: int, ad: int) -> tuple[float, float]:
    """True click and conversion rate."""
    fields, categories, ages = context(tables, t)
    user, segment, page, device, hour = fields
    step = min(max(t * int(tables.steps) // int(tables.opportunities), 0), int(tables.steps) - 1)
    mood = word(tables.keys[MOOD], t) >> 61
    places = [segment * int(tables.device_count) + device, page, hour, mood, step]
    intent = sum(parts(word(tables.keys[INTENT], t))) - 131070.0
    intent *= (4 * (65536.0**2 - 1) / 12) ** -0.5 * float(tables.intent)
    logits = []
    for kind in range(2):
        rows = [tables.rows[kind, start + place, ad] for start, place in zip(tables.starts, places, strict=True)]
        logits.append(float(tables.bias[kind] + tables.user_effect[kind, user] + intent + np.sum(rows)))
    logits[0] += interest(tables, categories, ages, int(tables.category[ad]))
    return 1 / (1 + exp(-logits[0])), 1 / (1 + exp(-logits[1]))
