"""Health check: request the server's /health once, with the key, and print `health=200`.

    health ADDRESS PORT KEY_FILE SECONDS

The status, or `refused` (nothing listens), `silent` (no answer in time), else `lost (why)`. It
uses the standard library alone: it is sent to the box for each check, since the box may hold
another version of onecard's programs, or none.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path


def main(address: str, port: str, key_file: str, seconds: str) -> None:
    """Send the request and print the result."""
    connection = HTTPConnection(address, int(port), timeout=float(seconds))
    try:
        connection.request("GET", "/health", headers=headers(Path(key_file)))
        result = str(connection.getresponse().status)
    except ConnectionRefusedError:
        result = "refused"
    except TimeoutError:
        result = "silent"
    except (OSError, HTTPException) as error:
        result = f"lost ({type(error).__name__})"
    finally:
        connection.close()
    print(f"health={result}")


def headers(key_file: Path) -> dict[str, str]:
    """Return the header that carries the server's key; empty if no usable key is stored."""
    if not key_file.exists():
        return {}
    for line in key_file.read_text("utf-8", "replace").splitlines():
        name, _, key = line.partition("=")
        if name == "VLLM_API_KEY" and key.isascii() and key.isprintable():
            return {"Authorization": f"Bearer {key}"}
    return {}


if __name__ == "__main__":
    main(*sys.argv[1:])
