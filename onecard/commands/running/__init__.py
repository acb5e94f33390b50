"""The commands that follow a running server: how long it has been idle, its load as it changes."""
