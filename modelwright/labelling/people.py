"""Who may do what: names, roles, and a token for each, made of the project's secret and never kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from modelwright.core.errors import UserError, nearest
from modelwright.labelling.base import Role
from modelwright.labelling.store import Project

MOST_LETTERS = 100
RIGHTS: dict[str, frozenset[str]] = {
    "annotator": frozenset({"label"}),
    "reviewer": frozenset({"label", "review"}),
    "owner": frozenset({"label", "review", "export"}),
}


@dataclass(frozen=True)
class Person:
    """A name and a role: an annotator labels, a reviewer also settles, an owner also exports."""

    name: str
    role: Role = "annotator"

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= MOST_LETTERS or not self.name.isprintable() or self.name != self.name.strip():
            raise UserError(
                "labelling.person", f"a name has 1 to {MOST_LETTERS} letters that can be seen; got {self.name!r:.80}."
            )
        if self.role not in get_args(Role):
            raise UserError(
                "labelling.person", f"{self.name} has the unknown role {self.role!r}.",
                hint=nearest(str(self.role), get_args(Role)),
            )  # fmt: skip

    def may(self, right: str) -> bool:
        """Whether the role has a right: label, review, export."""
        return right in RIGHTS[self.role]


def read_team(path: Path) -> tuple[Person, ...]:
    """The people of a YAML file: `{ada: owner, ben: annotator}` or a list of `{name: ..., role: ...}` or of names.

    Raises `UserError("labelling.team")`.
    """
    import yaml

    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise UserError("labelling.team", f"{path} is no list of people: {problem}".replace("\n", " ")) from None
    if isinstance(plain, dict):
        plain = [{"name": name, "role": role} for name, role in plain.items()]
    if not isinstance(plain, list) or not plain:
        raise UserError("labelling.team", f"{path} names nobody.", hint="write lines such as `ada: annotator`")
    return distinct([_person(one, path) for one in plain])


def _person(given: Any, path: Path) -> Person:
    if isinstance(given, str):
        return Person(given)
    if not isinstance(given, dict) or not set(given) <= {"name", "role"} or "name" not in given:
        raise UserError("labelling.team", f"{path}: {str(given)[:80]!r} is no person.", hint="`ada: annotator`")
    return Person(str(given["name"]), given.get("role") or "annotator")


def distinct(people: Sequence[Person]) -> tuple[Person, ...]:
    """The people, each of another name."""
    names = [person.name for person in people]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserError("labelling.team", f"two people are called {twice!r}.", hint="give each a name of their own")
    return tuple(people)


def token_of(project: Project, person: Person) -> str:
    """What a person shows to be let in: 43 letters that follow from the project's secret, the name and the role.

    It stays the same from one start of the server to the next; another `secret` file makes all of them void.
    """
    secret = (project.folder / "secret").read_bytes()
    digest = hmac.new(secret, f"{person.role}/{person.name}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
