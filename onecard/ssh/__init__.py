"""SSH: the connection, host keys, forwarded ports, and the shell that runs scripts.

A lost connection is an error here; access/reconnect.py retries.
"""
