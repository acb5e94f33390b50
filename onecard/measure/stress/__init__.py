"""The stress test: accuracy of picture questions beside long texts, with confidence intervals.

Each answer belongs to a cell: a kind of text, where the picture stands, and a length in tokens.
"""
