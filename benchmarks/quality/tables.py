"""The 22 tables of ../shared/data/tabular: which files, which target, what everyone leaves out, the metric."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "tabular"


@dataclass(frozen=True)
class Table:
    """`target` is a name, or a position in a file without header. `dropped` are ids and leaks that nobody sees.

    `free_text` columns are seen by us only: the baselines have no ordinary way to take them. `official` is a
    second file that is the held-out part.
    """

    name: str
    file: str
    target: str | int
    task: str
    header: bool = True
    dropped: tuple[str | int, ...] = ()
    free_text: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    official: str = ""

    @property
    def metric(self) -> str:
        """What is compared."""
        return {"binary": "auc", "multiclass": "log loss", "regression": "rmse"}[self.task]


TABLES = (
    Table("abalone", "abalone.csv.gz", 8, "regression", header=False),
    Table("adult", "adult_train.csv.gz", 14, "binary", header=False, official="adult_test.csv.gz"),
    Table("ames_housing", "AmesHousing.csv.gz", "SalePrice", "regression", dropped=("Order", "PID")),
    Table("bank_churn", "Churn_Modelling.csv.gz", "Exited", "binary", dropped=("RowNumber", "CustomerId", "Surname")),
    Table("bank_marketing", "bank_marketing_train.csv.gz", "y", "binary", official="bank_marketing_test.csv.gz"),
    Table("california_housing", "housing.csv.gz", "median_house_value", "regression"),
    Table("diamonds", "diamonds.csv.gz", "price", "regression"),
    Table("german_credit", "german.csv.gz", 20, "binary", header=False),
    Table("glass", "glass.csv", 9, "multiclass", header=False),
    # 2: hospital number; 24..26: the type of the lesion, which says whether there is one
    Table("horse_colic", "horse-colic.csv", 23, "binary", header=False, dropped=(2, 24, 25, 26)),
    Table("insurance", "insurance.csv", "charges", "regression"),
    Table("ionosphere", "ionosphere.csv.gz", 34, "binary", header=False),
    Table("mammography", "mammography.csv.gz", 6, "binary", header=False),
    Table("mpg", "mpg.csv", "mpg", "regression", free_text=("name",)),
    Table("mushroom", "mushrooms.csv.gz", "type", "binary"),
    Table(
        "nyc_taxis",
        "taxis.csv.gz",
        "total",
        "regression",
        dropped=("fare", "tip", "tolls"),
        dates=("pickup", "dropoff"),
    ),
    Table("penguins", "penguins.csv", "species", "multiclass"),
    Table("phoneme", "phoneme.csv.gz", 5, "binary", header=False),
    Table("pima_diabetes", "pima-indians-diabetes.csv", 8, "binary", header=False),
    Table(
        "titanic",
        "titanic.csv.gz",
        "Survived",
        "binary",
        dropped=("PassengerId",),
        free_text=("Name", "Ticket", "Cabin"),
    ),
    Table("vehicle", "Vehicle.csv", "Class", "multiclass"),
    Table("wine_quality_red", "winequality-red.csv.gz", 11, "regression", header=False),
)


@dataclass(frozen=True, eq=False)
class Raw:
    """A table as text: `frame` (polars, all String) with the target under its name, and the held-out parts.

    `parts` are arrays of positions; each is held out once.
    """

    table: Table
    frame: pl.DataFrame
    target: str
    parts: list[np.ndarray]


def read(table: Table) -> Raw:
    """Read the file or files, drop what nobody sees, rows that repeat another exactly, and rows without target."""
    frame = _read_file(table, table.file)
    n_first = frame.height
    if table.official:
        frame = pl.concat([frame, _read_file(table, table.official)])
    target = table.target if isinstance(table.target, str) else f"column_{table.target}"
    dropped = [name if isinstance(name, str) else f"column_{name}" for name in table.dropped]
    frame = frame.drop(dropped).with_row_index("position")
    frame = frame.filter(~pl.col(target).str.strip_chars().is_in(["", "?", "NA"]) & pl.col(target).is_not_null())
    if table.official:
        held = (frame["position"] >= n_first).to_numpy()
        return Raw(table, frame.drop("position"), target, [np.flatnonzero(held)])
    frame = frame.drop("position").unique(maintain_order=True)
    return Raw(table, frame, target, _parts(frame, target, table))


def _read_file(table: Table, file: str) -> pl.DataFrame:
    path = DATA / table.name / file
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    frame = pl.read_csv(BytesIO(content), has_header=table.header, infer_schema=False, encoding="utf8-lossy")
    if table.name == "adult":  # the official test labels end in a point
        frame = frame.with_columns(pl.all().str.strip_chars().str.strip_suffix("."))
    return frame


def _parts(frame: pl.DataFrame, target: str, table: Table) -> list[np.ndarray]:
    """Five held-out parts below 5,000 rows, else three; rows with equal features are in one part."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    twins = frame.drop(target).hash_rows().to_numpy()
    n_parts = 5 if frame.height < 5_000 else 3
    if table.task == "regression":
        folds = GroupKFold(n_parts, shuffle=True, random_state=0)
    else:
        folds = StratifiedGroupKFold(n_parts, shuffle=True, random_state=0)
    return [held for _, held in folds.split(np.zeros(frame.height), frame[target].to_numpy(), twins)]


def as_pandas(raw: Raw) -> pd.DataFrame:
    """The features as an ordinary user would have them: numbers, dates as numbers, categories, gaps."""
    table = raw.table
    frame = raw.frame.drop(raw.target, *table.free_text).to_pandas()
    made: dict[str, pd.Series] = {}
    for name in frame.columns:
        column = frame[name].str.strip().replace(["", "?", "NA", "nan"], None)
        if name in table.dates:
            moment = pd.to_datetime(column)
            made[f"{name} time"] = (moment - pd.Timestamp(0)) / pd.Timedelta(seconds=1)
            made[f"{name} hour"] = moment.dt.hour.astype(float)
            made[f"{name} weekday"] = moment.dt.day_of_week.astype(float)
            continue
        numbers = pd.to_numeric(column, errors="coerce")
        made[name] = numbers.astype(float) if numbers.notna().sum() == column.notna().sum() else column
    return pd.DataFrame(made)


def truth_of(raw: Raw) -> tuple[np.ndarray, list[str]]:
    """Values (n,), or class numbers and the classes' texts in alphabetical order."""
    column = raw.frame[raw.target].str.strip_chars()
    if raw.table.task == "regression":
        return column.cast(pl.Float64).to_numpy(), []
    classes = sorted(column.unique().to_list())
    return np.searchsorted(np.array(classes), column.to_numpy().astype(str)), classes
