"""Missing values: guesses beside missForest's, and the coverage of pooled intervals.

Two tables of 1,000 rows whose true values are known, with values missing at random in three ways (completely, by
another column, by themselves) at two rates: error of numbers is the root of the mean squared error in deviations of the
column, averaged over the columns (constant ones left out), of categories the share of wrong ones. missForest is
scikit-learn's IterativeImputer over a random forest of 100 trees, at most 10 rounds. Both take one thread, in turns;
time is that of the processor. Coverage: tables of 400 rows whose coefficients are known, 30 % of two columns and 20 %
of a category missing by what is seen (MAR); 10 draws, a regression on each, pooled.
"""

from __future__ import annotations

import gzip
import io
import os
import time
import warnings
from collections.abc import Iterator

import numpy as np
import polars as pl

from benchmarks.common import SHARED, bar
from modelwright.cleaning.imputing import ImputeSpec, impute, pool
from modelwright.core.data import ROW_ID, Column, Dataset, Schema

FILES = ("mcar_10", "mcar_30", "mar_10", "mar_30", "mnar_10", "mnar_30")
REPEATS = int(os.environ.get("WRIGHT_REPEATS", "200"))
N_ROWS, N_DRAWS = 400, 10


def measure() -> tuple[list[str], list[str]]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table, bars = _errors()
        more, others = _coverage()
    return [__doc__.partition("\n\n")[2].strip(), "", *table, "", *more], [*bars, *others]


# Errors -------------------------------------------------------------------------------------------------------


def _errors() -> tuple[list[str], list[str]]:
    table = ["| table | guessed | error of numbers | missForest | wrong categories | missForest | s | missForest |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    rows = []
    impute(_damaged(0))  # imports
    for name, data, true in _tables():
        began = time.process_time()
        filled = impute(data).data.frame
        between = time.process_time()
        forest = _forest(data, true)
        ended = time.process_time()
        own, peer = _score(data, filled, true), _score(data, forest, true)
        rows.append([*own[:3], *peer[:2], between - began, ended - between])
        table.append(
            f"| {name} | {own[2]} | {own[0]:.4f} | {peer[0]:.4f} | {own[1]:.1%} | {peer[1]:.1%} | "
            f"{between - began:.2f} | {ended - between:.2f} |"
        )
        print(table[-1], flush=True)
    found = np.array(rows)
    error, wrong, _, peer_error, peer_wrong, own_s, peer_s = found.mean(axis=0)
    apart = found[:, 0] - found[:, 3]
    half = 2.201 * apart.std(ddof=1) / np.sqrt(len(apart))  # t with 11 degrees
    table += [
        f"| mean | | {error:.4f} | {peer_error:.4f} | {wrong:.1%} | {peer_wrong:.1%} | {own_s:.2f} | {peer_s:.2f} |",
        "",
        f"Error less missForest's over the {len(apart)} files: {apart.mean():+.4f}, 95 % interval "
        f"{apart.mean() - half:+.4f} to {apart.mean() + half:+.4f}; lower in {(apart < 0).sum()}.",
    ]  # fmt: skip
    return table, [
        bar("imputation: error of numbers over missForest's", error / peer_error, 1.0),
        bar("imputation: wrong categories over missForest's", wrong / peer_wrong, 1.0),
        bar("imputation: times missForest's speed", peer_s / own_s, 10, at_least=True),
    ]


def _tables() -> Iterator[tuple[str, Dataset, pl.DataFrame]]:
    for table in ("bank8FM", "electricity"):
        folder = SHARED / "imputation" / f"missing_{table}"
        true = _read(folder / "clean.csv.gz")
        kinds = {name: "category" if true[name].dtype == pl.String else "number" for name in true.columns}
        true = true.with_columns(pl.col(name).cast(pl.Float64) for name, kind in kinds.items() if kind == "number")
        schema = Schema(tuple(Column(name, kind) for name, kind in kinds.items()))  # type: ignore[arg-type]
        for file in FILES:
            frame = _read(folder / f"{file}.csv.gz").cast(dict(true.schema))  # type: ignore[arg-type]
            yield f"{table} {file}", Dataset.from_frame(frame, schema), true


def _read(path: os.PathLike[str]) -> pl.DataFrame:
    with gzip.open(path) as file:
        return pl.read_csv(io.BytesIO(file.read()), infer_schema_length=5000)


def _forest(data: Dataset, true: pl.DataFrame) -> pl.DataFrame:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    frame = data.frame.drop(ROW_ID)
    levels = {name: sorted(true[name].unique()) for name in frame.columns if true[name].dtype == pl.String}
    coded = frame.with_columns(
        pl.col(name).replace_strict(known, list(range(len(known))), return_dtype=pl.Float64)
        for name, known in levels.items()
    )
    imputer = IterativeImputer(RandomForestRegressor(100, n_jobs=1, random_state=0), max_iter=10, random_state=0)
    filled = pl.DataFrame(imputer.fit_transform(coded.to_numpy()), schema=frame.columns)
    back = {name: [known[int(np.clip(round(code), 0, len(known) - 1))] for code in filled[name]]
            for name, known in levels.items()}  # fmt: skip
    return filled.with_columns(pl.Series(name, words) for name, words in back.items())


def _score(data: Dataset, filled: pl.DataFrame, true: pl.DataFrame) -> tuple[float, float, int]:
    """Error of numbers, share of wrong categories, cells guessed."""
    errors, wrong, n = [], [], 0
    for name in true.columns:
        gaps = data.frame[name].is_null().to_numpy() & true[name].is_not_null().to_numpy()
        n += int(gaps.sum())
        if not gaps.any():
            continue
        told, truth = filled[name].to_numpy()[gaps], true[name].to_numpy()[gaps]
        if true[name].dtype == pl.String:
            wrong.append(float((told != truth).mean()))
        elif true[name].n_unique() > 1:
            errors.append(float(np.sqrt(np.mean((told - truth) ** 2)) / true[name].std(ddof=0)))  # type: ignore[operator]
    return float(np.mean(errors)), float(np.mean(wrong)) if wrong else 0.0, n


# Coverage -----------------------------------------------------------------------------------------------------

TRUTH = {"intercept": 1.0, "x": 0.8, "z": -0.5, "oak": 0.7, "mean of y": 1.35}


def _coverage() -> tuple[list[str], list[str]]:
    head = ("of the truth", "covered by pooled 95 % intervals", "by those of complete rows", "information missing")
    table = [f"| {' | '.join(head)} |", "|---|---|---|---|"]
    began = time.process_time()
    covered, plain, missing = np.zeros(len(TRUTH)), np.zeros(len(TRUTH)), np.zeros(len(TRUTH))
    for repeat in range(REPEATS):
        data = _damaged(repeat)
        imputed = impute(data, ImputeSpec(draws=N_DRAWS), seed=repeat)
        found = [_estimates(draw.frame) for draw in imputed.draws]
        rows = data.frame.drop_nulls()
        alone = _estimates(rows)
        for place, truth in enumerate(TRUTH.values()):
            one = pool([est[place] for est, _ in found], [var[place] for _, var in found], degrees=N_ROWS - 4)
            covered[place] += one.low <= truth <= one.high
            missing[place] += one.fraction_missing_information
            half = 1.96 * np.sqrt(alone[1][place])
            plain[place] += abs(alone[0][place] - truth) <= half
        if repeat % 20 == 19:
            print(repeat + 1, (covered / (repeat + 1)).round(3), flush=True)
    for place, name in enumerate(TRUTH):
        table.append(f"| {name} | {covered[place] / REPEATS:.1%} | {plain[place] / REPEATS:.1%} | "
                     f"{missing[place] / REPEATS:.0%} |")  # fmt: skip
    share = covered.mean() / REPEATS
    table += [
        "",
        f"{REPEATS} tables; all five together {share:.1%}; "
        f"{(time.process_time() - began) / REPEATS:.1f} s of the processor for the {N_DRAWS} draws of a table.",
    ]
    return table, [
        bar("imputation: coverage of pooled 95 % intervals, at least", share, 0.93, at_least=True),
        bar("imputation: coverage of pooled 95 % intervals, at most", share, 0.97),
    ]  # fmt: skip


def _damaged(repeat: int) -> Dataset:
    """A table in which x, z and the wood say y; the more of y and x, the more of z and wood is missing; y by x."""
    rng = np.random.default_rng(repeat)
    x = rng.normal(size=N_ROWS)
    z = 0.6 * x + 0.8 * rng.normal(size=N_ROWS)
    oak = rng.random(N_ROWS) < 0.5
    y = 1 + 0.8 * x - 0.5 * z + 0.7 * oak + rng.normal(size=N_ROWS)
    gone_y = rng.random(N_ROWS) < _share(x, 0.3)
    gone_z = (rng.random(N_ROWS) < _share(y, 0.3)) & ~gone_y
    gone_oak = (rng.random(N_ROWS) < _share(-y + x, 0.2)) & ~gone_y & ~gone_z
    frame = pl.DataFrame({
        "x": x, "z": np.where(gone_z, np.nan, z), "wood": np.where(oak, "oak", "ash"), "y": np.where(gone_y, np.nan, y),
    }).fill_nan(None).with_columns(wood=pl.when(pl.Series(~gone_oak)).then("wood"))  # fmt: skip
    schema = Schema((Column("x", "number"), Column("z", "number"), Column("wood", "category"), Column("y", "number")))
    return Dataset.from_frame(frame, schema)


def _share(of: np.ndarray, mean: float) -> np.ndarray:
    """Chances of that mean that grow with `of`."""
    shifted = (of - of.mean()) / of.std()
    share: np.ndarray = 1 / (1 + np.exp(-(shifted + np.log(mean / (1 - mean)) * 1.15)))
    return share


def _estimates(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Four coefficients and the mean of y, with their squared standard errors."""
    x = np.column_stack([np.ones(frame.height), frame["x"], frame["z"], (frame["wood"] == "oak").to_numpy()])
    y = frame["y"].to_numpy()
    inverse = np.linalg.inv(x.T @ x)
    found = inverse @ x.T @ y
    noise = ((y - x @ found) ** 2).sum() / (len(y) - 4)
    return np.append(found, y.mean()), np.append(noise * np.diag(inverse), y.var(ddof=1) / len(y))
