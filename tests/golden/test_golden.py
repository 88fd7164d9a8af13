"""Packages written by earlier versions load for ever: loading replays their golden rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelwright_runtime import load

PACKAGES = sorted(Path(__file__).parent.glob("*.wright"))


def test_there_are_golden_packages() -> None:
    assert len(PACKAGES) >= 2


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.stem)
def test_an_earlier_package_loads_and_answers(path: Path) -> None:
    model = load(path)
    rows = model.facts["golden"]["rows"]
    assert len(rows) >= 32
    assert len(model.predict(rows)) == len(rows)
