"""AuctionGym's questions: competition, learned rates, bid shading."""
