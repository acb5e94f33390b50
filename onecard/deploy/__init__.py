"""A start of the server: a release on the box, watched until it answers or fails."""
