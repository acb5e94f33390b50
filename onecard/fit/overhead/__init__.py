"""The memory of a start beside weights and KV cache: each part with its range and its source.

vLLM runs one step with dummy inputs before it sizes the KV cache, and subtracts from
`--gpu-memory-utilization` of the card: the weights, the peak of that step beyond them, what was
allocated outside PyTorch since the worker began, and from 0.21 on an estimate of the CUDA graphs
(`determine_available_memory` in v1/worker/gpu_worker.py, `memory_profiling` in
utils/mem_utils.py). What was in use before, such as a desktop or the CUDA context, is not
subtracted: it only has to leave as much free as is requested.
"""
