"""Drives headless Chromium over its DevTools pipe, without a driver or a library between.

Protocol: JSON messages that end in NUL, to file descriptor 3 of the browser and from its 4
(--remote-debugging-pipe; Chromium, content/browser/devtools/devtools_pipe_handler.cc).
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0


def executable() -> str:
    """The browser's program; "" where it is missing. Ubuntu's own only advises to install a snap."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if (
            path
            and not subprocess.run([path, "--version"], capture_output=True, check=False).returncode
        ):
            return path
    return ""


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are not 3 or 4, which the browser takes its own to be."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


@dataclass
class Visit:
    """A page that was loaded, and what it did: requests beside itself, messages on the console."""

    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


class Chromium:
    """One browser with one tab."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        to_browser, self._out = _pipe()
        self._in, from_browser = _pipe()
        command = [
            "bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", executable(),
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-quic", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
            f"--user-data-dir={self._profile}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers = itertools.count(1)
        self._unread = b""
        self._events: list[dict[str, Any]] = []
        self._session = ""
        targets = self.call("Target.getTargets")["targetInfos"]
        tab = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        shutil.rmtree(self._profile, ignore_errors=True)

    def visit(self, page: Path, *, width: int, dark: bool = False, height: int = 900) -> Visit:
        """Load a file at a width in CSS pixels, and return its requests and messages."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self.call("Page.navigate", url=page.as_uri())
        self._wait_for("Page.loadEventFired")
        visit = Visit()
        for event in self._events:
            values = event.get("params", {})
            if event["method"] == "Network.requestWillBeSent":
                visit.requests.append(values["request"]["url"])
            elif event["method"] == "Runtime.consoleAPICalled":
                visit.messages.append(str(values["args"]))
            elif event["method"] == "Runtime.exceptionThrown":
                visit.messages.append(str(values["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                visit.messages.append(values["entry"]["text"])
        page_itself = page.as_uri()
        visit.requests = [
            url for url in visit.requests if url != page_itself and not url.startswith("data:")
        ]
        return visit

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """Write the page as a PNG; whole: also what is below the first screen."""
        if not whole:
            path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
            return
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self) -> bytes:
        """The page as it prints on A4."""
        answer = self.call(
            "Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False,
            preferCSSPageSize=True,
        )  # fmt: skip
        return base64.b64decode(answer["data"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                self._events.append(answer)

    def _wait_for(self, method: str) -> None:
        while not any(event["method"] == method for event in self._events):
            event = self._read()
            if "method" in event:
                self._events.append(event)

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._in], [], [], deadline - time.monotonic())
            chunk = os.read(self._in, 1 << 20) if ready else b""
            assert chunk, "Chromium is gone, or silent for a minute"
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\0")
        return json.loads(line)
