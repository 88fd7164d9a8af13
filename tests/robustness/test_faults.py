"""Kills at every step, flipped bits, full and read-only disks: the fault benchmark's trials, fewer of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelwright.testing.packages import tiny_package

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "benchmarks" / "faults"
COMPILER = shutil.which("cc") or shutil.which("gcc")
GOOD = {
    "kills": {"old", "new"},
    "steps": {"old", "new"},
    "flips": {"noticed"},
    "full": {"old", "new"},
    "read-only": {"old"},
}


@pytest.mark.skipif(COMPILER is None or sys.platform != "linux", reason="needs a C compiler on Linux")
def test_the_old_state_or_the_new_one_stands_after_every_fault(tmp_path: Path) -> None:
    models, disk, shim = tmp_path / "models", tmp_path / "disk", tmp_path / "shim.so"
    for name, kind in (("higgs", "binary"), ("other", "multiclass")):
        tiny_package(models, kind, name=name)  # type: ignore[arg-type]
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", shim, FAULTS / "shim.c", "-ldl"], check=True)
    done = subprocess.run(
        [sys.executable, FAULTS / "runner.py", "ours", models, disk, "4", "24"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "LD_PRELOAD": str(shim), "FAULT_FOLDER": str(disk)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 5
    for name, trials in found.items():
        assert sum(trials["steps"].values()) > 5, name  # the faults did happen
        assert sum(trials["full"].values()) > 1, name
        for what, good in GOOD.items():
            assert set(trials[what]) <= good, (name, what, trials[what])
