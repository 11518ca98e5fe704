"""Online allocation of many resources."""
