"""A real browser for tests, driven through the DevTools protocol over a pipe; nothing to install but the browser.

    with Browser(chromium, folder) as browser:
        page = browser.open(path, width=390)
        page.value("document.title")

Every page counts what a report must never cause: requests, dialogs, errors and messages on the console.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
#: A browser that says nothing for so long is stuck.
PATIENCE = 120


def executable() -> str | None:
    """Return the path of a Chromium or Chrome on this machine, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser process with a profile of its own; it reads commands on file 3 and answers on file 4."""

    def __init__(self, program: str, profile: Path) -> None:
        self._commands, self._answers = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=self._place_pipes,  # noqa: PLW1509 - no thread of ours runs at this point
        )
        os.close(self._commands[0])
        os.close(self._answers[1])
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def _place_pipes(self) -> None:
        # Above 10 first: either end may itself be 3 or 4.
        for end, place in [
            (fcntl.fcntl(self._commands[0], fcntl.F_DUPFD, 10), 3),
            (fcntl.fcntl(self._answers[1], fcntl.F_DUPFD, 10), 4),
        ]:
            os.dup2(end, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands[1])
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._answers[0])

    def send(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; what happens in between is kept in `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        text = json.dumps(message | ({"sessionId": session} if session else {}))
        os.write(self._commands[1], text.encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            assert select.select([self._answers[0]], [], [], PATIENCE)[0], f"the browser said nothing for {PATIENCE} s"
            read = os.read(self._answers[0], 1 << 20)
            assert read, "the browser has gone"
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(
        self, path: Path, width: int = 1280, fragment: str = "", *, dark: bool = False, scripts: bool = True
    ) -> Page:
        """Load a file at a width and wait until it is complete."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        page.send("Emulation.setScriptExecutionDisabled", value=not scripts)
        page.send("Page.navigate", url=path.as_uri() + fragment)
        while page.value("document.readyState") != "complete":
            time.sleep(0.02)
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **params)

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives, waiting where it is a promise."""
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def click(self, selector: str, number: int = 0) -> None:
        """Click the element of that number among those that the selector finds."""
        self.value(f"document.querySelectorAll({selector!r})[{number}].click()")

    def enter(self, selector: str, value: str, event: str) -> None:
        """Give a field a value and tell the page so, as typing or choosing does."""
        field = f"document.querySelector({selector!r})"
        self.value(f"{field}.value = {value!r}; {field}.dispatchEvent(new Event({event!r}))")

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def noise(self) -> list[str]:
        """Return what the page caused beside being shown: requests, dialogs, errors, messages."""
        self.value("new Promise(done => setTimeout(done, 50))")
        return [found for event in self._browser.events if (found := self._noise(event))]

    def _noise(self, event: dict[str, Any]) -> str:
        params = event.get("params", {})
        if event.get("sessionId") != self._session:
            return ""
        if event["method"] == "Network.requestWillBeSent":
            url = params["request"]["url"]
            quiet = params.get("type") == "Document" or url.startswith("data:")
            return "" if quiet else f"request {url[:100]}"
        loud = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")
        return f"{event['method']} {json.dumps(params)[:400]}" if event["method"] in loud else ""
