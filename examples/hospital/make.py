"""A messy export from a hospital system, made from 569 real tumours, with the truth beside it.

    python examples/hospital/make.py FOLDER

writes `hospital.csv` and `truth.json` into FOLDER. The measurements and diagnoses are the Wisconsin
Diagnostic Breast Cancer data (Wolberg, Street and Mangasarian 1995) that scikit-learn carries; patients, dates,
sites and costs are made up; the damage is seeded, so the same bytes come out every time.
"""

from __future__ import annotations

import csv
import json
import random
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

SEED = 20240229
MARKERS = ("?", "NA", "n/a", "-", "", "null", "  ")
UNIT_COLUMNS = ("mean_radius", "worst_radius")
COMMA_COLUMNS = ("mean_area", "worst_area", "mean_smoothness")
SENTINELS = {"age": "999", "mean_symmetry": "-999", "worst_texture": "9999"}
SPOILT = (
    "mean_texture",
    "mean_concavity",
    "worst_perimeter",
    "texture_error",
    "site",
    "laterality",
    "age",
    "mean_area",
)

Row = dict[str, Any]


def make(folder: str | Path) -> Path:
    """Write `hospital.csv` and `truth.json` into a folder (made if need be); the CSV's path is returned."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(SEED)
    true_rows = _patients(dice)
    export = _Export(true_rows, dice)
    _write_formats(export)
    _spoil_cells(export)
    _repeat_patients(export)
    with (folder / "hospital.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(true_rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(export.cells)
    (folder / "truth.json").write_text(json.dumps(export.truth(), indent=0), encoding="utf-8")
    return folder / "hospital.csv"


def _patients(dice: random.Random) -> list[Row]:
    """The true table: what a careful hand would have written."""
    from sklearn.datasets import load_breast_cancer

    tumours = load_breast_cancer()
    names = [str(name).replace(" ", "_") for name in tumours.feature_names]
    order = list(range(len(tumours.target)))
    dice.shuffle(order)
    rows = []
    for number, index in enumerate(order):
        diagnosis = "Malignant" if tumours.target[index] == 0 else "Benign"
        rows.append(
            {
                "patient_id": f"P-{100000 + 37 * number}",
                "admitted": (date(2016, 1, 1) + timedelta(days=dice.randrange(2200))).isoformat(),
                "hospital": "St. Anna",
                "site": dice.choices(("Day clinic", "Ward 3", "Outpatients"), (5, 3, 2))[0],
                "laterality": dice.choice(("Left", "Right")),
                "age": round(min(91, max(24, dice.gauss(55, 13)))),
                "cost": round(dice.lognormvariate(7.5, 0.7), 2),
                **{name: float(value) for name, value in zip(names, tumours.data[index], strict=True)},
                "treatment_code": "TX-41" if diagnosis == "Malignant" else "TX-07",
                "diagnosis": diagnosis,
            }
        )
    return rows


class _Export:
    """The table as exported, cell by cell, and the record of what was done to it."""

    def __init__(self, true_rows: list[Row], dice: random.Random) -> None:
        self.dice = dice
        self.true_rows = list(true_rows)
        self.cells = [{name: str(value) for name, value in row.items()} for row in true_rows]
        self.damage: dict[tuple[int, str], Row] = {}
        self.twins: list[Row] = []

    def spoil(self, row: int, column: str, kind: str, cell: str, value: Any) -> None:
        """Write a damaged cell; `value` is what a reader should make of it (None: missing)."""
        self.cells[row][column] = cell
        self.damage[row, column] = {"row": row, "column": column, "kind": kind, "cell": cell, "value": value}

    def some_rows(self, column: str, n_rows: int) -> list[int]:
        """Rows whose cell in the column can still be spoilt: what is missing already stays so."""
        free = [
            row
            for row in range(len(self.cells))
            if (self.damage.get((row, column)) or {"value": 0})["value"] is not None
        ]
        return self.dice.sample(free, n_rows)

    def truth(self) -> Row:
        """Everything that a score needs: the true cells, the damage, the repeats, what each column is for."""
        columns = [
            {"column": "patient_id", "kind": "identifier column", "role": "id"},
            {"column": "hospital", "kind": "constant column", "role": "ignored"},
            {"column": "treatment_code", "kind": "leaking column", "role": "ignored"},
        ]
        return {
            "target": "diagnosis", "rows": self.true_rows, "damage": list(self.damage.values()), "twins": self.twins,
            "columns": columns,
        }  # fmt: skip


def _write_formats(export: _Export) -> None:
    """What the export does to whole columns: units, decimal commas, money, day-first dates."""
    for row, true in enumerate(export.true_rows):
        for column in UNIT_COLUMNS:
            value = true[column]
            cell = export.dice.choices((f"{value} mm", f"{round(value / 10, 6)} cm", f"{value}"), (5, 3, 2))[0]
            if cell != f"{value}":
                export.spoil(row, column, "unit in the cell", cell, value)
        for column in COMMA_COLUMNS:
            export.spoil(row, column, "decimal comma", str(true[column]).replace(".", ","), true[column])
        cost = f"{true['cost']:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
        export.spoil(row, "cost", "money", f"{cost} €", true["cost"])
        year, month, day = true["admitted"].split("-")
        export.spoil(row, "admitted", "day-first date", f"{day}/{month}/{year}", true["admitted"])


def _spoil_cells(export: _Export) -> None:
    """What happened to single cells: markers, sentinels, blanks, spellings, typing."""
    dice = export.dice
    for column in SPOILT:
        for row in export.some_rows(column, 25):
            export.spoil(row, column, "missing marker", dice.choice(MARKERS), None)
    for row in export.some_rows("mean_compactness", 9):
        export.spoil(row, "mean_compactness", "missing marker", "not measured", None)
    for column, number in SENTINELS.items():
        for row in export.some_rows(column, 11):
            export.spoil(row, column, "sentinel number", number, None)
    for row in export.some_rows("admitted", 12):
        export.spoil(row, "admitted", "sentinel date", "01/01/1900", None)
    for column in ("mean_perimeter", "worst_concavity", "site", "treatment_code"):
        for row in export.some_rows(column, 20):
            cell = export.cells[row][column]
            spelled = dice.choice((f" {cell}", f"{cell} ", f"  {cell}\t", f"{cell}\u00a0"))
            export.spoil(row, column, "stray blanks", spelled, export.true_rows[row][column])
    for column in ("site", "laterality", "diagnosis"):
        for row in export.some_rows(column, 60):
            true = export.true_rows[row][column]
            cell = dice.choice((true.upper(), true.lower(), f" {true.lower()}"))
            export.spoil(row, column, "case variant", cell, true)
    for row in export.some_rows("mean_fractal_dimension", 30):
        true = export.true_rows[row]["mean_fractal_dimension"]
        export.spoil(row, "mean_fractal_dimension", "decimal comma", str(true).replace(".", ","), true)
    for row in export.some_rows("radius_error", 4):
        export.spoil(row, "radius_error", "unreadable cell", dice.choice(("see letter", "o.38", "1.2.3")), None)
    for row in export.some_rows("diagnosis", 5):
        export.spoil(row, "diagnosis", "missing target", dice.choice(("?", "", "NA")), None)


def _repeat_patients(export: _Export) -> None:
    """Patients exported twice: some rows byte for byte, some with other blanks and spellings."""
    rows = [row for row in range(len(export.cells)) if export.cells[row]["diagnosis"] not in ("?", "", "NA")]
    for count, row in enumerate(export.dice.sample(rows, 24)):
        copy = len(export.cells)
        export.cells.append(dict(export.cells[row]))
        export.true_rows.append(export.true_rows[row])
        for (_, column), damage in [item for item in export.damage.items() if item[0][0] == row]:
            export.damage[copy, column] = {**damage, "row": copy}
        if count % 2:
            export.cells[copy]["laterality"] = f" {export.cells[copy]['laterality']}".upper()
            export.cells[copy]["mean_perimeter"] = f"{export.cells[copy]['mean_perimeter']} "
        kind = "duplicate patient, written differently" if count % 2 else "duplicate patient"
        export.twins.append({"row": copy, "twin_of": row, "kind": kind})


if __name__ == "__main__":
    print(make(sys.argv[1] if len(sys.argv) > 1 else "."))
