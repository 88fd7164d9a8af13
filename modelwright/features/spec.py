"""The declaration of features: which chains of steps each kind of column goes through, and three presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from modelwright.core.errors import UserError, nearest
from modelwright.core.registry import get
from modelwright.core.spec import Spec

Kind = Literal["numbers", "dates", "few", "many", "texts"]


class Use(Spec):
    """One step of a chain. In YAML: `impute`, or `impute: {by: mean}`."""

    step: str = Field(description="name of a step of the features stage")
    settings: dict[str, Any] = Field({}, description="the step's own settings")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"step": given}
        if isinstance(given, Mapping) and "step" not in given and len(given) == 1:
            ((step, settings),) = given.items()
            return {"step": step, "settings": settings}
        return given

    @model_validator(mode="after")
    def _settings_are_the_steps_own(self) -> Use:
        get("features", self.step).spec.parse(self.settings, where=self.step)
        return self


Chain = tuple[Use, ...]


def _chains(*chains: tuple[str, ...]) -> Any:
    """Default chains by name: they become `Use`s when a FeatureSpec is made, so that no step loads before."""
    return chains


class FeatureSpec(Spec):
    """Chains of steps per kind of column; each chain adds a block of columns to the matrix.

    An empty chain passes numbers on as they are, NaN where missing.

    >>> spec = FeatureSpec(numbers=[["indicator"], [{"impute": {"by": "mean"}}, "standardise"]])
    >>> [use.step for use in spec.numbers[1]]
    ['impute', 'standardise']
    """

    numbers: tuple[Chain, ...] = Field(_chains(()), description="chains for numbers and booleans")
    dates: tuple[Chain, ...] = Field(_chains(("dates",)), description="chains for datetimes (seconds since 1970)")
    few: tuple[Chain, ...] = Field(_chains(("onehot",)), description="chains for categories with few levels")
    many: tuple[Chain, ...] = Field(
        _chains(("ordinal",), ("target",)), description="chains for categories with many levels"
    )
    texts: tuple[Chain, ...] = Field(_chains(("text",)), description="chains for text columns")
    most_few: int = Field(10, ge=0, description="the most levels, missing included, that count as few")

    @model_validator(mode="after")
    def _chains_fit(self) -> FeatureSpec:
        starts = {"numbers": "numbers", "dates": "numbers", "few": "categories", "many": "categories"}
        for kind in ("numbers", "dates", "few", "many", "texts"):
            for chain in getattr(self, kind):
                needs = starts.get(kind, "texts")
                if needs != "numbers" and not chain:
                    raise ValueError(f"an empty chain cannot turn {kind} into numbers")
                for use in chain:
                    if get("features", use.step).accepts != needs:
                        raise ValueError(f"step `{use.step}` in `{kind}` is given {needs}, which it cannot take")
                    needs = "numbers"
        return self


_PRESETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {
        "numbers": [["indicator"], ["impute", "standardise"]],
        "dates": [["dates", "impute", "standardise"]],
        "few": [["onehot"]],
        "many": [[{"onehot": {"max_levels": 40, "min_count": 10}}], ["target", "standardise"]],
    },
    "pairs": {"numbers": [[], ["pairs"]]},
    "words": {"texts": [[{"text": {"max_words": 10_000, "min_count": 2}}]]},
}


def preset(name: str) -> FeatureSpec:
    """A FeatureSpec by name: `plain` for trees (numbers as they are), `scaled` for all that measure distances
    or penalise coefficients (imputed, standardised and brought into -10..10), `pairs` for trees: plain, and
    ratios, products, sums and differences of numbers; `words` for texts alone: thousands of words and pairs, for models
    that weigh each.

    >>> preset("plain").numbers, [use.step for use in preset("scaled").numbers[1]]
    (((),), ['impute', 'standardise'])
    """
    if name not in _PRESETS:
        raise UserError("features.preset", f"there is no feature preset {name!r}.", hint=nearest(name, _PRESETS))
    return FeatureSpec.parse(_PRESETS[name], where="features")
