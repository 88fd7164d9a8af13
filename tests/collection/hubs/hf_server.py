"""A hub on loopback: one dataset at one commit, with the addresses that the `datasets` library asks for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT, BLOB = "a" * 40, "b" * 40

from tests.collection.hubs import answering


def _answers(name: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """What is answered by path: JSON, or a file's bytes."""
    about = {
        "id": name, "sha": COMMIT, "cardData": {"license": "cc0-1.0"}, "private": False, "gated": False,
        "disabled": False, "downloads": 0, "likes": 0, "tags": [],
        "siblings": [{"rfilename": file, "size": len(body), "blobId": BLOB} for file, body in files.items()],
    }  # fmt: skip
    entries = [{"type": "file", "path": file, "size": len(body), "oid": BLOB} for file, body in files.items()]
    asked = f"/api/datasets/{name}"
    return {
        **dict.fromkeys((asked, f"{asked}/revision/main", f"{asked}/revision/{COMMIT}"), about),
        f"{asked}/tree/{COMMIT}": entries,
        **{f"/datasets/{name}/resolve/{COMMIT}/{file}": body for file, body in files.items()},
    }


@contextlib.contextmanager
def hub(datasets: Mapping[str, Mapping[str, bytes]]) -> Iterator[str]:
    """The address of a hub that has these datasets; their files lie at the top."""
    answers = {path: answer for name, files in datasets.items() for path, answer in _answers(name, files).items()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            found = answers.get(path)
            if isinstance(found, bytes):
                self._file(found)
            elif found is not None:
                self._json(found)
            else:
                known = any(path.startswith((f"/api/datasets/{name}/tree", f"/datasets/{name}/")) for name in datasets)
                self._json({"error": "no"}, 404, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})

        def do_HEAD(self) -> None:
            self.do_GET()

        def _file(self, body: bytes) -> None:
            headers = {"ETag": f'"{BLOB}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            wanted = self.headers.get("Range")
            if wanted is None:
                self._out(200, body, headers)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            begin, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
            told = {**headers, "Content-Range": f"bytes {begin}-{end}/{len(body)}"}
            self._out(206, body[begin : end + 1], told)

        def _json(self, answer: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
            self._out(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **(headers or {})})

        def _out(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for header, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(header, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with answering(Handler) as address:
        yield address
