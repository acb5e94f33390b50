"""Access to the API from outside: the reconnecting tunnel, the public address."""
