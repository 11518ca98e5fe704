"""Pictures of episodes: every episode draws without a warning, in one size, and says in colour how it stands."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from adsim.drawing import BLUE, GREEN, VERMILLION
from adsim.envs.rendering import HEIGHT, WIDTH, Episode, draw, to_array
from adsim.envs.window import Window
from adsim.errors import AdsimError

TICKS = 48
SHARE = 1 + 0.5 * np.sin(np.arange(TICKS) / 8)
SHARE /= SHARE.sum()


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == before


def episode(elapsed: int = 31, pace: float = 1.0, roi: float = 3.0, **changes: Any) -> Episode:
    """A campaign that spends its budget of 200 at ``pace`` times the plan until nothing is left."""
    spend = np.minimum(200, 200 * pace * np.cumsum(SHARE))[:elapsed]
    multiplier = 0.4 + 0.1 * np.sin(np.arange(elapsed))
    plain = Episode(
        scenario="target_cpa",
        campaign="advertiser-7",
        seed=3,
        traffic_share=SHARE,
        budget=200.0,
        target_roi=2.8,
        stock=np.inf,
        reference=0.36,
        span=4.0,
        multiplier=multiplier,
        price_to_beat=np.full(elapsed, 0.38),
        spend=spend,
        value=roi * spend,
        sold=np.floor(roi * spend / 5),
        score=24.1,
    )
    return replace(plain, **changes)


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.texts)


def headline(figure: Figure) -> Any:
    return figure.texts[0]


def progress(axes: Axes) -> Any:
    (line,) = (line for line in axes.lines if line.get_label() == "progress")
    return line


def steps(axes: Axes, label: str) -> Any:
    (patch,) = (patch for patch in axes.patches if patch.get_label() == label)
    return patch


EDGES: dict[str, Episode] = {
    "nothing has happened": episode(0),
    "the first tick": episode(1),
    "the end": episode(TICKS),
    "no budget": episode(budget=np.inf),
    "no target": episode(target_roi=0.0),
    "no constraint": episode(budget=np.inf, target_roi=0.0),
    "no constraint before the first tick": episode(0, budget=np.inf, target_roi=0.0),
    "a stock": episode(stock=120.0),
    "a stock of 0": episode(stock=0.0),
    "oversold": episode(stock=20.0),
    "no spend": episode(pace=0.0),
    "no spend, no budget, no target": episode(pace=0.0, budget=np.inf, target_roi=0.0),
    "no value": episode(roi=0.0),
    "no spend, but value": episode(pace=0.0, value=np.arange(31.0)),
    "enormous returns": episode(roi=1e9),
    "NaN prices": episode(price_to_beat=np.full(31, np.nan)),
    "a NaN price": episode(price_to_beat=np.r_[np.nan, np.full(29, 0.3), np.nan]),
    "infinite prices": episode(price_to_beat=np.full(31, np.inf)),
    "prices of 0": episode(price_to_beat=np.zeros(31)),
    "multipliers of 0": episode(multiplier=np.zeros(31)),
    "NaN everywhere": episode(
        **dict.fromkeys(("spend", "value", "sold", "multiplier"), np.full(31, np.nan)), score=np.nan
    ),
    "inf everywhere": episode(
        **dict.fromkeys(("spend", "value", "sold", "multiplier"), np.full(31, np.inf)), score=np.inf
    ),
    "a NaN reference": episode(reference=np.nan, span=np.nan),
    "no room to bid": episode(span=1.0),
    "one tick": episode(1, traffic_share=np.ones(1), spend=np.ones(1), value=np.ones(1), sold=np.ones(1)),
    "long names": episode(campaign="the campaign whose name nobody could ever remember, for it is that long"),
    "a negative score": episode(score=-12.3),
    "small money": episode(budget=2e-7, spend=np.linspace(0, 1e-7, 31), target_roi=3e-9),
    "large money": episode(budget=2e12, spend=np.linspace(0, 1e12, 31), score=1e12),
}


@pytest.mark.parametrize("name", EDGES)
def test_every_episode_draws_in_one_size_and_stays_on_the_page(name: str) -> None:
    figure = draw(EDGES[name])
    pixels = to_array(figure)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels)) > 10
    assert "nan" not in words(figure).lower() + "".join(axes.get_title() for axes in figure.axes)
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= WIDTH / 100
    assert box.y1 <= HEIGHT / 100


@pytest.mark.parametrize("campaign", ["a", "advertiser-12", "a campaign with a name that is rather long"])
@pytest.mark.parametrize("changes", [{}, {"stock": 20.0}, {"pace": 2.0, "roi": 1.0, "stock": 20.0}])
def test_the_headline_leaves_room_for_the_score(campaign: str, changes: dict[str, Any]) -> None:
    figure = draw(episode(campaign=campaign, **changes))
    figure.draw_without_rendering()
    verdict, score = (text.get_window_extent() for text in figure.texts[:2])
    assert verdict.x1 + 5 < score.x0


def test_the_same_episode_gives_the_same_bytes() -> None:
    assert to_array(draw(episode())).tobytes() == to_array(draw(episode())).tobytes()
    assert to_array(draw(episode())).tobytes() != to_array(draw(episode(30))).tobytes()


def test_axes_stay_while_an_episode_goes_on() -> None:
    def limits(elapsed: int) -> list[Any]:
        return [(axes.get_xlim(), axes.get_ylim()) for axes in draw(episode(elapsed, stock=150.0)).axes]

    assert limits(0) == limits(10) == limits(TICKS)


def test_lines_are_the_episode() -> None:
    shown = episode(stock=150.0)
    spend, roi, bids, sales = draw(shown).axes
    np.testing.assert_array_equal(progress(spend).get_ydata(), np.r_[0, shown.spend / 200])
    np.testing.assert_allclose(spend.lines[0].get_ydata(), np.r_[0, np.cumsum(SHARE)])
    np.testing.assert_allclose(progress(roi).get_ydata(), np.r_[np.nan, shown.value / shown.spend])
    np.testing.assert_array_equal(steps(bids, "multiplier").get_data().values, shown.multiplier)
    np.testing.assert_array_equal(steps(bids, "price to beat").get_data().values, shown.price_to_beat)
    np.testing.assert_array_equal(progress(sales).get_ydata(), np.r_[0, shown.sold / 150])


def test_without_budget_and_stock_the_sums_are_shown() -> None:
    shown = episode(budget=np.inf)
    spend, _, _, value = draw(shown).axes
    np.testing.assert_array_equal(progress(spend).get_ydata(), np.r_[0, shown.spend])
    np.testing.assert_array_equal(progress(value).get_ydata(), np.r_[0, shown.value])


def test_bids_span_the_actions() -> None:
    bids = draw(episode()).axes[2]
    low, high = bids.get_ylim()
    assert low < 0.36 / 4 < 0.36 * 4 < high
    np.testing.assert_allclose(bids.get_yticks(), 0.36 * 4.0 ** np.array([-1, -0.5, 0, 0.5, 1]))


@pytest.mark.parametrize(
    ("changes", "color", "panel", "said"),
    [
        ({}, GREEN, 0, "keeps its target ROI and spends on plan"),
        ({"elapsed": TICKS}, GREEN, 0, "spent its budget"),
        ({"pace": 2.0}, VERMILLION, 0, "keeps its target ROI but used up its budget by tick 18"),
        ({"pace": 1.3, "elapsed": 20}, VERMILLION, 0, "spends ahead of plan"),
        ({"pace": 0.5, "roi": 9.0}, VERMILLION, 0, "spends behind plan"),
        ({"elapsed": TICKS, "pace": 0.5, "roi": 9.0}, VERMILLION, 0, "left 50% of its budget"),
        ({"pace": 0.5, "roi": 2.9}, BLUE, 0, "keeps its target ROI but spends behind plan"),
        ({"roi": 2.0}, VERMILLION, 1, "spends on plan but misses its target ROI"),
        ({"roi": 2.8 * 0.99}, GREEN, 1, "keeps its target ROI"),
        ({"stock": 20.0}, VERMILLION, 3, "oversold its stock"),
        ({"stock": 115.0}, GREEN, 3, "keeps its target ROI, spends on plan and sells on plan"),
        ({"stock": 400.0}, BLUE, 3, "sells behind plan"),
    ],
)
def test_colours_and_words_say_how_it_stands(changes: dict[str, Any], color: str, panel: int, said: str) -> None:
    figure = draw(episode(**changes))
    assert said in words(figure)
    assert progress(figure.axes[panel]).get_color() == color
    assert headline(figure).get_color() == color
    mark = {GREEN: "\N{CHECK MARK}", VERMILLION: "\N{BALLOT X}"}.get(color, "advertiser")
    assert words(figure).startswith(mark)
    title = figure.axes[panel].get_title(loc="left")
    assert title.startswith(mark) or color == BLUE


def test_numbers_are_in_words() -> None:
    figure = draw(episode())
    titles = [axes.get_title(loc=side) for axes in figure.axes for side in ("left", "right")]
    planned = np.cumsum(SHARE)[30]
    assert f"{planned:.0%} of the budget" in titles[0]
    assert titles[1] == f"plan {planned:.0%}"
    assert "ROI 3.00" in titles[2]
    assert titles[3] == "target 2.80"
    assert titles[5] == "price to beat 0.380"
    assert "score 24.1" in words(figure)
    assert "tick 31 of 48" in words(figure)
    assert "target_cpa, seed 3" in words(figure)


def test_first_returns_are_not_judged() -> None:
    figure = draw(episode(2, roi=0.0))
    assert "ROI" not in words(figure)
    assert progress(figure.axes[1]).get_color() == BLUE


def test_a_return_beyond_the_picture_is_marked_at_its_edge() -> None:
    axes = draw(episode(roi=100.0)).axes[1]
    end = axes.lines[-1]
    assert end.get_marker() == "^"
    assert end.get_ydata()[0] == axes.get_ylim()[1]  # type: ignore[index]


@pytest.fixture
def agg() -> Iterator[None]:
    """Pyplot without windows."""
    from matplotlib import pyplot

    before = pyplot.get_backend()
    pyplot.switch_backend("agg")
    yield
    pyplot.switch_backend(before)


@pytest.fixture
def screen(agg: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pyplot believes that Agg opens windows."""
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "fake")
    monkeypatch.setattr(Figure, "show", lambda self, warn=True: None)


@pytest.mark.usefixtures("agg")
def test_without_a_display_the_message_says_what_to_do() -> None:
    from matplotlib import pyplot

    window = Window()
    with pytest.raises(AdsimError, match=r'backend is agg.*render_mode="rgb_array".*pyqt6'):
        window.show(draw(episode()))
    assert pyplot.get_fignums() == []
    window.close()


@pytest.mark.usefixtures("agg")
def test_a_toolkit_that_fails_gives_the_same_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ImportError("no display name and no $DISPLAY environment variable")

    monkeypatch.setattr("matplotlib.pyplot.figure", fail)
    with pytest.raises(AdsimError, match=r'DISPLAY.*render_mode="rgb_array"'):
        Window().show(draw(episode()))


@pytest.mark.usefixtures("screen")
def test_a_window_shows_one_picture_after_another() -> None:
    from matplotlib import pyplot

    window = Window()
    assert pyplot.get_fignums() == []
    for elapsed in (0, 20):
        figure = draw(episode(elapsed))
        window.show(figure)
        (number,) = pyplot.get_fignums()
        shown = pyplot.figure(number)
        np.testing.assert_array_equal(shown.axes[0].images[0].get_array(), to_array(figure))
        assert np.abs(to_array(shown).astype(int) - to_array(figure)).mean() < 1
    window.show(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert to_array(shown).max() == 0
    window.close()
    window.close()
    assert pyplot.get_fignums() == []


@pytest.mark.usefixtures("screen")
def test_a_window_that_was_closed_by_hand_stays_closed() -> None:
    from matplotlib import pyplot

    window, pixels = Window(), to_array(draw(episode()))
    window.show(pixels)
    pyplot.close("all")
    window.show(pixels)
    assert pyplot.get_fignums() == []
    window.close()
    window.show(pixels)
    assert len(pyplot.get_fignums()) == 1
    window.close()


@pytest.mark.usefixtures("screen")
def test_windows_stand_side_by_side() -> None:
    from matplotlib import pyplot

    first, second = Window(), Window()
    first.show(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    second.show(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    assert len(pyplot.get_fignums()) == 2
    first.close()
    assert len(pyplot.get_fignums()) == 1
    second.close()
