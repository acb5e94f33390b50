"""Debian packages, their sources and holds, by apt."""
