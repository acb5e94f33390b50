"""The key of a host is stored at first, and replaced only on request."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from onecard.errors import HostKeyError
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.host_keys import HostKey, save_host_key
from onecard.ssh.trust import known_host_keys, trust_host
from tests.support.ssh_server import HOST_KEY, SshServer


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


def test_a_changed_key_is_stored_only_on_request(tmp_path: Path) -> None:
    known_hosts = tmp_path / "known_hosts"
    with SshServer() as server:
        host = Host("box", Connection("127.0.0.1", port=server.port, user="u"), Settings())
        shown, was_known = trust_host(host, known_hosts, replace=False)
        assert (shown.key, was_known) == (HOST_KEY, False)
        assert known_hosts.read_text() == server.known_host
        assert trust_host(host, known_hosts, replace=False)[1]
        other = HostKey(shown.name, paramiko.ECDSAKey.generate())
        save_host_key(known_hosts, other)
        with pytest.raises(HostKeyError, match="has changed") as caught:
            trust_host(host, known_hosts, replace=False)
        assert other.fingerprint in caught.value.message
        assert shown.fingerprint in caught.value.message
        assert [each.key for each in known_host_keys(host, known_hosts)] == [other.key]
        assert trust_host(host, known_hosts, replace=True) == (shown, False)
        assert known_hosts.read_text() == server.known_host
