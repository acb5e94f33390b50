"""Sandbox boxes as Docker containers."""
