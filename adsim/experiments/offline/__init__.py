"""Bidders that learn from recorded periods alone."""
