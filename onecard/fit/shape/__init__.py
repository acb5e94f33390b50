"""A model's shape, read from its config.json: layers, heads, experts, quantization."""
