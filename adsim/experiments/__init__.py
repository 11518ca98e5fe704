"""Questions asked of markets: comparisons, replays, statistics and figures."""
