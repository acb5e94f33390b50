"""The phases of a server's start: their titles, and the log lines that begin them.

The lines are those of vLLM 0.17 to 0.33 and some earlier releases; where releases differ, all forms
are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """One phase; `title` is its text for display."""

    PROCESS = "process up"
    CONFIG = "configuration"
    DOWNLOAD = "download"
    WEIGHTS = "weights"
    COMPILE = "compile"
    PROFILE = "profiling"
    KV_CACHE = "KV cache"
    GRAPHS = "CUDA graphs"
    API = "API up"
    ANSWER = "first answer"

    @property
    def title(self) -> str:
        """Return the phase's text for display."""
        return self.value


ORDER: tuple[Phase, ...] = tuple(Phase)
# These come in this order and once. The order of those between WEIGHTS and API differs between
# releases, and they may be interleaved, so a phase there may continue after another.
ONCE = (Phase.PROCESS, Phase.CONFIG, Phase.DOWNLOAD, Phase.WEIGHTS, Phase.API, Phase.ANSWER)


@dataclass(frozen=True)
class PhaseState:
    """The state of a phase.

    started, ended: seconds on the tracker's clock, of the first start and the last end; None if it
        has not started or ended.
    seconds: how long it was the current phase, in total.
    fraction: progress from 0 to 1, if the log has a progress bar; else None.
    label, count: of the bar: what it counts, and how many (`1/2`), else empty.
    """

    phase: Phase
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    fraction: float | None = None
    label: str = ""
    count: str = ""


# A literal in the message, and the current phase from that line on.
BEGINS: tuple[tuple[str, Phase], ...] = (
    ("vLLM API server version", Phase.CONFIG),
    ("non-default args:", Phase.CONFIG),
    ("Resolved architecture", Phase.CONFIG),
    ("sing max model len", Phase.CONFIG),
    ("LLM engine (v", Phase.CONFIG),
    ("Downloading weights", Phase.DOWNLOAD),
    ("Starting to load model", Phase.WEIGHTS),
    ("Time spent downloading weights", Phase.WEIGHTS),
    ("Loading safetensors checkpoint shards", Phase.WEIGHTS),
    ("Using cache directory:", Phase.COMPILE),
    ("Start compiling function", Phase.COMPILE),
    ("Dynamo bytecode transform time", Phase.COMPILE),
    ("Warming up model for the compilation", Phase.COMPILE),
    ("torch.compile took", Phase.PROFILE),
    ("torch.compile takes", Phase.PROFILE),
    ("Profiling CUDA graph memory", Phase.PROFILE),
    ("Available KV cache memory", Phase.KV_CACHE),
    ("GiB for KV cache on node", Phase.KV_CACHE),
    ("KV cache size:", Phase.KV_CACHE),
    ("# GPU blocks:", Phase.KV_CACHE),
    ("Capturing CUDA graph", Phase.GRAPHS),
    ("Capturing cudagraphs", Phase.GRAPHS),
    ("init engine (profile", Phase.API),
    ("Supported tasks:", Phase.API),
    ("Starting vLLM API server", Phase.API),
    ("Starting vLLM server on", Phase.API),
    ("Started server process [", Phase.API),
    ("Application startup complete.", Phase.ANSWER),
)
# After these the weights are loaded; the next phase depends on whether the model is compiled.
WEIGHTS_DONE = ("Model loading took", "Loading model weights took", "Loading weights took")
READY = "Application startup complete."
ANSWERED = (
    '/completions HTTP/1.1" 200',
    '/v1/responses HTTP/1.1" 200',
    '/v1/messages HTTP/1.1" 200',
)

# A part of a bar's label, and the phase that it belongs to.
BARS: tuple[tuple[str, Phase], ...] = (
    ("checkpoint shards", Phase.WEIGHTS),
    ("Capturing", Phase.GRAPHS),
    ("Fetching ", Phase.DOWNLOAD),
    ("Downloading", Phase.DOWNLOAD),
    (".safetensors", Phase.DOWNLOAD),
    (".bin", Phase.DOWNLOAD),
    (".json", Phase.DOWNLOAD),
)

# A new process has started: earlier lines belong to another one.
NEW_PROCESS = ("█  version ", "vLLM API server version")
# The server was shut down: the errors that follow are caused by that.
SHUTDOWN = ("[shutdown] API server: shutdown triggered", "Shutting down")
SHUTDOWN_SYSTEMD = ("Stopping ", "Stopped ")
STARTING_SYSTEMD = ("Starting ", "Started ")
