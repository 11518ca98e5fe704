"""Recorded bid logs: one file per format, each a reader that streams a log in blocks of bounded size.

>>> from adsim.logs import open_log
>>> log = open_log("train.log.txt.gz")  # doctest: +SKIP
>>> log.read().price.mean()  # doctest: +SKIP

A format of your own is a subclass of `Log` under the entry point group ``adsim.logs``.
"""

from adsim.logs.base import Impressions, Log
from adsim.logs.sniff import format_of, open_log

__all__ = ["Impressions", "Log", "format_of", "open_log"]
