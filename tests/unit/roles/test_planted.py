"""Nothing that a setting holds plants a line, an option or a command on a box.

Each setting, found by walking the models, gets each of these texts in each shape that it might take.
Either it is refused with file and key, or everything that is written and run for the host is as
without it, but for the text itself in its place.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

import roles
from onecard.box import paths
from onecard.box.supervision.configuration import program
from onecard.box.supervision.unit import ServiceUnit
from onecard.credentials.secret import Secret
from onecard.engine.host_plan import Item
from onecard.engine.job import run_job
from onecard.errors import OnecardError, UsageError
from onecard.export.container import container_server
from onecard.export.formats import FORMATS
from onecard.fit.on_host import read_box_model, settle
from onecard.inventory.host import Host
from onecard.inventory.load import load
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.inventory.serving_groups.gateway_group import GatewayGroup
from onecard.locks.indexes import indexes
from onecard.locks.resolve_request import matched, resolve_request, script
from onecard.resources.base import ABSENT, Resource, diff
from onecard.resources.files.file import File
from onecard.settings.connection_keys import ConnectionKeys
from onecard.settings.layers import layer, merge
from onecard.settings.settings import Settings
from roles import expose, gateway, ray, serve
from tests.support.exported_files import lock, parsed
from tests.support.facts_support import CARD, box, working
from tests.support.written_files import (
    assignments,
    command_words,
    nginx_directives,
    ran,
    variables,
    verified,
)

FACTS = box(driver=working("580.95.05"), gpus=(CARD,))
FILE = "inventory/host_vars/box.yml"

PLANTED = (
    "x\n[Service]\nExecStartPre=+/bin/touch planted",
    "x\r\nExecStartPre=+/bin/touch planted\r\n",
    "x\\\nExecStartPre=+/bin/touch planted",
    "x\x85ExecStartPre=+/bin/touch planted",
    "x\u2028ExecStartPre=+/bin/touch planted",
    "x\u2029[Service]",
    "x\x0bUser=root",
    "x\0touch planted",
    "x\x1b]0;touch planted\x07",
    "x\ud800",
    "x\u202etouch",
    "%n%h%%",
    "a%",
    "$(touch planted)",
    "`touch planted`",
    "${IFS}$HOME$$",
    "x; touch planted",
    "x;touch planted;",
    "x && touch planted #",
    "x | touch planted",
    "x'; touch planted; '",
    "'$(touch planted)'",
    'x"; touch planted; "',
    '"$(touch planted)"',
    'x" "--api-key" "y',
    "x\\",
    "x\\\\\\",
    "\\x",
    "-oDPkg::Pre-Invoke::=touch planted",
    "--host=0.0.0.0",
    "-",
    "+/bin/touch planted",
    "!@-:x",
    "x } server { listen 80; }",
    "x; return 200; #",
    "# x",
    "; x",
    " x ",
    "@end\ntouch planted",
    "a@b",
    "../../../etc/x",
    "fe80::1%x\ntouch planted",
    "x" * 100_000,
    "ä€語",
)
NUMBERS = (-1, 10**30, 10**5000, 1e308, math.nan, math.inf, True)


def leaves(
    model: type[BaseModel], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the type of each setting that is not a section."""
    for name, field in model.model_fields.items():
        inner: Any = field.annotation
        here = (*path, field.alias or name)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, here)
        else:
            yield here, str(inner)


FIELDS = {
    ".".join(path): kind for model in (ConnectionKeys, Settings) for path, kind in leaves(model)
}


def shapes(name: str, kind: str, text: Any) -> Iterator[Any]:
    """Yield what a file might hold: the text itself, and a list or mapping with it."""
    yield text
    if not isinstance(text, str):
        return
    if "str" in kind:
        yield from (f"/opt/{text}", f"https://mirror.example/{text}")
    if "tuple" in kind:
        yield [text]
        yield from (["--seed", text, f"--seed={text}"], [f"x {text}"], [f"/opt/{text}"])
    if "dict[str, str]" in kind:
        yield from ({"A": text}, {text: "x"}, {"CUDA_VISIBLE_DEVICES": text})
    elif "dict" in kind:
        yield from ({text: 1}, {"image": text}, {"method": "ngram", text: [text]})


def layered(name: str, value: Any) -> Host:
    """Return the host of a file with a setting. Raises UsageError as loading the file does."""
    base = {
        "expose": {"domain": "api.example.org", "email": "me@example.org"},
        "model": {"source": "acme/x", "name": "it"},
        "monitoring": True,
        "gateway": {"host": "box", "domain": "all.example.org", "email": "me@example.org"},
        "cluster": {"address": "10.0.0.1"},
    }
    planted: Any = value
    for part in reversed(name.split(".")):
        planted = {part: planted}
    blocks = [layer(base, "inventory/all.yml", ""), layer(planted, FILE, "")]
    for block in blocks:
        if block.problems:
            raise UsageError(block.problems[0])
    keys, settings = merge(blocks)
    return Host("box", keys.connection("box", Path("/project")), settings)


@dataclass(frozen=True)
class Written:
    """What is written and run for a host."""

    host: Host
    files: dict[str, str]
    scripts: frozenset[str]
    exported: tuple[str, ...]


class Recorder:
    """A session that runs nothing."""

    def __init__(self) -> None:
        self.scripts: list[str] = []

    def run(self, script: str, **_: object) -> Any:
        self.scripts.append(script)
        return type("Done", (), {"output": "", "code": 0})()

    def send(self, requests: Sequence[Any], **_: object) -> Any:
        self.scripts += [
            each.payload.decode("utf-8", "replace")
            for each in requests
            if isinstance(each.payload, bytes)
        ]
        return [type("Done", (), {"code": 0})()]


def written(host: Host) -> Written:
    """Return it. Raises OnecardError for what is refused only now."""
    facts = replace(FACTS, root=f"{host.settings.root}/opt")
    plans = (*roles.provision(host, facts), *roles.deploy(settle(host, FACTS).host, FACTS))
    resources = [each for plan in plans for each in plan.resources]
    resources += expose.desired(host, FACTS)
    resources += group_resources(host)
    files = {each.path: each.content for each in resources if isinstance(each, File)}
    recorder: Any = Recorder()
    read_box_model(recorder, host)
    build = matched(host, FACTS)
    recorder.scripts += [
        script(resolve_request(host, FACTS, build, "0.33.0", ""), indexes(host)),
        *(each.probe() for each in resources),
    ]
    run_job(recorder, [item(each) for each in resources], _Silent())
    return Written(host, files, frozenset(recorder.scripts), exported(host))


def group_resources(host: Host) -> list[Resource]:
    """Return what the box gets as the gateway of itself, and as the head of a cluster."""
    serving, other = host.settings.serve, Host("other", host.connection, Settings())
    back_end = gateway.BackEnd(host.name, serving.address, serving.port, Secret("k" * 40))
    cluster = ClusterGroup("pool", host, (other,))
    return [
        *gateway.desired(GatewayGroup(host, (host,)), (back_end,), FACTS),
        *ray.desired(cluster, host, FACTS, host.venv, None).resources,
    ]


def exported(host: Host) -> tuple[str, ...]:
    """Return the words and variables that each engine gets of a host's exported server."""
    server = container_server(replace(host, lock=lock()), FACTS, token=False)
    texts = []
    for kind in FORMATS:
        try:
            found = parsed(kind, server)
        except UsageError as error:
            assert error.message.startswith(("serve.extra_args: Quadlet", "model.source: Quadlet"))
            continue
        assert found.arguments == list(server.arguments)
        assert found.environment == server.environment
        assert found.secrets == server.secrets
        texts.append(f"{kind}: {found.cards} {sorted(found.mounts)}")
    return tuple(texts)


def item(resource: Resource) -> Item:
    return Item("role", resource, ABSENT, diff(resource.desired(), ABSENT))


class _Silent:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


@cache
def plain() -> Written:
    return written(layered("serve.ctx", 4096))


def outcome(name: str, value: Any) -> Written | None:
    """Return what comes of a value; None where it is refused, in one line with file and key."""
    try:
        host = layered(name, value)
    except UsageError as error:
        assert error.message.isprintable(), ascii(error.message)
        assert error.message.startswith(f"{FILE}: "), error.message[:200]
        assert name.split(".", maxsplit=1)[0] in error.message
        assert len(error.message) < 1000
        return None
    try:
        return written(host)
    except UsageError as error:
        assert name in error.message, error.message
    except OnecardError:
        pass  # no box can have it
    return None


def unit_files(found: Written) -> dict[str, str]:
    return {path: text for path, text in found.files.items() if path.endswith(".service")}


INDEXES = f"{paths.TOOLS}/indexes.json"
# Every other file is the same whatever the settings are.
SETTINGS_IN = (
    ".service", ".env", "/nginx.conf", "/haproxy.cfg", "/prepare", "/firewall", "/indexes.json"
)  # fmt: skip


def haproxy_lines(found: Written) -> list[tuple[str, int]]:
    """Return the first word of each line of HAProxy's configuration, and how many words it has."""
    lines = found.files[gateway.CONFIGURATION].splitlines()
    return [(line.split()[0], len(line.split())) for line in lines if line.strip()]


def judge(found: Written) -> None:
    """Refuse a line, a key, a word or a directive that the host without the value has not."""
    before = plain()
    assert found.files.keys() == before.files.keys()
    for path, text in unit_files(found).items():
        lines, expected = assignments(text), assignments(before.files[path])
        assert [line[:2] for line in lines] == [line[:2] for line in expected], text
        for (_, key, value), (_, _, wanted) in zip(lines, expected, strict=True):
            if key in ("ExecStart", "ExecStartPre"):
                command_words(value)
            else:
                assert value.count("%") % 2 == 0
            if key not in (
                "Description",
                "Environment",
                "ExecStart",
                "ExecStartPre",
                "User",
                "Group",
            ):
                assert value == wanted
        if path == paths.UNIT:
            (start,) = [value for _, key, value in lines if key == "ExecStart"]
            assert command_words(start) == list(serve.command(found.host))
    reported = dict(found.host.settings.serve.environment)
    known = variables(before.files[paths.ENVIRONMENT])
    assert variables(found.files[paths.ENVIRONMENT]) == {**known, **reported}
    assert variables(found.files[ray.ENVIRONMENT]).keys() == {
        *variables(before.files[ray.ENVIRONMENT]),
        *reported,
    }
    assert haproxy_lines(found) == haproxy_lines(before)
    assert json.loads(found.files[INDEXES]).keys() == json.loads(before.files[INDEXES]).keys()
    for name, text in unit_files(found).items():
        unit = ServiceUnit(name, text)
        assert program(unit) == program(ServiceUnit(name, before.files[name]))
        if name == paths.UNIT:
            assert unit.commands("ExecStart")[0].words == serve.command(found.host)
    for path, text in found.files.items():
        if not path.endswith(SETTINGS_IN):
            assert text == before.files[path], path
    directives = nginx_directives(found.files[f"{paths.EXPOSE}/nginx.conf"])
    ordinary = nginx_directives(before.files[f"{paths.EXPOSE}/nginx.conf"])
    assert [line[:1] + line[-1:] for line in directives if line[:1] != ["server_name"]] == [
        line[:1] + line[-1:] for line in ordinary if line[:1] != ["server_name"]
    ]


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_plants_nothing(name: str, tmp_path: Path) -> None:
    units: dict[str, None] = {}
    scripts: dict[str, None] = {}
    for text in (*PLANTED, *NUMBERS):
        for value in shapes(name, FIELDS[name], text):
            found = outcome(name, value)
            if found is not None:
                judge(found)
                units |= dict.fromkeys(unit_files(found).values())
                scripts |= dict.fromkeys(
                    each for each in found.scripts - plain().scripts if "touch" in each
                )
    assert ran(tuple(scripts), tmp_path) == []
    message = verified((*unit_files(plain()).values(), *units), tmp_path)
    if message is not None:
        ordinary = set().union(*message[: len(unit_files(plain()))])
        for text, words in zip(units, message[len(unit_files(plain())) :], strict=True):
            assert words <= ordinary, text


FOLDERS = [text for text in PLANTED if not set("/\0\n\r\ud800") & set(text) and len(text) < 200]


@pytest.mark.parametrize("text", FOLDERS)
def test_the_name_of_a_models_folder_plants_nothing(text: str, tmp_path: Path) -> None:
    """It names the folder on the box too, and the model where no setting does."""
    source = tmp_path / "models" / text
    source.mkdir(parents=True)
    (source / "config.json").write_text("{}")
    for name in ("", "it"):
        found = outcome("model", {"source": str(source), "name": name})
        if found is None:
            continue
        (start,) = re.findall("^ExecStart=(.*)$", found.files[paths.UNIT], re.MULTILINE)
        assert command_words(start) == list(serve.command(found.host))
        assert ran([each for each in found.scripts if "touch" in each], tmp_path) == []


@pytest.mark.parametrize("text", PLANTED)
def test_the_name_of_a_host_plants_nothing(text: str, tmp_path: Path) -> None:
    """It names files here, words of HAProxy's configuration, and the objects of an export."""
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {text: {}}}}))
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert re.match(r"\S*hosts\.yml: ", caught.value.message)
    assert caught.value.message.isprintable()


def test_the_judges_see_what_is_planted(tmp_path: Path) -> None:
    unit = plain().files[paths.UNIT]
    planted = unit.replace(
        "Description=", "Description=x\n[Service]\nExecStartPre=+/bin/touch y\n#"
    )
    assert assignments(planted) != assignments(unit)
    message = verified((unit, unit.replace("[Install]", "Plant=x\n[Install]")), tmp_path)
    assert message is None or message[1] > message[0]
    assert ran(["echo '$(touch x)'", 'echo "$(touch x)"', "echo x; touch y"], tmp_path) == [
        'echo "$(touch x)"', "echo x; touch y",
    ]  # fmt: skip


def test_what_is_legitimate_is_taken() -> None:
    for name, value in {
        "packages": ["htop", "g++", "libstdc++6", "linux-image-6.8.0-90-generic"],
        "python.packages": [
            "openai==2.1.0",
            "qwen-vl-utils[decord]>=0.0.8",
            "x; python_version<'3.13'",
        ],
        "indexes.url": "https://mirror.example:8443/simple/",
        "indexes.find_links": ["/srv/wheels", "https://own.example/links", "file:///srv/wheels"],
        "indexes.python_list": "/root/pack/list.json",
        "hub.endpoint": "http://127.0.0.1:8080",
        "model.source": "Qwen/Qwen3-VL-8B-Instruct",
        "model.revision": "refs/pr/7",
        "model.name": "Qwen/Qwen3.5 27B (fp8)",
        "serve.address": "fe80::1%eth0",
        "serve.extra_args": ["--seed", "0", "-O3", "--chat-template", "{{ a }} 'b'", "--x=$y 5%"],
        "serve.speculative_config": {"method": "mtp", "num_speculative_tokens": 2},
        "serve.chat_template_kwargs": {"system": "two\nlines"},
        "serve.environment": {
            "LD_PRELOAD": "/usr/lib/libtcmalloc.so.4",
            "ODD": 'a "b" $c \\d `e` #f',
        },
        "user": "CORP\\me",
        "proxy_jump": "me@[2001:db8::1]:2222,jump",
        "key_file": "~/.ssh/id_ed25519",
        "wheelhouse": "./wheels",
        "expose.domain": "2001:db8::1",
    }.items():
        layered(name, value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("packages", ["-oDPkg::Pre-Invoke::=touch /x"], "packages[0]: "),
        ("packages", ["vim-"], "is not the name of a Debian package"),
        ("indexes.url", "https://a.example/\n--index-url", "indexes.url: "),
        ("indexes.url", "https://a.example/ x", "is neither an address"),
        ("indexes.url", "http://[x", "is neither an address"),
        ("model.name", "x\n[Service]\nExecStartPre=+/bin/touch /x", "model.name: "),
        ("model.name", "-x", "begins with a dash"),
        ("python.packages", ["-r /etc/shadow"], "python.packages[0]: "),
        ("serve.extra_args", ["x"], "serve.extra_args: the first is not an option"),
        ("serve.extra_args", ["--x", "a\nb"], "serve.extra_args[1]: "),
        ("serve.speculative_config", 3, "serve.speculative_config: 3 is not a mapping or auto"),
        (
            "serve.speculative_config",
            {"num_speculative_tokens": "x"},
            "must be a whole number above 0",
        ),
        (
            "serve.tensor_parallel",
            "two",
            'serve.tensor_parallel: "two" is not a whole number or auto',
        ),
        ("serve.tensor_parallel", [1], "serve.tensor_parallel: [1] is not a whole number or auto"),
        ("serve.address", "fe80::1%x;y", "is not an IP address"),
        ("expose.domain", "fe80::1%eth0", "is neither a host name nor an address"),
        ("key_file", "~nobody-there/key", "names the home of an account that does not exist"),
        ("proxy_jump", "$(touch x)", "is not user@address"),
    ],
)
def test_the_refusal_names_the_key_and_what_is_wrong(name: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        layered(name, value)
    assert caught.value.message.startswith(f"{FILE}: {name}")
    assert words in caught.value.message
    assert caught.value.exit_code == 2


def test_nginx_takes_what_is_written(tmp_path: Path) -> None:
    import shutil

    from tests.support.written_files import SYSTEM_PATH

    nginx, openssl = (shutil.which(each, path=SYSTEM_PATH) for each in ("nginx", "openssl"))
    if nginx is None or openssl is None:
        pytest.skip("no nginx or openssl here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-noenc", "-days", "1", "-subj", "/CN=x", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "upstream.conf").write_text("server 127.0.0.1:8000;\n")
    (tmp_path / "listen.conf").write_text("listen 127.0.0.1:8443 ssl;\n")
    texts = [plain().files[f"{paths.EXPOSE}/nginx.conf"]]
    for text in PLANTED:
        for value in (text, f"a.{text}"):
            found = outcome("expose.domain", value)
            texts += [found.files[f"{paths.EXPOSE}/nginx.conf"]] if found else []
    for name in ("2001:db8::1", "192.0.2.1", "a-b.example"):
        found = outcome("expose.domain", name)
        assert found is not None
        texts.append(found.files[f"{paths.EXPOSE}/nginx.conf"])
    for text in dict.fromkeys(texts):
        here = re.sub(r"/run/credentials/[^/]+/", f"{tmp_path}/", text)
        here = re.sub("/run/onecard-proxy/", f"{tmp_path}/", here)
        here = re.sub(r"(_temp_path) /tmp/", rf"\1 {tmp_path}/", here)
        (tmp_path / "nginx.conf").write_text(here)
        done = subprocess.run(
            [nginx, "-t", "-e", "stderr", "-c", tmp_path / "nginx.conf"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
