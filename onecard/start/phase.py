"""The phases of a server's start, in the words that a person reads, and the lines that begin them.

The wording of the lines is vLLM's, from the releases 0.17 to 0.33 and some before; where a release
words a line otherwise, both are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Phase(Enum):
    """One phase; `title` is what to show."""

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
        return self.value


ORDER: tuple[Phase, ...] = tuple(Phase)
# These come in this order and once. What lies between WEIGHTS and API has changed its order from
# release to release and may be interleaved, so a phase there may go on after another.
ONCE = (Phase.PROCESS, Phase.CONFIG, Phase.DOWNLOAD, Phase.WEIGHTS, Phase.API, Phase.ANSWER)


@dataclass(frozen=True)
class PhaseState:
    """How a phase stands.

    started, ended: seconds on the tracker's clock, of the first beginning and the last end; None
        where it has not begun or not ended.
    seconds: how long it was the phase at work, in all.
    fraction: how far it has come, 0 to 1, where the log gives a bar; else None.
    label, count: what the bar counts and how much (`1/2`), else empty.
    """

    phase: Phase
    started: float | None = None
    ended: float | None = None
    seconds: float = 0.0
    fraction: float | None = None
    label: str = ""
    count: str = ""


# A literal in the message, and the phase that is at work from that line on.
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
# After these the weights are in; what follows depends on whether the model is compiled.
WEIGHTS_DONE = ("Model loading took", "Loading model weights took", "Loading weights took")
READY = "Application startup complete."
ANSWERED = (
    '/completions HTTP/1.1" 200',
    '/v1/responses HTTP/1.1" 200',
    '/v1/messages HTTP/1.1" 200',
)

# What a bar's label says about the phase it belongs to.
BARS: tuple[tuple[str, Phase], ...] = (
    ("checkpoint shards", Phase.WEIGHTS),
    ("Capturing", Phase.GRAPHS),
    ("Fetching ", Phase.DOWNLOAD),
    ("Downloading", Phase.DOWNLOAD),
    (".safetensors", Phase.DOWNLOAD),
    (".bin", Phase.DOWNLOAD),
    (".json", Phase.DOWNLOAD),
)

# A new process has been started: what came before belongs to another.
NEW_PROCESS = ("█  version ", "vLLM API server version")
# The server was told to go: the errors that follow are those of going.
GOING = ("[shutdown] API server: shutdown triggered", "Shutting down")
GOING_SYSTEMD = ("Stopping ", "Stopped ")
STARTING_SYSTEMD = ("Starting ", "Started ")
