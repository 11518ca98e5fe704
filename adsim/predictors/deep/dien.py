"""DIEN: interests that evolve, as far as the ad has to do with them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.pooling import Interest
from adsim.predictors.deep.tables import Inputs
from adsim.predictors.features import Schema


@dataclass(eq=False)
class Dien(DeepLearner):
    """Interests that evolve: a recurrent layer over the history, and one that attends to the ad.

    logit = linear + MLP([e, numbers, u, t]), u the last state of two recurrent layers, the oldest entry first.

    s_l = GRU(s_{l-1}, h_l); alpha_l = softmax_l(s_l' W t); AUGRU: u_l = (1 - alpha_l z_l) u_{l-1} + alpha_l z_l c_l,
    with the update gate z_l = sigmoid(W_z s_l + U_z u_{l-1}), r_l = sigmoid(W_r s_l + U_r u_{l-1}) and c_l =
    tanh(W_c s_l + r_l * U_c u_{l-1}). Without biases, so that what is not there leaves states at 0; without the
    paper's auxiliary loss.

    Zhou, Mou, Fan, Pi, Bian, Zhou, Zhu & Gai 2019, "Deep Interest Evolution Network for Click-Through Rate
    Prediction" (arXiv 1809.03672). For parameters see `DeepLearner`.
    """

    reads_history = True

    def body(self, schema: Schema) -> nn.Module:
        """Two recurrent layers, and the perceptron."""
        return Interest(self, schema, Evolution(self.k))


class Evolution(nn.Module):
    """The interest of a history as it came to be."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.extract = nn.GRU(k, k, bias=False, batch_first=True)
        self.match = nn.Linear(k, k, bias=False)
        self.from_state, self.from_interest = nn.Linear(k, 3 * k, bias=False), nn.Linear(k, 3 * k, bias=False)

    def forward(self, x: Inputs) -> Tensor:
        """Interests, (n, k)."""
        present = x.present.flip(1)
        states, _ = self.extract(x.history.flip(1))
        match = torch.einsum("nlk,nk->nl", states, self.match(x.target)).masked_fill(~present, -torch.inf)
        alpha = torch.softmax(match, 1).nan_to_num(0)
        interest = torch.zeros_like(x.target)
        for seen, share in zip(self.from_state(states).unbind(1), alpha.unsqueeze(2).unbind(1), strict=True):
            known = self.from_interest(interest)
            (update, reset), (candidate, past) = _gates(seen, known), (seen.chunk(3, 1)[2], known.chunk(3, 1)[2])
            step = share * update
            interest = (1 - step) * interest + step * torch.tanh(candidate + reset * past)
        return interest


def _gates(seen: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Update and reset."""
    gates = torch.sigmoid(seen + known).chunk(3, 1)
    return gates[0], gates[1]
