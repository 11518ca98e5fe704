"""Bidders ranked: each in the same seats of the same unseen markets."""
