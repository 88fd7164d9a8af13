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
]
TRUNKS: list[tuple[str, dict[str, Any], bool]] = [
    ("none", {}, False),
    ("mlp", {"norm": "layer", "residual": True, "layers": 3, "width": 32}, True),
    ("mlp", {"norm": "batch", "dropout": 0.2, "width": 32}, False),
]
HEADS: list[tuple[str, dict[str, Any], bool]] = [
    ("class", {"dropout": 0.1}, True),
    ("labels", {}, False),
    ("number", {}, False),
    ("quantiles", {"levels": (0.05, 0.25, 0.5, 0.75, 0.95)}, True),
    ("quantiles", {"levels": (0.9,)}, False),
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
        assert set(registry.BUILT_IN[stage]) == {name for name, _, _ in cases}
