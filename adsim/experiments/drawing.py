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

from adsim.types import Floats

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
"""Okabe and Ito's colours, without their yellow, which is too pale for lines."""
INK, GREY, PALE, KEPT = "#222222", "#707070", "#E4E4E4", "#E3F2EC"
STYLE: dict[str, Any] = {
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
_STEPS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,))

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in adsim's style, leaving matplotlib's settings as they were."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def panels(title: str, size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    """A figure of a size in inches with a title, and its axes as an array (rows, columns)."""
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=14, fontweight="bold")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def label_ends(axes: Axes, x: float, ys: Sequence[float], labels: Sequence[str], colors: Sequence[str]) -> None:
    """Write labels to the right of where lines end, moved apart where they would overlap.

    Call it last: it measures the axes as they are.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    transform = axes.transData
    pixels = transform.transform([(x, y) for y in ys])[:, 1]
    box = axes.get_window_extent()
    places = transform.inverted().transform([(0, y) for y in spread(pixels, 15 / 72 * figure.dpi, box.y0, box.y1)])
    for (_, y), label, color in zip(places, labels, colors, strict=True):
        axes.text(x, y, f"  {label}", color=color, va="center")


def spread(places: Sequence[float] | Floats, gap: float, low: float, high: float) -> Floats:
    """The places, moved apart to be ``gap`` from each other, and between ``low`` and ``high`` if there is room.

    >>> spread([5.0, 1.0, 5.0], 1.0, 0.0, 6.0).tolist()
    [5.0, 1.0, 6.0]
    """
    order = np.argsort(places, kind="stable")
    moved = np.maximum(np.asarray(places, np.float64)[order], low)
    for i in range(1, moved.size):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    moved[-1:] = np.minimum(moved[-1:], high)
    for i in range(moved.size - 1, 0, -1):
        moved[i - 1] = min(moved[i - 1], moved[i] - gap)
    back = np.empty_like(moved)
    back[order] = moved
    return back


def number(value: float) -> str:
    """Four digits at least, in groups of three.

    >>> number(12345.6), number(0.0123456), number(2.5), number(-0.0)
    ('12,346', '0.01235', '2.5', '0')
    """
    if value == 0 or not np.isfinite(value):
        return "0" if value == 0 else "–"
    decimals = max(0, 3 - int(np.floor(np.log10(abs(value)))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def grouped(axis: Axis, most: int = 4) -> None:
    """A few tick labels in groups of three digits, without offsets or powers."""
    axis.set_major_locator(MaxNLocator(most))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


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
