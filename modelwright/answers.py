"""Files of rows to files of answers: `wright predict`, one line per input row, in its order."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError
from modelwright.core.store import disk_faults, write_atomically

if TYPE_CHECKING:
    import polars as pl

WRITERS = (".csv", ".parquet", ".jsonl")


def predict_file(package: Path, rows: str, output: str) -> tuple[int, tuple[str, ...]]:
    """Read raw rows in any format that collection takes, answer them with a package, write the answers.

    Returns the number of rows and the warnings. Raises UserError when a column that the model needs is missing.
    """
    import polars as pl

    from modelwright.collection.base import collect
    from modelwright_runtime import load

    _check_output(output)
    model = load(package)
    frame = collect(rows).frame.drop("__row__")
    answers = model.predict({name: frame[name].to_list() for name in frame.columns})
    columns: dict[str, object] = {"prediction": answers.prediction}
    if answers.probabilities is not None:
        for index, name in enumerate(answers.classes):
            columns[f"probability_{name}"] = answers.probabilities[:, index]
    write_table(pl.DataFrame(columns), output)
    return frame.height, tuple(map(str, answers.warnings))


def write_table(frame: pl.DataFrame, output: str) -> None:
    """Write a table by the ending of its name; `-` prints CSV."""
    _check_output(output)
    if output == "-":
        sys.stdout.write(frame.write_csv())
        return
    buffer = io.BytesIO()
    ending = Path(output).suffix
    if ending == ".csv":
        frame.write_csv(buffer)
    elif ending == ".parquet":
        frame.write_parquet(buffer)
    else:
        frame.write_ndjson(buffer)
    with disk_faults(Path(output)):
        write_atomically(Path(output), buffer.getvalue())


def _check_output(output: str) -> None:
    if output != "-" and Path(output).suffix not in WRITERS:
        raise UserError(
            "predict.output", f"`--output` must be -, or end in {', '.join(WRITERS)}; got {output!r}.",
            hint="for example -o answers.csv",
        )  # fmt: skip
