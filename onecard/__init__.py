"""onecard: a bare rented GPU box becomes a served, proven multimodal model, over SSH alone."""

import onecard.shipped  # noqa: F401  # where the package `roles` is

__version__ = "0.2.0"
