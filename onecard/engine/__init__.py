"""The one place that executes a plan: plan, job on the box, verification, report."""
