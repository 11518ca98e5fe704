"""What prediction errors cost, drawn."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from adsim.drawing import BLUE, GREEN, INK, VERMILLION, note, panels, styled
from adsim.experiments.comparison.compare import Comparison

DRAWN = {"welfare": (GREEN, "o"), "revenue": (BLUE, "s"), "surplus": (VERMILLION, "^")}
"""Metrics, relative to the baseline's welfare."""


@styled
def prediction_errors(comparisons: dict[str, Comparison]) -> Figure:
    """Welfare, revenue and surplus of each predictor less the baseline's, a column of panels per mechanism."""
    first = next(iter(comparisons.values()))
    names = first.variants
    size = 2.2 + 4.3 * len(comparisons), 2.2 + 0.42 * len(names)
    title = f"{first.scenario.name}: what predictors change, on the same {len(first.seeds)} markets"
    figure, axes = panels(title, size, 1, len(comparisons), sharey=True, sharex=True)
    for column, (mechanism, found) in enumerate(comparisons.items()):
        _draw(axes[0, column], found)
        axes[0, column].set_title(mechanism.replace("_", " "), fontweight="bold")
        axes[0, column].set_xlabel(f"difference to {found.baseline},\nshare of its welfare")
    axes[0, 0].set_yticks(range(len(names)), names)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    note(figure, "Dots: means over seeds. Lines: their 95 % intervals.")
    return figure


def _draw(axes: Axes, found: Comparison) -> None:
    """A row per predictor."""
    whole = found.table.set_index(["variant", "metric"])["mean"][found.baseline, "welfare"]
    rows = found.differences.set_index(["variant", "metric"])
    for metric, (color, marker) in DRAWN.items():
        shift = {"welfare": -0.22, "revenue": 0.0, "surplus": 0.22}[metric]
        for place, name in enumerate(found.variants):
            if name != found.baseline:
                mean, low, high = (float(rows[field][name, metric]) / whole for field in ("mean", "low", "high"))
                axes.plot([low, high], [place + shift] * 2, color=color, linewidth=2.5)
                label = metric if place == len(found.variants) - 1 else None
                axes.plot(mean, place + shift, marker, color=color, markersize=6.5, label=label)
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="y", visible=False)
