"""Client of the server's HTTP API: requests, streamed responses, failures."""
