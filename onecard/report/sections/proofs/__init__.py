"""What was proved under load: requests held at once, and load for a time."""
