"""Secrets: their type, where this computer stores them, the copies for clients."""
