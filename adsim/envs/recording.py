"""What a rendered environment keeps of its episode, to be drawn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adsim.envs.engine import Engine
from adsim.kernels.settlement import units_sold


class Recording:
    """The controlled campaign's episode so far, tick by tick, and the window that shows it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rows: list[tuple[float, ...]] = []
        self._window: Any = None

    def begin(self) -> None:
        """Forget the last episode."""
        self._rows = []

    def add(self) -> None:
        """Keep the tick just played."""
        engine, (n,) = self._engine, self._engine.campaigns
        fleet, totals, tick = engine.markets.fleet, engine.totals(), engine.markets.tick
        opportunities = np.diff(engine.markets.fleet.bounds[0])[tick - 1]
        offered = fleet.offered[0, n] / opportunities if opportunities else np.nan
        beaten = fleet.score_to_beat[0, n] / offered if offered > 0 else np.nan
        sold = units_sold(totals.conversions.item(), totals.value.item(), fleet.constraints.stock_unit[0, n])
        self._rows.append((fleet.multiplier[0, n], beaten, totals.spend.item(), totals.value.item(), sold))

    def picture(self) -> NDArray[np.uint8]:
        """The episode so far, (height, width, 3)."""
        from adsim.envs.rendering import draw, to_array

        return to_array(draw(self._episode()))

    def show(self) -> None:
        """Show the episode so far in a window."""
        from adsim.envs.rendering import draw
        from adsim.envs.window import Window

        if self._window is None:
            self._window = Window()
        self._window.show(draw(self._episode()))

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def _episode(self) -> Any:
        from adsim.envs.rendering import Episode

        engine, (n,) = self._engine, self._engine.campaigns
        own = engine.markets.campaigns.constraints
        rows = np.array(self._rows).reshape(-1, 5).T
        return Episode(
            scenario=engine.scenario.name,
            campaign=engine.names[0],
            seed=int(engine.markets.seeds[0]),
            traffic_share=engine.markets.traffic_share,
            budget=own.budget[0, n].item(),
            target_roi=own.target_roi[0, n].item(),
            stock=own.stock[0, n].item(),
            reference=engine.seats.reference.item(),
            span=engine.span,
            multiplier=rows[0],
            price_to_beat=rows[1],
            spend=rows[2],
            value=rows[3],
            sold=rows[4],
            score=engine.seats.score.item(),
        )
