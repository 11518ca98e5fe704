"""The commands, a family per file: each parses its arguments, calls a function or two, and prints or saves."""

# A command registers when its file is imported; `adsim --help` lists them in this order.
# isort: off
from adsim.cli import run, compare, regret, equilibrium, frontier, incentives, channels, allocate  # noqa: F401
from adsim.cli import predictors, conversions, delays, auctiongym, replay, collect  # noqa: F401
from adsim.cli import train, train_offline, train_ctr, tune, benchmark, catalogue  # noqa: F401

# isort: on
from adsim.cli.app import main

__all__ = ["main"]
