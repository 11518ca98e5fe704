"""Markets whose predictions are the truth, distorted as prescribed."""

from typing import Any

import numpy as np
import pytest

import adsim
from adsim.errors import AdsimError
from adsim.market.result import Result
from adsim.predictors.distorted import DistortedLogits


def run(**predictor: Any) -> Result:
    changes = {"market.opportunities": 20_000, "market.ticks": 4, "predictor": predictor}
    return adsim.Market(adsim.load_scenario("quickstart").replace(changes), seed=0).run()


def test_no_distortion_is_the_truth() -> None:
    exact, distorted = run(kind="oracle").totals, run(kind="distorted").totals
    np.testing.assert_allclose(distorted.spend, exact.spend, rtol=1e-3)
    np.testing.assert_allclose(distorted.predicted_value, exact.predicted_value, rtol=1e-3)


def test_a_bias_of_the_logits_is_the_factor_by_which_small_rates_are_overestimated() -> None:
    """Every bid of a bidder by its prediction rises alike: the same auctions are won, and promise e^bias as much."""
    exact, biased = run(kind="oracle").totals, run(kind="distorted", bias=0.1).totals
    assert biased.predicted_value.sum() == pytest.approx(np.exp(0.1) * exact.predicted_value.sum(), rel=0.03)


def test_noise_makes_winners_promise_more_than_they_bring() -> None:
    noisy, exact = run(kind="distorted", sigma=0.8).totals, run(kind="oracle").totals
    assert noisy.predicted_value.sum() > 1.3 * exact.predicted_value.sum()
    assert noisy.value.sum() < exact.value.sum()


def test_campaigns_keep_their_own_bias() -> None:
    normals = np.random.default_rng(0).standard_normal((2, 5000))
    errors = DistortedLogits(bias=0.2, spread=0.5).errors(normals)
    assert errors.ctr_bias.mean() == pytest.approx(0.2, abs=0.03)
    assert errors.ctr_bias.std() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("name", "value"), [("slope", 0), ("sigma", -1), ("spread", 4), ("bias", float("nan"))])
def test_impossible_distortions_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(AdsimError, match=name):
        DistortedLogits(**{name: value})
