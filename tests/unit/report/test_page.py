"""The report's content: it shows what the records hold, and warns of what is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from onecard.records import Run
from onecard.report.blocks.blocks import Page, Plot, Warn
from onecard.report.blocks.chart import Series
from onecard.report.compare.page import compare
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.files import data_urls, model_shape
from onecard.report.evidence.sides import gathered
from onecard.report.page import page
from onecard.report.sections import load, load_names
from onecard.report.sections.attention import findings
from onecard.report.writers.as_json import to_json
from onecard.report.writers.html import to_html
from onecard.report.writers.markdown import to_markdown
from onecard.statistics.percentile import percentile
from onecard.statistics.share_interval import wilson
from tests.support import sample_runs as sample

HOSTILE = "<script>alert('x')</script> & \"quotes\" | `ticks` [link](javascript:x)"
LATER = "2026-11-22T09:00:00Z"
SANDBOX = Path(__file__).parents[1] / "fixtures" / "runs"


def evidence(*runs: Run) -> Evidence:
    return Evidence(sample.HOST, sample.HOST, runs, shape=model_shape(runs))


@cache
def everything() -> Page:
    return page(evidence(*sample.all_runs()))


@cache
def full_html() -> str:
    return to_html(everything())


def words(html: str) -> str:
    return " ".join(
        unescape(re.sub(r"<[^>]+>", " ", html)).replace("\N{NO-BREAK SPACE}", " ").split()
    )


def smoke_run(time: str, **faults: object) -> Run:
    model = str(faults.pop("model", sample.MODEL))
    return sample.run(
        "smoke",
        time,
        [sample.FACTS, sample.server(65536, model), *sample.smoke(**faults)],  # type: ignore[arg-type]
    )


SAID = [
    "Qwen3.5-27B on one NVIDIA A100-SXM4-80GB",
    "All 12 picture questions were answered right",
    "Configured for 262,144 tokens, it answered a request of 249,029 right.",
    "580.126.09",
    "--max-model-len 65536",
    "51.10",
    "4.13×",
    "invoke deploy --max-num-seqs 359",
    "journalctl -u vllm -n 50",
    "the model itself takes no more than 262,144 tokens",
    "What color is it?",
    "A figure agrees when the whole interval of its ratio lies within 0.8 to 1.25",
    "exceeds limit",
    "Goodput counts requests with first token within 800 ms, each output token within 50 ms.",
    # The arithmetic of fit gives what a real start logged, so it is shown.
    "the pool is 359 blocks, and a request takes one for every 784 tokens",
    "87 blocks at 65,536 tokens. That gives 4.13× at once, and vLLM logged 4.13×.",
]


@pytest.mark.parametrize("message", SAID)
def test_html_and_markdown_show_what_the_records_hold(message: str) -> None:
    made = everything()
    assert message in words(full_html())
    markdown = re.sub(r"\\(.)", r"\1", to_markdown(made)).replace("\N{NO-BREAK SPACE}", " ")
    assert message.removeprefix("--") in unescape(" ".join(markdown.split()))


def test_the_three_forms_have_the_same_content() -> None:
    made = everything()
    values = to_json(made)
    json.dumps(values)
    html, markdown = full_html(), to_markdown(made)
    for section in values["sections"]:
        assert f'<section id="{section["key"]}"' in html
        assert f"## {section['title']}" in markdown
        for block in section["blocks"]:
            if block["type"] == "table":
                assert f'<table id="{block["key"]}"' in html
                assert block["caption"] in re.sub(r"\\(.)", r"\1", markdown)
                assert len(block["rows"]) > 0
            if block["type"] == "plot":
                assert f'<figure id="{block["key"]}"' in html
                assert block["title"] in re.sub(r"\\(.)", r"\1", markdown)
    tables = {
        block["key"]: block
        for section in values["sections"]
        for block in section["blocks"]
        if block["type"] == "table"
    }
    row = tables["scaling-table"]["rows"][3]
    assert (row["ctx"], row["prompt_tokens"], row["answer" if "answer" in row else "answered"]) == (
        262144, 249029, "right",
    )  # fmt: skip
    assert tables["memory-table"]["rows"][0]["headroom_gib"] == pytest.approx(80 - 75800 / 1024)


def scale_page(*wrong: int) -> Page:
    runs = [run for run in sample.all_runs() if run.kind not in ("scale", "stress")]
    return page(evidence(*runs, sample.run("scale", LATER, sample.scale(wrong=wrong))))


def test_a_long_answer_that_was_wrong_is_no_headline() -> None:
    made = scale_page(65536, 131072, 262144)
    assert (
        "Configured for 262,144 tokens, it answered a request of 249,029, wrongly; the longest "
        "answered right: 3,884." in made.summary
    )
    figures = {figure.note: (figure.value, figure.tone.value) for figure in made.figures}
    note = "tokens in the longest request answered right; 249,029, wrongly"
    assert figures[note] == ("3,884", "bad")
    text = words(to_html(made))
    assert "The request of 249,029 tokens was answered wrong: “A blue circle”." in text
    nothing_right = scale_page(*sample.CONTEXTS)
    assert "wrongly; the longest answered right: 301" in nothing_right.summary  # a picture question


def test_answers_of_random_weights_are_neither_praised_nor_blamed() -> None:
    events = sample.scale(wrong=sample.CONTEXTS)
    for event in events:
        if event["event"] == "server":
            event["options"]["load-format"] = "dummy"
    made = page(evidence(sample.run("scale", LATER, events)))
    assert made.summary.startswith(
        "The weights are random (--load-format dummy): answers are wrong"
    )
    assert made.summary.endswith("it answered a request of 249,029.")
    notes = {figure.note for figure in made.figures}
    assert "tokens in the longest request answered" in notes
    assert "picture questions answered right" not in notes
    assert "answered wrong" not in words(to_html(made))


def test_stress_shows_a_length_only_where_guessing_gets_less() -> None:
    """Of several questions behind a long text some are right by chance."""

    def longest(right: int) -> str:
        events = [sample.FACTS, sample.server(65536)]
        request = {"prefix": "prose", "position": "image last", "target_tokens": 60000}
        for number in range(24):
            outcome = "right" if number < right else "wrong"
            events.append(
                {"event": "answer", **request, "outcome": outcome, "prompt_tokens": 60_300}
            )
        low, _ = wilson(right, 24) or (0, 0)
        events.append(
            {"event": "cell", **request, "right": right, "low": low, "prompt_tokens": 60_300}
        )
        events.append({"event": "curve", "points": [], "guessable": 0.25})
        return page(evidence(sample.run("stress", LATER, events))).summary

    assert "it answered a request of 60,300, no better than guessing." in longest(8)
    assert "it answered a request of 60,300 right." in longest(20)


def test_configured_is_separate_from_answered() -> None:
    """The post's third lesson: a start at N tokens proves nothing about a request of N tokens."""
    runs = [run for run in sample.all_runs() if run.kind in ("deploy", "smoke")]
    made = page(evidence(*runs))
    assert not any("249,029" in figure.value for figure in made.figures)
    text = words(to_html(made))
    assert "No context but the deployed one has been tried. invoke scale --host a100-1" in text


def test_a_deploy_that_restarts_nothing_is_no_start() -> None:
    again = sample.run("deploy", LATER, [{**sample.start(65536), "answered_s": 0.4}])
    found = evidence(*sample.all_runs(), again).start
    assert found is not None
    assert found.event["answered_s"] == pytest.approx(219.6)


def test_a_start_by_two_clocks_is_one() -> None:
    """A real one: its last phase began after 93.3 s here, and the box answered after 92.3 s."""
    event = sample.start(65536)
    event["phases"][-1]["began_s"], event["answered_s"] = 93.3, 92.3
    event["phases"] = event["phases"][-1:]
    found = evidence(sample.run("deploy", LATER, [event])).start
    assert found is not None


@pytest.mark.parametrize(
    "kind", ["deploy", "smoke", "scale", "stress", "bench", "certify", "cache", "soak"]
)
def test_a_value_that_a_record_lacks_costs_no_page(kind: str) -> None:
    """Each key of each kind of event, null and absent: as of an older onecard, or a newer one."""
    cached = sample.run("cache", LATER, sample.cache())
    run = next(each for each in [cached, *reversed(sample.all_runs())] if each.kind == kind)
    if kind == "soak":  # one of its samples is like another
        run = replace(run, events=(*run.events[:4], *run.events[-2:]))
    keys = {(event["event"], key) for event in run.events for key in event}
    for event_name, key in sorted(
        keys - {("begin", "event"), ("begin", "host"), ("begin", "kind")}
    ):
        for without in (lambda _: {}, dict.fromkeys):
            events = tuple(
                {**{name: value for name, value in event.items() if name != key}, **without([key])}
                if event["event"] == event_name and key != "event"
                else event
                for event in run.events
            )
            changed = evidence(replace(run, events=events))
            to_markdown(page(changed))
            if kind != "scale":  # whose many intervals take a second each time
                to_markdown(compare(changed, evidence(run)))


def test_tuned_settings_are_shown_with_what_each_trial_gained() -> None:
    text = words(full_html())
    assert "To set under serve: max_num_seqs: 8." in text
    assert "max_num_seqs 8 better 1.20" in text
    assert "kv_cache_dtype fp8 answers get worse" in text
    assert "measured again at the end: 1.01× (1.01× to 1.01×)" in text
    assert "Settings that were tried" not in words(to_html(page(evidence(smoke_run(LATER)))))


def test_what_was_not_measured_names_the_command_that_measures_it() -> None:
    text = words(to_html(page(evidence(sample.run("provision", LATER, [])))))
    commands = ("smoke", "deploy", "scale", "stress", "bench", "certify", "cache", "soak")
    for command in commands:
        assert f"invoke {command} --host a100-1" in text


def test_nothing_to_see_is_not_an_empty_table() -> None:
    made = page(evidence(sample.run("provision", LATER, [])))
    assert "attention" not in {section.key for section in made.sections}
    assert "No run on record has failed." in to_markdown(made)


def test_an_answer_is_text_and_nothing_else() -> None:
    made = page(evidence(smoke_run(LATER, wrong={"01-colour": HOSTILE})))
    html = to_html(made)
    assert "<script" not in html
    assert HOSTILE in unescape(html)
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;quotes&#34;" in html
    markdown = to_markdown(made)
    assert "<script" not in markdown
    row = next(line for line in markdown.splitlines() if "alert" in line)
    assert "&lt;script&gt;" in row
    assert "\\[link\\](" in row
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_text_in_plots_and_attributes_is_escaped_too() -> None:
    cells = [event for event in sample.stress() if event["event"] != "curve"]
    for cell in cells:
        if cell.get("prefix") == "prose":
            cell["prefix"] = '"><script>$x$</script>'
    html = to_html(page(evidence(sample.run("stress", LATER, cells))))
    assert "<script" not in html
    assert "&lt;script&gt;$x$&lt;/script&gt;" in html


def test_the_page_allows_no_script_and_no_network() -> None:
    html = full_html()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert policy[1] == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    loads = re.findall(r'(?:src|href|xlink:href)="([^"]+)"', html)
    assert [each for each in loads if not each.startswith(("#", "data:"))] == []
    assert "url(http" not in html
    assert len(re.findall(r'\bid="([^"]+)"', html)) == len(set(re.findall(r'\bid="([^"]+)"', html)))


def planted(*more: Run) -> str:
    return "\n".join(findings(evidence(*sample.all_runs(), *more)))


def test_nothing_is_reported_of_a_box_in_order() -> None:
    assert planted() == ""


def test_a_planted_slow_down_is_reported() -> None:
    message = planted(smoke_run(LATER, factor=1.6)).replace("\N{NO-BREAK SPACE}", " ")
    assert "Picture questions take 1.60×" in message
    assert "outside the noise" in message
    assert planted(smoke_run(LATER, factor=1.03)) == ""


def test_stalls_that_the_median_does_not_see_are_reported() -> None:
    """As a real box did that was stopped for 0.4 s again and again: a third of requests stalled."""
    stalled = smoke_run(LATER)
    for case in stalled.all("case"):
        case["latencies_s"][0] += 1.0
    message = planted(stalled).replace("\N{NO-BREAK SPACE}", " ")
    assert "(on average, with the same model and context), outside the noise" in message


def test_generators_that_are_not_shown_to_agree_are_named() -> None:
    message = planted(sample.run("bench", LATER, sample.bench(noise=2.0)))
    assert "4 at once, by both: the generators are not shown to agree in TTFT p50" in message


def test_a_planted_wrong_model_is_reported() -> None:
    message = planted(smoke_run(LATER, model="Qwen/Qwen3.5-9B"))
    assert (
        "Another model answered: Qwen/Qwen3.5-9B, where the settings of a100-1 name "
        "Qwen/Qwen3.5-27B." in message
    )
    assert "of different models: Qwen/Qwen3.5-9B, Qwen/Qwen3.5-27B" in message


def test_planted_dropped_pictures_are_reported_and_shown() -> None:
    run = smoke_run(LATER, wrong={"05-shape": "Circle"}, blind=True)
    message = planted(run)
    assert "a picture added no tokens to the prompt: the server drops pictures." in message
    assert "1 of 12 picture questions were answered wrong: 05-shape." in message
    made = page(evidence(*sample.all_runs(), run))
    assert (made.figures[0].value, made.figures[0].tone.value) == ("11 of 12", "bad")


def test_a_failed_start_and_requests_that_failed_are_reported() -> None:
    bench = sample.bench()
    bench[3]["failed"] = 5
    failed = sample.run("deploy", "2026-11-22T10:00:00Z", sample.failed_deploy())
    message = planted(sample.run("bench", LATER, bench), failed)
    assert "5 requests failed under load." in message
    assert "The newest run, deploy of 2026-11-22 10:00 UTC, failed: a100-1: the server" in message


def test_a_comparison_distinguishes_noise_from_change() -> None:
    a = evidence(*sample.all_runs())
    more = [
        smoke_run(LATER, factor=1.6),
        sample.run("stress", LATER, sample.stress(worst=0.1)),
        sample.run("bench", LATER, sample.bench(factor=1.5)),
    ]
    b = evidence(*sample.all_runs(), *more)
    made = compare(a, b)
    assert "B is slower" in made.summary
    text = words(to_html(made))
    assert "outside the noise" in text
    assert "✗ slower" in text
    assert "✗ worse" in text
    assert "· within noise" in text
    assert "Both sides stand on the same run of scale; it was not repeated." in text
    same = compare(a, evidence(*sample.all_runs(), smoke_run(LATER, factor=1.01)))
    assert same.summary.startswith("Picture questions take the same time on both")


def test_two_contexts_of_one_run_of_scale_are_compared() -> None:
    from onecard.records import find_runs
    from onecard.report.evidence.sides import side

    runs, _ = find_runs("box1", SANDBOX)
    made = compare(*(side(f"box1:{ctx}", runs, SANDBOX) for ctx in (4096, 65536)))
    tables = {
        block["key"]: block["rows"]
        for section in to_json(made)["sections"]
        for block in section["blocks"]
        if block["type"] == "table"
    }
    assert [row["longest"] for row in tables["context-table"]] == [3892, 62254]
    assert [row["at_once"] for row in tables["context-table"]] == [107.79, 7.91]
    steady = tables["latency-table"][0]
    assert (steady["a"], steady["b"]) == (pytest.approx(0.0337, 1e-2), pytest.approx(0.0549, 1e-2))
    assert "no difference is shown, nor that there is none" in made.summary
    assert steady["verdict"] == "within noise"  # each question was sent once, on a busy box


def test_a_report_of_real_sandbox_records_is_whole() -> None:
    from onecard.records import find_runs

    runs, trouble = find_runs("box1", SANDBOX)
    assert trouble == []
    made = page(gathered("box1", runs, SANDBOX))
    html = to_html(made)
    text = words(html)
    assert "tiny-vqa on box1" in text
    assert "All 12 picture questions were answered right" in text
    assert text.count("Picture of the question") == 0  # an alternative text, not a text
    assert html.count("data:image/png;base64,") == 12
    assert "That gives 58.51× at once, and vLLM logged 58.51×." in text


def test_only_pictures_of_the_records_are_read(tmp_path: Path) -> None:
    sample.write(sample.all_runs(), tmp_path)
    (tmp_path / "secret.png").write_bytes(b"x")
    run = smoke_run(LATER)
    names = [
        "../secret.png",
        "secret.png",
        "pictures/none.png",
        "/etc/passwd",
        "pictures/01-colour.png",
    ]
    for case, name in zip(run.all("case"), names, strict=False):
        case["picture"]["file"] = name
    found = data_urls([run], tmp_path)
    assert "pictures/01-colour.png" in found
    assert not {"../secret.png", "secret.png", "pictures/none.png", "/etc/passwd"} & set(found)


def tables_of(made: Page) -> dict[str, list[dict[str, object]]]:
    return {
        block["key"]: block["rows"]
        for section in to_json(made)["sections"]
        for block in section["blocks"]
        if block["type"] == "table"
    }


def test_the_page_reports_which_build_exactly() -> None:
    values = to_json(everything())
    rows = {row["component"]: row["value"] for row in tables_of(everything())["hardware-table"]}
    assert rows["model revision"] == sample.LOCK["model_revision"]
    assert rows["precision"] == "bfloat16"
    assert "vLLM commit" not in rows  # a release
    commands = next(each for each in values["sections"] if each["key"] == "commands")
    listing = next(block for block in commands["blocks"] if block["type"] == "listing")
    assert listing["values"]["packages"] == dict(sorted(sample.LOCK["packages"].items()))
    assert "inventory/locks/a100-1.yml" in listing["caption"]
    assert '<details id="lock">' in full_html()
    for text in (words(full_html()), to_markdown(everything())):
        assert "transformers: 5.2.0" in text
    commit = {**sample.LOCK, "commit": "c0ffee" * 6 + "abcd"}
    run = sample.run("smoke", LATER, [sample.FACTS, *sample.smoke()], lock=commit)
    rows = {
        row["component"]: row["value"] for row in tables_of(page(evidence(run)))["hardware-table"]
    }
    assert rows["vLLM commit"] == commit["commit"]


def test_precision_is_what_the_log_or_a_flag_names() -> None:
    options = {"dtype": "float16", "quantization": "fp8", "kv-cache-dtype": "fp8"}
    server = {**sample.server(4096), "options": options}
    run = sample.run("smoke", LATER, [sample.FACTS, server, *sample.smoke()])
    rows = {
        row["component"]: row["value"] for row in tables_of(page(evidence(run)))["hardware-table"]
    }
    assert rows["precision"] == "float16, weights fp8, KV cache fp8"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        (["invoke", "smoke"], "invoke smoke --host a100-1"),
        (["invoke", "smoke", "--repeats", "2"], "invoke smoke --host a100-1 --repeats 2"),
        (["invoke", "-e", "smoke", "--json"], "invoke -e smoke --host a100-1"),
        (["invoke", "smoke", "--host=a100-1"], "invoke smoke --host=a100-1"),
        (["invoke", "smoke", "-h", "all"], "invoke smoke -h all"),
    ],
)
def test_a_command_names_its_host(typed: list[str], shown: str) -> None:
    made = page(evidence(sample.run("smoke", LATER, sample.smoke(), command=typed)))
    assert f"{shown}\n" in to_markdown(made)


def test_the_command_of_a_run_that_is_shown_is_there_though_it_failed() -> None:
    """As scale fails when a context was refused."""
    run = sample.run("scale", LATER, sample.scale())
    run.events[-1]["status"] = "failed"
    assert "    invoke scale --host a100-1\n" in to_markdown(page(evidence(run)))


def test_the_figures_at_the_top_stand_in_the_page_again() -> None:
    made = everything()
    top = next(each.value for each in made.figures if each.note == "from start to first answer")
    last = tables_of(made)["start-table"][-1]
    assert last == {
        "phase": "together", "at_4,096": 219.6, "at_65,536": 220.0,
        "at_131,072": 220.5, "at_262,144": 220.9, "at_deploy, 65,536": 219.6,
    }  # fmt: skip
    assert top.startswith("220")


def test_the_first_token_is_timed_as_the_whole_answer_is() -> None:
    """Over all requests, by one definition of a percentile: the one cannot exceed the other."""
    events = sample.smoke()
    for place, case in enumerate(events[:-1]):
        slow = 0.08 if place >= 6 else 0.02
        case["latencies_s"], case["ttfts_s"] = [slow] * 3, [slow * 0.98] * 3
    steady = [each for case in events[:-1] for each in case["latencies_s"]]
    events[-1].update(steady_s=steady, steady_p50_s=percentile(steady, 50))
    rows = tables_of(page(evidence(sample.run("smoke", LATER, events))))["latency-table"]
    times = {row["scenario"]: row["latency_s"] for row in rows}
    assert times["their first token, p50"] == pytest.approx(0.05 * 0.98)
    assert times["later requests, p50"] == pytest.approx(0.05)


def warned(a: Evidence, b: Evidence) -> str:
    sections = compare(a, b).sections
    return "\n".join(
        block.text for each in sections for block in each.blocks if isinstance(block, Warn)
    )


def test_a_comparison_of_different_things_reports_it() -> None:
    shapes = evidence(smoke_run(LATER))
    food = smoke_run(LATER, factor=2)
    for case in food.all("case"):
        case["name"], case["question"] = f"food {case['name']}", "Which dish is it?"
    foods = evidence(food)
    assert "answered different picture questions" in warned(shapes, foods)
    assert "slower" not in compare(shapes, foods).summary
    assert "latency-table" not in tables_of(compare(shapes, foods))
    other = evidence(smoke_run(LATER, model="Qwen/Qwen3.5-9B"))
    assert "The models differ: Qwen/Qwen3.5-27B on A, Qwen/Qwen3.5-9B on B." in warned(
        shapes, other
    )
    once = sample.run("smoke", LATER, [sample.server(65536), *sample.smoke(repeats=1)])
    message = warned(shapes, evidence(once))
    assert "A answered each question 3 times in smoke, B each question once in smoke." in message
    fewer = smoke_run(LATER, factor=2)
    others = [e for e in fewer.events if e.get("name") != "12-both"]
    some = evidence(replace(fewer, events=tuple(others)))
    assert "A and B share 11 picture questions, of 12 and 11" in warned(shapes, some)
    assert compare(shapes, some).summary.startswith("B is slower: a picture question takes 2.00×")


def test_a_comparison_shows_flags_and_packages_that_differ() -> None:
    lock = {**sample.LOCK, "packages": {**sample.LOCK["packages"], "numpy": "2.4.0"}}
    server = sample.server(65536)
    server["options"]["enforce-eager"] = ""
    later = sample.run("smoke", LATER, [sample.FACTS, server, *sample.smoke()], lock=lock)
    made = tables_of(compare(evidence(smoke_run(LATER)), evidence(later)))
    assert {"what": "--enforce-eager", "a": None, "b": "set"} in made["what-table"]
    assert made["lock-table"] == [{"package": "numpy", "a": "2.3.1", "b": "2.4.0"}]


def test_a_description_of_a_plot_rounds_numbers() -> None:
    found = load_names.words((Series("p95", (1.0, 1626.0), (0.0044, 1100.0)),), "tokens/s")
    assert found == "p95: 0.0044 at 1 tokens/s, 1,100 at 1,626 tokens/s."


def test_no_description_of_a_plot_holds_a_number_that_nobody_writes() -> None:
    from onecard.records import find_runs

    runs, _ = find_runs("box1", SANDBOX)
    for made in (everything(), page(gathered("box1", runs, SANDBOX))):
        for block in (b for s in made.sections for b in s.blocks if isinstance(b, Plot)):
            assert not re.search(r"e\+|0\.0\s*ms|\d{5}", block.alt), block.alt


def test_a_line_that_would_run_back_is_not_drawn() -> None:
    events = [event for event in sample.bench() if event["event"] == "load"][:5]
    assert [line.joined for line in load.lines(events)] == [True]
    events[2]["generation_tokens_per_s"] *= 0.5
    assert [line.joined for line in load.lines(events)] == [False]


def test_markdown_has_the_numbers_of_each_plot_as_a_table() -> None:
    markdown = to_markdown(everything())
    for block in (b for s in everything().sections for b in s.blocks if isinstance(b, Plot)):
        assert f"**{block.title}**" in markdown
    assert "| 65,536 | 51.10 | 17.21 | 0.92 | 4.88 | 5.89 |" in markdown  # the memory bar
    assert (
        "| requests at once | p50, milliseconds | p95, milliseconds | p99, milliseconds |"
        in markdown
    )
    assert "| 2 | 288 | 450 | 630 |" in markdown
    assert "e+" not in markdown


def test_answers_about_the_same_pictures_are_not_compared_as_if_they_were_independent() -> None:
    def side(right: int, effective: float) -> Evidence:
        point = {"target_tokens": 512, "asked": 144, "right": right, "effective": effective,
                 "accuracy": right / 144}  # fmt: skip
        events = [{"event": "cell"}, {"event": "curve", "points": [point]}]
        return evidence(
            sample.run("stress", LATER if right > 100 else "2026-11-23T09:00:00Z", events)
        )

    for effective, verdict in ((144.0, "worse"), (24.0, "within noise")):
        rows = tables_of(compare(side(120, effective), side(96, effective)))["grounding-table"]
        assert [row["verdict"] for row in rows] == [verdict]


def test_cost_follows_from_the_price_in_the_records() -> None:
    unknown = to_markdown(everything()).partition("## Cost")[2].partition("\n## ")[0]
    assert f"invoke bench --host {sample.HOST} -e price_per_hour=" in unknown
    priced = {"price_per_hour": 2.0, "currency": "EUR"}
    rounds = [
        {**event, "name": "4 at once, by both", "generation_tokens_per_s": rate}
        for event in sample.bench()[2:3]
        for rate in (95.0, 100.0, 105.0)
    ]
    runs = [
        sample.run("provision", "2026-11-20T08:00:00Z", [], settings=priced),
        sample.run("bench", "2026-11-20T18:00:00Z", [*sample.bench(), *rounds], settings=priced),
    ]
    text = to_markdown(page(evidence(*runs)))
    assert "2.00 EUR an hour" in text
    assert "10.0 hours: 20.00 EUR, if it was rented all that time" in text
    # 28.4 tokens/s are 102,354 an hour.
    assert "19.5" in text
    assert "Repeated 4 times (4 at once, by both)" in text
    assert "for a million generated tokens at that rate" in text
    nothing_measured = to_markdown(page(evidence(runs[0])))
    assert "invoke bench" in nothing_measured.partition("## Cost")[2]


def test_what_is_reused_is_shown_or_the_command_that_measures_it() -> None:
    nothing = to_markdown(everything()).partition("## Reuse of earlier requests")[2]
    assert f"invoke cache --host {sample.HOST}" in nothing.partition("\n## ")[0]
    run = sample.run("cache", "2026-11-21T08:00:00Z", sample.cache())
    text = words(to_markdown(page(evidence(run))))
    assert "Prefix caching pays from 3,481 tokens on. Where it is on, it takes by fit 8 %" in text
    assert "| 3,481 tokens | 398 | 56 | 0.14 | 0.11 | 0.18 | 3,456 |" in text
    assert "57 ms, 1.20 s; 6,912 tokens found in all" in text


def test_a_server_that_came_without_prefix_caching_is_named() -> None:
    off = sample.start(65536)
    off["memory"]["prefix_caching"] = False
    run = sample.run("deploy", "2026-11-21T08:00:00Z", [off, sample.server(65536)])
    text = words(to_markdown(page(evidence(run))))
    assert "Prefix caching is off, as this vLLM comes for this model" in text
    chosen = {"serve": {"enable_prefix_caching": False}}
    run = sample.run("deploy", "2026-11-21T08:00:00Z", [off, sample.server(65536)], settings=chosen)
    assert "Prefix caching is off" not in to_markdown(page(evidence(run)))
