"""Measurements of a running server: loads, long texts, context lengths, and what they share."""
