"""What a campaign gains by misreporting."""
