"""From a mechanism's number to its compiled rule: one branch per tile of auctions.

Built-in mechanisms share one compiled market. A mechanism from elsewhere gets a market compiled for it (see
`adsim.market.loop.compile_for`), so nothing needs to be added here for it.
"""

from adsim.kernels.jit import inline
from adsim.mechanisms import (
    first_price,
    generalized_second_price,
    liquid_payment,
    split_traffic,
    vickrey_clarke_groves,
)

FIRST_PRICE, SECOND_PRICE, GSP, VCG, LPA, SPLIT = range(6)
NUMBERS = {
    "first_price": FIRST_PRICE,
    "second_price": SECOND_PRICE,
    "gsp": GSP,
    "vcg": VCG,
    "lpa": LPA,
    "split": SPLIT,
}


@inline
def clear_tile(mechanism, candidates, rule, ranking, origin, start, stop):
    """Clear opportunities ``start`` to ``stop`` of a tile by the numbered mechanism."""
    if mechanism == FIRST_PRICE:
        first_price.clear_tile(candidates, rule, ranking, origin, start, stop)
    elif mechanism in (SECOND_PRICE, GSP):
        generalized_second_price.clear_tile(candidates, rule, ranking, origin, start, stop)
    elif mechanism == VCG:
        vickrey_clarke_groves.clear_tile(candidates, rule, ranking, origin, start, stop)
    elif mechanism == LPA:
        liquid_payment.clear_tile(candidates, rule, ranking, origin, start, stop)
    elif mechanism == SPLIT:
        split_traffic.clear_tile(candidates, rule, ranking, origin, start, stop)
