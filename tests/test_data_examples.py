"""The examples of data, each by its one command, as a stranger runs them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def told(name: str, out: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name / "run.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def share(words: str, told: str) -> float:
    """The per cent that stand before some words."""
    found = re.search(rf"([\d.]+)% {words}", told)
    assert found, told
    return float(found.group(1))


def test_a_labelling_round(tmp_path: Path) -> None:
    assert share("of 200 messages that nobody labelled", told("labelling", tmp_path / "out")) > 95


def test_sensors_to_alarms(tmp_path: Path) -> None:
    if not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()):
        pytest.skip("no MQTT broker is on this machine: apt install mosquitto")
    said = told("sensors", tmp_path / "out")
    assert "ALARM" in said and "0 of them of a pump that is well" in said


def test_a_crawl_to_a_classifier(tmp_path: Path) -> None:
    pytest.importorskip("scrapy")
    said = told("crawl", tmp_path / "out")
    assert "refused: robots" in said and (tmp_path / "out" / "store").is_dir()


def test_a_dirty_table_to_a_trusted_one(tmp_path: Path) -> None:
    said = told("dirty_table", tmp_path / "out")
    found = re.search(r"(\d+) of (\d+) wrong cells are right now, (\d+) of \d+ sound ones are not", said)
    assert found, said
    right, wrong, harmed = map(int, found.groups())
    assert right > 0.8 * wrong and harmed == 0
