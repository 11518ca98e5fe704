"""Variants of a market on the same seeds, and one market in pictures."""
