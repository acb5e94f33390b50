"""Does the model still see the picture behind a long text? Measured, with an interval.

Each answer belongs to a cell: a kind of text, where the picture stands, and a length in tokens.
"""
