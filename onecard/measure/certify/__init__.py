"""Proves under load how many requests of a length the server holds at once.

An answer alone proves nothing: requests that wait for each other are answered too. So the first
one has to be still decoding when the last one is in, and no request may be preempted.
"""
