"""How figures look: one style, a palette that colour-blind readers can tell apart, labels beside what they name."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox
from scipy.optimize import isotonic_regression

from adsim.types import Floats

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
"""Okabe and Ito's colours, without their yellow, which is too pale for lines."""
INK, GREY, PALE, KEPT = "#222222", "#707070", "#E4E4E4", "#E3F2EC"
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 12,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12.5,
    "figure.constrained_layout.h_pad": 0.08,
    "figure.constrained_layout.w_pad": 0.08,
    "font.family": "DejaVu Sans",
    "font.size": 11.5,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 11,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 11,
}
NARROWEST = 7
_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in adsim's style, leaving matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def panels(
    title: str, size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Any]:
    """A figure of a size in inches, wide enough for its title, and its axes as an array (rows, columns)."""
    figure = Figure(figsize=(max(size[0], NARROWEST), size[1]), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def note(figure: Figure, text: str) -> None:
    """A line below everything: how to read the figure."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=11, color=GREY)


def label_ends(axes: Axes, x: float, ends: Sequence[tuple[float, str, str]]) -> None:
    """Name lines to the right of where they end, moving labels apart where they would overlap.

    Call it last: it measures the axes as they are.

    Parameters
    ----------
    axes : Axes
        Where the lines are drawn.
    x : float
        Where they end.
    ends : sequence of (y, label, color)
        One for each line.
    """
    measured(axes)
    pixels = axes.transData.transform([(x, y) for y, _, _ in ends])[:, 1]
    box, point = axes.get_window_extent(), axes.figure.dpi / 72
    places = spread(pixels, 15 * point, box.y0, box.y1)
    for (y, label, color), shift in zip(ends, (places - pixels) / point, strict=True):
        line: dict[str, Any] = {"arrowstyle": "-", "color": color, "linewidth": 0.8, "relpos": (0, 0.5)}
        line |= {"patchA": None, "shrinkA": 2, "shrinkB": 2}
        axes.annotate(
            label, (x, y), (18, shift), textcoords="offset points", color=color, va="center", arrowprops=line
        )


def label_points(axes: Axes, points: Floats, labels: Sequence[str], color: str) -> None:
    """Name the first of some points, each beside it where there is room, else not at all; call it last.

    Parameters
    ----------
    axes : Axes
        Where the points are drawn.
    points : array (n, 2)
        All points, to be left uncovered.
    labels : sequence of str
        Names of the first of them.
    color : str
        Of the names.
    """
    measured(axes)
    inside = axes.get_window_extent()
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in axes.transData.transform(points)]
    for place, label in zip(points, labels, strict=False):
        for x, y, side in ((8, -4, "left"), (0, -18, "center"), (-8, -4, "right"), (0, 9, "center")):
            text = axes.annotate(label, place, (x, y), textcoords="offset points", color=color, ha=side)
            box = text.get_window_extent()
            if inside.x0 < box.x0 < box.x1 < inside.x1 and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


def measured(axes: Axes) -> None:
    """Lay the figure out, so that positions in it are known."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()


def spread(places: Sequence[float] | Floats, gap: float, low: float, high: float) -> Floats:
    """The places, moved as little as keeps them ``gap`` apart, and between ``low`` and ``high`` if there is room.

    >>> spread([5.0, 1.0, 5.0], 1.0, 0.0, 9.0).tolist()
    [4.5, 1.0, 5.5]
    """
    order = np.argsort(places, kind="stable")
    steps = gap * np.arange(order.size)
    shifted = isotonic_regression(np.asarray(places, np.float64)[order] - steps).x
    moved = np.empty(order.size)
    moved[order] = np.maximum(np.minimum(shifted, high - gap * (order.size - 1)), low) + steps
    return moved


def number(value: float) -> str:
    """Four digits at least, in groups of three.

    >>> number(12345.6), number(0.0123456), number(2.5), number(-0.0)
    ('12,346', '0.01235', '2.5', '0')
    """
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else "-"
    decimals = max(0, 3 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def short(value: float) -> str:
    """Three digits in six letters; a dash for what is not a number.

    >>> [short(value) for value in (12345.6, 2.8, 0.01234, 0.0, float("nan"), 1234567.0, 0.00001234)]
    ['12,346', '2.80', '0.0123', '0', '–', '1.23M', '1.2e−5']
    """
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else "\N{EN DASH}"
    exponent = int(np.floor(np.log10(abs(value))))
    if exponent < -3:
        text = f"{value:.1e}".replace("e-0", "e-")
    elif 5 <= exponent < 15:
        thousands = exponent // 3
        text = f"{value / 1000**thousands:.{2 - exponent % 3}f}{'kMBT'[thousands - 1]}"
    else:
        text = f"{value:,.{min(4, max(0, 2 - exponent))}f}" if exponent < 15 else f"{value:.1e}"
    return text.replace("-", "\N{MINUS SIGN}")


def known(value: float, form: str) -> str:
    """A number in a format; a dash for what is not one."""
    return format(value, form) if np.isfinite(value) else "\N{EN DASH}"


def grouped(axis: Axis, most: int = 4) -> None:
    """A few tick labels in groups of three digits, without offsets or powers."""
    axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value).replace("-", "\N{MINUS SIGN}")))


def logarithmic(axis: Axis, low: float, high: float) -> None:
    """A logarithmic axis with at most eight plain numbers on it."""
    exponents = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in _STEPS:
        ticks = [step * 10.0**exponent for exponent in exponents for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) <= 8:
            break
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.10g}"))
