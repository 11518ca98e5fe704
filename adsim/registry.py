"""Names to plug-ins: built-in ones by import string, other people's through entry points.

Nothing is imported until it is asked for, so that the registry knows every plug-in and depends on none.
A package of your own registers ``my_agent = "my_package.agents:MyAgent"`` under the entry point
group ``adsim.agents`` (likewise ``adsim.mechanisms``, ``adsim.predictors``, ``adsim.logs``).
"""

import ast
import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from adsim.errors import AdsimError, UnknownName

BUILT_IN: dict[str, dict[str, str]] = {
    "mechanisms": {
        "first_price": "adsim.mechanisms.first_price:FirstPrice",
        "second_price": "adsim.mechanisms.second_price:SecondPrice",
        "gsp": "adsim.mechanisms.generalized_second_price:GeneralizedSecondPrice",
        "vcg": "adsim.mechanisms.vickrey_clarke_groves:VickreyClarkeGroves",
        "lpa": "adsim.mechanisms.liquid_payment:LiquidPayment",
        "split": "adsim.mechanisms.split_traffic:SplitTraffic",
    },
    "agents": {
        "fixed": "adsim.agents.fixed:Fixed",
        "truthful": "adsim.agents.truthful:Truthful",
        "linear": "adsim.agents.linear:Linear",
        "ecpc": "adsim.agents.ecpc:ExpectedCostPerClick",
        "pid": "adsim.agents.pid:PidPacing",
        "feedback": "adsim.agents.feedback:Feedback",
        "stock_dual": "adsim.agents.stock_dual:StockDual",
        "ros": "adsim.agents.return_on_spend:ReturnOnSpend",
        "mirror_descent": "adsim.agents.mirror_descent:DualMirrorDescent",
        "adaptive_pacing": "adsim.agents.mirror_descent:AdaptivePacing",
        "coupled": "adsim.agents.coupled:Coupled",
        "throttling": "adsim.agents.throttling:Throttling",
        "online_lp": "adsim.agents.online_lp:OnlineLP",
        "forecast": "adsim.agents.forecast:Forecast",
        "rlb": "adsim.agents.table_bidder:TableBidder",
        "ss_mdp": "adsim.agents.table_bidder:AverageTableBidder",
        "oracle": "adsim.agents.oracle:HindsightThreshold",
    },
    "predictors": {
        "oracle": "adsim.predictors.oracle:Oracle",
        "noise": "adsim.predictors.noise:LogNormalNoise",
        "distorted": "adsim.predictors.distorted:DistortedLogits",
        "constant": "adsim.predictors.constant:Constant",
        "ftrl": "adsim.predictors.ftrl:FollowTheRegularizedLeader",
        "bayes": "adsim.predictors.bayes:BayesianLogistic",
        "fm": "adsim.predictors.fm:FactorizationMachine",
        "fwfm": "adsim.predictors.fwfm:FieldWeightedMachine",
        "platt": "adsim.predictors.platt:Platt",
        "isotonic": "adsim.predictors.isotonic:Isotonic",
        "binned": "adsim.predictors.binned:Binned",
        "paths": "adsim.predictors.paths:PathEnsemble",
        "semantic": "adsim.predictors.semantic:SemanticIds",
        "proportions": "adsim.predictors.proportions:LabelProportions",
        "deepfm": "adsim.predictors.deep.deepfm:DeepFM",
        "autoint": "adsim.predictors.deep.autoint:AutoInt",
        "gdcn": "adsim.predictors.deep.gdcn:GDCN",
        "finalmlp": "adsim.predictors.deep.finalmlp:FinalMLP",
        "pooling": "adsim.predictors.deep.pooling:Pooling",
        "din": "adsim.predictors.deep.din:Din",
        "dien": "adsim.predictors.deep.dien:Dien",
        "tin": "adsim.predictors.deep.tin:Tin",
        "esmm": "adsim.predictors.deep.esmm:Esmm",
        "sdim": "adsim.predictors.deep.sdim:Sdim",
    },
    "logs": {
        "theta": "adsim.logs.theta:ThetaLog",
        "ipinyou": "adsim.logs.ipinyou:IPinYouLog",
        "auctionnet": "adsim.logs.auctionnet:AuctionNetLog",
    },
}

SINGULAR = {"mechanisms": "mechanism", "agents": "agent", "predictors": "predictor", "logs": "log format"}


@cache
def known(kind: str) -> dict[str, str]:
    """Names of one kind of plug-in with their import strings, other packages' included."""
    others = {point.name: point.value for point in entry_points(group=f"adsim.{kind}")}
    return {**others, **BUILT_IN[kind]}


def load(kind: str, name: str) -> Any:
    """The class registered under ``name``.

    Raises
    ------
    UnknownName
        When nothing of this kind has that name.
    """
    if name not in known(kind):
        raise UnknownName(SINGULAR[kind], name, known(kind))
    module, _, attribute = known(kind)[name].partition(":")
    return getattr(import_module(module), attribute)


def parse(specification: str) -> tuple[str, dict[str, Any]]:
    """Split ``name:key=value:key=value``, the way the command line writes a plug-in with parameters.

    >>> parse("linear:b0=45")
    ('linear', {'b0': 45})
    """
    name, *pairs = specification.split(":")
    parameters = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals and text):
            raise AdsimError(f"'{specification}': expected name:key=value, found '{pair}'.")
        parameters[key] = literal(text)
    return name, parameters


def literal(text: str) -> Any:
    """A number, boolean, list or none written as such; anything else is a string."""
    try:
        return ast.literal_eval({"true": "True", "false": "False", "none": "None"}.get(text, text))
    except (ValueError, SyntaxError):
        return float(text) if text.lower() in ("nan", "inf", "-inf") else text


def create(kind: str, name: str, parameters: dict[str, Any]) -> Any:
    """Construct a plug-in, naming the parameter that it does not take or that is missing.

    Raises
    ------
    UnknownName
        For an unknown name or parameter.
    AdsimError
        For a missing parameter.
    """
    plugin = load(kind, name)
    takes = inspect.signature(plugin).parameters
    for key in parameters:
        if key not in takes:
            raise UnknownName(f"parameter of the {SINGULAR[kind]} {name},", key, takes)
    missing = [key for key, what in takes.items() if what.default is what.empty and key not in parameters]
    if missing:
        raise AdsimError(f"{SINGULAR[kind]} {name}: give it {missing[0]}, as in {name}:{missing[0]}=1.")
    return plugin(**parameters)
