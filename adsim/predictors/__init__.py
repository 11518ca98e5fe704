"""What agents and mechanisms see instead of the true click and conversion rates: learned, distorted or exact.

>>> from adsim.predictors import Field, Schema, make, make_rows
>>> schema = Schema(context=(Field("hour", 24),), ad=(Field("ad", 2),))
>>> rows = make_rows(schema, [[9, 0], [9, 1], [10, 1]])
>>> bool(make("ftrl").fit(rows, [0, 1, 1]).predict_proba(rows)[0] < 0.5)
True
"""

from adsim.predictors.features import Ads, Contexts, Field, Rows, Schema, make_rows
from adsim.predictors.learner import Learner, load, make

__all__ = ["Ads", "Contexts", "Field", "Learner", "Rows", "Schema", "load", "make", "make_rows"]
