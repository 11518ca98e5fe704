"""Scenarios: markets as data, validated before anything runs."""

import math
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from adsim import registry
from adsim.errors import AdsimError, ScenarioError, UnknownName
from adsim.market.catalogue import CatalogueTraffic
from adsim.market.click_traffic import ClickTraffic
from adsim.market.distributions import PerOpportunity, Positive
from adsim.market.explain import explain
from adsim.market.forecast_traffic import ForecastTraffic
from adsim.market.learning_table import LearningTable
from adsim.market.phases import PhasesTable
from adsim.mechanisms.clear import check_exposure
from adsim.predictors.learner import Learner

STOCKS = ("stock", "relative_stock", "stock_value")
"""The keys of a campaign table that limit its sales, one of them."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MarketTable(_Table):
    """`[market]`: the period."""

    ticks: int = Field(48, ge=1, le=100_000)
    """How often agents act in a period."""
    opportunities: int = Field(100_000, ge=1)
    """Ad requests in a period."""
    outcomes: Literal["sampled", "expected"] = "sampled"
    """Draw clicks and conversions, or account for their probabilities."""


class AuctionTable(_Table):
    """`[auction]`: what is sold, and how."""

    mechanism: str = "gsp"
    slots: int | None = Field(None, ge=1, le=64)
    exposure: tuple[float, ...] | None = None
    """Probability that each slot is seen, non-increasing; 0.8^k where only `slots` is given."""
    reserve: float = Field(0.0, ge=0)
    """Least price per exposure."""
    beta: float = Field(0.0, ge=0)
    """Weight of user experience in the score."""
    charge: Literal["exposure", "click", "conversion"] = "exposure"
    """The event that a winner pays for."""
    ad_share: float = Field(0.3, ge=0, le=1)
    """Share of slots that the mechanism `split` sells as ads."""

    sell_at_reserve: bool = True
    """False: second prices keep a slot whose price is the reserve, so that a lone bidder gets nothing."""

    @model_validator(mode="after")
    def _slots_fit(self) -> "AuctionTable":
        if self.exposure is not None:
            check_exposure(self.exposure)
            if self.slots not in (None, len(self.exposure)):
                raise ValueError(f"slots = {self.slots}, but exposure lists {len(self.exposure)}: give one of them")
        mechanism = registry.load("mechanisms", self.mechanism)
        if not (self.sell_at_reserve or mechanism.keeps_at_reserve):
            raise ValueError(f"sell_at_reserve = false is for gsp and second_price, not {self.mechanism}")
        if mechanism.single_slot and len(self.slot_exposure) > 1:
            raise ValueError(f"{self.mechanism} sells one slot, not {len(self.slot_exposure)}: use gsp or vcg")
        return self

    @property
    def slot_exposure(self) -> tuple[float, ...]:
        """Probability that each slot is seen."""
        return self.exposure or tuple(0.8**k for k in range(self.slots or 1))


class ExperienceTable(_Table):
    """`[traffic.experience]`: the platform's score for showing a campaign, log-normal, correlated with clicks."""

    mean: float = Field(gt=0)
    sigma: float = Field(0.4, ge=0, le=3)
    correlation: float = Field(0.5, ge=-1, le=1)
    """Correlation of its logarithm with the logit of the true CTR."""


class ContextualTraffic(_Table):
    """`[traffic]` of users with latent features for whom campaigns have affinities."""

    source: Literal["contextual"] = "contextual"
    curve: Literal["flat", "day"] | tuple[Annotated[float, Field(gt=0)], ...] = "flat"
    """Traffic over the ticks: flat, a day's two humps, or relative weights, one a tick."""
    ctr: Positive = Field(default=0.05, validate_default=True)
    """True click rate of a campaign for a user without affinity; draws above 1 count as 1."""
    cvr: Positive = Field(default=0.05, validate_default=True)
    """True conversion rate of a click, likewise."""
    ctr_affinity: float = Field(0.5, ge=0, le=5)
    """Standard deviation of the click logit that user features explain."""
    cvr_affinity: float = Field(0.0, ge=0, le=5)
    ctr_noise: float = Field(0.0, ge=0, le=5)
    """Standard deviation of the click logit that nothing explains."""
    cvr_noise: float = Field(0.0, ge=0, le=5)
    basket: float = Field(0.0, ge=0, le=3)
    """Log-normal spread, mean 1, of how much a user buys: scales the value of a conversion for all campaigns."""
    experience: ExperienceTable | None = None

    @model_validator(mode="after")
    def _rates(self) -> "ContextualTraffic":
        for name in ("ctr", "cvr"):
            if getattr(self, name).range()[1] > 1 and getattr(self, name).distribution != "lognormal":
                raise ValueError(f"{name}: a rate must not exceed 1")
        return self


class IndependentTraffic(_Table):
    """`[traffic]` of values drawn independently for each campaign and opportunity; every exposure converts."""

    source: Literal["independent"]
    curve: Literal["flat", "day"] | tuple[Annotated[float, Field(gt=0)], ...] = "flat"
    value: PerOpportunity
    """Distribution of the draw that a campaign's value per conversion is multiplied with."""
    experience: None = None


def _source(table: Any) -> str:
    source = table.get("source", "contextual") if isinstance(table, dict) else getattr(table, "source", "")
    return str(source)


Traffic = Annotated[
    Annotated[ContextualTraffic, Tag("contextual")]
    | Annotated[IndependentTraffic, Tag("independent")]
    | Annotated[ClickTraffic, Tag("click_world")]
    | Annotated[CatalogueTraffic, Tag("catalogue")]
    | Annotated[ForecastTraffic, Tag("auctionnet")],
    Discriminator(
        _source,
        custom_error_type="unknown_source",
        custom_error_message="source must be contextual, independent, click_world, catalogue or auctionnet",
    ),
]


class CompetitionTable(_Table):
    """`[competition]`: a posted bid to beat, drawn for each opportunity; a campaign wins ties against it."""

    price: PerOpportunity


class PredictorTable(BaseModel):
    """`[predictor]`: what turns contexts into predicted rates; other keys are its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    kind: str = "oracle"

    @model_validator(mode="after")
    def _constructs(self) -> "PredictorTable":
        self.create()
        return self

    def create(self) -> Any:
        """The predictor."""
        return registry.create("predictors", self.kind, dict(self.model_extra or {}))

    @property
    def learns(self) -> bool:
        """Whether it learns from features, instead of distorting the truth."""
        return issubclass(registry.load("predictors", self.kind), Learner)


class CampaignTable(_Table):
    """`[[campaigns]]`: ``count`` campaigns, their parameters drawn from the seed."""

    name: str = "campaign"
    count: int = Field(1, ge=1, le=100_000)
    agent: str | Annotated[tuple[str, ...], Field(min_length=1)] = "auto"
    """`name` or `name:key=value`, or a list that the campaigns take in turn; auto is the bidder that knows the
    mechanism best."""
    objective: Literal["value", "utility"] = "value"
    value: Positive = Field(default=1.0, validate_default=True)
    """Value of a conversion."""
    budget: Positive | None = None
    target_roi: Positive | None = None
    """Least value per money spent."""
    target_cpa: Positive | None = None
    """Most money per conversion: a target ROI of value / target_cpa."""
    stock: Positive | None = None
    """Conversions that can be delivered in the period."""
    relative_stock: Positive | None = None
    """The same, as a multiple of the conversions that an equal share of the traffic would bring."""
    stock_value: Positive | None = None
    """Money of sales that can be delivered in the period, in place of a number of conversions."""
    quality: Positive = Field(default=1.0, validate_default=True)
    """Weight of the bid in the score."""

    @property
    def has_stock(self) -> bool:
        """Whether sales are limited, in whatever unit."""
        return any(getattr(self, name) is not None for name in STOCKS)

    @model_validator(mode="after")
    def _one_of_each(self) -> "CampaignTable":
        if self.target_roi is not None and self.target_cpa is not None:
            raise ValueError("give target_roi or target_cpa, not both: one follows from the other")
        stocks = [name for name in STOCKS if getattr(self, name) is not None]
        if len(stocks) > 1:
            raise ValueError(f"give {' or '.join(stocks)}, not {'both' if len(stocks) == 2 else 'all'}")
        for agent in {self.agent} if isinstance(self.agent, str) else set(self.agent):
            if agent != "auto":
                registry.create("agents", *registry.parse(agent))
        return self

    def agent_of(self, member: int) -> str:
        """The agent of one of the table's campaigns."""
        return self.agent if isinstance(self.agent, str) else self.agent[member % len(self.agent)]


class Scenario(_Table):
    """A market as data; see the files in `scenarios/`."""

    name: str = "unnamed"
    description: str = ""
    market: MarketTable = MarketTable()
    auction: AuctionTable = AuctionTable()
    traffic: Traffic = ContextualTraffic()
    competition: CompetitionTable | None = None
    phases: PhasesTable | None = None
    predictor: PredictorTable = PredictorTable()
    learning: LearningTable | None = None
    campaigns: tuple[CampaignTable, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> "Scenario":
        mechanism = registry.load("mechanisms", self.auction.mechanism)
        if self.traffic.experience is None and (self.auction.beta > 0 or mechanism.needs_experience):
            raise ValueError(
                f"traffic.experience is missing: mechanism {self.auction.mechanism} with beta = "
                f"{self.auction.beta:g} ranks by user experience"
            )
        curve = self.traffic.curve
        if not isinstance(curve, str) and len(curve) != self.market.ticks:
            raise ValueError(f"traffic.curve has {len(curve)} weights for {self.market.ticks} ticks")
        self._check_learning()
        self._check_traffic()
        if self.phases is not None:
            self.phases.check(self.market.opportunities, posted=self.competition is not None)
        if mechanism.pays_liquid_value:
            for number, campaign in enumerate(self.campaigns):
                if campaign.target_roi is None and campaign.target_cpa is None:
                    raise ValueError(
                        f"campaigns.{number} has neither target_roi nor target_cpa, and "
                        f"{self.auction.mechanism} charges value / target ROI"
                    )
        return self

    def _check_traffic(self) -> None:
        """The source's campaigns and predictions."""
        traffic = self.traffic
        if isinstance(traffic, CatalogueTraffic | ForecastTraffic):
            traffic.check(self.size)
        if isinstance(traffic, ForecastTraffic) and self.predictor != PredictorTable():
            raise ValueError("predictor: traffic from auctionnet brings its own predictions, and takes no other")
        if isinstance(traffic, ClickTraffic) and traffic.ads < self.size:
            raise ValueError(f"traffic.ads = {traffic.ads}: fewer than the {self.size} campaigns, each an ad")
        known_rates = isinstance(traffic, ContextualTraffic | IndependentTraffic)
        if not known_rates and any(campaign.relative_stock is not None for campaign in self.campaigns):
            raise ValueError("relative_stock is for contextual and independent traffic: give stock")

    def _check_learning(self) -> None:
        """A learned predictor needs features, and outcomes that are events."""
        if not self.predictor.learns:
            if self.learning is not None:
                raise ValueError(f"learning: predictor {self.predictor.kind} does not learn; take ftrl, say")
            return
        if not isinstance(self.traffic, ClickTraffic):
            raise ValueError(
                f"predictor.kind = {self.predictor.kind} learns from features, and traffic.source = "
                f"{self.traffic.source} has none: use click_world"
            )
        terms = self.learning or LearningTable()
        if terms.update and self.market.outcomes == "expected":
            raise ValueError(
                "market.outcomes = expected shows the true rates to who learns from outcomes: make it sampled, or "
                "set learning.update = false"
            )

    @property
    def size(self) -> int:
        """Number of campaigns."""
        return sum(table.count for table in self.campaigns)

    def replace(self, changes: Mapping[str, Any]) -> "Scenario":
        """The same scenario with values changed, each named by its dotted path.

        Raises
        ------
        ScenarioError
            When a path or value does not fit.

        Examples
        --------
        >>> import adsim
        >>> adsim.load_scenario("quickstart").replace({"auction.mechanism": "vcg"}).auction.mechanism
        'vcg'
        """
        tables = self.model_dump(mode="json", exclude_unset=True)
        for path, value in changes.items():
            _set(tables, path, value)
        return read_scenario(tables, f"scenario '{self.name}'")

    def over(self, opportunities: int) -> "Scenario":
        """The same market over another number of opportunities, budgets and stock in proportion.

        Raises
        ------
        ScenarioError
            When the number is not positive, or does not fit the phases.
        """
        if opportunities < 1:
            raise ScenarioError(f"scenario '{self.name}': {opportunities} opportunities: must be 1 or more.")
        factor = opportunities / self.market.opportunities
        changes: dict[str, Any] = {"market.opportunities": opportunities}
        for number, table in enumerate(self.campaigns):
            for field in ("budget", "stock", "stock_value"):
                drawn = getattr(table, field)
                if drawn is not None:
                    changes[f"campaigns.{number}.{field}"] = drawn.scaled(factor).model_dump(mode="json")
        return self.replace(changes)


def scenario_names() -> list[str]:
    """The scenarios that come with adsim."""
    return sorted(
        Path(entry.name).stem
        for entry in resources.files("adsim.scenarios").iterdir()
        if entry.name.endswith(".toml")
    )


def load_scenario(name: str | Path) -> Scenario:
    """A scenario by shipped name or path of a TOML file.

    Raises
    ------
    ScenarioError
        For a file that is missing, is not TOML, or holds a key or value that does not fit; every fault is named.
    UnknownName
        For a name that is not shipped.
    """
    text = str(name)
    if text.endswith(".toml") or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise ScenarioError(f"{path}: no such file. A shipped scenario is named without path and .toml.")
        source, stem = path.read_bytes(), path.stem
    elif text in scenario_names():
        source, stem = resources.files("adsim.scenarios").joinpath(f"{text}.toml").read_bytes(), text
    else:
        raise UnknownName("scenario", text, scenario_names())
    try:
        tables = tomllib.loads(source.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{text}: not a TOML file: {error}.") from None
    return read_scenario({"name": stem, **tables}, f"scenario '{text}'")


def read_scenario(tables: Mapping[str, Any], origin: str) -> Scenario:
    """Validate a scenario given as nested tables; ``origin`` is named in complaints.

    Raises
    ------
    ScenarioError
        When a key or value does not fit.
    """
    try:
        return Scenario.model_validate(tables)
    except ValidationError as error:
        raise ScenarioError(f"{origin}: {explain(error, Scenario, tables)}") from None
    except AdsimError as error:
        raise ScenarioError(f"{origin}: {error}") from None


def _set(tables: dict[str, Any], path: str, value: Any) -> None:
    """Set a value in nested tables and lists, creating tables on the way."""
    *parents, last = path.split(".")
    place: Any = tables
    try:
        for key in parents:
            place = place[int(key)] if isinstance(place, list | tuple) else place.setdefault(key, {})
        place[int(last) if isinstance(place, list) else last] = value
    except (ValueError, IndexError, TypeError, AttributeError):
        raise ScenarioError(f"'{path}': no such place; write for example campaigns.0.budget.") from None
    if isinstance(value, float) and math.isnan(value):
        raise ScenarioError(f"{path} = nan: must be a number.")
