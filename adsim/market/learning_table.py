"""`[learning]`: what learned predictors learn from, and when."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from adsim import registry


class LearningTable(BaseModel):
    """How the learned predictor of a scenario comes to know what it knows."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    before: int = Field(0, ge=0, le=10_000_000)
    """Impressions of an earlier log that it is fitted on before the period, so old that its conversions are known."""
    update: bool = True
    """Whether it learns after every tick from what was shown in it."""
    explore: float = Field(0.0, ge=0, le=1)
    """Share of opportunities whose first slot goes to an ad drawn at random, next to free of charge where the next
    score is paid."""
    reweight: bool = False
    """Learn from what was shown with weights 1 / propensity, on average 1."""
    conversion: str = ""
    """Predictor of conversions, `name` or `name:key=value`; the same as that of clicks unless given."""
    window: float = Field(24.0, ge=0)
    """Hours for which a click's conversion is waited for; what comes later counts as none."""

    @field_validator("conversion")
    @classmethod
    def _constructs(cls, specification: str) -> str:
        if specification:
            registry.create("predictors", *registry.parse(specification))
        return specification
