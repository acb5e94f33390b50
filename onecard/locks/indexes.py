"""What uv on a box is told about package indexes."""

from __future__ import annotations

import json

from onecard import layout
from onecard.host import Host


def indexes(host: Host, home: str = layout.HOME) -> str:
    """Return what the box's uv is told, as JSON. home: where it may write."""
    said = host.settings.indexes
    told = {
        "url": said.url,
        "extra_urls": said.extra_urls,
        "find_links": said.find_links,
        "python_mirror": said.python_mirror,
        "python_list": said.python_list,
        "wheels": layout.WHEELS if host.settings.wheelhouse else "",
        "cache": layout.UV_CACHE.replace(layout.HOME, home),
        "pythons": layout.PYTHONS.replace(layout.HOME, home),
        "credentials": layout.INDEX_CREDENTIALS,
    }
    return json.dumps(told, indent=1) + "\n"
