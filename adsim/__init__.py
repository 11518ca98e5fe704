"""adsim: a marketplace for ad auctions and auto-bidding.

>>> import adsim
>>> adsim.clear([[2.0, 3.0]], mechanism="second_price").prices.tolist()
[[2.0]]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from adsim import envs
from adsim.errors import AdsimError
from adsim.mechanisms.clear import clear, to_tiles
from adsim.types import Clearing

if TYPE_CHECKING:
    from adsim.market.market import Market
    from adsim.market.result import Result
    from adsim.market.scenario import Scenario, load_scenario

__version__ = "0.1.0"
__all__ = [
    "AdsimError",
    "Clearing",
    "Market",
    "Result",
    "Scenario",
    "__version__",
    "clear",
    "envs",
    "load_scenario",
    "to_tiles",
]

_LATER = {
    "Market": "adsim.market.market",
    "Result": "adsim.market.result",
    "Scenario": "adsim.market.scenario",
    "load_scenario": "adsim.market.scenario",
}


def __getattr__(name: str) -> Any:
    """Import the market when it is first asked for: it brings pydantic and pandas."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'adsim' has no attribute '{name}'")
