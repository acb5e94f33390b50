"""What a box really serves at each context length: start, memory, answers, one request that long.

"Configured at N" and "answered a request of N tokens" are two things, and are kept apart.
"""
