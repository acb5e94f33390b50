"""The smoke test: picture questions with known answers, asked of a running server over HTTP.

Nothing here knows SSH: the caller gives a base URL that already leads to the server.
"""
