"""The kernels as plain Python (NUMBA_DISABLE_JIT=1), to be stepped through, give what they give compiled."""

import json
import os
import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
from small_rows import small_grid, small_rows

import adsim
from adsim import registry
from adsim.experiments.allocation.allocation import sweep
from adsim.experiments.allocation.descent import REFERENCES

MECHANISMS = ["first_price", "gsp", "vcg", "lpa", "split"]


def clearings() -> list[list[float]]:
    """Winners and prices of a few auctions by every mechanism, in both precisions."""
    rng = np.random.default_rng(0)
    bids, experience, quality = rng.integers(0, 9, (40, 7)) / 8, rng.integers(0, 5, (40, 7)) / 4, np.ones((40, 7))
    results = []
    for mechanism in MECHANISMS:
        for slots in (1, 2, 5):
            for dtype in (np.float32, np.float64):
                clearing = adsim.clear(
                    bids.astype(dtype),
                    mechanism,
                    exposure=tuple(0.5**k for k in range(slots)),
                    reserve=0.25,
                    user_experience=experience,
                    beta=0.5,
                    quality=quality,
                    liquid_value=bids,
                )
                results.append([*clearing.winners.ravel().tolist(), *clearing.prices.ravel().tolist()])
    return results


def market() -> list[float]:
    """Ledger of a market small enough for plain Python."""
    changes = {"market.opportunities": 150, "market.ticks": 3, "campaigns.0.count": 3, "campaigns.0.budget": 0.4}
    result = adsim.Market(adsim.load_scenario("quickstart").replace(changes), seed=2).run()
    return result.history.ravel().tolist()


def pacing() -> list[float]:
    """Ledger and bids of rules that decide between auctions."""
    agents = [
        "ros:buffer=0.1",
        "mirror_descent:reference=entropic",
        "coupled",
        "throttling:every=4",
        "online_lp",
        "forecast",
    ]
    terms = {"value": 8.0, "budget": 0.4, "target_roi": 2.0}
    changes = {
        "market.opportunities": 150,
        "market.ticks": 3,
        "campaigns": [{"name": f"shop-{n}", "agent": agent, **terms} for n, agent in enumerate(agents)],
    }
    result = adsim.Market(adsim.load_scenario("quickstart").replace(changes), seed=2).run()
    return [*result.history.ravel().tolist(), *result.multipliers.ravel().tolist()]


def bidding() -> list[float]:
    """Observations and rewards of an episode of three ticks."""
    changes = {"market.opportunities": 60, "market.ticks": 3, "campaigns.0.count": 3, "campaigns.0.stock": 4.0}
    scenario = adsim.load_scenario("quickstart").replace(changes | {"traffic.ctr": 0.3, "traffic.cvr": 0.4})
    return episode("Bidding", [-0.5, 0.3, 1.5], scenario=scenario)


def impression() -> list[float]:
    """Observations and rewards of an episode of as many opportunities as are drawn ahead, and some more."""
    changes = {"market.opportunities": 70, "market.ticks": 7, "campaigns.0.budget": 0.5, "traffic.ctr": 0.2}
    phases = {"phases.cycles": 4, "phases.value": [1.0, 0.5], "phases.price": [0.5, 2.0]}
    scenario = adsim.load_scenario("display_rtb").replace(changes | phases)
    return episode("Impression", np.linspace(-0.01, 0.2, 70).tolist(), scenario=scenario)


def episode(name: str, actions: list[float], **settings: Any) -> list[float]:
    """All numbers of an episode of given actions."""
    env = gymnasium.make(f"adsim/{name}-v0", disable_env_checker=True, **settings)
    observation, info = env.reset(seed=3)
    numbers = [*observation.tolist(), *info.values()]
    for action in actions:
        observation, reward, over, _, info = env.step(np.array([action], np.float32))
        numbers += [*observation.tolist(), float(reward), *info.values()]
    assert over
    return numbers


def allocation() -> list[float]:
    """Runs of every reference on a small network."""
    found = sweep(references=list(REFERENCES), steps=[1.0], horizons=[40], resources=3, choices=2, seeds=1)
    return found.runs.drop(columns="reference").to_numpy().ravel().tolist()


def learning() -> list[float]:
    """Predictions and samples of every kernel of learners."""
    rows, labels = small_rows(60)
    contexts, ads = small_grid(9, 3)
    numbers, out = [], np.empty((3, 9), np.float32)
    for name in ("ftrl", "bayes", "fm", "fwfm"):
        parameters = {"crosses": "segment*ad", "per": "ad"} if name in ("ftrl", "bayes") else {"factors": 4}
        explores = {"thompson": 1.0} if name == "bayes" else {}
        learner = registry.create("predictors", name, {"bits": 8, **parameters, **explores}).fit(rows, labels)
        learner.sample_grid(contexts, ads, 1, 0, out)
        numbers += [*learner.predict_proba(rows).tolist(), *out.ravel().tolist()]
    return numbers


PARTS = (learning, market, pacing, bidding, impression, allocation)


def test_interpreted_kernels_agree_with_compiled_ones() -> None:
    code = (
        "import json, sys, warnings; warnings.simplefilter('ignore'); sys.path.insert(0, 'tests');"
        "import test_interpreted as t; print(json.dumps([t.clearings(), *(part() for part in t.PARTS)]))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain_clearings, *plain = json.loads(done.stdout)
    assert plain_clearings == clearings()
    for numbers, part in zip(plain, PARTS, strict=True):
        np.testing.assert_allclose(numbers, part(), rtol=1e-5, atol=1e-6)
