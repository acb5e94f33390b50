"""onecard: a bare rented GPU box becomes a served, proven multimodal model, over SSH alone."""

__version__ = "0.1.0"
