"""One kind of weight."""

from __future__ import annotations

from dataclasses import dataclass

LAYER = "model.language_model.layers"


@dataclass(frozen=True)
class Part:
    """One kind of weight: its parameters, its module, and how it is stored and shared.

    quantizable: a quantised checkpoint stores it in fewer bits unless its config says otherwise.
    kv_share: parameters of it that belong to KV heads, which tensor parallelism replicates when
        there are fewer KV heads than cards.
    whole: parameters of it that every card holds whole.
    stored: it is in the checkpoint; else vLLM makes it of what it has loaded.
    """

    name: str
    module: str
    parameters: int
    quantizable: bool = False
    kv_share: int = 0
    whole: int = 0
    stored: bool = True
