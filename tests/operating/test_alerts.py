"""Alerts reach a real webhook, a real mail server and a real command; one that fails keeps no other from being told."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from modelwright.core.errors import UserError
from modelwright.monitoring import MonitorSpec
from modelwright.operating.alerts import send
from modelwright.operating.turns import Turn

TOLD = Turn(kind="alert", words="Mend the source: <b> is empty.", evidence={"p": 0.001})


def test_a_webhook_a_command_and_one_that_fails(tmp_path: Path) -> None:
    got: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    script = f"import sys; open({str(tmp_path / 'told.json')!r}, 'w').write(sys.stdin.read())"
    spec = MonitorSpec.parse({"alerts": [
        {"webhook": "http://127.0.0.1:9/refused"}, {"webhook": f"http://127.0.0.1:{server.server_port}/hook"},
        {"command": [sys.executable, "-c", script]}, {"command": [sys.executable, "-c", "raise SystemExit(3)"]},
    ]}, where="monitor")  # fmt: skip
    failed = send(spec, "shop", TOLD)
    server.shutdown()
    thread.join()
    assert len(failed) == 2
    assert json.loads(got[0]) == json.loads((tmp_path / "told.json").read_text())
    assert json.loads(got[0])["words"] == TOLD.words


def test_a_mail_is_handed_to_a_mail_server() -> None:
    lines: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """As much of RFC 5321 as a mail needs."""
        writer.write(b"220 here\r\n")
        in_data = False
        while line := (await reader.readline()).decode():
            lines.append(line.rstrip("\r\n"))
            if in_data:
                if line == ".\r\n":
                    in_data = False
                    writer.write(b"250 kept\r\n")
                continue
            in_data = line.upper().startswith("DATA")
            quits = line.upper().startswith("QUIT")
            writer.write(b"354 go on\r\n" if in_data else b"221 bye\r\n" if quits else b"250 ok\r\n")
            if quits:
                break
        writer.close()

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(talk, "127.0.0.1", 0))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    spec = MonitorSpec.parse({"alerts": [{"email": "ops@here.example", "smtp": f"127.0.0.1:{port}"}]}, where="monitor")
    assert send(spec, "shop", TOLD) == []
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.close()
    assert "Subject: shop: alert" in lines
    assert TOLD.words in lines


@pytest.mark.parametrize("alert", [{"webhook": "ftp://x"}, {"email": "nobody"}, {"webhok": "http://x"}])
def test_wrong_alerts_are_refused(alert: dict[str, str]) -> None:
    with pytest.raises(UserError):
        MonitorSpec.parse({"alerts": [alert]}, where="monitor")
