"""Every encoder, trunk and head keeps the contract."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from modelwright.core import registry
from modelwright.testing.networks import check_encoder, check_head, check_trunk

ENCODERS: list[tuple[str, dict[str, Any], bool]] = [
    ("number", {}, False),
    ("number", {"embedding": "linear"}, False),
    ("number", {"embedding": "periodic"}, True),
    ("number", {"embedding": "piecewise"}, True),
    ("category", {}, True),
    ("category", {"size": 8, "dropout": 0.1}, False),
    ("text_cnn", {}, True),
    ("text_recurrent", {"units": 16}, True),
    ("text_recurrent", {"cell": "lstm", "pool": "last", "layers": 2, "units": 16}, True),
    ("text_recurrent", {"bidirectional": False, "pool": "mean", "units": 16}, False),
    ("text_transformer", {"width": 32}, True),
    ("text_transformer", {"positions": "learned", "drop_path": 0.1, "width": 32}, False),
    ("image_cnn", {"channels": 8}, True),
    ("image_cnn", {"channels": 8, "norm": "group", "pool": "mean", "kernel": 5, "depth": 4}, False),
    ("image_cnn", {"channels": 8, "norm": "none", "convolutions": 1}, False),
    ("image_resnet", {"channels": 8}, True),
    ("image_resnet", {"channels": 8, "stages": 2, "blocks": 3, "drop_path": 0.1}, False),
    ("image_vit", {"width": 32, "layers": 2}, True),
    ("image_unet", {"channels": 4}, True),
    ("image_unet", {"channels": 4, "stride": 4, "norm": "group"}, False),
    ("image_unet", {"channels": 4, "start": 2, "stride": 2}, False),
    ("image_unet", {"channels": 4, "start": 4, "stride": 4, "depth": 1}, False),
    ("audio_cnn", {"channels": 8}, True),
    ("audio_transformer", {"width": 32, "layers": 2}, True),
    ("series_tcn", {"channels": 16}, True),
    ("series_inception", {"filters": 8, "layers": 3}, True),
    ("series_recurrent", {"units": 16}, True),
    ("series_recurrent", {"cell": "lstm", "bidirectional": True, "pool": "max", "units": 16}, False),
    ("series_patch", {"width": 32, "patch": 5, "stride": 3}, True),
    ("series_patch", {"width": 16, "pool": "flatten", "normalise": "row"}, False),
    ("series_rocket", {"kernels": 60}, True),
    ("series_linear", {}, False),
    ("series_linear", {"normalise": "last"}, False),
]
TRUNKS: list[tuple[str, dict[str, Any], bool]] = [
    ("none", {}, False),
    ("mlp", {"norm": "layer", "residual": True, "layers": 3, "width": 32}, True),
    ("mlp", {"norm": "batch", "dropout": 0.2, "width": 32}, False),
    ("attention", {"layers": 2, "width": 32}, True),
]
HEADS: list[tuple[str, dict[str, Any], bool]] = [
    ("class", {"dropout": 0.1}, True),
    ("labels", {}, False),
    ("number", {}, False),
    ("quantiles", {"levels": (0.05, 0.25, 0.5, 0.75, 0.95)}, True),
    ("quantiles", {"levels": (0.9,)}, False),
    ("forecast", {}, True),
    ("sequence", {"blank": True}, True),
    ("boxes", {"layers": 1}, True),
    ("mask", {}, True),
]


def names(case: object) -> str:
    return str(case)[:40] or "plain"


@pytest.mark.parametrize(("name", "settings", "exports"), ENCODERS, ids=names)
def test_encoder(name: str, settings: dict[str, Any], exports: bool) -> None:
    check_encoder(registry.get("encoders", name), settings, exports=exports)


@pytest.mark.parametrize(("name", "settings", "exports"), TRUNKS, ids=names)
def test_trunk(name: str, settings: dict[str, Any], exports: bool) -> None:
    check_trunk(registry.get("trunks", name), settings, exports=exports)


@pytest.mark.parametrize(("name", "settings", "exports"), HEADS, ids=names)
def test_head(name: str, settings: dict[str, Any], exports: bool) -> None:
    check_head(registry.get("heads", name), settings, exports=exports)


def test_every_method_is_checked() -> None:
    for stage, cases in (("encoders", ENCODERS), ("trunks", TRUNKS), ("heads", HEADS)):
        others = {"pretrained"}  # test_pretrained.py: it needs a model
        assert set(registry.BUILT_IN[stage]) - others == {name for name, _, _ in cases}
