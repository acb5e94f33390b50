"""What the measurements share: texts of a chosen length, intervals, progress, metrics."""
