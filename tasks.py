"""A bare rented GPU box becomes a served, proven multimodal model, over SSH alone.

The first three commands for a new box:

    invoke provision --host a100-1     install everything the server needs
    invoke deploy --ctx 65536          start the server and wait until it answers
    invoke smoke                       ask it real picture questions
"""

from invoke import Collection, task

from onecard import cli
from onecard.pair_flag import CompareTask
from onecard.switch_flag import SwitchTask

HOST = "host, group, glob, comma list, or user@address[:port]"
JSON = "print one JSON document on standard output, and nothing else"


@task(
    help={
        "host": HOST,
        "check": "change nothing, say what would change",
        "diff": "show files' lines that change",
        "reboot": "reboot the box where the driver needs it, and go on",
        "json": JSON,
    }
)
@cli.task_body
def provision(c, host="", check=False, diff=False, reboot=False, json=False):
    """Install everything the server needs; safe to run again."""
    from onecard.commands import provision as run

    return run.provision(host, check=check, diff=diff, reboot=reboot, as_json=json)


@task(
    help={
        "host": HOST,
        "diff": "show files' lines that change",
        "exit_code": "leave with 4 when changes are pending",
        "json": JSON,
    }
)
@cli.task_body
def plan(c, host="", diff=False, exit_code=False, json=False):
    """Say what `provision` would change, and change nothing."""
    from onecard.commands import provision as run

    return run.plan(host, diff=diff, exit_code=exit_code, as_json=json)


@task(help={"host": HOST, "check": "change nothing, show what would move", "json": JSON})
@cli.task_body
def upgrade(c, host="", check=False, json=False):
    """Move the host's lock to the newest build, and show what moved."""
    from onecard.commands import upgrade as run

    return run.upgrade(host, check=check, as_json=json)


@task(
    help={
        "out": "folder to fill",
        "host": HOST,
        "newest": "the newest build's wheels, which upgrade then moves the lock to",
    }
)
@cli.task_body
def wheelhouse(c, out, host="", newest=False):
    """Fill a folder with the wheels of the host's lock, for a box without internet."""
    from onecard.commands import wheelhouse as run

    return run.wheelhouse(out, host, newest=newest)


@task(
    klass=SwitchTask,
    # A letter that stands for one of so many flags is soon typed for another.
    auto_shortflags=False,
    help={
        "host": HOST,
        "ctx": "context length in tokens, prompt plus output (4096 for a first launch)",
        "model": "hub repository, or a folder beginning with ./ or /",
        "served_name": "name that the API serves the model under",
        "address": "where the server listens on the box (127.0.0.1)",
        "port": "port on the box",
        "gpu_memory_utilization": "share of the card's memory, above 0, at most 1",
        "kv_cache_gib": "KV cache of this size in GiB, instead of what is free",
        "kv_cache_dtype": "auto, fp8, ...",
        "quantization": "method, when the model's files do not say it",
        "max_num_seqs": "requests at work at once, at most",
        "max_num_batched_tokens": "tokens in one step, at most",
        "tensor_parallel": "cards that share each layer",
        "pipeline_parallel": "groups of cards that share the layers",
        "reasoning_parser": "its name, auto for the model's preset, '' for none",
        "tool_call_parser": "its name, auto for the model's preset, '' for none",
        "limit_mm_per_prompt": "pictures and videos of a request: '{image: 4, video: 0}'",
        "mm_processor_cache_gib": "memory for prepared pictures in GiB, 0 for none",
        "mm_processor_cache_type": "lru or shm",
        "language_model_only": "text alone: leave the picture encoder out",
        "speculative_config": "JSON, or auto for the model's preset (MTP)",
        "chat_template_kwargs": "defaults of every request: '{enable_thinking: false}'",
        "enable_prefix_caching": "keep what prompts have in common (vLLM's own choice without it)",
        "enforce_eager": "no torch.compile and no CUDA graphs",
        "environment": "environment variables of the server: '{NCCL_DEBUG: INFO}'",
        "extra_args": "further arguments of `vllm serve`, in one string",
        "ready_timeout": "seconds that the start may take to its first answer",
        "rollback": "go back when the start fails; --no-rollback leaves it as it is, for a look",
        "force": "start although the card is planned not to hold this context length",
        "check": "change nothing, say what would change",
        "diff": "show new files' lines too",
        "json": JSON,
    },
)
@cli.task_body
def deploy(
    c, host="", ctx=None, model=None, served_name=None, address=None, port=None,
    gpu_memory_utilization=None, kv_cache_gib=None, kv_cache_dtype=None, quantization=None,
    max_num_seqs=None, max_num_batched_tokens=None, tensor_parallel=None, pipeline_parallel=None,
    reasoning_parser=None, tool_call_parser=None, limit_mm_per_prompt=None,
    mm_processor_cache_gib=None, mm_processor_cache_type=None, language_model_only=None,
    speculative_config=None, chat_template_kwargs=None, enable_prefix_caching=None,
    enforce_eager=None, environment=None, extra_args=None, ready_timeout=None, rollback=None,
    force=False, check=False, diff=False, json=False,
):  # fmt: skip
    """Start the server with this configuration and wait until it has answered a picture question."""
    given = dict(locals())
    from onecard.commands import deploy as run
    from onecard.commands.deploy_flags import flags

    return run.deploy(host, flags(given), check=check, diff=diff, force=force, as_json=json)


@task(help={"host": HOST, "json": JSON})
@cli.task_body
def releases(c, host="", json=False):
    """List what was deployed when, by whom, and how it went."""
    from onecard.commands import releases as run

    return run.list_releases(host, as_json=json)


@task(help={"host": HOST, "to": "release number; without it, the last good one", "json": JSON})
@cli.task_body
def rollback(c, host="", to="", json=False):
    """Put an earlier release back in force and wait until it has answered."""
    from onecard.commands import releases as run

    return run.rollback(host, to, as_json=json)


@task(
    help={
        "host": HOST,
        "cases": "YAML file of questions (default: those that fit the model)",
        "repeats": "times each case is asked",
        "json": JSON,
    }
)
@cli.task_body
def smoke(c, host="", cases="", repeats="3", json=False):
    """Ask the running server picture questions with known answers; report right, wrong, latency."""
    from onecard.commands import smoke as run

    return run.smoke(host, cases=cases, repeats=cli.positive("--repeats", repeats), as_json=json)


@task(
    positional=["action"],
    help={
        "action": "set, list, rotate or forget",
        "name": "hf-token, api-key or index-login",
        "host": "the host that it is for; without it, set and forget mean every host",
        "keyring": "keep it in the system's keyring, not in inventory/secrets.json",
        "json": JSON,
    },
)
@cli.task_body
def secret(c, action, name="", host="", keyring=False, json=False):
    """Keep, list or forget secrets, or give a server a new API key; values are never shown."""
    from onecard.commands import secret as run

    return run.secret(action, name, host, keyring=keyring, as_json=json)


@task(help={"host": HOST, "json": JSON})
@cli.task_body
def status(c, host="", json=False):
    """Say what is served, since when, and whether it answers."""
    from onecard.commands import service as run

    return run.status(host, as_json=json)


@task(
    help={
        "host": HOST,
        "follow": "go on with new lines until Ctrl-C",
        "lines": "how many to begin with",
    }
)
@cli.task_body
def logs(c, host="", follow=False, lines="100"):
    """Print the server's journal."""
    from onecard.commands import service as run

    return run.logs(host, follow=follow, lines=cli.positive("--lines", lines))


@task(help={"host": HOST})
@cli.task_body
def start(c, host=""):
    """Start the deployed server and wait until it answers."""
    from onecard.commands import service as run

    return run.control(host, "start")


@task(help={"host": HOST})
@cli.task_body
def stop(c, host=""):
    """Stop the server."""
    from onecard.commands import service as run

    return run.control(host, "stop")


@task(help={"host": HOST})
@cli.task_body
def restart(c, host=""):
    """Restart the server and wait until it answers."""
    from onecard.commands import service as run

    return run.control(host, "restart")


@task(help={"host": HOST, "json": JSON})
@cli.task_body
def facts(c, host="", json=False):
    """Show what the box is: system, GPUs, driver, disks, memory, network."""
    from onecard.commands import inspection as run

    return run.facts(host, as_json=json)


@task(help={"host": HOST, "json": JSON})
@cli.task_body
def doctor(c, host="", json=False):
    """Check the box for everything that is known to go wrong, each with its fix."""
    from onecard.commands import inspection as run

    return run.doctor(host, as_json=json)


@task(help={"log": "a saved log; without it, the journal of the host", "host": HOST, "json": JSON})
@cli.task_body
def diagnose(c, log="", host="", json=False):
    """Name the first true error in a server's log, its cause and its fix."""
    from onecard.commands import inspection as run

    return run.diagnose(log, host, as_json=json)


@task(
    help={
        "host": "take this host's own card, settings and model; without it, nothing is asked",
        "model": "hub name, or a folder or config.json beginning with ./ or / "
        "(default Qwen/Qwen3.5-27B, or the host's)",
        "gpu": "a known card (default A100-80GB)",
        "ctx": "context length in tokens (default 65536, or the host's)",
        "util": "share of the card's memory (default 0.90, or the host's)",
        "kv_dtype": "auto or fp8",
        "kv_gib": "KV cache memory in GiB, as a log told it",
        "tp": "cards that share the model",
        "quant": "quantisation, such as fp8",
        "vllm": "the release whose rules count (default 0.25.1, or the host's)",
        "explain": "show each figure's formula",
        "json": JSON,
    }
)
@cli.task_body
def fit(
    c, host="", model=None, gpu=None, ctx=None, util=None, kv_dtype=None, kv_gib=None, tp=None,
    quant=None, vllm=None, explain=False, json=False,
):  # fmt: skip
    """Say what a card holds of a model, before any download."""
    given = dict(locals())
    from onecard.commands import fit as run

    return run.fit(host, given, explain=explain, as_json=json)


@task(
    help={
        "host": HOST,
        "ctx": "context lengths in tokens, separated by commas",
        "try_all": "also those that do not fit, as `fit` reckons",
        "fresh": "begin anew, do not go on with a run that was broken off",
        "json": JSON,
    }
)
@cli.task_body
def scale(c, host="", ctx="4096,65536,131072,262144", try_all=False, fresh=False, json=False):
    """Serve at each context length: start, memory, latency, and one request that is as long."""
    from onecard.commands import scale as run

    contexts = cli.numbers("--ctx", ctx)
    return run.scale(host, contexts=contexts, try_all=try_all, fresh=fresh, as_json=json)


@task(
    help={
        "host": HOST,
        "lengths": "tokens of text, separated by commas (default: from 64 to beyond the context)",
        "prefixes": "kinds of text: repeated, prose, distractor",
        "asked": "questions for each kind, place and length",
        "cases": "YAML file of questions (default: those that fit the model)",
        "json": JSON,
    }
)
@cli.task_body
def stress(
    c,
    host="",
    lengths="",
    prefixes="repeated,prose,distractor",
    asked="24",
    cases="",
    json=False,
):
    """Measure whether the model still sees a picture beside a long text."""
    from onecard.commands import stress as run

    return run.stress(
        host,
        lengths=cli.numbers("--lengths", lengths) if lengths else (),
        prefixes=prefixes,
        cases=cases,
        asked=cli.positive("--asked", asked),
        as_json=json,
    )


@task(
    help={
        "host": HOST,
        "concurrency": "requests at once, separated by commas",
        "rates": "requests/s, separated by commas (default: half and 80 % of the most reached)",
        "images": "pictures in each request, separated by commas",
        "input_tokens": "tokens of text in each request",
        "output_tokens": "tokens of each answer",
        "requests": "requests of each load",
        "repeats": "times that both generators make the same load at least, 2 or more",
        "most_repeats": "times at most, while it is not told whether they agree; default: four times --repeats",
        "goodput": "bounds that a good request keeps, in ms: ttft:500,tpot:50,e2el:5000",
        "json": JSON,
    }
)
@cli.task_body
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
    from onecard.commands import bench as run
    from onecard.commands.bench_flags import read

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


@task(help={"host": "only this host's", "json": JSON})
@cli.task_body
def runs(c, host="", json=False):
    """List what was run, when and how it ended, from the records in runs/."""
    from onecard.commands import runs as run

    return run.runs(host, as_json=json)


@task(
    klass=CompareTask,
    help={
        "host": "the host, with records; it need not be reachable",
        "compare": "two sides: HOST, HOST:CTX, HOST@TIME or a record's file",
        "out": "file to write, - for standard output (default: report-HOST.html)",
        "format": "html, md or json (default: as the file's name ends)",
    },
)
@cli.task_body
def report(c, host="", compare=None, out="", format=""):
    """Write one page about a host from its records: HTML, Markdown or JSON."""
    from onecard.commands import report as run

    return run.report(host, pair=compare, out=out, kind=format)


@task(help={"json": JSON})
@cli.task_body
def hosts(c, json=False):
    """List hosts, groups, addresses and whether their host keys are known."""
    from onecard.commands import hosts as run

    return run.hosts(as_json=json)


@task(help={"host": HOST, "replace": "also when the key has changed"})
@cli.task_body
def trust(c, host="", replace=False):
    """Show a host's key and keep it in inventory/known_hosts."""
    from onecard.commands import hosts as run

    return run.trust(host, replace=replace)


@task(positional=["host"], help={"host": "host to work on when --host is not given; - for none"})
@cli.task_body
def use(c, host):
    """Pin the host that tasks are for when --host is not given."""
    from onecard.commands import hosts as run

    return run.use(host)


@task(
    help={
        "host": HOST,
        "port": "port on this computer (default: the API's own, or another when that is taken)",
        "json": JSON,
    }
)
@cli.task_body
def tunnel(c, host="", port=None, json=False):
    """Forward the API to this computer until Ctrl-C, with lines to paste that use it."""
    from onecard.commands import tunnel as run

    return run.tunnel(host, port=port, as_json=json)


@task(
    help={
        "host": HOST,
        "domain": "name that clients call, or an address with --tls internal",
        "email": "where Let's Encrypt warns of the certificate's end",
        "tls": "acme (Let's Encrypt, the default) or internal (a self-signed certificate)",
        "port": "public port (443)",
        "check": "change nothing, say what would change",
        "diff": "show files' lines that change",
        "json": JSON,
    }
)
@cli.task_body
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
    """Make the API public: TLS before it, the key still needed, the firewall opened for it alone."""
    from onecard.commands import expose as run

    flags = {
        "--domain": ("expose.domain", domain),
        "--email": ("expose.email", email),
        "--tls": ("expose.tls", tls),
        "--port": ("expose.port", port),
    }
    return run.expose(host, flags, check=check, diff=diff, as_json=json)


@task(help={"host": HOST, "check": "change nothing, say what would change", "json": JSON})
@cli.task_body
def unexpose(c, host="", check=False, json=False):
    """Take back what `expose` did: proxy, certificate, firewall rules, packages."""
    from onecard.commands import expose as run

    return run.unexpose(host, check=check, as_json=json)


@task(
    help={
        "host": HOST,
        "yes": "do not ask for the host's name first",
        "check": "change nothing, say what would go",
        "json": JSON,
    }
)
@cli.task_body
def teardown(c, host="", yes=False, check=False, json=False):
    """Return a rental: stop, remove and wipe everything, then prove that nothing is left."""
    from onecard.commands import teardown as run

    return run.teardown(host, yes=yes, check=check, as_json=json)


@task(help={"name": "name of the box", "count": "how many boxes"})
@cli.task_body
def up(c, name="", count="1"):
    """Start sandbox boxes: real systemd machines on this computer."""
    from onecard.commands import sandbox as run

    return run.up(name, cli.positive("--count", count))


@task(name="list", help={"json": JSON})
@cli.task_body
def list_boxes(c, json=False):
    """List the sandbox boxes."""
    from onecard.commands import sandbox as run

    return run.list_boxes(as_json=json)


@task(help={"name": "name of the box"})
@cli.task_body
def shell(c, name="box1"):
    """Open a root shell in a sandbox box."""
    from onecard.commands import sandbox as run

    return run.shell(name)


@task(
    help={"name": "name of the box; without it, all of them", "caches": "also the cached base tree"}
)
@cli.task_body
def down(c, name="", caches=False):
    """Remove sandbox boxes: processes, mounts, networks and files."""
    from onecard.commands import sandbox as run

    return run.down(name, caches=caches)


namespace = Collection(
    provision, plan, upgrade, wheelhouse, deploy, releases, rollback, secret, smoke,
    status, logs, start, stop, restart,
    facts, doctor, diagnose, fit, scale, stress, bench, runs, report, hosts, trust, use,
    tunnel, expose, unexpose, teardown,
)  # fmt: skip
namespace.add_collection(Collection("sandbox", up, list_boxes, shell, down))
