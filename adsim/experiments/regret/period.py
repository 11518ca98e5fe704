"""One period of several markets side by side, from beginning to end."""

from adsim.errors import AgentError
from adsim.market.markets import Markets, make_events
from adsim.market.reveal import hindsight


def play(markets: Markets, agent: str) -> None:
    """Run it, all campaigns bidding by their agents.

    Raises
    ------
    AgentError
        Naming the agent.
    """
    try:
        markets.open()
        for oracle in markets.privileged:
            oracle.reveal(hindsight(markets))
        events = make_events(0, 1)
        for _ in range(markets.traffic_share.size):
            markets.run_tick(events)
    except AgentError as error:
        raise AgentError(f"{agent}: {error}") from None
