"""Every model of the registry keeps the contract, with each of the settings that a search tries."""

import pytest

from modelwright.core.registry import entries, get
from modelwright.testing.models import check_model

SMALLER = {"forest": {"trees": 25}, "boosting": {"rounds": 60}}  # the same trees, fewer of them
CASES = [(name, index) for name in sorted(entries("models")) for index in range(len(get("models", name).variants))]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_model_keeps_the_contract(name: str, variant: int) -> None:
    model = get("models", name)
    assert model.name == name
    check_model(model, {**model.variants[variant], **SMALLER.get(name, {})}, learns=name != "constant")
