"""`[traffic]` of a click world: categorical features, browsing histories, and logits that learners can find out."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ClickTraffic(BaseModel):
    """`[traffic]` of users, pages and ads with features, whose true rates `adsim.market.click_world` knows.

    Campaign n of a market is ad n of the catalogue. A strength is the standard deviation of what it adds to the
    logit, if nothing else is said; 0 leaves it out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Literal["click_world"]
    curve: Literal["flat"] = "flat"
    """Opportunities come evenly: the hour is a feature."""
    days: float = Field(10.0, gt=0, le=1000)
    """Length of the period."""
    ctr: float = Field(0.08, gt=0, lt=1)
    """Mean click rate over opportunities and ads, each alike."""
    cvr: float = Field(0.1, gt=0, lt=1)
    """Mean conversion rate of clicks, likewise over all pairs."""
    experience: None = None

    ads: int = Field(400, ge=1, le=100_000)
    """Size of the catalogue, of which the campaigns are the first."""
    advertisers: int = Field(40, ge=1, le=10_000)
    categories: int = Field(20, ge=2, le=1000)
    """Of ads and of what users looked at; four neighbours are related."""
    users: int = Field(1000, ge=1, le=20_000)
    segments: int = Field(12, ge=1, le=1000)
    pages: int = Field(20, ge=1, le=1000)
    devices: int = Field(4, ge=1, le=100)
    zipf: float = Field(0.7, ge=0, le=2)
    """Users, pages, devices and ads are as frequent as rank^-zipf."""

    main: float = Field(0.55, ge=0, le=5)
    """Main effects of all fields together."""
    crosses: float = Field(0.0, ge=0, le=5)
    """Five tables of context by ad field, of rank 2, without main effects of their own."""
    triple: float = Field(0.0, ge=0, le=5)
    """Segment by device by category, likewise."""

    length: int = Field(10, ge=1, le=64)
    """Most behaviours in a history; users have half as many at least."""
    gap: float = Field(3.0, gt=0)
    """Mean hours between behaviours."""
    loyalty: float = Field(0.3, ge=0, le=1)
    """Share of behaviours in the user's three favourite categories."""
    history: float = Field(0.0, ge=0, le=10)
    """Largest effect of behaviours in the ad's category, those in related ones counting .4."""
    decay: float = Field(24.0, gt=0)
    """Hours in which a behaviour fades to 1/e."""
    satiation: float = Field(0.0, ge=0, le=2)
    """What a behaviour takes away again: it counts exp(-age/decay) - satiation exp(-age/satiation_decay)."""
    satiation_decay: float = Field(36.0, gt=0)
    evolving: float = Field(0.0, ge=0, le=20)
    """Effect of the user's present interest, times the probability that it is the ad's category, given the history;
    interests move as a hidden Markov chain, of which behaviours tell."""
    switch: float = Field(0.2, gt=0, le=1)
    """Probability that the interest moves between two behaviours, to any category."""
    fidelity: float = Field(0.5, ge=0, le=1)
    """Probability that a behaviour is of the interest's category; else it is of any."""

    hidden: float = Field(0.0, ge=0, le=5)
    """A feature of eight values by ad that predictors are not shown."""
    intent: float = Field(0.0, ge=0, le=5)
    """A hidden trait of the opportunity in clicks and conversions: conversions are then not missing at random."""

    content_size: int = Field(0, ge=0, le=256)
    """Numbers that describe an ad, half of their variance by category."""
    content: float = Field(0.0, ge=0, le=5)
    """Effect of the ad that its content tells."""
    affinity: float = Field(0.0, ge=0, le=5)
    """Effect of segment by content."""

    cvr_main: float = Field(0.5, ge=0, le=5)
    """Main effects on conversions."""
    cvr_crosses: float = Field(0.0, ge=0, le=5)
    correlation: float = Field(0.5, ge=-1, le=1)
    """Between effects on conversions and on clicks."""
    delay: float = Field(1.0, gt=0)
    """Median over categories of the mean hours from click to conversion, exponentially distributed."""
    delay_spread: float = Field(0.0, ge=0, le=3)
    """Standard deviation of its logarithm."""

    cold: float = Field(0.0, ge=0, le=1)
    """Share of ads that enter during the period."""
    drift: float = Field(0.0, ge=0, le=5)
    """Standard deviation of how far an ad's effect walks over the period."""

    @model_validator(mode="after")
    def _has_content(self) -> "ClickTraffic":
        if self.content_size == 0 and (self.content > 0 or self.affinity > 0):
            raise ValueError("content or affinity needs content: set content_size, to 16 for example")
        return self
