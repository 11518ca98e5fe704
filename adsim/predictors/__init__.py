"""What agents and mechanisms see instead of the true click and conversion rates."""
