"""Snippets to paste: a request to a served model in curl and Python. Pure: no I/O.

They do not contain the key: they read it from its file when they run, and never pass it as a
command's argument, which every account of a computer may see.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from onecard.smoke.case import MEDIA_TYPES, Case

_MAX_TOKENS = 64
# A thinking model would use up these tokens before its answer.
_NO_THINKING = {"enable_thinking": False}


@dataclass(frozen=True)
class Endpoint:
    """The address of an API.

    url: such as `http://127.0.0.1:8000/v1`. key_file: holds the key alone.
    certificate: file to verify the server's certificate against; None for the system's.
    """

    url: str
    model: str
    key_file: Path
    certificate: Path | None = None


def curl_line(endpoint: Endpoint, question: str) -> str:
    """Return a POSIX shell line that sends a question with curl."""
    body = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": _MAX_TOKENS,
        "chat_template_kwargs": _NO_THINKING,
    }
    words = ["curl", "-sS", "-H", "@-", "-H", "Content-Type: application/json"]
    if endpoint.certificate:
        words += ["--cacert", str(endpoint.certificate)]
    words.append(f"{endpoint.url}/chat/completions")
    header = f"sed 's/^/Authorization: Bearer /' {shlex.quote(str(endpoint.key_file))}"
    return f"{header} |\n  {shlex.join(words)} \\\n  -d {shlex.quote(json.dumps(body))}"


def openai_snippet(endpoint: Endpoint, case: Case) -> str:
    """Return Python that sends a case's question and picture with the `openai` client."""
    lines = ["import base64, pathlib, openai", "client = openai.OpenAI("]
    lines += [
        f"    base_url={_text(endpoint.url)},",
        f"    api_key=pathlib.Path({_text(endpoint.key_file)}).read_text().strip(),",
    ]
    if endpoint.certificate:
        lines.append(
            f"    http_client=openai.DefaultHttpxClient(verify={_text(endpoint.certificate)}),"
        )
    lines.append(")")
    parts = [f'        {{"type": "text", "text": {_text(case.question)}}},']
    if case.image is not None:
        media = MEDIA_TYPES[case.image.suffix.lower()]
        picture = str(case.image.absolute())
        lines.append(
            f"picture = base64.b64encode(pathlib.Path({_text(picture)}).read_bytes()).decode()"
        )
        url = f'f"data:{media};base64,{{picture}}"'
        parts.insert(0, f'        {{"type": "image_url", "image_url": {{"url": {url}}}}},')
    lines += [
        "answer = client.chat.completions.create(",
        f"    model={_text(endpoint.model)},",
        '    messages=[{"role": "user", "content": [',
        *parts,
        "    ]}],",
        f"    max_tokens={_MAX_TOKENS},",
        '    extra_body={"chat_template_kwargs": {"enable_thinking": False}},',
        ")",
        "print(answer.choices[0].message.content)",
    ]
    return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    """Return a Python string literal of the value."""
    return json.dumps(str(value))
