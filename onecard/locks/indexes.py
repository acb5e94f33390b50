"""What uv on a box is told about package indexes, and the login to them."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from onecard import layout
from onecard.errors import UsageError
from onecard.host import Host


def indexes(
    host: Host, home: str = layout.HOME, credentials: str = layout.INDEX_CREDENTIALS
) -> str:
    """Return what the box's uv is told, as JSON.

    home: where it may write. credentials: the file with the login.
    """
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
        "credentials": credentials,
    }
    return json.dumps(told, indent=1) + "\n"


def netrc(host: Host) -> str | None:
    """Return the login to the settings' own indexes as a netrc file; None when none is given.

    Raises UsageError for a login that is none.
    """
    if host.index_login is None:
        return None
    name, colon, password = host.index_login.reveal().partition(":")
    if not colon or not name or not password:
        raise UsageError("ONECARD_INDEX_CREDENTIALS: is not name:password")
    said = host.settings.indexes
    addresses = (said.url, *said.extra_urls, *said.find_links)
    machines = sorted({urlsplit(each).hostname or "" for each in addresses} - {""})
    return "".join(f"machine {each} login {name} password {password}\n" for each in machines)
