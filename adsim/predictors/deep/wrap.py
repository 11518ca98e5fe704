"""Modules of one's own as learners."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adsim.errors import AdsimError, UnknownName
from adsim.predictors.deep.learner import DeepLearner
from adsim.predictors.deep.tables import Batch
from adsim.predictors.features import Schema

OUTPUTS = ("logit", "probability")
LEAST = 1e-7
"""How near to 0 and 1 probabilities may come."""


@dataclass(eq=False)
class Wrapped(DeepLearner):
    """See `wrap_module`."""

    module: nn.Module | None = None
    output: str = "logit"

    def body(self, schema: Schema) -> nn.Module:
        """The module, as it was given."""
        assert self.module is not None
        return copy.deepcopy(self.module)

    def network(self, schema: Schema) -> nn.Module:
        """The module, behind what names its inputs; it has tables of its own."""
        return _Adapter(self.body(schema), schema, self.output)


def wrap_module(
    module: nn.Module,
    *,
    output: str = "logit",
    rate: float = 0.08,
    dense_rate: float = 3e-3,
    decay: float = 0.1,
    epochs: int = 8,
    batch: int = 1024,
) -> DeepLearner:
    """Make a learner of a module that maps a dict of tensors to one number a row; torch-rechub's models do.

    The dict holds, by name, the fields' values (n,), int64: v + 1 for value v and 0 for an unknown one, so that a
    table has ``size + 1`` rows; "history" (n, length), likewise, 0 where there is none, which a table's
    ``padding_idx`` can leave out; "age" (n, length), hours; "numbers" (n, numbers), where the schema has these.

    Parameters
    ----------
    module : Module
        It is copied: each fit begins with its weights as they are now. Its ``nn.Embedding`` learn by Adagrad, all
        else by Adam, see `adsim.predictors.deep.training.Trainer`.
    output : str
        What it gives: "logit", or "probability". Of shape (n,) or (n, 1).
    rate, dense_rate, decay, epochs, batch
        See `DeepLearner`.

    Raises
    ------
    AdsimError
        When ``output`` is neither; on prediction, when the module gives another shape.
    """
    if output not in OUTPUTS:
        raise UnknownName("output", output, OUTPUTS)
    return Wrapped(
        rate=rate,
        dense_rate=dense_rate,
        decay=decay,
        epochs=epochs,
        batch=batch,
        module=copy.deepcopy(module),
        output=output,
    )


class _Adapter(nn.Module):
    def __init__(self, module: nn.Module, schema: Schema, output: str) -> None:
        super().__init__()
        self.module, self.schema, self.output = module, schema, output

    def forward(self, batch: Batch) -> Tensor:
        inputs = dict(zip((field.name for field in self.schema.fields), batch.ids.unbind(1), strict=True))
        if self.schema.history:
            inputs |= {"history": batch.history, "age": batch.age}
        if self.schema.numbers:
            inputs["numbers"] = batch.numbers
        found: Tensor = self.module(inputs)
        if found.shape not in ((len(batch.ids),), (len(batch.ids), 1)):
            raise AdsimError(f"{type(self.module).__name__} gives {tuple(found.shape)}, must give one number a row.")
        found = found.reshape(-1)
        return found if self.output == "logit" else torch.logit(found, LEAST)
