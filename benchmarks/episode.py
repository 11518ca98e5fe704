"""AuctionNet's episode: 48 campaigns, 48 ticks, 500,000 opportunities, three slots, exact budgets."""

import resource
import subprocess
import sys

import adsim
from benchmarks.rivals import NumpyEpisode
from benchmarks.timing import best, once

AGENTS = ("fixed:multiplier=80", "pid")
HEADER = ["agents", "seconds", "M auctions/s", "peak memory, MB", "AuctionNet's way, s", "peak memory, MB", "ratio"]


def rows() -> list[list[str]]:
    """A row per agent; the restated rival bids the same fixed multipliers throughout."""
    theirs, theirs_memory = _apart("rival")
    table = []
    for agent in AGENTS:
        scenario = adsim.load_scenario("auctionnet").replace({"campaigns.0.agent": agent})
        ours = best(adsim.Market(scenario, seed=0).run)
        _, memory = _apart(agent)
        table.append(
            [
                agent,
                f"{ours:.3f}",
                f"{scenario.market.opportunities * 1e-6 / ours:.1f}",
                f"{memory:.0f}",
                f"{theirs:.1f}",
                f"{theirs_memory:.0f}",
                f"{theirs / ours:.0f}x",
            ]
        )
    return table


def _apart(what: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one episode in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.episode", what], capture_output=True, text=True, check=True
    )
    seconds, memory = done.stdout.split()
    return float(seconds), float(memory)


def main() -> None:
    """Play one episode; print CPU seconds and the process's peak memory."""
    scenario = adsim.load_scenario("auctionnet")
    if sys.argv[1] == "rival":
        market = adsim.Market(scenario, seed=0)
        run = NumpyEpisode(market, multiplier=80.0).run
        seconds = once(run)
    else:
        seconds = best(adsim.Market(scenario.replace({"campaigns.0.agent": sys.argv[1]}), seed=0).run, least=1)
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
