"""Shared by all commands: exit codes, flags, the chosen hosts, JSON or text output."""
