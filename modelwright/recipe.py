"""`Recipe`: what the user wants, one frozen Spec per stage. YAML and Python are two spellings of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from modelwright.cleaning.base import CleanSpec
from modelwright.cleaning.mend import MendSpec
from modelwright.collection.base import CollectSpec
from modelwright.collection.fingerprint import relative_to
from modelwright.core.errors import UserError
from modelwright.core.spec import Spec
from modelwright.core.store import check_name
from modelwright.core.use import Use
from modelwright.evaluation.base import EvaluateSpec
from modelwright.monitoring.spec import MonitorSpec
from modelwright.packaging.spec import PackageSpec
from modelwright.profiling.requirements.spec import RequirementsSpec
from modelwright.sequences.base import WindowSpec
from modelwright.splitting.base import SplitSpec
from modelwright.training.base import TrainSpec
from modelwright.tuning.base import TuneSpec
from modelwright.unsupervised.spec import spec_of

STAGES = {
    "data": "collect", "mend": "mend", "clean": "clean", "sequences": "window", "split": "split", "tune": "tune",
    "train": "train", "evaluate": "evaluate", "monitor": "watch",
}  # fmt: skip
"""The parts of a recipe and the verb that each configures."""


class Recipe(Spec):
    """The whole of a run. Everything has a default but `data`, and `target` or a `task` without one.

    >>> recipe = Recipe.from_plain({"target": "price", "data": "homes.csv"})
    >>> recipe.name, recipe.seed
    ('homes', 0)
    >>> several = Recipe.from_plain({"target": ["price", "days"], "data": "homes.csv"})
    >>> several.target, several.clean.roles
    ('price', {'days': 'target'})
    """

    name: str = Field(description="names the run, its package and its report; else the file's stem")
    target: str = Field("", description="the column to predict, or a list of several: [price, days]")
    task: Use | None = Field(None, description="what is learned without a target: anomaly, clusters or embedding")
    seed: int = Field(0, ge=0, description="every random choice follows from it")
    labels: str = Field("", description="a labelling project of the store, whose labels are the target column")
    data: CollectSpec = Field(description="where the rows come from")
    requirements: RequirementsSpec | None = Field(None, description="what the task needs of its data")
    mend: MendSpec = Field(
        default_factory=lambda: MendSpec(mode="off"), description="whether wrong cells are put right first"
    )
    clean: CleanSpec = Field(default_factory=CleanSpec, description="how cells are read and rows kept")
    sequences: WindowSpec = Field(default_factory=WindowSpec, description="whether rows are steps, made into cases")
    split: SplitSpec = Field(default_factory=SplitSpec, description="which rows are held out, and the folds")
    tune: TuneSpec | None = Field(None, description="whose settings are searched before training, and how")
    train: TrainSpec = Field(default_factory=TrainSpec, description="which models are tried, and how long")
    evaluate: EvaluateSpec = Field(default_factory=EvaluateSpec, description="metrics, intervals and slices")
    package: PackageSpec = Field(
        default_factory=PackageSpec, description="whether smaller and faster forms are tried, and where it is to run"
    )
    monitor: MonitorSpec = Field(
        default_factory=MonitorSpec, description="how the served model is watched, and what follows from what is seen"
    )
    track: tuple[Use, ...] = Field(
        default=(), description="follow the run in tensorboard, mlflow or wandb: one of them, or a list"
    )

    @model_validator(mode="before")
    @classmethod
    def _several_targets(cls, given: Any) -> Any:
        """`target: [a, b]`: `a` is the target, and `b` has its role."""
        target = given.get("target") if isinstance(given, Mapping) else None
        if not isinstance(target, list | tuple):
            return given
        if not target or not all(isinstance(name, str) for name in target) or len(set(target)) < len(target):
            raise ValueError(f"target is a column, or a list of different ones; got {target!r}")
        clean = given.get("clean") or {}
        more = dict.fromkeys(target[1:], "target")
        roles = {**more, **(clean.roles if isinstance(clean, CleanSpec) else clean.get("roles") or {})}
        said = clean.but(roles=roles) if isinstance(clean, CleanSpec) else {**clean, "roles": roles}
        return {**given, "target": target[0], "clean": said}

    @field_validator("track", mode="before")
    @classmethod
    def _one_or_more(cls, given: Any) -> Any:
        return given if isinstance(given, list | tuple) else () if given is None else (given,)

    def but(self, **changes: Any) -> Recipe:
        """The same recipe with some parts changed, checked anew."""
        return super().but(**changes)._checked()

    def _checked(self) -> Recipe:
        """Something is to be learned, and what is said goes with it."""
        if self.task is None and not self.target:
            raise UserError(
                "recipe.target", "`recipe` needs the setting `target`, the column to predict.",
                hint="or learn without one: `task: anomaly`, `clusters` or `embedding`",
            )  # fmt: skip
        if self.task is None and self.evaluate.labels:
            raise UserError(
                "recipe.task", "`evaluate.labels` is for tasks without a target; here the target is the truth.",
                hint="leave it out",
            )  # fmt: skip
        if self.task is None:
            return self
        spec_of(self.task)
        given = {"target": self.target, "labels": self.labels, "tune": self.tune,
                 "package.compress": self.package.compression()}  # fmt: skip
        for name, said in given.items():
            if said:
                raise UserError(
                    "recipe.task", f"`task: {self.task.method}` is learned without a target: `{name}` has no part.",
                    hint=f"leave out `{name}`, or `task`",
                )  # fmt: skip
        return self

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Recipe:
        """Check plain data; `data` may be one path or address, and the name then follows from it."""
        settings = dict(plain)
        if "data" in settings:
            settings["data"] = data_of(settings["data"])
            settings.setdefault("name", name_of(settings["data"]))
        recipe = cls.parse(settings, where="recipe")._checked()
        check_name(recipe.name)
        return recipe

    @classmethod
    def from_yaml(cls, path: Path) -> Recipe:
        """Read a recipe file; paths in it are relative to its folder."""
        import yaml

        try:
            plain = read_yaml(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError("recipe.missing", f"there is no recipe {str(path)!r}.") from None
        except (yaml.YAMLError, UnicodeDecodeError) as problem:
            raise UserError("recipe.yaml", f"{path} is not YAML: {problem}".replace("\n", " ")) from problem
        if not isinstance(plain, dict):
            raise UserError(
                "recipe.shape",
                f"{path} must hold settings such as `target: price`; got {type(plain).__name__}.",
                hint="`wright plan data.csv --target price --write recipe.yaml` writes one",
            )
        plain.setdefault("name", path.stem)
        recipe = cls.from_plain(plain)
        return recipe.but(data=relative_to(recipe.data, path.parent))

    def to_yaml(self) -> str:
        """The recipe as YAML, every setting written out."""
        import yaml

        text: str = yaml.safe_dump(self.to_plain(), sort_keys=False, allow_unicode=True, width=110)
        return text


def read_yaml(text: str) -> Any:
    """Plain data from YAML, with the booleans of YAML 1.2: `on` and `no` are words, as people mean them.

    >>> read_yaml("{on: [person], country: no, quick: true}")
    {'on': ['person'], 'country': 'no', 'quick': True}
    """
    import re

    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers = {
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    truth = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", truth, list("tTfF"))
    return yaml.load(text, Loader)


def data_of(data: Any) -> CollectSpec:
    """The sources that a recipe's `data` says: one path or address, a list of them, or the whole Spec."""
    if isinstance(data, CollectSpec):
        return data
    if isinstance(data, dict) and "source" not in data:
        return CollectSpec.parse(data, where="data")
    return CollectSpec.parse({"sources": data}, where="data")


def name_of(data: CollectSpec) -> str:
    """A name made from the first source: its stem, with what cannot stand in a name replaced by '-'.

    >>> name_of(data_of("some/Ames Housing.csv.gz"))
    'Ames-Housing'
    """
    first = data.sources[0].source
    if first.startswith("dataset:"):
        first = first.removeprefix("dataset:").partition("@")[0]
    last = first.rstrip("/").replace("\\", "/").split("/")[-1].split("?")[0]
    stem = last.split(".")[0] if not last.startswith(".") else last.strip(".")
    cleaned = "".join(letter if letter.isalnum() and letter.isascii() or letter in "_-" else "-" for letter in stem)
    return cleaned.strip("-") or "model"
