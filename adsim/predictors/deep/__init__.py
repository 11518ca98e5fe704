"""Learned predictors in PyTorch, which comes with the extra ``deep``; only this package imports it."""

from adsim.errors import AdsimError

try:
    import torch  # noqa: F401
except ImportError:
    raise AdsimError("deep predictors need PyTorch: pip install 'adsim[deep]'.") from None
