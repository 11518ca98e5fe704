"""Bidders against a recorded log."""
