"""How many numbers each kind of weight has, counted from a model's shape."""
