"""The kernels as plain Python (NUMBA_DISABLE_JIT=1), to be stepped through, give what they give compiled."""

import json
import os
import subprocess
import sys

import numpy as np

import adsim

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


def test_interpreted_kernels_agree_with_compiled_ones() -> None:
    code = (
        "import json, sys, warnings; warnings.simplefilter('ignore'); sys.path.insert(0, 'tests');"
        "import test_interpreted as t; print(json.dumps([t.clearings(), t.market()]))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain_clearings, plain_market = json.loads(done.stdout)
    assert plain_clearings == clearings()
    np.testing.assert_allclose(plain_market, market(), rtol=1e-5, atol=1e-9)
