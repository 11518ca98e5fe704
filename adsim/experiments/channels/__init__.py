"""One budget and one target over several channels."""
