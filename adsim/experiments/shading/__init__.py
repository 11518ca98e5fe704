"""Bidders of first-price auctions that learn how far to shade their bids, a way of learning per file.

What AuctionGym compares: O. Jeunen, S. Murphy & B. Allison, "Learning to bid with AuctionGym" (AdKDD 2022) and
"Off-policy learning-to-bid with AuctionGym" (KDD 2023).
"""
