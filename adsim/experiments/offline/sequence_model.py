"""A causal transformer over periods: contexts and states of ticks in, levels out."""

import torch
from torch import Tensor, nn


class SequenceModel(nn.Module):
    """The Decision Transformer's network (Chen et al. 2021, arXiv 2106.01345), on whole periods.

    The paper gives context, state and action a token each. Here a tick is one token, of its context and its state:
    the last level is a feature of the state, and a third of the tokens take a third of the time. A token sees itself
    and those before it, ``window`` in all. Whole periods are one sequence, so nothing is padded; a shorter sequence
    gives what the beginning of a longer one gives.

    Parameters
    ----------
    contexts, features : int
        Numbers in a context, and in a state.
    ticks : int
        Most that a period has; each has an embedding of its own.
    width, layers, heads : int
        Of the transformer; feed-forward layers are four times as wide.
    window : int
        Ticks that a token sees in each layer.
    """

    def __init__(
        self,
        contexts: int,
        features: int,
        ticks: int,
        *,
        width: int = 64,
        layers: int = 3,
        heads: int = 2,
        window: int = 20,
    ) -> None:
        super().__init__()
        self.window = window
        self.enter = nn.Linear(contexts + features, width)
        self.tick = nn.Embedding(ticks, width)
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, 1)

    def forward(self, contexts: Tensor, states: Tensor) -> Tensor:
        """Levels to play, (E, T), in (-1, 1): that of a tick follows from contexts and states up to it.

        Parameters
        ----------
        contexts : Tensor (E, T, C)
        states : Tensor (E, T, F)
        """
        ticks = contexts.shape[1]
        tokens = self.enter(torch.cat([contexts, states], dim=-1)) + self.tick(torch.arange(ticks))
        found: Tensor = torch.tanh(self.head(self.blocks(tokens, mask=unseen(ticks, self.window)))).squeeze(-1)
        return found


def unseen(ticks: int, window: int) -> Tensor:
    """Which ticks (columns) a tick (row) must not see: later ones, and those ``window`` before it or earlier."""
    tick = torch.arange(ticks)
    age = tick.unsqueeze(1) - tick
    return (age < 0) | (age >= window)
