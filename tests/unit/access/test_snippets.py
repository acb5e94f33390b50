"""The lines to paste: they run as they stand, and the key is in none of them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from pathlib import Path

import pytest

from onecard.access.snippets import Endpoint, curl_line, openai_snippet
from onecard.smoke.case import Case

KEY = "k" * 43
ODD = 'it\'s a "$HOME" `id` \\ model'


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    folder = tmp_path / "a 'quoted' folder"
    folder.mkdir()
    (folder / "api-key").write_text(KEY + "\n")
    return Endpoint("http://127.0.0.1:9/v1", ODD, folder / "api-key", folder / "cert.pem")


def test_curl_gets_the_key_from_its_input_and_everything_else_whole(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text('#!/bin/sh\nprintf "%s\\n" "$@"; cat\n')
    curl.chmod(0o755)
    line = curl_line(endpoint, "What's this?")
    assert KEY not in line
    path = f"{curl.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, env={"PATH": path}, check=True
    )
    *words, body, header = done.stdout.splitlines()
    assert header == f"Authorization: Bearer {KEY}"
    assert json.loads(body)["model"] == ODD
    assert json.loads(body)["messages"][0]["content"] == "What's this?"
    assert words[words.index("--cacert") + 1] == str(endpoint.certificate)
    assert "http://127.0.0.1:9/v1/chat/completions" in words


def test_the_snippet_is_python_that_names_files_and_not_the_key(endpoint: Endpoint) -> None:
    picture = Path("onecard/smoke/cases/shapes/01-colour.png")
    case = Case.model_validate(
        {"name": "a", "question": ODD, "expect": ["x"], "image": str(picture)}
    )
    text = openai_snippet(endpoint, case)
    constants = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    assert {ODD, str(endpoint.key_file), str(endpoint.certificate)} <= constants
    assert str(picture.absolute()) in constants
    assert KEY not in text
    bare = openai_snippet(Endpoint("http://x/v1", "m", endpoint.key_file), case)
    assert "http_client" not in bare
