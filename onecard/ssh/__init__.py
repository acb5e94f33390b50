"""SSH: the connection, host keys, forwarded ports, and the shell that runs scripts."""
