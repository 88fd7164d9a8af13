"""Fixtures for every test: where the real data lies, and plug-ins switched off."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def _no_plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRIGHT_PLUGINS", "off")
