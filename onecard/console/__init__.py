"""What a command prints while it runs: lines, live progress, tables."""
