"""The cleaning log at ten million changed cells: what it costs beside applying the same changes without one.

A table of 10 million rows x 20 text columns lies as Parquet; 10 million of its cells become others (typos, blanks,
filled cells, money and dates in another form). Both ways read the table, lay the changes over it and write it; one of
them also groups the changes, keeps the log and lets a name stand for it. CPU seconds of whole processes, interleaved.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, bar, measured_process

N_ROWS = 10_000_000
N_ROUNDS = 2
MOST_TIME, MOST_BYTES = 0.10, 0.05


def table(n_rows: int, seed: int):  # type: ignore[no-untyped-def]
    """One batch of the table, as a CSV file gives it: texts."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)

    def words(n_distinct: int, stem: str) -> pl.Series:
        chosen = np.minimum(rng.pareto(1.0, n_rows) * n_distinct / 20, n_distinct - 1).astype(np.int64)
        return pl.Series([f"{stem} {chr(97 + k % 26)}{k:04d}" for k in range(n_distinct)]).gather(chosen)

    def number(spread: float, digits: int) -> pl.Series:
        return pl.Series(rng.normal(spread, spread / 4, n_rows).round(digits)).cast(pl.String)

    days = pl.Series(rng.integers(10_000, 20_000, n_rows)).cast(pl.Int32).cast(pl.Date)
    columns = {
        "id": pl.Series(np.arange(seed * n_rows, (seed + 1) * n_rows)).cast(pl.String).str.zfill(9),
        "name": words(900, "First") + " " + words(9000, "Last"),
        "street": words(5000, "Street") + " " + number(60.0, 0), "city": words(2000, "City"),
        "zip": words(2000, "Z"), "country": words(60, "Country"), "product": words(3000, "Product"),
        "status": words(5, "status"), "agent": words(300, "Agent"), "channel": words(8, "channel"),
        "price": "$" + number(250.0, 2), "weight": number(12.0, 3), "length": number(90.0, 1), "score": number(0.5, 4),
        "visits": pl.Series(rng.poisson(6, n_rows)).cast(pl.String), "ratio": number(1.0, 4),
        "opened": days.dt.to_string("%d/%m/%Y"), "closed": days.dt.to_string("%Y-%m-%d"),
        "active": words(2, "is"),
        "note": words(900, "the") + words(900, " came") + words(900, " and") + words(900, " on"),
    }  # fmt: skip
    return pl.DataFrame(columns)


def write_table(path: Path, n_rows: int = N_ROWS) -> None:
    """The whole table with row ids, batch by batch."""
    import polars as pl

    n_batch = min(n_rows, 500_000)
    parts = []
    for batch in range(n_rows // n_batch):
        part = table(n_batch, batch).with_row_index("__row__", offset=batch * n_batch)
        part = part.with_columns(pl.col("__row__").cast(pl.UInt64))
        parts.append(path.with_suffix(f".{batch}"))
        part.write_parquet(parts[-1], compression="lz4")
    pl.scan_parquet(parts).sink_parquet(path, compression="lz4", row_group_size=1 << 16)
    for part_file in parts:
        part_file.unlink()


def write_findings(source: Path, path: Path) -> None:
    """Ten million proposals, as five methods would make them: one cell of each row on average."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    n_rows = pl.scan_parquet(source).select(pl.len()).collect().item()
    cell = pl.col("before")
    typo = pl.concat_str(cell.str.head(6), pl.lit("x"), cell.str.slice(7))
    kinds = {
        "city": (3, typo, pl.format("'{}' is one letter from '{}', which many cells say", typo, cell), None),
        "product": (2, cell + " ", pl.format("the same as '{}', which many cells say, but for blanks", cell), None),
        "zip": (2, pl.lit(""), pl.format("rows of this street say '{}'", cell), None),
        "price": (2, cell, pl.lit("written as the column's other cells are"), cell.str.slice(1) + " USD"),
        "opened": (1, cell, pl.lit("the form of the column's other dates"),
                   cell.str.slice(6) + "-" + cell.str.slice(3, 2) + "-" + cell.str.head(2)),
    }  # fmt: skip
    parts = []
    for column, (tenths, before, reason, after) in kinds.items():
        rows = np.sort(rng.choice(n_rows, n_rows * tenths // 10, replace=False))
        cells = pl.read_parquet(source, columns=["__row__", column])[pl.Series(rows)].rename({column: "before"})
        sure = pl.Series("confidence", np.round(0.95 + 0.05 * rng.random(len(rows)) ** 3, 3))
        parts.append(cells.select(
            "__row__", column=pl.lit(column), before=before, after=cell if after is None else after,
            method=pl.lit(f"method of {column}"), reason=reason, confidence=sure,
        ))  # fmt: skip
    pl.concat(parts).write_parquet(path)


def child(folder: Path, *, logged: bool) -> None:
    """One way, in a process of its own; prints the CPU seconds of applying and what was written."""
    import polars as pl

    from modelwright.cleaning.findings import Findings
    from modelwright.core.codec import encode
    from modelwright.core.data import Column, Dataset, Schema
    from modelwright.core.store import Store

    store = Store.open(folder / "store")
    frame = pl.scan_parquet(folder / "table.parquet")
    names = frame.collect_schema().names()[1:]
    n_rows = frame.select(pl.len()).collect().item()
    raw = Dataset(frame, Schema(tuple(Column(name) for name in names)), n_rows)
    raw_plain = encode(store, raw)
    raw = Dataset(frame, raw.schema, n_rows, {}, raw_plain["manifest"])
    found = Findings.of(cells=pl.read_parquet(folder / "findings.parquet"))
    began = time.process_time()
    if logged:
        from modelwright.cleaning.history import History
        from modelwright.cleaning.keeping import keep, point

        history = History(raw).adding(found, sure=0.95)
        written = encode(store, history.data)
        plain = keep(store, history)
        point(store, "table", plain)
        blobs = [*plain["changes"], plain["groups"], plain["state"]]
        n_log = sum(store.blob(digest).stat().st_size for digest in blobs)
    else:
        from modelwright.cleaning.overlay import laid_without_log

        written = encode(store, laid_without_log(raw, found))
        n_log = 0
    cpu_s = time.process_time() - began
    sizes = {"table": store.blob(written["table"]).stat().st_size, "raw": store.blob(raw_plain["table"]).stat().st_size}
    print(json.dumps({"cpu_s": cpu_s, "log": n_log, **sizes}))


def measure() -> tuple[list[str], list[str]]:
    """The log's time and bytes, each against the same changes without it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(folder / "table.parquet")
        write_findings(folder / "table.parquet", folder / "findings.parquet")
        runs: dict[str, list[dict[str, float]]] = {"plain": [], "logged": []}
        for _ in range(N_ROUNDS):
            for way, found in runs.items():
                command = [sys.executable, "-m", "benchmarks.data.history", str(folder), way]
                done = measured_process(command, folder=ROOT)
                found.append({**json.loads(done.output.strip().splitlines()[-1]), "peak": done.peak_bytes})
    return told(runs)


def told(runs: dict[str, list[dict[str, float]]]) -> tuple[list[str], list[str]]:
    """The table and the bars."""
    best = {way: min(run["cpu_s"] for run in found) for way, found in runs.items()}
    share = best["logged"] / best["plain"] - 1
    last = runs["logged"][-1]
    bytes_share = last["log"] / last["table"]
    lines = ["| way | CPU seconds, each round | peak memory | written |", "|---|---|---|---|"]
    for way, found in runs.items():
        written = f"{found[-1]['table'] / 1e6:,.0f} MB" + (
            f" + log {last['log'] / 1e6:,.1f} MB" if way == "logged" else ""
        )
        seconds = ", ".join(f"{run['cpu_s']:.1f}" for run in found)
        lines.append(f"| {way} | {seconds} | {max(run['peak'] for run in found) / 1e9:.1f} GB | {written} |")
    bars = [
        bar("log, share of the time at 10 million changes", share, MOST_TIME),
        bar("log, share of the bytes at 10 million changes", bytes_share, MOST_BYTES),
    ]
    return lines, bars


if __name__ == "__main__":
    child(Path(sys.argv[1]), logged=sys.argv[2] == "logged")
