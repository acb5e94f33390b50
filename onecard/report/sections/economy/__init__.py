"""Sections on what the work costs: in money, and what is computed again."""
