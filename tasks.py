"""A bare rented GPU box becomes a served, proven multimodal model, over SSH alone.

The first three commands for a new box:

    invoke provision --host a100-1     install everything the server needs
    invoke deploy --ctx 65536          start the server and wait until it answers
    invoke smoke                       ask it real picture questions
"""

from invoke import Collection, task

from onecard import cli
from onecard.pair_flag import CompareTask

HOST = "host, group, glob, comma list, or user@address[:port]"
JSON = "print one JSON document on standard output, and nothing else"


@task(
    help={
        "host": HOST,
        "check": "change nothing, say what would change",
        "diff": "show files' lines that change",
        "json": JSON,
    }
)
@cli.task_body
def provision(c, host="", check=False, diff=False, json=False):
    """Install everything the server needs; safe to run again."""
    from onecard.commands import provision as run

    return run.provision(host, check=check, diff=diff, as_json=json)


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


@task(
    help={
        "host": HOST,
        "ctx": "context length in tokens, prompt plus output (4096 for a first launch)",
        "model": "hub repository, or a folder beginning with ./ or /",
        "port": "port on the box",
        "max_num_seqs": "requests at work at once, at most",
        "gpu_memory_utilization": "share of the card's memory, above 0, at most 1",
        "check": "change nothing, say what would change",
        "diff": "show new files' lines too",
        "json": JSON,
    }
)
@cli.task_body
def deploy(
    c,
    host="",
    ctx=None,
    model=None,
    port=None,
    max_num_seqs=None,
    gpu_memory_utilization=None,
    check=False,
    diff=False,
    json=False,
):
    """Start the server with this configuration and wait until it has answered a picture question."""
    from onecard.commands import deploy as run

    flags = {
        "--ctx": ("serve.ctx", ctx),
        "--model": ("model.source", model),
        "--port": ("serve.port", port),
        "--max-num-seqs": ("serve.max_num_seqs", max_num_seqs),
        "--gpu-memory-utilization": ("serve.gpu_memory_utilization", gpu_memory_utilization),
    }
    return run.deploy(host, flags, check=check, diff=diff, as_json=json)


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
        "model": "a known model's hub name",
        "gpu": "a known card, such as A100-80GB",
        "ctx": "context length in tokens",
        "util": "share of the card's memory",
        "kv_dtype": "auto or fp8",
        "kv_gib": "KV cache memory in GiB, as a log told it",
        "tp": "cards that share the model",
        "quant": "quantisation, such as fp8",
        "explain": "show each figure's formula",
        "json": JSON,
    }
)
@cli.task_body
def fit(
    c,
    model="Qwen/Qwen3.5-27B",
    gpu="A100-80GB",
    ctx="65536",
    util="0.90",
    kv_dtype="auto",
    kv_gib="",
    tp="1",
    quant="",
    explain=False,
    json=False,
):
    """Say what a card holds of a model, before any download."""
    from onecard.commands import fit as run

    return run.fit(
        model,
        gpu,
        ctx=ctx,
        util=util,
        kv_dtype=kv_dtype,
        kv_gib=kv_gib,
        tp=tp,
        quant=quant,
        explain=explain,
        as_json=json,
    )


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
    asked="12",
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
        "repeats": "times that both generators make the same load, 2 or more",
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
    provision, plan, deploy, smoke, status, logs, start, stop, restart,
    facts, doctor, diagnose, fit, scale, stress, bench, runs, report, hosts, trust, use,
)  # fmt: skip
namespace.add_collection(Collection("sandbox", up, list_boxes, shell, down))
