"""`invoke teardown`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json, show_error
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.engine.host_plan import HostPlan
from onecard.errors import PreflightError
from onecard.inventory.host import Host
from onecard.provision.teardown import Teardown, left, teardown_host
from onecard.records import recorded
from onecard.ssh.prompts import Prompts

STAYS = (
    "Debian packages of provision: nobody noted which of them were there before",
    "the NVIDIA driver with its holds and blacklists",
    "the journal, unless a secret stood in it",
    "on this computer: the host key in known_hosts, the inventory, what `invoke secret` stores",
)


def teardown(requested: str, *, yes: bool, check: bool, as_json: bool) -> int:
    """Remove everything from a box and its copies here, verify it; return 1 if anything is left."""
    host = targets.chosen_host(requested)

    def confirm() -> None:
        if not yes:
            _confirm(host)

    with recorded("teardown", host, keep=not check) as record:
        done = teardown_host(host, targets.known_hosts(), progress_console(), confirm, check=check)
        record.exit_code = 1 if done.proof and done.proof.changes else 0
    if done.proof is None:
        _print_check(host, done.plan, as_json=as_json)
        return 0
    _print(host, done, done.proof, as_json=as_json)
    if done.error is not None:
        show_error(f"{host.name}: {done.error.message}", done.error.detail)
    return 1 if done.proof.changes else 0


def _confirm(host: Host) -> None:
    question = f"This cannot be undone. Type the host's name ({host.name}) to go on: "
    if not Prompts().confirm_by_typing(question, host.name):
        raise PreflightError(
            f"{host.name}: not confirmed, nothing was changed; type the host's name, or say --yes"
        )


def _print_check(host: Host, plan: HostPlan, *, as_json: bool) -> None:
    if as_json:
        found = [{"what": item.resource.name, "left": left(item)} for item in plan.changes]
        print_json({"host": host.name, "status": "left" if found else "clean", "left": found})
    elif not plan.changes:
        print(f"{host.name}: nothing is left of onecard")


def _print(host: Host, done: Teardown, proof: HostPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "host": host.name,
                "status": "left" if proof.changes else "clean",
                "checked": [
                    {"what": item.resource.name, "left": left(item)} for item in proof.items
                ],
                "wiped": list(done.wiped),
                "stays": list(STAYS),
            }
        )
        return
    output = Terminal(soft_wrap=True)
    for item in proof.items:
        word = "[bold red]left[/]" if item.differences else "[green]ok[/]  "
        output.print(f"{word}  ", end="")
        output.print(f"{item.resource.name}  {left(item)}".rstrip(), markup=False)
    for title, lines in (
        ("wiped", done.wiped),
        ("forgotten here", done.forgotten),
        ("stays", STAYS),
    ):
        for line in lines:
            output.print(f"{title}: {line}", markup=False)
    if proof.changes:
        output.print(f"{host.name}: {len(proof.changes)} of {len(proof.items)} are left")
    else:
        output.print(f"{host.name}: nothing is left of onecard", markup=False)
