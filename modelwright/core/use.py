"""`Use`: the short form in which a recipe names a method and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from modelwright.core.spec import Spec


class Use(Spec):
    """A method and its settings. In YAML: `adamw`, or `adamw: {learning_rate: 0.001}`.

    >>> Use.model_validate("adamw").method
    'adamw'
    >>> Use.model_validate({"adamw": {"learning_rate": 0.001}}).settings
    {'learning_rate': 0.001}
    """

    method: str = Field(description="name of a method")
    settings: dict[str, Any] = Field(default={}, description="the method's own settings")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"method": given}
        if isinstance(given, Mapping) and "method" not in given and len(given) == 1:
            ((method, settings),) = given.items()
            return {"method": method, "settings": settings or {}}
        return given
