"""Paramiko's transport: one that notices a box that falls silent, one that logs in at once."""
