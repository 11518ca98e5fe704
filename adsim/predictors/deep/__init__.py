"""Learned predictors in PyTorch, which comes with the extra ``deep``; only this package imports it."""

from importlib.util import find_spec

from adsim.errors import AdsimError

if find_spec("torch") is None:
    raise AdsimError("deep predictors need PyTorch: pip install 'adsim[deep]'.")
