"""A real browser, driven over its own pipe (the DevTools protocol): keys, clicks, what is shown, pictures of it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--autoplay-policy=no-user-gesture-required", "--hide-scrollbars",
)  # fmt: skip
_CODES = {"Enter": 13, "Backspace": 8, "Tab": 9, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
          "ArrowDown": 40, "Delete": 46, " ": 32}  # fmt: skip


class Browser:
    """One page. What it logs (errors, violations of its policy) is in `log`."""

    def __init__(self, process: subprocess.Popen[bytes], write: int, read: int) -> None:
        self.process, self._write, self._read = process, write, read
        self._rest, self._number = b"", 0
        self.log: list[str] = []
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = ""
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def _ask(self, method: str, settings: dict[str, Any] | None = None) -> dict[str, Any]:
        self._number += 1
        plain: dict[str, Any] = {"id": self._number, "method": method, "params": settings or {}}
        if getattr(self, "_session", ""):
            plain["sessionId"] = self._session
        os.write(self._write, json.dumps(plain).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told["error"]
                return dict(told["result"])
            self._heard(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._read, 1 << 20)
            assert part, "the browser is gone"
            self._rest += part
        one, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(one))

    def _heard(self, told: dict[str, Any]) -> None:
        settings = told.get("params", {})
        if told.get("method") == "Runtime.exceptionThrown":
            details = settings["exceptionDetails"]
            self.log.append(f"uncaught: {details.get('exception', {}).get('description', details['text'])}")
        elif told.get("method") == "Log.entryAdded" and settings["entry"]["level"] in ("error", "warning"):
            self.log.append(f"{settings['entry']['source']}: {settings['entry']['text']}")
        elif told.get("method") == "Runtime.consoleAPICalled" and settings["type"] == "error":
            self.log.append(f"console: {settings['args']}")
        elif told.get("method") == "Page.javascriptDialogOpening":
            self.log.append(f"dialog: {settings['message']}")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """The window's size in pixels, and whether the page is asked to be dark."""
        self._ask("Emulation.setDeviceMetricsOverride",
                  {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})  # fmt: skip
        self._ask("Emulation.setEmulatedMedia",
                  {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})  # fmt: skip

    def open(self, address: str) -> None:
        """Go to an address."""
        self._ask("Page.navigate", {"url": address})

    def tell(self, script: str) -> Any:
        """What a script says."""
        told = self._ask("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, script: str, *, timeout_s: float = 20.0) -> Any:
        """Wait until a script says something true; what it says."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            if found := self.tell(f"(() => {{ try {{ return {script}; }} catch {{ return null; }} }})()"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{script} stayed false: {self.tell('document.body.innerText')[:500]} {self.log}")

    def press(self, key: str, *, shift: bool = False) -> None:
        """One key, as a keyboard gives it."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = _CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        plain = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self._ask("Input.dispatchKeyEvent", {"type": "keyDown", **plain, **text})
        self._ask("Input.dispatchKeyEvent", {"type": "keyUp", **plain})

    def drag(self, start: tuple[float, float], *stops: tuple[float, float]) -> None:
        """Press the mouse, go by some points, and let go; with no stop a click."""
        self._mouse("mouseMoved", start, 0)
        self._mouse("mousePressed", start, 1)
        for stop in stops:
            self._mouse("mouseMoved", stop, 1)
        self._mouse("mouseReleased", stops[-1] if stops else start, 0)

    def _mouse(self, kind: str, at: tuple[float, float], buttons: int) -> None:
        self._ask("Input.dispatchMouseEvent", {"type": kind, "x": at[0], "y": at[1], "button": "left",
                                               "buttons": buttons, "clickCount": 1})  # fmt: skip

    def place(self, selector: str) -> dict[str, float]:
        """Where an element is: left, top, width, height."""
        script = f"(() => {{ const r = document.querySelector({json.dumps(selector)}).getBoundingClientRect(); "
        return dict(self.tell(script + "return {left: r.left, top: r.top, width: r.width, height: r.height}; })()"))

    def picture(self, path: Path) -> None:
        """The window as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with a profile in `folder`, which is ended at the end."""
    their_read, write = os.pipe()
    read, their_write = os.pipe()

    def wire() -> None:
        os.dup2(their_read, 103)
        os.dup2(their_write, 104)
        os.dup2(103, 3)
        os.dup2(104, 4)

    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}"], preexec_fn=wire, close_fds=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(their_read)
    os.close(their_write)
    try:
        yield Browser(process, write, read)
    finally:
        process.terminate()
        process.wait(timeout=20)
        os.close(write)
        os.close(read)
