"""The keys of every document that a command prints with `--json`."""
