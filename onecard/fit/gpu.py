"""A card, as the driver and vLLM see it."""

from __future__ import annotations

from dataclasses import dataclass

_LARGEST_GIB = 160
_LARGE_GIB = 70


@dataclass(frozen=True)
class Gpu:
    """One card, or a CPU node.

    memory_mib: what nvidia-smi reports as total.
    usable_gib: what CUDA reports as total, which --gpu-memory-utilization is a share of.
    compute_capability: such as "8.0"; empty on a CPU.
    """

    name: str
    memory_mib: int
    usable_gib: float
    compute_capability: str = ""
    cpu: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def kernel_block(self) -> int:
        """Tokens of the smallest KV block (vLLM: 16 with CUDA, 128 on a CPU)."""
        return 128 if self.cpu else 16

    @property
    def default_max_num_seqs(self) -> int:
        """vLLM's default for a server (engine/arg_utils.py, `get_batch_defaults`)."""
        if self.cpu:
            return 128
        return 1024 if self._large() else 256

    @property
    def default_max_num_batched_tokens(self) -> int:
        """vLLM's default for a server (engine/arg_utils.py, `get_batch_defaults`)."""
        if self.cpu or not self._large():
            return 2048
        return 16384 if self.usable_gib >= _LARGEST_GIB else 8192

    def _large(self) -> bool:
        # GB10 shares a large memory with its CPU and is kept in the small class (12.1).
        small = "A100" in self.name.upper() or self.compute_capability == "12.1"
        return self.usable_gib >= _LARGE_GIB and not small


def cpu_node(memory_gib: float) -> Gpu:
    """The memory of one NUMA node as a card, for vLLM's CPU backend."""
    return Gpu("CPU", round(memory_gib * 1024), memory_gib, cpu=True)


def reported_gpu(name: str, memory_mib: int, compute_capability: str = "") -> Gpu:
    """A card from nvidia-smi's own figures, for one that the catalogue lacks.

    CUDA reports 0.3 to 1 % less than nvidia-smi without ECC in the memory itself, up to 4.5 %
    less with it (L4: 23034 MiB against 22.03 GiB); 2 % is taken off.
    """
    return Gpu(name, memory_mib, round(memory_mib / 1024 * 0.98, 2), compute_capability)
