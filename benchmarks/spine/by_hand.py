"""The same steps by hand in Polars, by someone who knows the columns: read, clean, drop duplicates, split, write."""

import sys

import polars as pl

source, folder = sys.argv[1], sys.argv[2]
MARKERS = ["?", "NA", "-", "N/A", ""]
NUMBERS = [f"number_{i}" for i in range(12)]
TEXTS = [f"category_{i}" for i in range(5)]

table = (
    pl.scan_csv(source, infer_schema=False)
    .with_columns(pl.all().str.strip_chars())
    .with_columns(pl.when(pl.all().is_in(MARKERS)).then(None).otherwise(pl.all()).name.keep())
    .with_columns(pl.col(NUMBERS).cast(pl.Float64), pl.col("day").str.to_datetime("%Y-%m-%d"))
    .with_columns(pl.col(TEXTS).str.to_lowercase())
    .drop("constant")
    .unique(maintain_order=True)
    .with_row_index("row")
    .collect(engine="streaming")
)
held_out = table.select((pl.col("row").hash(0) % 5 == 0).over("target")).to_series()
table.filter(~held_out).write_parquet(f"{folder}/train.parquet", compression="lz4")
table.filter(held_out).write_parquet(f"{folder}/test.parquet", compression="lz4")
