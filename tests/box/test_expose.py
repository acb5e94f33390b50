"""`invoke expose` on a real box: the API behind TLS, the key needed, nothing else let through."""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import PIL.Image
import pytest

from onecard.inventory.load import load
from tests.box.conftest import Box, Controller
from tests.support.planted_secrets import Request, searched, unexpected

pytestmark = pytest.mark.box

# A firewall of the kind that a careful owner has: refuses what it does not know.
FIREWALL = """
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct state established,related accept
    tcp dport 22 accept
  }
}
"""
STATE = (
    "nft list ruleset; dpkg-query -W; ls -A /etc /etc/onecard /var/lib /etc/systemd/system/*; "
    "systemctl list-unit-files --no-pager | grep -e vllm -e onecard -e nginx"
)


class Public:
    """The public address, requested with curl as its users do."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.url: str = document["url"].removesuffix("/v1")
        self.certificate: str = document["certificate"]
        self.curl = ("curl", "-sS", "--path-as-is", "-m", "60", "--cacert", self.certificate)
        self.curl += ("-H", "@-", "-w", "\n%{http_code}")
        self.key_file = Path(document["key_file"])

    def __call__(self, path: str, *words: str, key: bool = True) -> tuple[int, str]:
        header = f"Authorization: Bearer {self.key_file.read_text().strip()}" if key else ""
        done = subprocess.run(
            [*self.curl, *words, self.url + path],
            input=header,
            capture_output=True,
            text=True,
        )
        body, _, code = done.stdout.rpartition("\n")
        return int(code), body or done.stderr

    def until(self, path: str, wanted: int) -> str:
        """Retry until the code is the expected one: nginx takes a moment to listen."""
        deadline = time.monotonic() + 20
        while (answer := self(path))[0] != wanted:
            assert time.monotonic() < deadline, answer
            time.sleep(0.2)
        return answer[1]


def address(controller: Controller) -> str:
    return load(controller.inventory).hosts["box1"].connection.address


def reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def before(controller: Controller, box: Box, deployed: Any) -> Iterator[str]:
    """What the box was, with its firewall, before it was exposed; its server answers."""
    controller.json("deploy", "--host", "sandbox")
    box(
        "apt-get install -qq -y --no-install-recommends nftables >/dev/null 2>&1\n"
        f"cat >/etc/nftables.conf <<'@end'\n{FIREWALL}@end\nsystemctl enable -q --now nftables"
    )
    yield box(STATE)
    box("systemctl disable -q --now nftables; nft flush ruleset")


@pytest.fixture(scope="module")
def exposed(controller: Controller, before: str) -> Iterator[dict[str, Any]]:
    words = ("expose", "--host", "sandbox", "--domain", address(controller), "--tls", "internal")
    planned = controller.json(*words, "--check")
    assert planned["pending"][0]["resource"] == "apt nginx openssl"
    yield controller.json(*words)
    controller.invoke("unexpose", "--host", "sandbox")


@pytest.fixture(scope="module")
def public(exposed: dict[str, Any]) -> Public:
    assert (exposed["status"], exposed["changed"]) == ("changed", 11)
    return Public(exposed)


def test_a_second_run_changes_nothing(controller: Controller, box: Box, public: Public) -> None:
    before = box("systemctl show onecard-proxy vllm -p MainPID; nft list ruleset")
    again = controller.json(
        "expose", "--host", "sandbox", "--domain", address(controller), "--tls", "internal"
    )
    assert (again["status"], again["changed"]) == ("ok", 0)
    assert box("systemctl show onecard-proxy vllm -p MainPID; nft list ruleset") == before


@pytest.mark.parametrize(
    ("path", "without", "with_key"),
    [
        ("/v1/models", 401, 200),
        ("/health", 200, 200),
        ("/v1", 404, 404),
        ("/metrics", 404, 404),
        ("/tokenize", 404, 404),
        ("/invocations", 404, 404),
        ("/docs", 404, 404),
        ("/openapi.json", 404, 404),
        ("/v1/../metrics", 404, 404),
        ("/v1/%2e%2e/metrics", 404, 404),
        # vLLM's /metrics answers whatever follows: the path must not reach it as it was sent
        ("/metrics/..%2fv1/models", 401, 200),
        ("/metrics/../v1/models", 401, 200),
    ],
)
def test_only_the_guarded_api_is_public(
    public: Public, path: str, without: int, with_key: int
) -> None:
    code, body = public(path, key=False)
    assert code == without
    assert "python_info" not in body
    code, body = public(path)
    assert code == with_key
    assert "python_info" not in body


def test_nothing_else_is_reachable_from_outside(
    controller: Controller, box: Box, public: Public
) -> None:
    host = address(controller)
    assert reachable(host, 443)
    assert not reachable(host, 8000)
    assert not reachable(host, 80)
    assert "127.0.0.1:8000" in box("ss -Hltn 'sport = :8000'")
    assert public("/v1/models", "-X", "PUT")[0] == 403
    with pytest.raises(ssl.SSLCertVerificationError):
        ssl.create_default_context().wrap_socket(
            socket.create_connection((host, 443), 5), server_hostname=host
        )


def test_answers_stream_and_large_pictures_pass(public: Public, tmp_path: Path) -> None:
    client = openai.OpenAI(
        base_url=public.url + "/v1",
        api_key=public.key_file.read_text().strip(),
        http_client=openai.DefaultHttpxClient(
            verify=ssl.create_default_context(cafile=public.certificate)
        ),
        max_retries=0,
    )
    with client:
        chunks = [
            (time.monotonic(), chunk.choices[0].delta.content)
            for chunk in client.chat.completions.create(
                model="tiny-vqa",
                messages=[{"role": "user", "content": "Say hello."}],
                max_tokens=200,
                stream=True,
                extra_body={
                    "ignore_eos": True,
                    "chat_template_kwargs": {"enable_thinking": False},
                },
            )
            if chunk.choices
        ]
    assert len(chunks) > 20
    assert chunks[-1][0] - chunks[0][0] > 0.1  # a proxy that gathers gives all of them at once

    noise = io.BytesIO()
    PIL.Image.frombytes("RGB", (2000, 2000), os.urandom(12_000_000)).save(noise, "PNG")
    url = "data:image/png;base64," + base64.b64encode(noise.getvalue()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": "What color is it?"},
    ]
    body = tmp_path / "body.json"
    body.write_text(
        json.dumps({"model": "tiny-vqa", "messages": [{"role": "user", "content": content}]})
    )
    assert body.stat().st_size > 15_000_000
    sent = ("-H", "Content-Type: application/json", "--data-binary", f"@{body}")
    code, answer = public("/v1/chat/completions", *sent, "-H", "Expect:")
    assert code == 200, answer
    with body.open("wb") as file:
        file.truncate(101 * 2**20)
    code, answer = public("/v1/chat/completions", *sent)
    assert (code, json.loads(answer)["error"]["code"]) == (413, 413)


def test_drift_is_repaired_and_the_firewall_may_be_reloaded(
    controller: Controller, box: Box, public: Public
) -> None:
    box("systemctl reload nftables")
    deadline = time.monotonic() + 20
    while not reachable(address(controller), 443):
        assert time.monotonic() < deadline
    box("nft flush ruleset; nft -f /etc/nftables.conf; echo >>/etc/onecard/expose/nginx.conf")
    assert not reachable(address(controller), 443)
    again = controller.json(
        "expose", "--host", "sandbox", "--domain", address(controller), "--tls", "internal"
    )
    assert again["changed"] == 2
    assert public("/v1/models")[0] == 200


def test_it_comes_and_goes_with_the_server(
    controller: Controller, box: Box, public: Public
) -> None:
    """Closed while the server is stopped; open again after a deploy, without a second expose."""
    assert controller.invoke("stop", "--host", "sandbox").returncode == 0
    assert not reachable(address(controller), 443)
    down = controller.invoke("tunnel", "--host", "sandbox")
    assert down.returncode == 1
    assert "the server is down: its unit is inactive" in down.stderr
    assert controller.invoke("deploy", "--host", "sandbox").returncode == 0
    assert public("/v1/models")[0] == 200
    message = box(
        "systemd-analyze verify /etc/systemd/system/onecard-*.service 2>&1 | grep onecard || true"
    )
    assert message == ""


def test_it_looks_up_the_port_of_the_release_that_runs(box: Box, public: Public) -> None:
    unit = "/etc/systemd/system/vllm.service"
    try:
        box(
            f"cp -a {unit} /root/unit; sed -i 's/--port 8000/--port 8017/' {unit}\n"
            "systemctl daemon-reload; systemctl restart onecard-proxy"
        )
        assert "127.0.0.1:8017" in box("cat /run/onecard-proxy/upstream.conf")
        body = public.until("/v1/models", 503)
        assert json.loads(body)["error"]["code"] == 503
    finally:
        box(f"mv /root/unit {unit}; systemctl daemon-reload; systemctl restart onecard-proxy")
    public.until("/v1/models", 200)


def test_the_certificates_key_is_in_its_file_alone(
    controller: Controller, box: Box, public: Public
) -> None:
    line = box("sed -n 2p /etc/onecard/expose/key.pem").strip()
    assert len(line) == 64
    secrets = {"certificate's key": line, "API key": public.key_file.read_text().strip()}
    here = (str(controller.inventory), str(controller.runs))
    found = searched(Request(secrets), box) | searched(Request(secrets, here))
    assert unexpected(found) == []
    assert {"certificate's key", "API key"} == {each.secret for each in found}


def test_unexpose_undoes_exactly(
    controller: Controller, box: Box, before: str, public: Public
) -> None:
    done = controller.json("unexpose", "--host", "sandbox")
    assert done["status"] == "changed"
    assert not reachable(address(controller), 443)
    assert box(STATE) == before
    assert controller.json("unexpose", "--host", "sandbox")["changed"] == 0
    assert controller.invoke("status", "--host", "sandbox").returncode == 0


def test_bad_input_is_one_line_and_exit_2(controller: Controller) -> None:
    rows = (
        ((), "--domain"),
        (("--domain", "192.0.2.1"), "--tls internal"),
        (("--domain", "not a name"), "--domain"),
        (("--domain", "a.example", "--tls", "none"), "--tls"),
        (("--domain", "a.example", "--email", "nobody"), "--email"),
    )
    for words, named in rows:
        done = controller.invoke("expose", "--host", "sandbox", *words)
        assert done.returncode == 2, (words, done.stderr)
        assert named in done.stderr
        assert "Traceback" not in done.stderr
