"""Every mechanism at its best against the optimum."""
