"""Markets in which everyone adapts."""
