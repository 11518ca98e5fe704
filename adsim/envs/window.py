"""A window that shows pictures of an episode, where there is a display."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from adsim.envs.rendering import DPI, to_array
from adsim.errors import AdsimError


class Window:
    """A window that shows pictures one after another; it opens with the first.

    Once a person has closed it, it stays closed and further pictures are ignored, until `close` is called.

    Parameters
    ----------
    title : str
        Of the window.
    """

    def __init__(self, title: str = "adsim") -> None:
        self._title = title
        self._figure: Figure | None = None

    def show(self, picture: Figure | NDArray[np.uint8]) -> None:
        """Show a figure, or pixels (height, width, 3).

        Raises
        ------
        AdsimError
            When no window can open.
        """
        pixels = to_array(picture) if isinstance(picture, Figure) else picture
        if self._figure is None:
            self._figure = _open_window(self._title, pixels)
        if _is_open(self._figure):
            self._figure.axes[0].images[0].set_data(pixels)
            self._figure.canvas.draw_idle()
            # What pyplot.pause does, but for this window alone, and without raising it at every frame.
            self._figure.canvas.start_event_loop(0.001)

    def close(self) -> None:
        """Close the window, if it is open."""
        if self._figure is not None:
            from matplotlib import pyplot

            pyplot.close(self._figure)
            self._figure = None


def _is_open(figure: Figure) -> bool:
    from matplotlib import pyplot

    return pyplot.fignum_exists(figure.number)


def _open_window(title: str, pixels: NDArray[np.uint8]) -> Figure:
    """A window of the pixels' size."""
    from matplotlib import pyplot

    height, width = pixels.shape[:2]
    try:
        with matplotlib.rc_context({"toolbar": "None"}):
            figure = pyplot.figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    except Exception as error:  # each toolkit has its own for a missing display or library
        raise AdsimError(_NO_WINDOW.format(reason=error)) from error
    if figure.canvas.required_interactive_framework is None:
        pyplot.close(figure)
        raise AdsimError(_NO_WINDOW.format(reason=f"matplotlib's backend is {matplotlib.get_backend()}"))
    if figure.canvas.manager is not None:
        figure.canvas.manager.set_window_title(title)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.imshow(pixels)
    figure.show(warn=False)
    return figure


_NO_WINDOW = (
    'render_mode="human" cannot open a window ({reason}). Use render_mode="rgb_array" for pictures as arrays, or '
    "install a toolkit for windows, such as `pip install pyqt6`, where there is a display."
)
