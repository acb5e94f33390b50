"""Measures each context length on a box: start, memory, answers, one request that long.

"Configured at N" and "answered a request of N tokens" are two results, reported separately.
"""
