"""Load test of the running server: request rates and concurrencies, with and without pictures.

vLLM's own generator, `vllm bench serve`, makes the load on the box, so that no tunnel is in the
figures. A second generator (generator.py) makes one of the loads too: the two must agree. It also
runs on this computer, through the tunnel, to measure what the tunnel adds. The folder bench/ of the
project is something else: it compares this tool with its peers.
"""
