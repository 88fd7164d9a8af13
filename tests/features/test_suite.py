"""Every step of the registry keeps the contract, also with settings other than the defaults."""

import pytest

from modelwright.core.registry import entries, get
from modelwright.testing.features import check_step

OTHER_SETTINGS = [
    ("impute", {"by": "mean"}),
    ("impute", {"by": "most_frequent"}),
    ("impute", {"by": "constant", "constant": -1.5}),
    ("standardise", {"bound": 2.0}),
    ("onehot", {"min_count": 3, "max_levels": 4}),
    ("onehot", {"max_levels": 2, "other": "zeros"}),
    ("frequency", {}),
    ("frequency", {"max_levels": 3}),
    ("ordinal", {"max_levels": 3}),
    ("target", {"prior_rows": 0.5, "n_folds": 3, "max_levels": 5}),
    ("text", {"max_words": 3, "min_count": 1}),
]


@pytest.mark.parametrize("name", sorted(entries("features")))
def test_a_step_keeps_the_contract(name: str) -> None:
    check_step(get("features", name))


@pytest.mark.parametrize(("name", "settings"), OTHER_SETTINGS)
def test_a_step_keeps_the_contract_with_other_settings(name: str, settings: dict) -> None:
    check_step(get("features", name), settings)
