"""The form of a served model of pictures in a real browser: it shows the picture, asks, and shows the classes."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from modelwright.packaging import package
from modelwright.testing.media import media_training
from modelwright_runtime import load
from modelwright_runtime.http import Request
from modelwright_runtime.service import Service
from modelwright_runtime.signature import Task

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt-get install chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
PRESS = b"document.querySelector('button').click()"
CLASSES = ("cat", "dog", "<b>eel</b>")
TASKS = {
    "multiclass": Task(kind="multiclass", target="kind", classes=CLASSES),
    "detection": Task(kind="detection", target="found", classes=CLASSES),
    "segmentation": Task(kind="segmentation", target="drawn", classes=CLASSES),
}


def served(service: Service) -> ThreadingHTTPServer:
    """The service behind a plain server whose page presses its own button: nobody else can in a dumped page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._tell(Request("GET", self.path, {}), press=True)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._tell(Request("POST", self.path, {}, body), press=False)

        def _tell(self, request: Request, *, press: bool) -> None:
            answer = service.refusal(404, "x", "x") if request.path == "/favicon.ico" else service.whole(request)
            body = answer.body
            if press:
                body += b"<script>" + PRESS + b"</script>"
            self.send_response(answer.status)
            self.send_header("content-type", answer.content_type)
            if press:  # the page's own policy, but for the line that presses
                policy = dict(answer.headers)["Content-Security-Policy"]
                allowed = policy.replace("script-src", f"script-src 'sha256-{digest()}'", 1)
                self.send_header("content-security-policy", allowed)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


def digest() -> str:
    return base64.b64encode(hashlib.sha256(PRESS).digest()).decode()


@pytest.fixture(scope="module", params=TASKS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Kind of task, the page after its button was pressed, and what the browser wrote to its log."""
    place = tmp_path_factory.mktemp("served")
    trained, cleaned = media_training(["image", "text", "number"], [TASKS[request.param]])
    made = package(trained, cleaned, path=place / "x.wright", name="x")
    server = served(Service([load(made.path)]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield request.param, *dumped(f"http://127.0.0.1:{server.server_port}/", place)
    server.shutdown()


def dumped(address: str, place: Path) -> tuple[str, str]:
    command = [
        CHROMIUM,
        *FLAGS,
        f"--user-data-dir={place / 'profile'}",
        "--virtual-time-budget=8000",
        "--dump-dom",
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout, done.stderr


def test_it_shows_the_picture_and_the_answer(page: tuple[str, str, str]) -> None:
    kind, shown, log = page
    assert '<figure><img src="data:image/png;base64,iVBOR' in shown
    answered = shown[shown.index("<output>") : shown.index("</output>")]
    assert '"prediction"' in answered and "asking" not in answered
    if kind == "multiclass":
        names = re.findall(r"<span>([^<]*)</span><progress", answered)
        assert sorted(names) == sorted(["cat", "dog", "&lt;b&gt;eel&lt;/b&gt;"])
    elif kind == "detection":
        assert re.search(r'<div class="box" style="left: [\d.]+%; top: [\d.]+%; width: [\d.]+%; height', shown)
    else:
        assert 'class="mask" src="data:image/png;base64,' in shown or re.search(r'<img[^>]*class="mask"', shown)
    assert "Content Security Policy" not in log and "Uncaught" not in log
