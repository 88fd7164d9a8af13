"""A server on loopback that answers as OpenML does: descriptions, lists, features, files.

The real one is reached by no test.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

Answer = tuple[int, dict[str, str], bytes | Callable[[Any], None]]

from tests.collection.hubs import answering


@dataclass
class OpenML:
    """What it answers, by path; and what it was asked."""

    base: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, body: Any, status: int = 200, **headers: str) -> None:
        raw = body if isinstance(body, bytes) or callable(body) else json.dumps(body).encode()
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)

    def add(self, number: int, arff: bytes, **more: Any) -> None:
        """A dataset with its ARFF file, as the API describes it."""
        about = {
            "id": str(number), "name": "tea", "version": "1", "format": "ARFF", "licence": "CC-BY 4.0",
            "citation": ["A. Leaf (2020)", "On tea"], "default_target_attribute": "class", "status": "active",
            "url": f"{self.base}/data/v1/download/{number}/tea.arff", "md5_checksum": hashlib.md5(arff).hexdigest(),
            "row_id_attribute": "id", **more,
        }  # fmt: skip
        about = {name: value for name, value in about.items() if value is not None}
        self.put(f"/api/v1/json/data/{number}", {"data_set_description": about})
        self.put(f"/data/v1/download/{number}/tea.arff", arff)

    def name(self, name: str, *versions: tuple[int, int]) -> None:
        """Numbers and versions of a name, as the API lists them."""
        listed = {"data": {"dataset": [{"did": number, "name": name, "version": v} for number, v in versions]}}
        self.put(f"/api/v1/json/data/list/data_name/{name}/status/active/limit/100", listed)
        for one, (_, version) in zip(listed["data"]["dataset"], versions, strict=True):
            self.put(f"/api/v1/json/data/list/data_name/{name}/data_version/{version}/limit/100",
                     {"data": {"dataset": [one]}})  # fmt: skip


@contextlib.contextmanager
def openml() -> Iterator[OpenML]:
    known = OpenML()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known.asked.append(self.path)
            nothing: Answer = (412, {}, json.dumps({"error": {"code": "111", "message": "Unknown dataset"}}).encode())
            status, headers, body = known.answers.get(self.path, nothing)
            self.send_response(status)
            if not callable(body):
                headers = {"Content-Length": str(len(body)), **headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                body(self.wfile) if callable(body) else self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with answering(Handler) as known.base:
        yield known
