"""Auctions: one per file, each saying what it ranks by, what the winner pays, and why."""
