"""A bare rented GPU box becomes a served, proven multimodal model, over SSH alone.

The first three commands for a new box:

    invoke provision --host a100-1     install everything the server needs
    invoke deploy --ctx 65536          start the server and wait until it answers
    invoke smoke                       send it picture questions and verify the answers
"""

from invoke import Collection

import onecard.byte_code  # noqa: F401  # first: it loads the other modules' byte code
from onecard.cli import flag_values
from onecard.cli.optional_word import OptionalWordTask
from onecard.cli.pair_flag import CompareTask
from onecard.cli.run_flags import task
from onecard.cli.switch_flag import SwitchTask
from onecard.cli.task import task_body
from onecard.commands import deploy_flags

HOST = "host, group, glob, pattern such as 'all:!a100-3', comma list, or user@address[:port]"
PARALLEL = "hosts at once, at most (default 8)"
GROUP = "the boxes that serve one model together (setting cluster)"
ROLLING = "hosts one after another, each out of its gateway meanwhile; a failure stops the rest"
BATCH = "with --rolling: hosts at once (default 1)"
FACTS = "a file of facts, as `facts --json` prints them or a part of it: no connection"
JSON = "print one JSON document on standard output, and nothing else"


@task(
    help={
        "host": HOST,
        "check": "dry run: show what would change",
        "diff": "show the changed lines of files",
        "reboot": "reboot the box if the driver needs it, and continue",
        "parallel": PARALLEL,
        "any_errors_fatal": "after an error, do not begin the hosts that still wait",
        "timings": "show where the time went, in ms",
        "warm": "at the end, fill the compile caches by a start with the host's settings and a stop",
        "json": JSON,
    }
)
@task_body
def provision(
    c, host="", check=False, diff=False, reboot=False, parallel="8", any_errors_fatal=False,
    timings=False, warm=False, json=False
):  # fmt: skip
    """Install everything the server needs; safe to run again."""
    from onecard.commands import provision as run

    at_once = flag_values.positive("--parallel", parallel)
    return run.provision(
        host,
        check=check,
        diff=diff,
        reboot=reboot,
        parallel=at_once,
        any_errors_fatal=any_errors_fatal,
        timings=timings,
        as_json=json,
        warm=warm,
    )


@task(
    help={
        "host": HOST,
        "diff": "show the changed lines of files",
        "exit_code": "exit with 4 when changes are pending",
        "parallel": PARALLEL,
        "json": JSON,
        "facts": FACTS,
    }
)
@task_body
def plan(c, host="", diff=False, exit_code=False, parallel="8", json=False, facts=""):
    """Show what `provision` would change (dry run)."""
    from onecard.commands import provision as run

    at_once = flag_values.positive("--parallel", parallel)
    return run.plan(
        host, facts=facts, diff=diff, exit_code=exit_code, parallel=at_once, as_json=json
    )


@task(help={"host": HOST, "check": "dry run: show which packages would change", "json": JSON})
@task_body
def upgrade(c, host="", check=False, json=False):
    """Move the host's lock to the newest build, and show which packages changed."""
    from onecard.commands import upgrade as run

    return run.upgrade(host, check=check, as_json=json)


@task(
    help={
        "out": "folder to download to",
        "host": HOST,
        "newest": "the wheels of the newest build, to upgrade to",
    }
)
@task_body
def wheelhouse(c, out, host="", newest=False):
    """Download the wheels of the host's lock to a folder, for a box without internet."""
    from onecard.commands import wheelhouse as run

    return run.wheelhouse(out, host, newest=newest)


@task(
    klass=SwitchTask,
    # Short flags: with so many flags, one letter is easily mistaken for another.
    auto_shortflags=False,
    help={
        **deploy_flags.help_texts(),
        "host": HOST,
        "force": "start even if this context length is not expected to fit on the card",
        "contribute": "append what the server logged of its memory to this scoreboard file",
        "check": "dry run: show what would change",
        "diff": "also show the lines of new files",
        "rolling": ROLLING,
        "batch": BATCH,
        "group": GROUP,
        "pp": "short for --pipeline-parallel",
        "json": JSON,
    },
)
@task_body
@deploy_flags.takes_settings
def deploy(
    c, host="", force=False, check=False, diff=False, json=False, contribute="", rolling=False,
    batch=None, group="", pp=None, **given
):  # fmt: skip
    """Start the server with this configuration and wait until it has answered a picture question."""
    from onecard.commands import deploy as run

    if pp is not None:
        given["pipeline_parallel"] = pp
    flags = deploy_flags.flags(given)
    if group:
        from onecard.commands.group import cluster

        cluster.refuse(host=host, rolling=rolling or batch, contribute=contribute)
        return cluster.deploy(group, flags, check=check, diff=diff, force=force, as_json=json)
    if rolling or batch:
        from onecard.commands.group import rolling as many

        many.refuse(rolling=rolling, contribute=contribute)
        at_once = flag_values.positive("--batch", batch or "1")
        return many.deploy(
            host, flags, batch=at_once, check=check, diff=diff, force=force, as_json=json
        )
    return run.deploy(
        host, flags, check=check, diff=diff, force=force, as_json=json, contribute=contribute
    )


@task(help={"host": HOST, "json": JSON})
@task_body
def releases(c, host="", json=False):
    """List the releases: what was deployed, when, by whom, and the result."""
    from onecard.commands import releases as run

    return run.list_releases(host, as_json=json)


@task(
    help={
        "host": HOST,
        "to": "release number (default: the last good one)",
        "rolling": ROLLING,
        "batch": BATCH,
        "group": GROUP,
        "json": JSON,
    }
)
@task_body
def rollback(c, host="", to="", rolling=False, batch=None, group="", json=False):
    """Restore an earlier release and wait until it has answered."""
    from onecard.commands import releases as run

    if group:
        from onecard.commands.group import cluster

        cluster.refuse(host=host, rolling=rolling or batch)
        number = flag_values.positive("--to", to) if to else None
        return cluster.rollback(group, number, as_json=json)
    if rolling or batch:
        from onecard.commands.group import rolling as many

        many.refuse(rolling=rolling)
        number = flag_values.positive("--to", to) if to else None
        at_once = flag_values.positive("--batch", batch or "1")
        return many.rollback(host, number, batch=at_once, as_json=json)
    return run.rollback(host, to, as_json=json)


@task(
    help={
        "host": HOST,
        "cases": "YAML file of questions (default: those that fit the model)",
        "repeats": "requests for each case",
        "json": JSON,
    }
)
@task_body
def smoke(c, host="", cases="", repeats="3", json=False):
    """Send picture questions with known answers to the server; report right, wrong, latency."""
    from onecard.commands.measure import smoke as run

    return run.smoke(
        host, cases=cases, repeats=flag_values.positive("--repeats", repeats), as_json=json
    )


@task(
    positional=["action"],
    help={
        "action": "set, list, rotate or forget",
        "name": "hf-token, api-key or index-login",
        "host": "the host that it is for (default for set and forget: every host)",
        "keyring": "store it in the system's keyring, not in inventory/secrets.json",
        "json": JSON,
    },
)
@task_body
def secret(c, action, name="", host="", keyring=False, json=False):
    """Store, list or remove secrets, or give a server a new API key; values are never shown."""
    from onecard.commands import secret as run

    return run.secret(action, name, host, keyring=keyring, as_json=json)


@task(
    help={
        "host": HOST,
        "watch": "requests, tokens/s, KV cache and cards as they change; with --json one sample",
        "json": JSON,
    }
)
@task_body
def status(c, host="", watch=False, json=False):
    """Show what is served, since when, and whether it answers; with --watch its load, live."""
    if watch:
        from onecard.commands.running import watch as live

        return live.watch(host, as_json=json)
    from onecard.commands import service as run

    return run.status(host, as_json=json)


@task(
    help={
        "host": HOST,
        "after": "how long it must have been idle: 90s, 30m, 2h",
        "then": "`stop`, or a command to run on this computer, once it has been",
        "wait": "check again until it has been, instead of once",
        "json": JSON,
    }
)
@task_body
def idle(c, host="", after="30m", then="", wait=False, json=False):
    """Show how long the server has been idle, by its own counters; stop it, or run a command."""
    from onecard.commands.running import idle as run

    after_s = flag_values.duration("--after", after)
    return run.idle(host, after_s=after_s, then=then, wait=wait, as_json=json)


@task(
    help={
        "host": HOST,
        "follow": "follow new lines until Ctrl-C",
        "lines": "number of lines to begin with",
    }
)
@task_body
def logs(c, host="", follow=False, lines="100"):
    """Print the server's journal."""
    from onecard.commands import service as run

    return run.logs(host, follow=follow, lines=flag_values.positive("--lines", lines))


@task(help={"host": HOST})
@task_body
def start(c, host=""):
    """Start the deployed server and wait until it answers."""
    from onecard.commands import service as run

    return run.start(host)


@task(help={"host": HOST})
@task_body
def stop(c, host=""):
    """Stop the server."""
    from onecard.commands import service as run

    return run.stop(host)


@task(help={"host": HOST})
@task_body
def restart(c, host=""):
    """Restart the server and wait until it answers."""
    from onecard.commands import service as run

    return run.start(host, restart=True)


@task(help={"host": HOST, "json": JSON, "sbom": "print what is installed, as CycloneDX 1.5 (JSON)"})
@task_body
def facts(c, host="", json=False, sbom=False):
    """Show the box's facts: system, GPUs, driver, disks, memory, network."""
    from onecard.commands import inspection as run

    return run.installed(host) if sbom else run.facts(host, as_json=json)


@task(help={"host": HOST, "json": JSON, "facts": FACTS})
@task_body
def doctor(c, host="", json=False, facts=""):
    """Check the box for known problems; show a fix for each."""
    from onecard.commands import inspection as run

    return run.doctor(host, facts=facts, as_json=json)


@task(
    help={
        "log": "a saved log, - for standard input (default: the journal of the host)",
        "host": HOST,
        "report": "write a redacted report to this file, to attach to an issue",
        "group": GROUP,
        "json": JSON,
    }
)
@task_body
def diagnose(c, log="", host="", report="", group="", json=False):
    """Name the first true error in a server's log, its cause and its fix."""
    if group:
        from onecard.commands.group import cluster

        cluster.refuse(host=host, log=log, report=report)
        return cluster.diagnose(group, as_json=json)
    from onecard.commands import inspection as run

    return run.diagnose(log, host, as_json=json, report=report)


@task(
    klass=SwitchTask,
    help={
        "host": "use this host's card, settings and model (default: offline, from the catalogue)",
        "model": "hub name, or a folder or config.json beginning with ./ or / "
        "(default Qwen/Qwen3.5-27B, or the host's)",
        "gpu": "a known card (default A100-80GB)",
        "ctx": "context length in tokens, such as 65536, 128k or 1M (default 64k, or the host's)",
        "util": "share of the card's memory (default 0.90, or the host's)",
        "kv_dtype": "auto or fp8",
        "kv_gib": "KV cache memory in GiB, from a log",
        "tp": "cards that share the model",
        "quant": "quantisation, such as fp8",
        "vllm": "the release whose rules apply (default: the host's lock file or vllm.channel)",
        "explain": "show each figure's formula",
        "scoreboard": "what fit predicts for every known start, beside what was logged",
        "contribute": "append what the server of --host logged to this scoreboard file",
        "json": JSON,
        "for_": 'the cards and flags that serve N requests of L tokens at once, such as "4 x 64k"',
        "card_gib": "a card by its memory alone, in GiB, in place of --gpu",
        "max_num_seqs": "requests that are processed at once, at most",
        "max_num_batched_tokens": "tokens in one step, at most",
        "enforce_eager": "no CUDA graphs",
        "enable_expert_parallel": "each expert whole on one card, instead of split between all",
        "prefix_caching": "reuse the KV cache of what prompts have in common",
        "speculative_config": "vLLM's JSON, or MTP-n for n tokens of the model's own draft layers",
        "limit_mm_per_prompt": "how many a request may hold of each kind: '{image: 4, video: 0}'",
    },
)
@task_body
def fit(
    c, host="", model=None, gpu=None, ctx=None, util=None, kv_dtype=None, kv_gib=None, tp=None,
    quant=None, vllm=None, explain=False, json=False, scoreboard=False, contribute="", *,
    for_=None, card_gib=None,
    max_num_seqs=None, max_num_batched_tokens=None, enforce_eager: bool | None = None,
    enable_expert_parallel=False,
    prefix_caching: bool | None = None, speculative_config=None, limit_mm_per_prompt=None,
):  # fmt: skip
    """Plan the memory of a model on a card, before any download."""
    from onecard.commands import fit as run
    from onecard.commands import fit_scoreboard

    if scoreboard:
        return fit_scoreboard.show(as_json=json)
    if contribute:
        return fit_scoreboard.contribute(host, contribute, as_json=json)

    given = {
        "model": model, "gpu": gpu, "ctx": ctx, "util": util, "kv_dtype": kv_dtype,
        "kv_gib": kv_gib, "tp": tp, "quant": quant, "vllm": vllm, "demand": for_,
        "card_gib": card_gib, "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens, "enforce_eager": enforce_eager,
        "prefix_caching": prefix_caching, "speculative_config": speculative_config,
        "limit_mm_per_prompt": limit_mm_per_prompt,
        "enable_expert_parallel": enable_expert_parallel,
    }  # fmt: skip
    return run.fit(host, given, explain=explain, as_json=json)


@task(
    help={
        "host": HOST,
        "ctx": "context lengths in tokens, separated by commas, such as 65536,128k,1M",
        "try_all": "also those that do not fit according to `fit`",
        "fresh": "start a new run instead of resuming an interrupted one",
        "json": JSON,
    }
)
@task_body
def scale(c, host="", ctx="4096,65536,131072,262144", try_all=False, fresh=False, json=False):
    """Serve at each context length: start, memory, latency, and one request that is as long."""
    from onecard.commands.measure import scale as run

    contexts = flag_values.token_counts("--ctx", ctx)
    return run.scale(host, contexts=contexts, try_all=try_all, fresh=fresh, as_json=json)


@task(
    help={
        "host": HOST,
        "lengths": "tokens of text, separated by commas (default: from 64 to beyond the context)",
        "prefixes": "kinds of text: repeated, prose, distractor",
        "asked": "questions for each kind, position and length",
        "cases": "YAML file of questions (default: those that fit the model)",
        "json": JSON,
    }
)
@task_body
def stress(
    c,
    host="",
    lengths="",
    prefixes="repeated,prose,distractor",
    asked="24",
    cases="",
    json=False,
):
    """Measure whether answers still come from the picture beside a long text."""
    from onecard.commands.measure import stress as run

    return run.stress(
        host,
        lengths=flag_values.token_counts("--lengths", lengths) if lengths else (),
        prefixes=prefixes,
        cases=cases,
        asked=flag_values.positive("--asked", asked),
        as_json=json,
    )


@task(
    help={
        "host": HOST,
        "concurrency": "requests at once, separated by commas",
        "rates": "requests/s, separated by commas (default: 50 and 80 % of the highest measured)",
        "images": "pictures in each request, separated by commas",
        "input_tokens": "tokens of text in each request",
        "output_tokens": "tokens of each answer",
        "requests": "requests of each load",
        "repeats": "minimum runs of each load by both generators, 2 or more",
        "most_repeats": "maximum runs, while it is undecided whether they agree; default: four times --repeats",
        "goodput": "bounds of a good request, in ms: ttft:500,tpot:50,e2el:5000",
        "json": JSON,
    }
)
@task_body
def bench(
    c,
    host="",
    concurrency="1,4,16",
    rates="",
    images="0,1",
    input_tokens="512",
    output_tokens="64",
    requests="48",
    repeats="4",
    most_repeats="",
    goodput="ttft:2000,tpot:100",
    json=False,
):
    """Load the server at rising rates and concurrencies: latency, tokens/s, goodput, KV use."""
    from onecard.commands.measure import bench as run
    from onecard.commands.measure.bench_flags import read

    wanted = read(
        concurrency=concurrency,
        rates=rates,
        images=images,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        requests=requests,
        repeats=repeats,
        most_repeats=most_repeats,
        goodput=goodput,
    )
    return run.bench(host, wanted, as_json=json)


@task(
    help={
        "host": HOST,
        "ctx": "tokens of each request, prompt and output, such as 65536 or 64k (default: the server's context length)",
        "requests": "requests at once (default: as many as the server's log says)",
        "json": JSON,
    }
)
@task_body
def certify(c, host="", ctx="", requests="", json=False):
    """Prove how many full requests the server holds at once, and what one more has to wait."""
    from onecard.commands.measure import certify as run
    from onecard.measure.certify.certify_run import CertifySettings

    wanted = CertifySettings(
        flag_values.tokens("--ctx", ctx) if ctx else 0,
        flag_values.positive("--requests", requests) if requests else 0,
    )
    return run.certify(host, wanted, as_json=json)


@task(
    help={
        "host": HOST,
        "tokens": "of the document (default: 85 % of the context, at most 65,536)",
        "at_once": "questions about the document at once",
        "repeats": "new texts of each length, and new pictures, 2 or more",
        "json": JSON,
    }
)
@task_body
def cache(c, host="", tokens="", at_once="4", repeats="4", json=False):
    """Measure what the server reuses of earlier requests: of long texts, and of pictures."""
    from onecard.commands.measure import cache as run

    settings = run.settings(tokens=tokens, at_once=at_once, repeats=repeats)
    return run.cache(host, settings, as_json=json)


@task(
    help={
        "host": HOST,
        "for_": "how long: 30s, 30m, 2h",
        "rate": "requests/s (default: 80 % of the last bench's most)",
        "json": JSON,
    }
)
@task_body
def soak(c, host="", for_="30m", rate="", json=False):
    """Keep the server under mixed load for a time: does it die, leak, or become slower?"""
    from onecard.commands.measure import soak as run
    from onecard.measure.soak.soak_run import SoakSettings

    wanted = SoakSettings(
        flag_values.duration("--for", for_),
        flag_values.number("--rate", rate) if rate else 0.0,
    )
    return run.soak(host, wanted, as_json=json)


@task(
    help={
        "host": HOST,
        "goal": "limits of the load's times, such as ttft<2s,p95<10s; p50, p95 (unless named), p99",
        "concurrency": "requests at once",
        "images": "pictures in each request",
        "input_tokens": "tokens of text in each request, and beside the grounding questions",
        "output_tokens": "tokens of each answer",
        "requests": "requests of each round",
        "repeats": "rounds on each server, 2 or more",
        "budget": "time in all, restoring included: 90s, 30m, 2h",
        "only": "options to try, separated by commas (default: all that apply)",
        "keep": "deploy what is found",
        "check": "list the trials, change nothing",
        "json": JSON,
    }
)
@task_body
def tune(
    c,
    host="",
    goal="ttft<2s,p95<10s",
    concurrency="8",
    images="1",
    input_tokens="512",
    output_tokens="64",
    requests="32",
    repeats="5",
    budget="30m",
    only="",
    keep=False,
    check=False,
    json=False,
):
    """Search settings that serve more requests within a goal, in trials that are taken back."""
    from onecard.commands.measure import tune as run

    settings = run.settings(
        goal=goal,
        concurrency=concurrency,
        images=images,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        requests=requests,
        repeats=repeats,
        budget=budget,
        only=only,
        keep=keep,
    )
    return run.tune(host, settings, check=check, as_json=json)


@task(takes_hosts=False, help={"host": "only this host's", "json": JSON})
@task_body
def runs(c, host="", json=False):
    """List the runs, when and how each ended, from the records in runs/."""
    from onecard.commands.measure import runs as run

    return run.runs(host, as_json=json)


@task(
    klass=CompareTask,
    help={
        "host": "a host with records; it need not be reachable",
        "compare": "two sides: HOST, HOST:CTX, HOST@TIME or a record's file",
        "out": "file to write, - for standard output (default: report-HOST.html)",
        "format": "html, md or json (default: by the file's extension)",
    },
)
@task_body
def report(c, host="", compare=None, out="", format=""):
    """Write one page about a host from its records: HTML, Markdown or JSON."""
    from onecard.commands.measure import report as run

    return run.report(host, pair=compare, out=out, kind=format)


@task(
    help={
        "host": "show how this host, group or user@address is reached",
        "close": "close the connections that keep_connection keeps open (with --host: the host's)",
        "json": JSON,
    }
)
@task_body
def hosts(c, host="", close=False, json=False):
    """List hosts, groups, addresses and host keys; with --host, how a host is reached."""
    from onecard.commands import hosts as run

    return run.close(host, as_json=json) if close else run.hosts(host, as_json=json)


@task(
    klass=OptionalWordTask,
    positional=["key"],
    help={"key": "one setting, or a section, such as serve.ctx", "host": HOST, "json": JSON},
)
@task_body
def settings(c, key=None, host="", json=False):
    """Show the host's settings, the file and line of each, and its default."""
    from onecard.commands import hosts as run

    return run.settings(key, host, as_json=json)


@task(help={"host": HOST, "replace": "replace a key that has changed"})
@task_body
def trust(c, host="", replace=False):
    """Show a host's key and store it in inventory/known_hosts."""
    from onecard.commands import hosts as run

    return run.trust(host, replace=replace)


@task(help={"host": "a host of the inventory", "to": "where it is now: user@address[:port]"})
@task_body
def rebind(c, host="", to=""):
    """Write a host's new address into the inventory, as after a pod was stopped and started."""
    from onecard.commands import hosts as run

    return run.rebind(host, to)


@task(positional=["host"], help={"host": "the default host when --host is not given; - for none"})
@task_body
def use(c, host):
    """Pin the default host of tasks, used when --host is not given."""
    from onecard.commands import hosts as run

    return run.use(host)


@task(
    help={
        "host": HOST,
        "port": "port on this computer (default: the same as on the box, or another when that is in use)",
        "to": "api (the default) or metrics: the page of charts of `monitoring: true`",
        "json": JSON,
    }
)
@task_body
def tunnel(c, host="", port=None, to="api", json=False):
    """Forward the API, or the metrics, to this computer until Ctrl-C; print what to open or paste."""
    from onecard.commands import tunnel as run

    if flag_values.one_of("--to", to, ("api", "metrics")) == "metrics":
        return run.metrics(host, port=port, as_json=json)
    return run.tunnel(host, port=port, as_json=json)


@task(
    help={
        "host": HOST,
        "domain": "name that clients call, or an address with --tls internal",
        "email": "where Let's Encrypt sends expiry warnings",
        "tls": "acme (Let's Encrypt, the default) or internal (a self-signed certificate)",
        "port": "public port (443)",
        "check": "dry run: show what would change",
        "diff": "show the changed lines of files",
        "json": JSON,
    }
)
@task_body
def expose(
    c,
    host="",
    domain=None,
    email=None,
    tls=None,
    port=None,
    check=False,
    diff=False,
    json=False,
):
    """Make the API public over TLS, with the API key, and open its ports in the firewall."""
    from onecard.commands import expose as run

    flags = {
        "--domain": ("expose.domain", domain),
        "--email": ("expose.email", email),
        "--tls": ("expose.tls", tls),
        "--port": ("expose.port", port),
    }
    return run.expose(host, flags, check=check, diff=diff, as_json=json)


@task(help={"host": HOST, "check": "dry run: show what would change", "json": JSON})
@task_body
def unexpose(c, host="", check=False, json=False):
    """Remove what `expose` installed: proxy, certificate, firewall rules, packages."""
    from onecard.commands import expose as run

    return run.unexpose(host, check=check, as_json=json)


@task(
    help={
        "host": HOST,
        "yes": "do not prompt for the host's name",
        "check": "dry run: show what would be removed",
        "json": JSON,
    }
)
@task_body
def teardown(c, host="", yes=False, check=False, json=False):
    """Clean up a rental: stop, remove and wipe everything, then verify that nothing is left."""
    from onecard.commands import teardown as run

    return run.teardown(host, yes=yes, check=check, as_json=json)


@task(
    help={
        "host": HOST,
        "format": "compose (Docker Compose), quadlet (Podman under systemd) or k8s (Kubernetes)",
        "output": "file to write (default: standard output)",
    }
)
@task_body
def export(c, host="", format="compose", output=""):
    """Write the same server for another engine, from the host's lock and settings; no connection."""
    from onecard.commands.own_folder import export as run

    return run.export(host, kind=format, output=output)


@task(
    auto_shortflags=False,
    help={
        "host": "the group of boxes, or one of them, whose setting gateway.host names the host",
        "check": "dry run: show what would change",
        "diff": "show the changed lines of files",
        "remove": "remove it: proxy, keys, certificate, firewall rules, packages",
        "drain": "take the chosen boxes out, and wait until their running requests have ended",
        "ready": "put the chosen boxes back in, and wait until they are up",
        "json": JSON,
    },
)
@task_body
def gateway(
    c, host="", check=False, diff=False, remove=False, drain=False, ready=False, json=False
):
    """Serve several boxes at one address: TLS, keys of its own, health checks, drains."""
    from onecard.commands.group import gateway as run

    return run.gateway(
        host,
        check=check,
        diff=diff,
        remove=remove,
        drained=drain,
        back_in=ready,
        as_json=json,
    )


@task(
    help={
        "copy": "a built-in template to copy to templates/ here, where it takes its place",
        "diff": "a template of your own to compare with the built-in one",
    }
)
@task_body
def templates(c, copy="", diff=""):
    """List the templates: the built-in ones, and those of this folder in their place."""
    from onecard.commands.own_folder import templates as run

    return run.templates(copy, diff)


@task(help={"directory": "the folder to make, or an empty one"})
@task_body
def init(c, directory):
    """Make a folder of your own: inventory, tasks.py, .gitignore."""
    from onecard.commands.own_folder import init as run

    return run.init(directory)


@task(
    help={
        "name": "name of the box",
        "count": "how many boxes",
        "systemd": "--no-systemd: a pod, a container whose PID 1 runs sshd, with /workspace",
    }
)
@task_body
def up(c, name="", count="1", systemd=True):
    """Start sandbox boxes: real systemd machines, or pods, on this computer."""
    from onecard.commands import sandbox as run

    return run.up(name, flag_values.positive("--count", count), systemd=systemd)


@task(name="list", help={"json": JSON})
@task_body
def list_boxes(c, json=False):
    """List the sandbox boxes."""
    from onecard.commands import sandbox as run

    return run.list_boxes(as_json=json)


@task(help={"name": "name of the box (default: the only one, or box1)"})
@task_body
def shell(c, name=""):
    """Open a root shell in a sandbox box."""
    from onecard.commands import sandbox as run

    return run.shell(name)


@task(name="restart", help={"name": "name of the box (default: the only one, or box1)"})
@task_body
def restart_box(c, name=""):
    """Stop and start a sandbox box; of a pod only /workspace stays."""
    from onecard.commands import sandbox as run

    return run.restart(name)


@task(help={"name": "name of the box (default: all)", "caches": "also the cached base tree"})
@task_body
def down(c, name="", caches=False):
    """Remove sandbox boxes: processes, mounts, networks and files."""
    from onecard.commands import sandbox as run

    return run.down(name, caches=caches)


namespace = Collection(
    provision, plan, upgrade, wheelhouse, deploy, releases, rollback, secret, smoke,
    status, idle, logs, start, stop, restart,
    facts, doctor, diagnose, fit, scale, stress, bench, certify, cache, soak, tune, runs, report,
    hosts, settings,
    trust, rebind, use,
    tunnel, expose, unexpose, gateway, teardown, export, templates, init,
)  # fmt: skip
namespace.add_collection(Collection("sandbox", up, list_boxes, shell, restart_box, down))
