"""Bidders trained by reinforcement learning, and their evaluation."""
