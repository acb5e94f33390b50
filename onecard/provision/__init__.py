"""A box made ready to serve, moved to another build, or torn down: whole runs of roles."""
