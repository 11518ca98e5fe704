"""Predictors of clicks and conversions, on worlds and on logs."""
