"""Telling people: to the log, to a webhook, by e-mail, by a command of their own. Nothing leaves unless asked for."""

from __future__ import annotations

import json
import logging
import smtplib
import subprocess
import urllib.error
import urllib.request
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.monitoring import MonitorSpec
    from modelwright.operating.turns import Turn

LOG = logging.getLogger("modelwright.operating")
TIMEOUT_S = 10.0


def send(spec: MonitorSpec, name: str, told: Turn) -> list[str]:
    """Tell of a decision by every way that the recipe names (`monitor.alerts`), and in the log; what failed, in words.

    A webhook gets a JSON body of `model`, `kind`, `words` and `evidence`; a command gets the same on its standard
    input; an e-mail has the words as its text. A way that fails is told in the log and keeps no other from being used.
    """
    LOG.warning("%s: %s: %s", name, told.kind, told.words)
    body = {"model": name, "kind": told.kind, "words": told.words, "evidence": dict(told.evidence)}
    failed = []
    for alert in spec.alerts:
        try:
            if alert.webhook is not None:
                _post(alert.webhook, body)
            if alert.command:
                subprocess.run(alert.command, input=_json(body), check=True, timeout=TIMEOUT_S, capture_output=True)
            if alert.email is not None:
                _mail(alert.email, alert.smtp, f"{name}: {told.kind}", told.words)
        except (OSError, urllib.error.URLError, smtplib.SMTPException, subprocess.SubprocessError) as problem:
            failed.append(f"{problem}")
            LOG.error("an alert could not be sent: %s", problem)
    return failed


def _json(body: Any) -> bytes:
    return json.dumps(body, default=str).encode()


def _post(address: str, body: Any) -> None:
    request = urllib.request.Request(address, _json(body), {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        response.read(1)


def _mail(to: str, smtp: str, subject: str, words: str) -> None:
    message = EmailMessage()
    message["To"] = message["From"] = to
    message["Subject"] = subject
    message.set_content(words)
    host, _, port = smtp.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_S) as server:
        server.send_message(message)
