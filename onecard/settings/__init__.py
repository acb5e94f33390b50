"""Typed, frozen settings of one host: their models, validation, merging and error messages."""

import os

# pydantic would look for plugins in the metadata of every installed package.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
