"""`adsim/Impression-v0`: one step is one opportunity, the decision problem of real-time bidding.

Time left, budget left, predictions and the user are observed; the action is a price, in units of the highest (Cai et
al., "Real-Time Bidding by Reinforcement Learning in Display Advertising", WSDM 2017).
"""

from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from adsim.envs.impression_engine import ImpressionEngine, LogEngine, MarketEngine
from adsim.envs.lockstep import LockstepEnv, LockstepVectorEnv
from adsim.envs.tape import RULES, read_tape
from adsim.errors import EnvError, UnknownName
from adsim.logs.base import Impressions
from adsim.market.scenario import Scenario

SCENARIO = "display_rtb"


class ImpressionEnv(LockstepEnv):
    """One campaign bids for one opportunity after the other, against posted or recorded prices.

    The action is a price per exposure in units of `max_price` (on a log `max_bid`), from 0 to 1: to bid p, act
    ``p / env.unwrapped.max_price``. Actions beyond are clipped, and counted in ``info["clipped_actions"]``.

    Observations are the features of `adsim.envs.impression_features`. The reward is the value won (less spend, for a
    utility maximizer); when the campaign's money or stock is gone, or its period over, a correction makes the return
    `adsim.envs.score.score`. Episodes end (``terminated``) with the period's last opportunity.

    In a scenario's market, drawn from the seed, everything happens as in `adsim.Market` of that seed, for a campaign
    that bids these prices. On a log the reward is the click, and the rules are those of
    `adsim.experiments.replay.replay`: an episode is N impressions in the order of the log on a budget of int(cpm * c0
    * N); bids are rounded down to whole numbers (one that falls short of k by no more than float32's precision is k,
    so that k / `max_bid` bids k in float32 too), and one that reaches the market price wins and pays it. The seed
    chooses among the log's whole episodes; ``reset(options={"episode": k})`` plays number k of `episodes`, be it the
    shorter last one.

    ``info`` holds the ledger since the episode began (`adsim.types.Totals`), ``price`` (what was bid, in money and
    before the budget left bounds it; 0 at first), ``budget_left``, ``stock_left``, ``score`` (the return if the
    period ended now), ``cost`` (the constraint violation, 0 until the period is over), ``clipped_actions``, on a log
    ``episode``, and in full precision what the coming opportunity is predicted to be worth: ``offered_pctr`` and
    ``offered_value``, so that a rule such as ``p = 2 * value`` can be played.

    ``reset(seed=s)`` begins with the episode of seed s; later resets without a seed go on to others that follow from
    it.

    Parameters
    ----------
    scenario : str, Path or Scenario, optional
        Name of a shipped scenario, a TOML file, or a scenario: one campaign, one slot and posted competition;
        display_rtb unless a log is given.
    log : str, Path or Impressions, optional
        A log of any registered format, or one that was read.
    max_price : float, optional
        In a scenario's market, the highest price; unless given, the one that beats 99.9 % of the competition in its
        dearest phase, and twice the reserve at least.
    episode : int
        On a log: impressions of an episode (N).
    c0 : float
        On a log: budgets, as a share of what an episode costs at average prices.
    max_bid : int
        On a log: the highest price.
    info, train, format, clicks : optional
        On a log: see `adsim.experiments.replay.replay.replay`.

    Raises
    ------
    AdsimError
        For impossible settings; in `step`, an `EnvError` before `reset`, after the end, for an action of another
        shape or that is not a number.
    LogError
        When a log or the statistics cannot be used.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario | None = None,
        *,
        log: str | Path | Impressions | None = None,
        max_price: float | None = None,
        render_mode: str | None = None,
        **rules: Any,
    ) -> None:
        if render_mode is not None:
            raise EnvError(f"render_mode = {render_mode!r}: single opportunities are not drawn, leave it out.")
        self.engine = make_engine(1, scenario, log, max_price, rules)
        super().__init__(self.engine, self.engine.spaces)
        self.render_mode = None
        self.feature_names, self.max_price = self.engine.feature_names, self.engine.max_price
        self.episodes = episodes_of(self.engine)


class ImpressionVectorEnv(LockstepVectorEnv):
    """Many `ImpressionEnv`, with the same numbers for the same seeds, in one compiled call.

    Parameters
    ----------
    num_envs : int
        How many.
    autoreset_mode : gymnasium.vector.AutoresetMode or str
        NextStep, SameStep or Disabled, by Gymnasium's rules.
    scenario, log, max_price, **rules
        See `ImpressionEnv`. The log's episodes that ``reset(options={"episode": ...})`` names are one for all or one
        for each, of equal length.

    Raises
    ------
    EnvError
        As `ImpressionEnv`; also for a partial ``reset_mask``, since all episodes end together.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario | None = None,
        *,
        log: str | Path | Impressions | None = None,
        max_price: float | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **rules: Any,
    ) -> None:
        self.engine = make_engine(num_envs, scenario, log, max_price, rules)
        super().__init__(self.engine, self.engine.size, self.engine.spaces, autoreset_mode)
        self.feature_names, self.max_price = self.engine.feature_names, self.engine.max_price
        self.episodes = episodes_of(self.engine)


def make_engine(
    size: int,
    scenario: str | Path | Scenario | None,
    log: str | Path | Impressions | None,
    max_price: float | None,
    rules: dict[str, Any],
) -> ImpressionEngine:
    """The engine of a scenario's markets, or of a log.

    Raises
    ------
    EnvError
        For settings of the one given with the other.
    UnknownName
        For a setting that does not exist.
    """
    for name in rules:
        if name not in RULES:
            raise UnknownName("setting", name, ("scenario", "log", "max_price", *RULES))
    if log is None:
        if rules:
            raise EnvError(f"{', '.join(sorted(rules))}: for the replay of a log. Give log, or leave it out.")
        return MarketEngine(SCENARIO if scenario is None else scenario, size, max_price=max_price)
    if scenario is not None or max_price is not None:
        raise EnvError("log and a scenario's settings: give log or scenario, and on a log max_bid for max_price.")
    return LogEngine(read_tape(log, **rules), size)


def episodes_of(engine: ImpressionEngine) -> int | None:
    """Episodes of a log, None of a scenario, whose markets are without number."""
    return engine.tape.episodes if isinstance(engine, LogEngine) else None
