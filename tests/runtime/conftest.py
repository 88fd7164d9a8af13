"""Packages and a real server process for the runtime's tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelwright.testing.packages import tiny_package


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("packages")
    kinds = ("binary", "multiclass", "regression")
    return {kind: tiny_package(folder, kind, name=kind).path for kind in kinds}  # type: ignore[arg-type]


@dataclass
class Server:
    process: subprocess.Popen[str]
    port: int
    curl: str


def start(*arguments: str, token: str = "") -> Server:
    """A server of its own process on a free port, once it says that it answers."""
    environment = {**os.environ, "WRIGHT_TOKEN": token}
    process = subprocess.Popen(
        [sys.executable, "-m", "modelwright_runtime", "serve", *arguments, "--port", "0"],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    first = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
    assert found, first
    process.stdout.readline()
    return Server(process, int(found.group(1)), process.stdout.readline().strip())


@pytest.fixture(scope="session")
def server(packages: dict[str, Path]) -> Iterator[Server]:
    running = start(*map(str, packages.values()))
    yield running
    running.process.terminate()
    assert running.process.wait(timeout=15) == 0
