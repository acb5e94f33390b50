"""The tiny vision-language model that ships with the project, and how it was made.

A real Qwen3.5 architecture (gated delta net and full attention, a vision tower) of 1.7 million
parameters that names the colour and the shape in generated pictures. It is small enough for a
CPU, so that everything from a bare box to a verified answer can be tried without a GPU.
"""
