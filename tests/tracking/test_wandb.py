"""Offline runs of W&B: the file is read back with its own messages."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from modelwright.core.use import Use
from modelwright.tracking import track
from modelwright.tracking.wandb import mode_of

pytest.importorskip("wandb")

BLOCK = 32_768


def records(path: Path) -> list[Any]:
    """The records of a .wandb file: LevelDB's log (7-byte heads in blocks of 32 kB) after 7 bytes of its own."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole, found = path.read_bytes(), 7, b"", []
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        if at + 7 + length > len(data):
            break  # it is being written
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(whole))
            whole = b""
    return found


def whole_records(path: Path) -> list[Any]:
    """The records of a run that has ended: a process of W&B writes them, and outlives `finish` by a moment."""
    until = time.monotonic() + 20
    while True:
        found = records(path)
        if any(one.WhichOneof("record_type") == "exit" for one in found):
            return found
        assert time.monotonic() < until, "the run was never written to its end"
        time.sleep(0.1)


def test_a_run_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    page = tmp_path / "report.html"
    page.write_text("<p>report</p>")
    watch = track(
        [Use(method="wandb")], name="homes", run="r1", folder=tmp_path, settings={"train": {"budget": "quick"}}
    )
    for fit in ("fold-0", "all"):
        for step in range(0, 300, 10):
            watch(
                {"stage": "training", "event": "validation", "fit": fit, "step": step, "loss": step / 7, "score": 1.0}
            )
    watch({"stage": "training", "event": "stopped", "fit": "all", "step": 300, "why": "patience"})
    (line,) = watch.close("done", [page])
    folder = Path(line.removeprefix("wandb sync "))
    assert folder.is_dir()
    assert tmp_path in folder.parents
    assert "stopped at step 300: patience" in (folder / "files" / "notes.md").read_text()
    (file,) = folder.glob("*.wandb")
    found = whole_records(file)
    rows = [{item.key or item.nested_key[0]: json.loads(item.value_json) for item in one.history.item}
            for one in found if one.WhichOneof("record_type") == "history"]  # fmt: skip
    for fit in ("fold-0", "all"):
        curve = [(row[f"{fit}/step"], row[f"{fit}/loss_mean"]) for row in rows if f"{fit}/step" in row]
        assert curve == [(step, step / 7) for step in range(0, 300, 10)]
    (run,) = [one.run for one in found if one.WhichOneof("record_type") == "run"]
    assert (run.project, run.display_name) == ("homes", "r1")
    (artifact,) = [one.artifact for one in found if one.WhichOneof("record_type") == "artifact"]
    assert (artifact.name, [entry.path for entry in artifact.manifest.contents]) == ("homes-report", ["report.html"])
    config = {item.key: item.value_json for one in found for item in (*one.run.config.update, *one.config.update)}
    assert json.loads(config["train"]) == {"budget": "quick"}


def test_without_a_key_it_stays_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(file))
    assert mode_of("auto") == "offline"
    file.write_text("machine api.wandb.ai login user password key\n")
    file.chmod(0o600)
    assert (mode_of("auto"), mode_of("offline")) == ("online", "offline")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert mode_of("auto") == "disabled"
