"""OpenSSH's door: what Paramiko cannot do, done by the user's own ssh."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from onecard.errors import RUN_AGAIN, AuthenticationError, UnreachableError
from onecard.inventory.host import Host
from onecard.ssh.door import Door
from onecard.ssh.doors.persistent import alone, persistent_login
from onecard.ssh.fabric_connection import connect_timeout_of, silence_timeout
from onecard.ssh.host_keys import host_key_book
from onecard.ssh.openssh import private_key
from onecard.ssh.openssh.askpass import PASSPHRASE, PASSWORD, PIN
from onecard.ssh.openssh.identities import existing
from onecard.ssh.openssh.master import Master, ProcessPipe, Stream
from onecard.ssh.openssh.route import Route
from onecard.ssh.prompts import Prompts
from onecard.ssh.trust import confirm_host_key, shown_host_key

_CHECKS = 3  # unanswered ones, of a box that is lost


class OwnSsh(Door):
    """One host's connection by the ssh program, with the same rules as Paramiko's.

    known_hosts: the project's own file, before the user's. again: use no login that
    persists.
    """

    def __init__(
        self,
        host: Host,
        known_hosts: Path,
        prompts: Prompts,
        route: Route,
        *,
        again: bool = False,
    ) -> None:
        self._host = host
        self._known_hosts = known_hosts
        self._prompts = prompts
        self._route = route
        self._master: Master | None = None
        self._again = again
        self._reused = False

    @property
    def login(self) -> str:
        return self._route.login

    @property
    def address(self) -> str:
        return self._route.address

    @property
    def alive(self) -> bool:
        return self._master is not None and self._master.alive

    @property
    def silent(self) -> bool:
        return self._master is not None and self._master.silent

    @property
    def reused(self) -> bool:
        return self._reused

    def connect(self) -> None:
        settings = self._host.connection
        if settings.key_file and not private_key.needs_openssh(settings.key_file):
            private_key.require(
                settings.key_file, f"{self._host.name}: {settings.key_file_setting}"
            )
        self._confirm_unknown()
        persist = "" if self._again else settings.keep_connection
        connect_timeout = connect_timeout_of(self._host, self._route)
        limit = silence_timeout(self._route, connect_timeout)
        make = partial(
            Master,
            self._host.name,
            self._route,
            self._known_hosts,
            settings.key_file,
            connect_timeout=connect_timeout,
            limits=(max(1, round(limit / _CHECKS)), _CHECKS),
        )
        if not persist:
            self._master = make()
            self._log_in(self._master)
            return
        login = persistent_login(self._host, self._route, self._known_hosts)
        self._master = make(persistent=login, persist=persist)
        with alone(login):
            self._reused = login.alive
            if not self._reused:
                login.end(connect_timeout)  # a socket that is left over
                self._log_in(self._master)

    def _log_in(self, master: Master) -> None:
        try:
            master.log_in({})
        except AuthenticationError:
            secrets = self._secrets(master)
            if not secrets:
                raise
            self._log_in_with(secrets, master)

    def pipe(self, command: str) -> ProcessPipe:
        return self._open().pipe(command, self._lost)

    def stream(self, port: int, address: str = "127.0.0.1") -> Stream:
        return self._open().stream(port, address)

    def close(self) -> None:
        if self._master is not None:
            self._master.close()

    def _open(self) -> Master:
        if self._master is None:
            raise UnreachableError(f"{self._host.name}: not connected")
        if error := self._lost():
            raise error
        return self._master

    def _lost(self) -> UnreachableError | None:
        if self.alive:
            return None
        reason = "the box does not answer" if self.silent else "the connection was cut"
        return UnreachableError(f"{self._host.name}: {reason}; {RUN_AGAIN}")

    def _confirm_unknown(self) -> None:
        """Show an unknown host key and have it confirmed, where ssh would have to prompt."""
        book = host_key_book(self._route, self._known_hosts)
        if book.state == "unknown" and not book.bare and book.strict == "ask":
            shown = shown_host_key(self._host, self._known_hosts, self._route)
            confirm_host_key(self._host, shown, self._known_hosts, self._route, self._prompts)

    def _log_in_with(self, secrets: dict[str, str], master: Master) -> None:
        try:
            master.log_in(secrets)
        except AuthenticationError as error:
            if PIN in secrets and master.needs_pin:
                raise AuthenticationError(
                    f"{self._host.name}: the security key did not accept the PIN"
                ) from error
            raise

    def _secrets(self, master: Master) -> dict[str, str]:
        if master.needs_pin:
            if pin := self._prompts.pin():
                return {PIN: pin.reveal()}
            raise AuthenticationError(
                f"{self._host.name}: the security key needs its PIN: run this on a terminal, or "
                "set ONECARD_KEY_PASSPHRASE"
            )
        own = self._host.connection.key_file
        paths = [own] if own else existing(self._route)
        locked = next((path for path in paths if private_key.is_encrypted(path)), None)
        passphrase = self._prompts.passphrase(locked) if locked else None
        password = self._prompts.ssh_password(self.login)
        answers = {PASSPHRASE: passphrase, PASSWORD: password}
        return {name: secret.reveal() for name, secret in answers.items() if secret is not None}
