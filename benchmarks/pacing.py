"""Rules that decide after every auction, against the same market deciding every 256 auctions or once a tick."""

import adsim
from benchmarks.timing import best

WORLDS = {"return_on_spend": ("ros", "coupled", "throttling"), "target_cpa": ("coupled", "mirror_descent")}
OPPORTUNITIES = 64_000
HEADER = ["scenario", "campaigns", "agent", "ns/auction", "every 256 auctions", "feedback, once a tick", "takes"]


def rows() -> list[list[str]]:
    """A row per scenario and agent."""
    table = []
    for name, agents in WORLDS.items():
        scenario = adsim.load_scenario(name).over(OPPORTUNITIES)
        if scenario.competition is not None and "throttling" in agents:
            scenario = scenario.replace({"campaigns.0.budget": 0.1 * OPPORTUNITIES})
        for agent in agents:
            ours, ticked, batched = (
                best(adsim.Market(scenario.replace({"campaigns.0.agent": each})).run) / OPPORTUNITIES
                for each in (agent, "feedback", f"{agent}:every=256")
            )
            table.append(
                [
                    name,
                    f"{scenario.size}",
                    agent,
                    f"{1e9 * ours:.0f}",
                    f"{1e9 * batched:.0f}",
                    f"{1e9 * ticked:.0f}",
                    f"{ours / ticked:.1f}x",
                ]
            )
    return table
