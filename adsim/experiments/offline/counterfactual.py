"""Levels that would have been better than those that were played, in an outcome model's opinion."""

import numpy as np
import torch
from torch import Tensor

from adsim.experiments.offline.outcome_model import OutcomeModel, Situations

MOVES = (-0.04, -0.02, -0.01, 0.01, 0.02, 0.04)
"""From a level to its counterfactuals: with the span of 10, multipliers 2, 5 and 10 % lower or higher.

The last level is part of the state, so that what is learned is a step from it: small ones, tick after tick, lead to a
better level; large ones overshoot.
"""


def improve(model: OutcomeModel, at: Situations, level: Tensor, gain: float) -> Tensor:
    """Levels to learn in place of those that were played; (n,).

    Had the level been ``move`` higher, and been kept, the model expects another outcome. The level moves towards the
    best of these, by ``move * weight`` with ``weight = 1 - exp(-difference of utility / gain)``: where a regression
    on both ends, the better level weighing that much and the one played the rest. Differences of next to nothing,
    which may be the model's noise, move next to nothing. PRO-Bid's counterfactual regret optimisation
    (arXiv 2602.08261) in our reading: candidates, utility and weight are derived.

    Parameters
    ----------
    model : OutcomeModel
    at : Situations
        n rows.
    level : Tensor (n,)
        As played.
    gain : float
        Of utility, at which the better level weighs 0.63.
    """
    played = model.judge(at, level)
    best = model.best(at, torch.stack([(level + move).clamp(-1, 1) for move in (0.0, *MOVES)]))
    weight = -np.expm1((played.utility - best.utility) / gain)
    move = torch.from_numpy(weight * (best.level - played.level)).float()
    return (level + move).clamp(-1, 1)
