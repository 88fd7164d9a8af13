"""Checkpoints: one safetensors file each, its JSON state in the header, its digest in its name.

`step-000000120-<sha256>.safetensors` is written aside, synced and renamed, so what stands under such a name
is whole; a file whose bytes do not give its name is passed over. Nothing in it is code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.store import disk_faults

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{64})\.safetensors\Z")


@dataclass(frozen=True)
class Saved:
    """What a checkpoint holds: tensors by name and JSON-able state."""

    step: int
    tensors: Mapping[str, torch.Tensor]
    state: Mapping[str, Any]


def save(folder: Path, saved: Saved, *, keep: int) -> Path:
    """Write a checkpoint and forget all but the newest `keep`."""
    from safetensors.torch import save as to_bytes

    data = to_bytes(_apart(saved.tensors), metadata={"state": json.dumps(saved.state, sort_keys=True)})
    path = folder / f"step-{saved.step:09d}-{hashlib.sha256(data).hexdigest()}.safetensors"
    aside = folder / f".{uuid.uuid4().hex}.tmp"
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
            _sync(folder)
        finally:
            aside.unlink(missing_ok=True)
        for old in _listed(folder)[keep:]:
            old.unlink(missing_ok=True)
    return path


def load_latest(folder: Path, *, identity: str) -> Saved | None:
    """The newest whole checkpoint of the same run (its state's `identity`), or None.

    Files of a killed process that were never finished are removed.
    """
    for aside in folder.glob(".*.tmp"):
        aside.unlink(missing_ok=True)
    for path in _listed(folder):
        saved = read(path)
        if saved is not None and saved.state.get("identity") == identity:
            return saved
    return None


def read(path: Path) -> Saved | None:
    """One checkpoint, or None when its bytes are not those of its name."""
    from safetensors.torch import load

    match = _NAME.match(path.name)
    data = path.read_bytes() if match else b""
    if match is None or hashlib.sha256(data).hexdigest() != match[2]:
        return None
    n_header_bytes = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n_header_bytes])
    return Saved(int(match[1]), load(data), json.loads(header["__metadata__"]["state"]))


def forget(folder: Path) -> None:
    """Remove the checkpoints of a finished run."""
    for path in _listed(folder):
        path.unlink(missing_ok=True)


def _listed(folder: Path) -> list[Path]:
    """Checkpoints, newest first."""
    return sorted((path for path in folder.glob("step-*") if _NAME.match(path.name)), reverse=True)


def _apart(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as the format wants them: on the CPU, whole, none sharing memory with another (tied weights)."""
    seen: set[int] = set()
    made = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        made[name] = plain.clone() if plain.data_ptr() in seen else plain
        seen.add(plain.data_ptr())
    return made


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
