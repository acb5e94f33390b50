"""The server on the box: its state, health, journal, releases and command line."""
