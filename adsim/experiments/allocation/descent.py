"""Dual mirror descent for any online allocation: rewards and consumption as arrays, all at once or block by block."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import AdsimError, UnknownName
from adsim.kernels import allocation as kernels
from adsim.kernels.mirror import ENTROPIC, EUCLIDEAN
from adsim.logs.auctions import check_counts
from adsim.types import Floats

REFERENCES = {
    "euclidean": "h = sum mu**2 / 2, from mu = 0",
    "scaled": "h = sum (rho mu)**2 / 2, from mu = 0",
    "entropic": "h = sum mu log mu, from mu = 1 / sqrt(m)",
    "projected": "entropic, with rho . mu kept at the highest reward or below, from mu = rho / sqrt(m)",
}
"""Reference functions by name, and the duals they start from, as in the authors' code."""


class Outcome(NamedTuple):
    """What came of an online allocation."""

    reward: float
    """Sum of the rewards granted."""
    bound: float
    """Dual objective at the average dual: no allocation of these requests earns more."""
    dual: Floats
    """Average over the requests; (m,)."""
    left: Floats
    """Of the resources in the end; (m,)."""

    @property
    def regret(self) -> float:
        """At most that much was lost against the best allocation in hindsight."""
        return self.bound - self.reward


class Descent:
    """Dual mirror descent over ``T`` requests (Balseiro, Lu & Mirrokni 2023, arXiv 2011.10124, Algorithm 1).

    A request is answered by the choice of the highest positive ``reward - mu . consumption``, which is granted if it
    fits what is left of all m resources; then mu descends along ``rho - consumption`` by steps of ``step / sqrt(T)``.

    Parameters
    ----------
    rho : array (m,)
        Amount of each resource per request: there is ``rho T`` of it.
    horizon : int
        T.
    reference : str
        One of `REFERENCES`.
    step : float
        In units of ``1 / sqrt(T)``.
    highest : float
        No reward is higher; used by the projected reference.

    Raises
    ------
    AdsimError
        When a resource, the horizon or the step is not positive, or the reference not known.
    """

    def __init__(
        self, rho: Floats, horizon: int, reference: str = "euclidean", step: float = 1.0, highest: float = np.inf
    ) -> None:
        if reference not in REFERENCES:
            raise UnknownName("reference", reference, REFERENCES)
        if not 0 < step < np.inf:
            raise AdsimError(f"step = {step}: must be positive.")
        check_counts(horizon=horizon)
        if rho.ndim != 1 or not rho.size or not ((rho > 0) & np.isfinite(rho)).all():
            raise AdsimError("rho: must hold a positive amount of each resource.")
        self.rho, self.horizon, self.reference, self.step = rho, horizon, reference, step
        self._kind = ENTROPIC if reference in ("entropic", "projected") else EUCLIDEAN
        self._steps = step / np.sqrt(horizon) / (rho**2 if reference == "scaled" else np.ones(rho.size))
        self._cap = highest if reference == "projected" else np.inf
        self._dual = self._first_dual()
        self._dual_sum = np.zeros(rho.size)
        self._left = rho * horizon
        self._reward = self._surplus = 0.0

    def _first_dual(self) -> Floats:
        if self._kind == EUCLIDEAN:
            return np.zeros(self.rho.size)
        scale = self.rho if self.reference == "projected" else np.ones(self.rho.size)
        return scale / np.sqrt(self.rho.size)

    @property
    def average_dual(self) -> Floats:
        """Over all T requests, once they are served; (m,)."""
        return self._dual_sum / self.horizon

    def serve(self, reward: Floats, consumption: NDArray[np.generic]) -> None:
        """Serve the next requests; rewards (B, d), consumption (B, m, d), both C-contiguous.

        Raises
        ------
        AdsimError
            When the step is so large that duals overflow.
        """
        scores = np.empty(reward.shape[1])
        state = self._dual, self._dual_sum, self._left
        self._reward += kernels.serve(
            self._kind, self._steps, self._cap, self.rho, reward, consumption, scores, *state
        )
        if not np.isfinite(self._dual).all():
            raise AdsimError(f"step = {self.step:g}: the duals of '{self.reference}' overflow. Take a smaller one.")

    def appraise(self, reward: Floats, consumption: NDArray[np.generic]) -> None:
        """See the same requests again, once all are served, for the dual objective at the average dual."""
        self._surplus += kernels.surplus(reward, consumption, self.average_dual, np.empty(reward.shape[1]))

    def outcome(self) -> Outcome:
        """The outcome, once all requests are served and appraised."""
        bound = self.horizon * float(self.rho @ self.average_dual) + self._surplus
        return Outcome(self._reward, bound, self.average_dual, self._left)


def allocate(
    reward: ArrayLike, consumption: ArrayLike, rho: ArrayLike, *, reference: str = "euclidean", step: float = 1.0
) -> Outcome:
    """Serve requests online, see `Descent`, and bound what hindsight would have earned.

    Parameters
    ----------
    reward : array (T, d)
        Of each choice of each request.
    consumption : array (T, m, d)
        Of each resource by each choice, not negative.
    rho : array (m,)
        Amount of each resource per request.
    reference : str
        One of `REFERENCES`.
    step : float
        In units of ``1 / sqrt(T)``.

    Raises
    ------
    AdsimError
        When shapes do not fit, numbers are not finite, or consumption or amounts are not what they must be.

    Examples
    --------
    Two units of one resource, four requests for one unit each:

    >>> found = allocate([[1.0], [3.0], [1.0], [3.0]], [[[1.0]]] * 4, [0.5], step=4)
    >>> found.reward, found.left.tolist()
    (4.0, [0.0])
    >>> found.bound >= 6
    True
    """
    rewards, used = np.ascontiguousarray(reward, np.float64), np.ascontiguousarray(consumption, np.float64)
    amounts = np.ascontiguousarray(rho, np.float64)
    if rewards.ndim != 2 or 0 in rewards.shape or used.shape != (len(rewards), amounts.size, rewards.shape[1]):
        raise AdsimError(
            f"reward of shape {rewards.shape}, consumption of shape {used.shape}, rho of shape {amounts.shape}: "
            "must be (T, d), (T, m, d) and (m,)."
        )
    if not (np.isfinite(rewards).all() and np.isfinite(used).all() and (used >= 0).all()):
        raise AdsimError("rewards and consumption must be finite, consumption not negative.")
    descent = Descent(amounts, len(rewards), reference, step, float(max(rewards.max(), 0)))
    descent.serve(rewards, used)
    descent.appraise(rewards, used)
    return descent.outcome()
