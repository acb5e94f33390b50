"""What the inputs are drawn from: odd words and numbers, JSON of any kind, documents with changes."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

WORDS = st.sampled_from(
    ["", "x", "auto", "0", "-1", "a b", "ä", "x" * 300, "\0", "\n", "\ud800", "%", "re:("]
)
NUMBERS = st.sampled_from([0, 1, -1, 2, 7, 10**5, 2**31, 10**30, 10**4000]) | st.integers()
SCALARS = st.none() | st.booleans() | NUMBERS | st.floats() | WORDS | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
# What a box prints where a connection, a disk or a program failed it.
LINES = st.lists(
    st.sampled_from(
        ["LoadState=loaded", "NRestarts=x", "NRestarts=9" + "9" * 5000, "Command=a --port x", "=",
         "Command=vllm --port 8000 --max-model-len", "free x", "@onecard 0 x", "regular file=644",
         "directory=755=root", "mode=600", "a b c d e", "x==", "file=x", "package=x", "\0", "é\u2028"]
    ) | st.text(max_size=20), max_size=6,
).map("\n".join)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, documents: Any) -> Any:
    """Return one of the documents with one to three values replaced or left out."""
    document = copy.deepcopy(draw(st.sampled_from(documents())))
    for _ in range(draw(st.integers(1, 3))):
        inner, key = document, draw(st.sampled_from(sorted(document)))
        while isinstance(inner[key], dict) and inner[key] and draw(st.booleans()):
            inner = inner[key]
            key = draw(st.sampled_from(sorted(inner)))
        if draw(st.integers(0, 5)):
            inner[key] = draw(JSON)
        else:
            del inner[key]
            if not document:
                break
    return document
