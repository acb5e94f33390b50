"""The package indexes that uv on a box uses, and the login to them."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from onecard.box import paths
from onecard.errors import UsageError
from onecard.inventory.host import Host


def indexes(host: Host, home: str = paths.HOME, credentials: str = paths.INDEX_CREDENTIALS) -> str:
    """Return the settings of the box's uv, as JSON.

    home: the folder that it may write to. credentials: the file with the login.
    """
    given = host.settings.indexes
    settings = {
        "url": given.url,
        "extra_urls": given.extra_urls,
        "find_links": given.find_links,
        "python_mirror": given.python_mirror,
        "python_list": given.python_list,
        "wheels": paths.WHEELS if host.settings.wheelhouse else "",
        "cache": paths.UV_CACHE.replace(paths.HOME, home),
        "pythons": paths.PYTHONS.replace(paths.HOME, home),
        "credentials": credentials,
    }
    return json.dumps(settings, indent=1) + "\n"


def netrc(host: Host) -> str | None:
    """Return the login to the settings' own indexes as a netrc file; None without a login.

    Raises UsageError for a login that is not name:password.
    """
    if host.index_login is None:
        return None
    name, colon, password = host.index_login.reveal().partition(":")
    if not colon or not name or not password:
        raise UsageError("ONECARD_INDEX_CREDENTIALS: is not name:password")
    given = host.settings.indexes
    addresses = (given.url, *given.extra_urls, *given.find_links)
    machines = sorted({urlsplit(each).hostname or "" for each in addresses} - {""})
    return "".join(f"machine {each} login {name} password {password}\n" for each in machines)
