"""Statistics of a sample: percentiles, 95 % intervals (Student, Wilson), clusters, trends."""
