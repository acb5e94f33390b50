"""`invoke teardown`."""

from __future__ import annotations

from rich.console import Console

from onecard import cli, kept, secret_store
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole, progress_console
from onecard.engine import converge, inspect, remove_own_traces
from onecard.errors import CommandError, DriftError, OnecardError, PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.places import PROJECT
from onecard.plan import Item, Plan, RolePlan
from onecard.prompts import Prompts
from onecard.report import HostReport
from onecard.selection import read_pin, write_pin
from onecard.survey import Survey, read_survey, survey_script
from roles import teardown as role

SHORTEST_SECRET = 12  # characters; a shorter one is found where it does not stand
STAYS = (
    "Debian packages of provision: nobody noted which of them were there before",
    "the NVIDIA driver with its holds and blacklists",
    "the journal, unless a secret stood in it",
    "on this computer: the host key in known_hosts, the inventory, what `invoke secret` keeps",
)


class _Before(HostConsole):
    """Lists what would go, one line each."""

    def planned(self, plan: Plan) -> None:
        for item in plan.changes:
            self.say(f"goes: {item.resource.name}  {_left(item)}", "yellow")


class _Console(HostConsole):
    """Tells of the work alone, since the plan was shown before; keeps what is said of wiping."""

    def __init__(self, console: Console, host: str) -> None:
        super().__init__(console, host)
        self.wiped: list[str] = []

    def facts(self, facts: Facts) -> None:
        pass

    def planned(self, plan: Plan) -> None:
        pass

    def line(self, item: Item, text: str) -> None:
        if text.startswith("wiped "):
            self.wiped.append(f"{item.resource.name}: {text.removeprefix('wiped ')}")
        super().line(item, text)


def teardown(requested: str, *, yes: bool, check: bool, as_json: bool) -> int:
    """Remove everything from a box, prove it, and forget it here; return 1 if anything is left."""
    host = cli.chosen_host(requested)
    console = progress_console()
    work = _Console(console, host.name)
    trouble: OnecardError | None = None
    with connected(host, cli.known_hosts()) as box:
        survey = _survey(box)
        plan = _converge(box, survey, _Before(console, host.name), check=True)
        if check:
            _tell_check(host, plan, as_json=as_json)
            return 0
        if plan.changes and not yes:
            _confirm(host)
        try:
            _converge(box, survey, work, check=False)
        except (CommandError, DriftError) as error:
            trouble = error
        proof = _prove(box, survey)
    clean = not proof.changes
    forgotten = _forget(host) if clean else []
    _tell(host, proof, work.wiped, forgotten, as_json=as_json)
    if trouble is not None:
        cli.show_error(f"{host.name}: {trouble.message}", trouble.detail)
    return 0 if clean else 1


def _survey(box: Connected) -> Survey:
    """Ask for what is about to be removed; add the secrets that this computer keeps."""
    name, settings = box.host.name, box.host.settings
    here = (kept.key(name), *(secret_store.find(secret, name) for secret in secret_store.NAMES))
    known = tuple(each for each in here if each and len(each.reveal()) >= SHORTEST_SECRET)
    output = box.session.run(survey_script(settings.user)).output
    return read_survey(output, settings.serve.port, known)


def _converge(box: Connected, survey: Survey, console: HostConsole, *, check: bool) -> Plan:
    return converge(
        box.session,
        box.host,
        lambda host, facts: (RolePlan("teardown", role.desired(host, facts, survey)),),
        reporter=console,
        report=HostReport(box.host.name),
        holder=holder("teardown"),
        check=check,
        go_on=True,
    )


def _confirm(host: Host) -> None:
    question = f"This cannot be undone. Type the host's name ({host.name}) to go on: "
    if not Prompts().types(question, host.name):
        raise PreflightError(
            f"{host.name}: not confirmed, nothing was changed; type the host's name, or say --yes"
        )


def _prove(box: Connected, survey: Survey) -> Plan:
    """Remove what the run itself left, and look at everything once more."""
    remove_own_traces(box.session, role.run_files())
    resources = (*role.desired(box.host, Facts(), survey), *role.run_files())
    return inspect(box.session, [RolePlan("teardown", resources)])


def _forget(host: Host) -> list[str]:
    """Forget on this computer what is of no use any more; return what that was."""
    forgotten = []
    if kept.forget(host.name):
        forgotten.append("the copy of its API key and certificate")
    if read_pin(PROJECT) == host.name:
        write_pin(PROJECT, "")
        forgotten.append("that it was pinned by `invoke use`")
    return forgotten


def _left(item: Item) -> str:
    return ", ".join(str(each.actual) for each in item.differences.values())


def _tell_check(host: Host, plan: Plan, *, as_json: bool) -> None:
    if as_json:
        found = [{"what": item.resource.name, "left": _left(item)} for item in plan.changes]
        cli.print_json({"host": host.name, "status": "left" if found else "clean", "left": found})
    elif not plan.changes:
        print(f"{host.name}: nothing is left of onecard")


def _tell(
    host: Host, proof: Plan, wiped: list[str], forgotten: list[str], *, as_json: bool
) -> None:
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "status": "left" if proof.changes else "clean",
                "checked": [
                    {"what": item.resource.name, "left": _left(item)} for item in proof.items
                ],
                "wiped": wiped,
                "stays": list(STAYS),
            }
        )
        return
    output = Console(highlight=False, soft_wrap=True)
    for item in proof.items:
        word = "[bold red]left[/]" if item.differences else "[green]ok[/]  "
        output.print(f"{word}  ", end="")
        output.print(f"{item.resource.name}  {_left(item)}".rstrip(), markup=False)
    for title, lines in (("wiped", wiped), ("forgotten here", forgotten), ("stays", STAYS)):
        for line in lines:
            output.print(f"{title}: {line}", markup=False)
    if proof.changes:
        output.print(f"{host.name}: {len(proof.changes)} of {len(proof.items)} are left")
    else:
        output.print(f"{host.name}: nothing is left of onecard", markup=False)
