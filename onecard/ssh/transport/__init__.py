"""Paramiko's transport: one that notices a box that falls silent, and one that logs in at once."""
