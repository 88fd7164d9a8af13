"""`Spec`: one frozen declaration that gives Python, YAML, `--help`, JSON Schema and a nearest-name error.

A subclass declares fields with types, ranges and a description:

>>> from pydantic import Field
>>> class HoldoutSpec(Spec):
...     size: float = Field(0.2, gt=0, lt=1, description="share of rows held out for the last test")
>>> HoldoutSpec(size=0.25).size
0.25
>>> HoldoutSpec.parse({"sise": 0.2}, where="split")
Traceback (most recent call last):
modelwright_runtime.errors.UserError: `split` has no setting `sise`.
Hint: did you mean `size`? Known: size [spec.unknown]
>>> HoldoutSpec.parse({"size": 20}, where="split")
Traceback (most recent call last):
modelwright_runtime.errors.UserError: `split.size`: input should be less than 1; got 20. [spec.value]
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from modelwright.core.errors import UserError, nearest

_owner: ContextVar[str | None] = ContextVar("_owner", default=None)


class Spec(BaseModel):
    """A frozen, checked set of settings, owned by what it configures. A Spec that exists is valid."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=False)

    def __init__(self, **settings: Any) -> None:
        # Only the outermost Spec tells the error, so that a nested setting is named by its whole path.
        outermost = _owner.get() is None
        token = _owner.set(_owner.get() or type(self).__name__)
        try:
            super().__init__(**settings)
        except ValidationError as problem:
            if not outermost:
                raise
            raise _as_user_error(problem, type(self), type(self).__name__) from None
        finally:
            _owner.reset(token)

    @classmethod
    def parse(cls, settings: Mapping[str, Any], *, where: str) -> Self:
        """Check plain settings (from YAML, say); `where` names them in an error."""
        for name in settings:
            if not isinstance(name, str):
                raise UserError(
                    "spec.unknown", f"`{where}` has no setting {name!r}.", hint=nearest("", cls.model_fields)
                )
        token = _owner.set(where)
        try:
            return cls.model_validate(settings)
        except ValidationError as problem:
            raise _as_user_error(problem, cls, where) from None
        finally:
            _owner.reset(token)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form, every setting included: the Spec's identity in the store's keys."""
        return self.model_dump(mode="json")

    def but(self, **changes: Any) -> Self:
        """The same Spec with some settings changed, checked anew."""
        return type(self)(**{**dict(self), **changes})


def _as_user_error(problem: ValidationError, spec: type[BaseModel], where: str) -> UserError:
    first = problem.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        *parents, name = first["loc"]
        owner = ".".join([where, *map(str, parents)])
        return UserError(
            "spec.unknown",
            f"`{owner}` has no setting `{name}`.",
            hint=nearest(str(name), _fields(spec, parents)),
        )
    if first["type"] == "missing":
        return UserError("spec.missing", f"`{where}` needs the setting `{path}`.", hint=f"add `{path}: ...`")
    setting = f"{where}{'.' if path else ''}{path}"
    if first["type"] in ("tuple_type", "list_type"):
        given = first["input"]
        return UserError("spec.value", f"`{setting}` is a list; got {given!r}.", hint=f"write [{given}]")
    rule = first["msg"].removeprefix("Value error, ")
    rule = rule[:1].lower() + rule[1:]
    return UserError("spec.value", f"`{setting}`: {rule}; got {first['input']!r}.")


def _fields(spec: type[BaseModel], path: list[Any]) -> list[str]:
    for name in path:
        if isinstance(name, int) or (name not in spec.model_fields and len(path) > 1):
            continue  # a place in a tuple of Specs, or a key of a mapping of them
        whole = spec.model_fields[name].annotation if name in spec.model_fields else None
        kinds = [kind for kind in (whole, *get_args(whole)) if isinstance(kind, type)]
        inner = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if inner is None:
            return []
        spec = inner
    return [info.alias or name for name, info in spec.model_fields.items()]
