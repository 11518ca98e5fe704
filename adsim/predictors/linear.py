"""What linear models on hashed features share: sums of weights, over rows and over grids of ads and opportunities."""

import numpy as np

from adsim.kernels.linear import add_crosses, add_outer, add_products, logits_to_probabilities, sum_weights
from adsim.predictors.encoding import Encoded, Encoder
from adsim.predictors.features import Ads, Contexts, Schema, Singles
from adsim.predictors.hashed import Hashed

WEIGHT = 0
"""Column of the table."""


class Linear(Hashed):
    """Logit = intercept + sum of weights of the slots, each times its value."""

    crosses: str
    per: str
    history: bool

    def predict_grid(self, contexts: Contexts, ads: Ads, out: Singles) -> None:
        """See `Learner.predict_grid`: sums of each ad once, of each opportunity once."""
        grid = out[:, : len(contexts)]
        self._sum_grid(contexts, ads, WEIGHT, grid)
        logits_to_probabilities(grid)

    def _encoder(self, schema: Schema) -> Encoder:
        return Encoder(schema, self.bits, history=self.history, crosses=self.crosses, per=self.per)

    def _predict(self, encoded: Encoded, out: Singles) -> None:
        self._sum(encoded, WEIGHT, self.table[-1, WEIGHT], out)
        logits_to_probabilities(out[None])

    def _sum(self, encoded: Encoded, column: int, start: np.float32, out: Singles) -> None:
        sum_weights(encoded.slots, encoded.values, self.table, column, start, out)

    def _sum_grid(self, contexts: Contexts, ads: Ads, column: int, out: Singles) -> None:
        """Sums of a column of the table; values are squared where the column holds variances."""
        self.check(contexts)
        self.check(ads)
        power = 1 if column == WEIGHT else 2
        of_context, of_ad = np.empty(len(contexts), np.float32), np.empty(len(ads), np.float32)
        for encoded, start, sums in (
            (self.code.contexts(contexts), self.table[-1, column], of_context),
            (self.code.ads(ads), np.float32(0), of_ad),
        ):
            self._sum(encoded._replace(values=encoded.values**power), column, start, sums)
        add_outer(of_context, of_ad, out)
        owned = self.code.owned(contexts, ads, self.table[:, column], power)
        if owned is not None:
            add_products(*owned, out)
        crosses = self.code.crosses(contexts, ads)
        if crosses is not None:
            add_crosses(*crosses, self.table, column, out)
