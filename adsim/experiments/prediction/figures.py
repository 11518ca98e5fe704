"""Figures of predictors: a ladder of AUC, and whether predicted rates come true."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from adsim.drawing import BLUE, GREEN, GREY, INK, logarithmic, note, panels, styled
from adsim.experiments.prediction.ladder import ORACLE, Prediction

COLUMNS = 4


def of_prediction(found: Prediction) -> dict[str, Figure]:
    """All figures, by name."""
    return {"ladder": ladder(found), "reliability": reliability_diagram(found)}


@styled
def ladder(found: Prediction) -> Figure:
    """AUC of each model with its interval, from the lowest up to that of the true rates."""
    rows = found.table[found.table["metric"] == "auc"].sort_values("mean", ignore_index=True)
    title = f"{found.scenario.name}: AUC on clicks after {found.impressions:,} impressions"
    figure, ((axes,),) = panels(title, (8.5, 1.6 + 0.36 * len(rows)))
    places = np.arange(len(rows))
    colors = [GREEN if model == ORACLE else BLUE for model in rows["model"]]
    axes.hlines(places, rows["low"], rows["high"], colors=colors, linewidth=5, alpha=0.35)
    axes.scatter(rows["mean"], places, color=colors, s=55, zorder=3)
    labels = _labels(found.models)
    axes.set_yticks(places, [labels[model] for model in rows["model"]])
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    ends = rows[["low", "mean", "high"]].to_numpy(np.float64)
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    margin = 0.05 * (high - low) or 0.01
    axes.set_xlim(low - margin, high + 3 * margin)
    for place, row in enumerate(rows.to_dict("records")):
        end = row["mean"] if np.isnan(row["high"]) else max(row["high"], row["mean"])
        axes.annotate(f"{row['mean']:.3f}", (end, place), (9, 0), textcoords="offset points", va="center", color=INK)
    axes.set_xlabel("area under the ROC curve")
    seeds = len(found.seeds)
    if seeds > 1:
        note(
            figure,
            f"Means over {seeds} worlds and their 95 % intervals; what models differ by on one world varies less.",
        )
    return figure


@styled
def reliability_diagram(found: Prediction) -> Figure:
    """Observed against predicted click rates, by decile of predictions; a panel per model."""
    models, labels = [*found.models, ORACLE], _labels(found.models)
    columns = min(COLUMNS, len(models))
    rows = -(-len(models) // columns)
    bins = found.reliability
    seen = bins[bins["observed"] > 0]
    low = float(min(seen["predicted"].min(), seen["observed"].min())) / 1.3
    high = float(max(seen["predicted"].max(), seen["observed"].max())) * 1.3
    title = f"{found.scenario.name}: predicted and observed click rates"
    figure, axes = panels(title, (1.0 + 3.1 * columns, 1.2 + 2.9 * rows), rows, columns, sharex=True, sharey=True)
    for axis in axes.flat[len(models) :]:
        axis.remove()
    for axis, model in zip(axes.flat, models, strict=False):
        part = seen[seen["model"] == model]
        axis.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        axis.plot([low, high], [low, high], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        color = GREEN if model == ORACLE else BLUE
        axis.plot(part["predicted"], part["observed"], color=color, marker="o", markersize=4.5, linewidth=1.4)
        axis.set_title(labels[model], fontweight="bold")
        _percent(axis, low, high)
    for axis in axes.flat[len(models) - columns : len(models)]:
        axis.set_xlabel("predicted, %")
        axis.tick_params(labelbottom=True)
    for axis in axes[:, 0]:
        axis.set_ylabel("observed, %")
    figure.align_ylabels()
    note(figure, "Deciles of predictions, means over worlds; on the dashed line, what was predicted came true.")
    return figure


def _percent(axes: Axes, low: float, high: float) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        logarithmic(axis, low, high)
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g}"))


def _labels(models: list[str]) -> dict[str, str]:
    """Models without their parameters, where that tells them apart."""
    plain = [model.partition(":")[0] for model in models]
    short = {model: name if plain.count(name) == 1 else model for model, name in zip(models, plain, strict=True)}
    return {**short, ORACLE: "true rates"}
