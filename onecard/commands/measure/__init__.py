"""The commands that measure, and that show what was measured."""
