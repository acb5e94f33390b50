"""A folder of one's own: made, and its templates copied from the built-in ones."""
