"""Bidders: one family per file, each a rule for the multiplier in bid = multiplier x predicted value."""
