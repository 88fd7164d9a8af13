"""Operating: what keeps a served model healthy: deploy, look, decide, retrain, promote, roll back, replay."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.operating.place import Place, deploy, place_of
    from modelwright.operating.replaying import Replayed, replay
    from modelwright.operating.retraining import retrain
    from modelwright.operating.supervise import step, supervise
    from modelwright.operating.turns import Situation, Turn, turn
    from modelwright.operating.window import served_rows

_WHERE = {
    "Place": "place", "deploy": "place", "place_of": "place", "Replayed": "replaying", "replay": "replaying",
    "retrain": "retraining", "step": "supervise", "supervise": "supervise", "Situation": "turns", "Turn": "turns",
    "turn": "turns", "served_rows": "window",
}  # fmt: skip
__all__ = ["Place", "Replayed", "Situation", "Turn", "deploy", "place_of", "replay", "retrain", "served_rows", "step",
           "supervise", "turn"]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"modelwright.operating has no {name!r}")
    return getattr(importlib.import_module(f"modelwright.operating.{_WHERE[name]}"), name)
