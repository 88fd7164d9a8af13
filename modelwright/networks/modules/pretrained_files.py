"""What a model's folder says of its inputs: vocabulary, size, means of pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelwright.core.errors import UserError
from modelwright.core.optional import need

if TYPE_CHECKING:
    from modelwright_runtime.signature import ArrayInput


def find_file(model: str, name: str) -> Path | None:
    """A file of a model's folder, or of the hub; None where there is none."""
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    hub: Any = need("transformers", extra="pretrained", why="a model from the hub").utils.hub
    try:
        found = hub.cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    except OSError as problem:
        raise unreadable(model, problem) from problem
    return None if found is None else Path(found)


def unreadable(model: str, problem: Exception) -> UserError:
    """The error for a model that cannot be read."""
    reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:300]
    return UserError(
        "networks.pretrained",
        f"the model {model!r} cannot be read: {reason}",
        hint="give a folder with config.json and model.safetensors, or a name on the hub and a connection",
    )


def read_json(model: str, name: str) -> dict[str, Any]:
    """A JSON file of a model; empty where it has none."""
    path = find_file(model, name)
    if path is None:
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise unreadable(model, problem) from problem
    return found


def wanted_settings(model: str, input: ArrayInput) -> ArrayInput:
    """The input with the settings that a model asks for; the length of texts stays as it was learned."""
    if input.form == "image":
        return replace(input, settings={**input.settings, **_pixels(model)})
    told = read_json(model, "tokenizer.json")
    if not told:
        return input
    return replace(input, settings={**input.settings, **_tokens(model, told)})


def _pixels(model: str) -> dict[str, Any]:
    config, prepared = read_json(model, "config.json"), read_json(model, "preprocessor_config.json")
    side = config.get("image_size") or prepared.get("size", {}).get("height") or 224
    height, width = (side, side) if isinstance(side, int) else side
    mean, scale = prepared.get("image_mean", [0.5] * 3), prepared.get("image_std", [0.5] * 3)
    return {"height": int(height), "width": int(width), "channels": 3, "mean": list(mean), "scale": list(scale)}


def _tokens(model: str, told: dict[str, Any]) -> dict[str, Any]:
    kind, pairs = told["model"].get("type"), told["model"].get("vocab", {})
    if kind not in ("WordPiece", "BPE") or not isinstance(pairs, dict):
        raise UserError(
            "networks.pretrained",
            f"the tokens of {model!r} ({kind}) cannot be made in serving.",
            hint="models with a WordPiece or a byte-level BPE vocabulary can be used",
        )
    vocabulary = sorted(pairs, key=pairs.__getitem__)
    normal = json.dumps(told.get("normalizer") or {})
    casefold = '"lowercase": true' in normal or '"Lowercase"' in normal
    if kind == "WordPiece":
        return {"level": "wordpiece", "vocabulary": vocabulary, "casefold": casefold}
    merges = [pair.split(" ") if isinstance(pair, str) else list(pair) for pair in told["model"]["merges"]]
    return {"level": "subword", "vocabulary": vocabulary, "merges": merges, "casefold": casefold, "pieces": "gpt2"}
