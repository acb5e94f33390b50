"""The smoke test: picture questions with known answers, sent to a running server over HTTP.

smoke_host.py alone connects to a box; the rest gets a client that already leads to the server.
"""
