"""Which episodes environments play: one follows from the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adsim.errors import EnvError
from adsim.kernels.counter import GOLDEN, fill_streams
from adsim.market.markets import check_seeds


class Seeding:
    """The sequences of episodes of E environments.

    Parameters
    ----------
    size : int
        How many (E).
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._first: NDArray[np.uint64] | None = None
        self._episode = np.zeros(size, np.int64)

    def reset(self, seed: int | Sequence[int | None] | None, rng: np.random.Generator) -> NDArray[np.uint64]:
        """Seeds of the next episodes, (E,).

        Parameters
        ----------
        seed : int or sequence of int or None, optional
            Of the first episodes of new sequences: those of environment i begin with seed + i, or with a seed of
            its own. None goes on with the sequence so far, as Gymnasium has it.
        rng : Generator
            Chooses where there is none.

        Raises
        ------
        EnvError
            For seeds that are not one for each.
        ScenarioError
            For one that no market has.
        """
        seeds = self._spread(seed)
        new = [i for i, each in enumerate(seeds) if each is not None]
        given = check_seeds([each for each in seeds if each is not None])
        if self._first is None:
            self._episode -= 1
            every = len(new) == self.size
            self._first = given.copy() if every else rng.integers(2**63, size=self.size, dtype=np.uint64)
        self._first[new], self._episode[new] = given, -1
        return self.follow()

    def follow(self) -> NDArray[np.uint64]:
        """Seeds of the episodes after those that were played, (E,)."""
        assert self._first is not None
        self._episode += 1
        return episode_seeds(self._first, self._episode)

    def _spread(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.size
        if isinstance(seed, Sequence | np.ndarray):
            if len(seed) != self.size:
                raise EnvError(f"{len(seed)} seeds for {self.size} environments: give one each.")
            return seed
        return [seed + i for i in range(self.size)]


def episode_seeds(first: NDArray[np.uint64], episode: ArrayLike) -> NDArray[np.uint64]:
    """Seeds of the markets of later episodes, given those of the first (episode 0); episodes are one, or (E,)."""
    episodes = np.broadcast_to(np.asarray(episode, np.uint64), first.shape)
    fill_streams(first + GOLDEN * episodes, 0, keys := np.empty((first.size, 1), np.uint64))
    return np.where(episodes == 0, first, keys[:, 0] >> np.uint64(1))
