"""Keeps a server under mixed load for a time: does it die, leak, restart, or become slower?

A start that fits may still die on the third picture. So pictures come in mixed sizes and numbers,
in conversations of several turns, beside requests that are aborted or wrong.
"""
