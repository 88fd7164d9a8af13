"""Third parties add methods by entry points; a broken one warns and is skipped; a switch turns all off."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwright.core import registry
from modelwright.core.errors import UserError


@pytest.fixture
def plug_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution with a good plug-in and a broken one."""
    (tmp_path / "their_models.py").write_text("MODEL = 'a model of theirs'\n")
    info = tmp_path / "their_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[modelwright.models]\ntheirs = their_models:MODEL\nbroken = not_there_at_all:MODEL\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("WRIGHT_PLUGINS", raising=False)
    yield
    sys.modules.pop("their_models", None)


@pytest.mark.usefixtures("plug_ins")
def test_a_plug_in_is_a_method_like_any_other() -> None:
    assert registry.get("models", "theirs") == "a model of theirs"
    with pytest.warns(UserWarning, match="broken"):
        found = registry.methods("models")
    assert "theirs" in found and "broken" not in found and "linear" in found


@pytest.mark.usefixtures("plug_ins")
def test_the_switch_turns_plug_ins_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRIGHT_PLUGINS", "off")
    with pytest.raises(UserError, match="no method 'theirs'"):
        registry.get("models", "theirs")


def test_an_unknown_stage_lists_the_nearest() -> None:
    with pytest.raises(UserError, match="modle"):
        registry.entries("modle")
