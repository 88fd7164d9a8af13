"""Fixtures for every test: where the real data lies, and plug-ins switched off."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)  # the same examples everywhere, every time
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; tests that need it skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data of ../shared/data is not on this machine")
    return folder


@pytest.fixture(scope="session")
def runtime_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment that holds `runtime/` and what that asks for, nothing of training."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(
        ROOT / "runtime", folder / "source", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
    )
    python, uv = folder / "venv" / "bin" / "python", shutil.which("uv")
    begin = ["--without-pip"] if uv else []
    subprocess.run([sys.executable, "-m", "venv", *begin, str(folder / "venv")], check=True, timeout=120)
    pip = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install", "-q"]
    done = subprocess.run([*pip, str(folder / "source")], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        away = ("connection", "name resolution", "timed out", "dns error", "error sending", "no matching distribution")
        if any(word in done.stderr.lower() for word in away):
            pytest.skip(f"the package registry cannot be reached: {done.stderr.strip()[-300:]}")
        pytest.fail(done.stderr[-2000:])
    return python


@pytest.fixture(autouse=True)
def _no_plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRIGHT_PLUGINS", "off")
