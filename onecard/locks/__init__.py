"""The exact build that a host runs: resolved once, kept in inventory/locks, moved by `upgrade`."""
