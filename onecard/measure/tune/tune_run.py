"""Runs a whole tune on a host: the search in trial releases, the restore, and the record."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from onecard.box import paths
from onecard.console.host_console import HostConsole
from onecard.console.steps import Steps
from onecard.deploy.console import deploy_console
from onecard.deploy.deployment import deploy_host
from onecard.engine.converge import gather
from onecard.errors import OnecardError, PreflightError, UnhealthyError, UnreachableError
from onecard.facts import Facts
from onecard.fit.on_host import Settled, read_box_model, settle
from onecard.inventory.host import Host, with_api_key
from onecard.inventory.override import override
from onecard.locks.resolve import adopt
from onecard.measure.bench.bench_run import clean_box
from onecard.measure.prior_release import PriorRelease, restore_prior, running, save_prior
from onecard.measure.tune.candidates import Candidate, LeftOut, candidates
from onecard.measure.tune.judgement import ANSWERS, FAILED, Judgement
from onecard.measure.tune.result import TunePlan, TuneResult
from onecard.measure.tune.search import Measured, Search, Trial
from onecard.measure.tune.served import read_answers, run_rounds
from onecard.measure.tune.tune_settings import TuneSettings
from onecard.records import Record, find_runs, recorded
from onecard.records.usual import Usual
from onecard.resources.system.release import Release
from onecard.resources.system.service import Service
from onecard.server.client import client
from onecard.server.state import service_state
from onecard.smoke.recorded import note_box, note_server
from onecard.ssh.login import Connected, connected, holder
from roles import serve

COMMAND: Final = "tune"


def plan_tune(host: Host, settings: TuneSettings, known_hosts: Path) -> TunePlan:
    """Return what a run would try, and how long a trial takes here; changes nothing."""
    with connected(host, known_hosts) as box:
        settled = _settled(box, gather(box.session, None))
        _require_current_settings(box, settled)
    tried, left_out = candidates(settled, settings.concurrency, settings.only)
    return TunePlan(tried, left_out, *_known_times(host), settings.budget_s)


def run_tune(host: Host, settings: TuneSettings, known_hosts: Path, console: Console) -> TuneResult:
    """Search settings for the goal; restore the current release before, unless they are kept.

    Ctrl-C ends the search with its result so far, and restores too.
    Raises PreflightError where the current release is not what the inventory says.
    """
    serve.command(host)  # refuses a wrong setting before any connection
    host = with_api_key(host)
    with recorded(COMMAND, host, settings.values()) as record:
        run = TuneRun(host, settings, known_hosts, console, record)
        try:
            with clean_box(host, known_hosts), connected(host, known_hosts) as box:
                run.search_on(box)
        except KeyboardInterrupt:
            if run.search is None:
                raise
            run.interrupted = True
        finally:
            run.restore()
        run.measure_again()
        run.keep()
        result = run.result()
        record.add("tune", **result.values())
        record.exit_code = result.exit_code
    return result


class TuneRun:
    """One tune, as it goes. search: None until the current release was measured."""

    def __init__(
        self,
        host: Host,
        settings: TuneSettings,
        known_hosts: Path,
        console: Console,
        record: Record,
    ) -> None:
        self._host, self._settings, self._known_hosts = host, settings, known_hosts
        self._console, self._record = console, record
        self._say = HostConsole(console, host.name).say
        self._seed = random.SystemRandom().randrange(1, 2**20)
        self._began = time.monotonic()
        self._before: PriorRelease | None = None
        self._left_out: tuple[LeftOut, ...] = ()
        self._trouble: OnecardError | None = None
        self._again: list[dict[str, Any]] | None = None
        self._kept = False
        self.search: Search | None = None
        self.interrupted = False

    def search_on(self, box: Connected) -> None:
        """Measure the current release, then try each candidate."""
        facts = note_box(self._record, box, holder(COMMAND))
        settled = _settled(box, facts)
        _require_current_settings(box, settled)
        tried, self._left_out = candidates(settled, self._settings.concurrency, self._settings.only)
        self._before = save_prior(box.session)
        self._record.add("before", **vars(self._before))
        began = self._clock()
        base = self._measured(box, "the current release", None)
        assert isinstance(base, Measured)
        if failed := sum(load["failed"] for load in base.rounds):
            raise UnhealthyError(
                f"{self._host.name}: {failed} requests fail under this load already: lower "
                "--concurrency or --input-tokens"
            )
        start_s, trial_s = _known_times(self._host)
        self.search = Search(
            goal=self._settings.goal,
            base=base,
            attempt=lambda values, candidate: self._attempt(box, values, candidate),
            clock=self._clock,
            budget_s=self._settings.budget_s,
            trial_s=trial_s or (start_s or 0.0) + self._clock() - began,
            say=self._say,
            on_trial=self._on_trial,
        )
        self.search.run(tried)

    def restore(self) -> None:
        """Restore what ran before."""
        if self._before is None:
            return
        self._trouble = restore_prior(
            self._host,
            self._known_hosts,
            self._before,
            self._console,
            self._record,
            command=COMMAND,
        )

    def measure_again(self) -> None:
        """Measure the restored release: how far the box itself has changed since it was first."""
        search = self.search
        if search is None or not search.trials:
            return
        if self._trouble or self.interrupted:
            return
        try:
            with (
                clean_box(self._host, self._known_hosts),
                connected(self._host, self._known_hosts) as box,
                self._steps("the current release again", 0) as steps,
            ):
                rounds = run_rounds(box, self._settings, self._seed, steps.step)
        except KeyboardInterrupt:
            self.interrupted = True
        except OnecardError as error:
            self._say(f"not measured again: {error.message}", "yellow")
        else:
            if not any(load["failed"] for load in rounds):
                self._again = rounds

    def keep(self) -> None:
        """Deploy the best, where that is requested and measuring again has confirmed it."""
        if not self._settings.keep or self.interrupted or self._before is None:
            return
        if self.search is None or not self.result().confirmed:
            return
        best = self.search.best
        wanted = replace(self._before, release=best.release, fingerprint=best.fingerprint)
        self._trouble = restore_prior(
            self._host,
            self._known_hosts,
            wanted,
            self._console,
            self._record,
            command=COMMAND,
            intent="keeping the best",
        )
        self._kept = self._trouble is None

    def result(self) -> TuneResult:
        """Return what was found."""
        assert self.search is not None
        search = self.search
        return TuneResult(
            host=self._host.name,
            goal=self._settings.goal,
            base=search.base,
            best=search.best,
            trials=tuple(search.trials),
            left_out=(*self._left_out, *search.left_out),
            found=search.settings,
            again=self._again,
            kept=self._kept,
            interrupted=self.interrupted,
            trouble=self._trouble.message if self._trouble else "",
        )

    def _clock(self) -> float:
        return time.monotonic() - self._began

    def _on_trial(self, trial: Trial) -> None:
        self._record.add("trial", **trial.values())

    def _attempt(
        self, box: Connected, values: Mapping[str, object], candidate: Candidate
    ) -> Measured | Judgement:
        """Serve settings in a release of their own, and measure it."""
        assert self.search is not None
        named = {f"serve.{name}": value for name, value in values.items()}
        origins = dict.fromkeys([*named, "serve.rollback"], candidate.title)
        try:
            # What ran before comes back at the end, not after each trial.
            host = override(self._host, {**named, "serve.rollback": False}, origins)
            box = replace(box, host=host)
            shown = deploy_console(host, self._console)
            done = deploy_host(box, host, shown, command=COMMAND)
            if done.error is not None:
                return Judgement(FAILED, done.error.message)
            return self._measured(box, candidate.title, self.search.base)
        except UnreachableError:
            raise
        except OnecardError as error:
            return Judgement(FAILED, error.message)

    def _measured(self, box: Connected, title: str, base: Measured | None) -> Measured | Judgement:
        """Measure what is served; without a load where its answers are worse than those of `base`.

        base: None for the current release itself.
        """
        settings, state = self._settings, service_state(box.session)
        with self._steps(title, 2) as steps:
            with client(box, state) as api:
                if base is None:
                    note_server(self._record, state, api.version())
                answers = read_answers(api, box.host.name, settings.input_tokens, steps.step)
            if base is not None and (why := answers.why_worse(base.answers)):
                return Judgement(ANSWERS, why)
            rounds = run_rounds(box, settings, self._seed, steps.step)
        now, _ = running(box.session)
        return Measured(answers, rounds, now.release, now.fingerprint)

    def _steps(self, title: str, guards: int) -> Steps:
        # A round loads the generator's modules too, which takes longer than the guards' questions.
        weights = [0.3] * guards + [1.0] * (1 + self._settings.repeats)
        return Steps(self._console, f"{self._host.name}  {title}", weights)


def _settled(box: Connected, facts: Facts) -> Settled:
    """Decide what the inventory's settings leave open, as deploy does."""
    host = box.host
    if host.lock is None:
        host = replace(host, lock=adopt(box.session, host))
    return settle(host, facts, read_box_model(box.session, host))


def _require_current_settings(box: Connected, settled: Settled) -> None:
    """Raise PreflightError unless the current release has the inventory's settings."""
    name = box.host.name
    now, current = running(box.session)
    if current is None or not now.active:
        raise PreflightError(f"{name}: no server runs here; run: invoke deploy --host {name}")
    resources = serve.desired(settled.host, settled.facts)
    wanted = next(each.fingerprint for each in resources if isinstance(each, Release))
    if now.fingerprint != wanted:
        raise PreflightError(
            f"{name}: the current release, {now.release}, is not what the inventory says, and tune "
            f"starts from both; run: invoke deploy --host {name}"
        )


def _known_times(host: Host) -> tuple[float | None, float | None]:
    """Return what a start and a whole trial took here before, s; None where that is unknown."""
    trials = [
        float(trial["seconds"])
        for run in find_runs(host.name)[0]
        if run.kind == COMMAND and run.model_source == host.settings.model.source
        for trial in run.all("trial")
        if trial.get("rounds")
    ]
    return Usual(host)("serve", Service(paths.UNIT).name), trials[-1] if trials else None
