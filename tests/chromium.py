"""A page opened in headless Chromium: what it asks for, what it complains about, how large things are.

Speaks the browser's own protocol over a pair of pipes, so that nothing but the browser is needed. Without a
browser the test is skipped, unless CORANK_REQUIRE_CHROMIUM=1 forbids that.
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
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 60.0  # seconds for one answer: a browser on a loaded machine starts slowly
# The browser reads commands from descriptor 3 and writes answers to 4.
LAUNCHER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)


KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), " ": (32, " ")}  # virtual code and text


@dataclass
class OpenedPage:
    """A page that has been loaded, with everything that happened meanwhile."""

    browser: Browser
    session: str
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.browser.call("Runtime.evaluate", self.session, expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def sizes(self, selector: str) -> list[tuple[float, float]]:
        """Width and height in pixels of everything that matches; hidden elements measure (0, 0)."""
        script = (
            f"[...document.querySelectorAll({json.dumps(selector)})].map(found => found.getBoundingClientRect())"
            ".map(box => [box.width, box.height])"
        )
        return [(width, height) for width, height in self.evaluate(script)]

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as on a keyboard."""
        for key in keys:
            code, text = KEYS[key]
            for event in ("keyDown", "keyUp"):
                sent = {"type": event, "key": key, "windowsVirtualKeyCode": code}
                if text and event == "keyDown":
                    sent["text"] = text
                self.browser.call("Input.dispatchKeyEvent", self.session, **sent)

    def as_printed(self) -> None:
        """Lay the page out as for paper; its width stays."""
        self.browser.call("Emulation.setEmulatedMedia", self.session, media="print")

    def screenshot(self, path: Path) -> Path:
        """The whole page as a PNG."""
        answer = self.browser.call(
            "Page.captureScreenshot", self.session, format="png", captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "scale": 1, "width": self.evaluate("innerWidth"),
                  "height": self.evaluate("document.documentElement.scrollHeight")},
        )  # fmt: skip
        path.write_bytes(base64.b64decode(answer["data"]))
        return path


class Browser:
    """A headless Chromium with an empty profile."""

    def __init__(self, program: str) -> None:
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        commands, answers = os.pipe(), os.pipe()
        # Away from 3 and 4, so that neither is overwritten before it is copied.
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (commands[0], answers[1])]
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *map(str, theirs), program, *OPTIONS, f"--user-data-dir={self.profile}"],
            pass_fds=theirs, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        for end in (*theirs, commands[0], answers[1]):
            os.close(end)
        self.commands, self.answers = commands[1], answers[0]
        self.rest = b""
        self.numbers = itertools.count(1)
        self.pages: dict[str, OpenedPage] = {}

    def open(
        self, path: Path, *, width: int = 1280, height: int = 900, dark: bool = False, scripts: bool = True
    ) -> OpenedPage:
        """Load a file and wait until it and everything that it asked for has been dealt with."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = OpenedPage(self, session, path.resolve().as_uri())
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable", session)
        self.call(
            "Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", session, value=not scripts)
        self.call("Page.navigate", session, url=page.url)
        self.wait(lambda message: message.get("method") == "Page.loadEventFired" and message["sessionId"] == session)
        if scripts:
            self.call(
                "Runtime.evaluate", session, awaitPromise=True,
                expression="new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))",
            )  # fmt: skip
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send a command and wait for its answer."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        answer = self.wait(lambda message: message.get("id") == number)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def wait(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read messages, note what concerns the pages, until the wanted one comes."""
        deadline = time.monotonic() + PATIENCE
        while True:
            while b"\0" in self.rest:
                first, _, self.rest = self.rest.partition(b"\0")
                message = json.loads(first)
                self.note(message)
                if wanted(message):
                    return message
            ready, _, _ = select.select([self.answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"Chromium did not answer within {PATIENCE:g} seconds"
            more = os.read(self.answers, 1 << 16)
            assert more, f"Chromium ended by itself with code {self.process.wait()}"
            self.rest += more

    def note(self, message: dict[str, Any]) -> None:
        """Keep requests, console messages, exceptions and the browser's own complaints."""
        page = self.pages.get(message.get("sessionId", ""))
        if page is None:
            return
        details = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                page.requests.append(details["request"]["url"])
            case "Log.entryAdded":
                page.complaints.append(details["entry"]["text"])
            case "Runtime.exceptionThrown":
                page.complaints.append(details["exceptionDetails"]["text"])
            case "Runtime.consoleAPICalled":
                page.complaints.append(json.dumps(details["args"]))

    def close(self) -> None:
        """End the browser with everything that it started, and remove its profile."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.commands)
        os.close(self.answers)
        shutil.rmtree(self.profile, ignore_errors=True)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of a run."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        reason = f"no Chromium was found under the names {', '.join(NAMES)}"
        if os.environ.get("CORANK_REQUIRE_CHROMIUM") == "1":
            pytest.fail(f"{reason}, and CORANK_REQUIRE_CHROMIUM=1 forbids the skip")
        pytest.skip(reason)
    running = Browser(program)
    yield running
    running.close()


@pytest.fixture
def open_page(browser: Browser) -> Callable[..., OpenedPage]:
    """`open_page(path, width=1280, height=900, dark=False, scripts=True)` loads a file as an `OpenedPage`."""
    return browser.open
