"""The exact build of a host: resolved once, stored in inventory/locks, moved by `upgrade`."""
