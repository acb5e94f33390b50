"""Load on the running server: request rates and concurrencies, with and without pictures.

vLLM's own generator, `vllm bench serve`, makes the load on the box, so that no tunnel is in the
figures. A second generator (generator.py) makes one of the loads too: the two must agree. It also
runs here, through the tunnel, to say what the tunnel adds. The folder bench/ is another thing: it
compares this tool with its peers.
"""
