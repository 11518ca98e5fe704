"""Regret against the hindsight optimum, over horizons."""
