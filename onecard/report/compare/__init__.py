"""The comparison of two sides, and which differences are more than noise."""
