"""Pictures of an episode: whether one campaign spends to plan, keeps its target and outbids the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from adsim.drawing import BLUE, GREEN, GREY, INK, KEPT, VERMILLION, known, number, short, styled
from adsim.market.metrics import TOLERANCE
from adsim.types import Floats

WIDTH, HEIGHT, DPI = 960, 640, 100
FAR = 0.1
"""Shares of a budget or stock that far from plan are off it."""
USED_UP = 0.98
EARLY = 0.9
"""A budget that is used up before that share of the traffic has come is used up early."""
TOO_SOON = 0.1
"""Before that share of the traffic has come, a return says little and is not judged."""
BINDING = 1.1
"""A ROI up to that many times its target leaves no room to spend more."""
WIDEST = 56
"""Letters of the headline that fit beside the score; longer ones shrink."""
LONGEST = 28
"""Letters of a campaign's name that are shown."""
LOWEST_ROI, HIGHEST_ROI = 1 / 3, 9.0
"""ROI are drawn between these multiples of the target: where only a budget binds, it is exceeded by far."""


@dataclass(frozen=True)
class Episode:
    """What happened to one campaign in the first ``t`` of ``ticks`` ticks.

    Attributes
    ----------
    scenario, campaign : str
        Their names.
    seed : int
        Of the market.
    traffic_share : array (ticks,)
        Expected share of the period's opportunities in each tick.
    budget : float
        Money for the period; inf without a budget.
    target_roi : float
        Value to spend, at least; 0 without a target.
    stock : float
        Units that can be delivered; inf without a limit.
    reference, span : float
        Multipliers lie between ``reference / span`` and ``reference * span``.
    multiplier : array (t,)
        Of each elapsed tick.
    price_to_beat : array (t,)
        Mean score to beat over mean predicted value of each elapsed tick: the multiplier that would have won an
        average auction. NaN where unknown.
    spend, value, sold : array (t,)
        Sums since the period began, at the end of each elapsed tick; what was sold in units of stock: conversions,
        unless stock is counted in value.
    score : float
        What the episode's return will be if it ends now.
    """

    scenario: str
    campaign: str
    seed: int
    traffic_share: Floats
    budget: float
    target_roi: float
    stock: float
    reference: float
    span: float
    multiplier: Floats
    price_to_beat: Floats
    spend: Floats
    value: Floats
    sold: Floats
    score: float


class _Verdict(NamedTuple):
    """A judgement of one constraint, or of none."""

    color: str
    mark: str
    words: str
    """Of a sentence that begins with the campaign's name; empty where there is nothing to judge."""


def _good(words: str) -> _Verdict:
    return _Verdict(GREEN, "\N{CHECK MARK} ", words)


def _bad(words: str) -> _Verdict:
    return _Verdict(VERMILLION, "\N{BALLOT X} ", words)


def _plain(words: str = "") -> _Verdict:
    return _Verdict(BLUE, "", words)


class _Standing:
    """An episode's shares, returns and verdicts; what is not finite is NaN."""

    def __init__(self, episode: Episode) -> None:
        self.ticks, self.elapsed = len(episode.traffic_share), len(episode.multiplier)
        self.plan = _cumulated(np.cumsum(episode.traffic_share))
        self.planned = float(self.plan[self.elapsed])
        self.spend, self.value, self.units = map(_cumulated, (episode.spend, episode.value, episode.sold))
        self.budget, self.stock, self.target = map(_limit, (episode.budget, episode.stock, episode.target_roi))
        self.spent, self.sold = self.spend / self.budget, self.units / self.stock
        paid = self.spend > 0
        self.roi = np.where(paid, self.value / np.where(paid, self.spend, 1), np.nan)

    @property
    def over(self) -> bool:
        """Whether the period has ended."""
        return self.elapsed == self.ticks

    def of_target(self) -> _Verdict:
        """Whether the ROI is kept."""
        roi = self.roi[-1]
        if not (roi >= 0 and self.target > 0) or self.planned < TOO_SOON:
            return _plain()
        kept = roi >= self.target * (1 - TOLERANCE)
        return _good("keeps its target ROI") if kept else _bad("misses its target ROI")

    def of_budget(self) -> _Verdict:
        """Whether the spend follows the plan; one that a target or a stock holds back is not to blame."""
        spent = self.spent[-1]
        if not np.isfinite(spent) or self.elapsed == 0:
            return _plain()
        end = int(np.argmax(self.spent >= USED_UP)) if spent >= USED_UP else self.ticks
        if self.plan[end] < EARLY:
            return _bad(f"used up its budget by tick {end}")
        if spent > self.planned + FAR:
            return _bad("spends ahead of plan")
        if spent >= self.planned - FAR:
            return _good("spent its budget" if self.over else "spends on plan")
        words = f"left {1 - spent:.0%} of its budget" if self.over else "spends behind plan"
        return _plain(words) if self._held_back() else _bad(words)

    def of_stock(self) -> _Verdict:
        """Whether sales follow the plan."""
        sold = self.sold[-1]
        if not np.isfinite(sold) or self.elapsed == 0:
            return _plain()
        if self.units[-1] > self.stock:
            return _bad("oversold its stock")
        if sold > self.planned + FAR and self.planned < EARLY:
            return _bad("sells ahead of plan")
        return _good("sells on plan") if sold >= self.planned - FAR else _plain("sells behind plan")

    def _held_back(self) -> bool:
        return bool(self.roi[-1] <= BINDING * self.target or self.sold[-1] >= self.planned - FAR)


@styled
def draw(episode: Episode) -> Figure:
    """Spend, return, bids and sales over the whole period, as far as they are known, under a verdict in words.

    The axes span the period whatever has elapsed, so that pictures of one episode make a film.
    """
    standing = _Standing(episode)
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    panels = figure.subplots(2, 2)
    figure.subplots_adjust(left=0.076, right=0.976, bottom=0.088, top=0.82, hspace=0.35, wspace=0.2)
    _headline(figure, episode, standing)
    for axes in panels.flat:
        _period(axes, standing)
    _draw_spend(panels[0, 0], standing)
    _draw_roi(panels[0, 1], standing)
    _draw_bids(panels[1, 0], episode, standing)
    _draw_sales(panels[1, 1], standing)
    return figure


def to_array(figure: Figure) -> NDArray[np.uint8]:
    """The pixels of a figure; (height, width, 3)."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _headline(figure: Figure, episode: Episode, standing: _Standing) -> None:
    """What to know in a second."""
    verdict = _sentence(episode, standing)
    size = 16 * min(1, WIDEST / len(verdict.words))
    figure.text(0.012, 0.943, verdict.mark + verdict.words, fontsize=size, fontweight="bold", color=verdict.color)
    figure.text(0.976, 0.943, f"score {short(episode.score)}", fontsize=16, fontweight="bold", ha="right")
    place = f"{episode.scenario}, seed {episode.seed}"
    time = f"tick {standing.elapsed} of {standing.ticks}"
    figure.text(0.012, 0.897, place, color=GREY)
    figure.text(0.976, 0.897, time, color=GREY, ha="right")


def _sentence(episode: Episode, standing: _Standing) -> _Verdict:
    """All verdicts in one, which is as bad as the worst."""
    name = episode.campaign
    if len(name) > LONGEST:
        name = name[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
    if standing.elapsed == 0:
        return _Verdict(INK, "", f"{name} is about to bid")
    verdicts = [v for v in (standing.of_target(), standing.of_budget(), standing.of_stock()) if v.words]
    good, plain, bad = ([v.words for v in verdicts if v.color == color] for color in (GREEN, BLUE, VERMILLION))
    words = " but ".join(_listed(part) for part in (good, plain + bad) if part)
    if not words:
        return _Verdict(INK, "", f"{name} {'has bid' if standing.over else 'bids'}")
    judge = _bad if bad else _plain if plain else _good
    return judge(f"{name} {words}")


def _listed(words: Sequence[str]) -> str:
    """The words as a list in a sentence."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _draw_spend(axes: Axes, standing: _Standing) -> None:
    verdict = standing.of_budget()
    if np.isnan(standing.budget):
        _name(axes, f"Spend {short(standing.spend[-1])}", verdict, "no budget", GREY)
        _progress(axes, standing, standing.spend, verdict)
        _from_zero(axes, _ceiling(standing.spend))
        return
    title = f"Spend {known(standing.spent[-1], '.0%')} of the budget"
    _name(axes, title, verdict, f"plan {standing.planned:.0%}", GREY)
    _against_plan(axes, standing, standing.spent, verdict)


def _draw_roi(axes: Axes, standing: _Standing) -> None:
    verdict, roi, target = standing.of_target(), standing.roi, standing.target
    title = f"ROI {short(roi[-1])}"
    if np.isnan(target):
        _name(axes, title, verdict, "no target", GREY)
        _progress(axes, standing, roi, verdict)
        _from_zero(axes, _ceiling(roi))
        return
    _name(axes, title, verdict, f"target {short(target)}", GREEN)
    low, high = target * LOWEST_ROI, target * HIGHEST_ROI
    axes.set(yscale="log", ylim=(low, high))
    axes.axhspan(target, high, color=KEPT, linewidth=0, zorder=0)
    axes.axhline(target, color=GREEN, linewidth=1.4)
    _progress(axes, standing, roi, verdict, (low, high))
    _ticks(axes.yaxis, [target / 2, target, target * 2, target * 4])


def _draw_bids(axes: Axes, episode: Episode, standing: _Standing) -> None:
    """Steps of the multiplier and of the price to beat, between the ends of the range; the win is shaded."""
    reference = _limit(episode.reference, 1.0)
    span = max(_limit(episode.span, 1.0), 1.05)
    low, high = reference / span**1.08, reference * span**1.08
    axes.set(yscale="log", ylim=(low, high))
    axes.axhline(reference, color=GREY, linewidth=1.2, linestyle=(0, (1, 2)))
    place: Any = {"xytext": (-4, -13), "textcoords": "offset points", "ha": "right"}
    axes.annotate("reference", (standing.ticks, reference), color=GREY, fontsize=10, **place)
    _ticks(axes.yaxis, [reference * span**level for level in (-1, -0.5, 0, 0.5, 1)])
    own, others = (_positive(series, low, high) for series in (episode.multiplier, episode.price_to_beat))
    edges = np.arange(standing.elapsed + 1)
    if standing.elapsed:
        floor, top = np.append(others, others[-1]), np.append(own, own[-1])
        axes.fill_between(edges, floor, top, where=top > floor, step="post", color=BLUE, alpha=0.13, linewidth=0)
        axes.stairs(others, edges, baseline=None, color=INK, linewidth=1.5, label="price to beat")
        axes.stairs(own, edges, baseline=None, color=BLUE, linewidth=2, label="multiplier")
    price = f"price to beat {short(_last(episode.price_to_beat))}"
    _name(axes, f"Multiplier {short(_last(episode.multiplier))}", _plain(), price, INK)


def _draw_sales(axes: Axes, standing: _Standing) -> None:
    verdict = standing.of_stock()
    if np.isfinite(standing.stock):
        sold, stock = standing.units[-1], standing.stock
        title, plan = f"Sold {known(sold, ',.0f')} of {number(stock)}", f"plan {standing.planned * stock:,.0f}"
        _name(axes, title, verdict, plan, GREY)
        _against_plan(axes, standing, standing.sold, verdict)
        return
    due = standing.budget * standing.target
    won = f"Value won {short(standing.value[-1])}"
    if np.isfinite(due):
        _name(axes, won, verdict, f"plan at target {short(due * standing.planned)}", GREY)
        axes.plot(standing.plan * due, color=GREY, linewidth=1.4)
        _progress(axes, standing, standing.value, verdict)
        _from_zero(axes, max(1.12 * due, _ceiling(standing.value) if _highest(standing.value) > 1.1 * due else 0))
        return
    _name(axes, won, verdict, f"{known(standing.units[-1], ',.0f')} conversions", GREY)
    _progress(axes, standing, standing.value, verdict)
    _from_zero(axes, _ceiling(standing.value))


def _against_plan(axes: Axes, standing: _Standing, share: Floats, verdict: _Verdict) -> None:
    """A share used so far against the traffic's, with all of it marked; between them the lead or lag."""
    axes.plot(standing.plan, color=GREY, linewidth=1.4)
    axes.axhline(1, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    elapsed = np.arange(standing.elapsed + 1)
    axes.fill_between(elapsed, standing.plan[: elapsed.size], share, color=verdict.color, alpha=0.15, linewidth=0)
    top = max(1.12, 1.05 * min(_highest(share), 2))
    _progress(axes, standing, share, verdict, (0, top))
    axes.set_ylim(0, top)
    ticks = np.arange(0, top, 0.25 if top < 1.5 else 0.5)
    axes.set_yticks(ticks, [f"{tick:.0%}" for tick in ticks])


def _progress(
    axes: Axes,
    standing: _Standing,
    series: Floats,
    verdict: _Verdict,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    """A line as far as it is known, its end marked; by a triangle at the limit it has left."""
    axes.plot(series, color=verdict.color, linewidth=2.6, label="progress")
    end = series[-1]
    marker = "^" if end > limits[1] else "v" if end < limits[0] else "o"
    axes.plot(
        standing.elapsed, np.clip(end, *limits), marker, color=verdict.color, markersize=7.5, clip_on=False, zorder=3
    )


def _name(axes: Axes, title: str, verdict: _Verdict, against: str, color: str) -> None:
    """What a panel shows, in the colours of its lines, so that it needs no legend."""
    place: Any = {"y": 1.025, "pad": 0}  # given, for matplotlib is slow to find one
    axes.set_title(verdict.mark + title, color=verdict.color, fontweight="bold", **place)
    axes.set_title(against, loc="right", color=color, **place)


def _period(axes: Axes, standing: _Standing) -> None:
    ticks = standing.ticks
    axes.set_facecolor("white")
    axes.set_xlim(0, ticks)
    axes.set_xticks(sorted({round(ticks * quarter / 4) for quarter in range(5)}))
    if axes.get_subplotspec().is_last_row():  # type: ignore[union-attr]
        axes.set_xlabel("tick", labelpad=2)


def _from_zero(axes: Axes, top: float) -> None:
    axes.set_ylim(0, top)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: number(y) if 1e-3 <= y < 1e5 else short(y)))


def _ticks(axis: Axis, places: Sequence[float]) -> None:
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter([short(place) for place in places]))
    axis.set_minor_locator(NullLocator())


def _cumulated(series: Floats) -> Floats:
    """A sum from its beginning, 0."""
    series = np.append(0.0, np.asarray(series, np.float64))
    return np.where(np.isfinite(series), series, np.nan)


def _limit(value: float, otherwise: float = np.nan) -> float:
    """A limit that is one: positive and finite."""
    return float(value) if 0 < value < np.inf else otherwise


def _positive(series: Floats, low: float, high: float) -> Floats:
    """A series kept within the picture."""
    series = np.asarray(series, np.float64)
    return np.where(np.isnan(series), np.nan, np.clip(series, low, high))


def _last(series: Floats) -> float:
    return float(series[-1]) if len(series) else float("nan")


def _highest(series: Floats) -> float:
    return float(np.max(series, initial=0, where=np.isfinite(series)))


def _ceiling(series: Floats) -> float:
    """A round number above a series, so that the axis changes rarely while it grows."""
    highest = 1.05 * _highest(series)
    if highest == 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(highest))
    return float(unit * next(step for step in (1, 2, 5, 10, 20) if step * unit >= highest))
