"""The doors to a box: which one a host needs, and what it will use."""
