"""The best that any allocation, or any constant multiplier, could do."""
