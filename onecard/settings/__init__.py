"""Typed, frozen settings of one host: their models, validation, merging and error messages."""
