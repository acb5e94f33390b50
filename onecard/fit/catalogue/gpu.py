"""A card's memory and name, and vLLM's class of it."""

from __future__ import annotations

from dataclasses import dataclass

_LARGE_GIB = 70


@dataclass(frozen=True)
class Gpu:
    """One card, or a CPU node.

    memory_mib: what nvidia-smi reports as total.
    spread: share by which usable_gib may be off: cards of one name differ that much.
    usable_gib: what CUDA reports as total, which --gpu-memory-utilization is a share of.
    compute_capability: such as "8.0"; empty on a CPU, or where it is not known.
    largest_util: the highest --gpu-memory-utilization that its free memory allows.
    most_in_a_box: as many as one machine has, at most.
    note: what else to know before a start, one line.
    """

    name: str
    memory_mib: int
    usable_gib: float
    compute_capability: str = ""
    cpu: bool = False
    spread: float = 0.002
    aliases: tuple[str, ...] = ()
    largest_util: float = 1.0
    most_in_a_box: int = 8
    note: str = ""

    @property
    def kernel_block(self) -> int:
        """Return the tokens of the smallest KV block (vLLM: 16 with CUDA, 128 on a CPU)."""
        return 128 if self.cpu else 16

    @property
    def default_max_num_seqs(self) -> int:
        """Return vLLM's default for a server (engine/arg_utils.py, `get_batch_defaults`)."""
        if self.cpu:
            return 128
        return 1024 if self.large else 256

    @property
    def large(self) -> bool:
        """Return whether vLLM gives it the larger defaults (engine/arg_utils.py)."""
        # GB10 shares a large memory with its CPU; vLLM puts it into the small class (12.1).
        small = "A100" in self.name.upper() or self.compute_capability == "12.1"
        return not self.cpu and self.usable_gib >= _LARGE_GIB and not small


def cpu_node(memory_gib: float) -> Gpu:
    """Return the memory of one NUMA node as a card, for vLLM's CPU backend."""
    return Gpu("CPU", round(memory_gib * 1024), memory_gib, cpu=True)


def card_of(gib: float) -> Gpu:
    """Return a card of which only the memory is known, in GiB as nvidia-smi shows it."""
    return reported_gpu(f"card of {gib:g} GiB", round(gib * 1024))


def reported_gpu(name: str, memory_mib: int, compute_capability: str = "") -> Gpu:
    """Return a card from nvidia-smi's own figures, for one that the catalogue lacks.

    CUDA reports 0.3 to 1 % less than nvidia-smi without ECC in the memory itself, up to 4.5 %
    less with it (L4: 23034 MiB against 22.03 GiB); 2 % is subtracted.
    """
    usable = round(memory_mib / 1024 * 0.98, 2)
    return Gpu(name, memory_mib, usable, compute_capability, spread=0.02)
