"""The commands, a family per file: each parses its arguments, calls a function or two, and prints or saves."""

# A command registers when its file is imported; `adsim --help` lists them in this order.
# isort: off
from adsim.cli import run, compare, regret, equilibrium, frontier, incentives, channels  # noqa: F401
from adsim.cli import allocate, replay, predictors, conversions, delays, train, catalogue  # noqa: F401

# isort: on
from adsim.cli.app import main

__all__ = ["main"]
