"""`adsim.clear` against numpy and Python."""

import numpy as np

import adsim
from benchmarks.rivals import clear_argpartition, clear_argsort, clear_python
from benchmarks.timing import best

AUCTIONS = {8: 1 << 18, 48: 1 << 17, 512: 1 << 14}
RESERVE = 0.01


def rows(bandwidth: float) -> list[list[str]]:
    """A row per number of campaigns and slots: GSP (second price at one slot), float32."""
    table = []
    for campaigns, count in AUCTIONS.items():
        bids = np.random.default_rng(0).lognormal(0, 1, (count, campaigns)).astype(np.float32)
        tiles = adsim.to_tiles(bids)
        few = bids[:512].tolist()
        for slots in (1, 3):
            exposure = tuple(0.8**k for k in range(slots))

            def clear(given: object, exposure: tuple[float, ...] = exposure) -> None:
                adsim.clear(given, "gsp", exposure=exposure, reserve=RESERVE)  # type: ignore[arg-type]

            tiled, rowwise = best(lambda: clear(tiles)) / count, best(lambda: clear(bids)) / count
            partition = best(lambda: clear_argpartition(bids, slots, RESERVE)) / count
            sort = best(lambda: clear_argsort(bids, slots, RESERVE)) / count
            python = best(lambda: clear_python(few, slots, RESERVE)) / len(few)
            moved = 4 * campaigns + 12 * slots
            table.append(
                [
                    f"{campaigns}",
                    f"{slots}",
                    f"{1e-6 / tiled:.1f}",
                    f"{1e9 * (rowwise - tiled):.0f} ns",
                    f"{moved}",
                    f"{moved / tiled / bandwidth:.0%}",
                    f"{partition / tiled:.0f}x",
                    f"{partition / rowwise:.0f}x",
                    f"{sort / tiled:.0f}x",
                    f"{python / tiled:.0f}x",
                ]
            )
    return table


HEADER = [
    "campaigns",
    "slots",
    "M auctions/s",
    "rows cost + per auction",
    "bytes/auction",
    "of copy bandwidth",
    "argpartition",
    "(rows)",
    "argsort",
    "pure Python",
]
