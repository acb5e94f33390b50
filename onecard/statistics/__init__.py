"""Statistics of a sample: percentiles, Student's and Wilson's intervals, clusters, trends."""
