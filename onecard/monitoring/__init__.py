"""What Prometheus on a box is given: its configuration, alert rules, and a page of charts."""
