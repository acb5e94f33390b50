"""Kinds of things on a box: how each is looked at, compared and changed. No I/O."""
