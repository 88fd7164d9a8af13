"""Every model of the registry keeps the contract, with each of the settings that a search tries."""

import pytest

from modelwright.core.registry import entries, get
from modelwright.testing.models import check_model

SMALLER = {  # the same trees and steps, fewer of them
    "forest": {"trees": 25}, "extra_trees": {"trees": 25}, "boosting": {"rounds": 60}, "xgboost": {"rounds": 60},
    "catboost": {"rounds": 30}, "mlp": {"epochs": 25, "width": 32},
}  # fmt: skip
CASES = [(name, index) for name in sorted(entries("models")) for index in range(len(get("models", name).variants))]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_a_model_keeps_the_contract(name: str, variant: int) -> None:
    model = get("models", name)
    assert model.name == name
    if not model.is_installed:
        pytest.skip(f"{model.needs[0]} is not installed (the extra {model.needs[1]})")
    check_model(model, {**model.variants[variant], **SMALLER.get(name, {})}, learns=name != "constant")
