"""The values of `core.values` to JSON plus blobs, and back: Parquet, ONNX and JSON, nothing else.

`encode(store, value)` keeps what is large as blobs and returns plain data that names them by digest;
`decode(store, plain)` is its inverse. The digest of that plain data is what a stage's output *is*.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelwright.core.data import ROW_ID, Dataset, Decision, Schema
from modelwright.core.parts import Part, scan
from modelwright.core.store import Store, canonical
from modelwright.core.values import Candidate, Cleaned, Metric, Report, Splits, Trained

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from modelwright_runtime.signature import Task


def plain_of(value: Any) -> Any:
    """Nested dataclasses, tuples, mappings and NumPy scalars as JSON-able data; NaN and infinities as None.

    >>> plain_of({"a": (1, float("nan")), "d": Decision("split", "kind", "random", "no groups")})["a"]
    [1, None]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain_of(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain_of(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_of(item) for item in value]
    if hasattr(value, "tolist"):
        return plain_of(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _put_json(store: Store, value: Any) -> str:
    return store.put(canonical(plain_of(value)))


def _get_json(store: Store, digest: str) -> Any:
    return json.loads(store.get(digest))


def _put_table(store: Store, table: pl.LazyFrame) -> str:
    import polars as pl

    heavy = any(dtype == pl.Binary or dtype.is_nested() for dtype in table.collect_schema().dtypes())
    with store.scratch(".parquet") as path:
        # small row groups: whoever streams the table holds several of them (1 << 18 took twice the memory);
        # cells that are whole pictures have no use for a least and a largest value, which the footer would hold
        n_rows = 1 << 10 if heavy else 1 << 16
        table.sink_parquet(path, compression="lz4", statistics=not heavy, row_group_size=n_rows)
        return store.adopt(path)


def _get_table(store: Store, digest: str) -> pl.LazyFrame:
    import polars as pl

    return pl.scan_parquet(store.path(digest))


def encode(store: Store, value: Any) -> dict[str, Any]:
    """Keep a value in the store; plain data that names its blobs."""
    kind = type(value).__name__
    return {"kind": kind, **_ENCODE[kind](store, value)}


def decode(store: Store, plain: Mapping[str, Any]) -> Any:
    """The value that `encode` kept, its bytes verified."""
    return _DECODE[plain["kind"]](store, plain)


def _encode_dataset(store: Store, data: Dataset) -> dict[str, Any]:
    if data.known_digest and store.blob(data.known_digest).exists():
        manifest = _get_json(store, data.known_digest)
        if "parts" in manifest:  # a version of a dataset: its parts are named, not copied
            return {"manifest": data.known_digest, "parts": [part[0] for part in manifest["parts"]]}
        return {"manifest": data.known_digest, "table": manifest["table"]}
    manifest = {
        "schema": data.schema.to_plain(),
        "n_rows": data.n_rows,
        "origin": plain_of(data.origin),
        "table": _put_table(store, data.table),
    }
    return {"manifest": _put_json(store, manifest), "table": manifest["table"]}


def _decode_dataset(store: Store, plain: Mapping[str, Any]) -> Dataset:
    manifest = _get_json(store, plain["manifest"])
    schema = Schema.from_plain(manifest["schema"])
    if "parts" in manifest:
        types = {name: manifest["types"][name] for name in schema.names}
        table = scan(store, [Part.from_plain(part) for part in manifest["parts"]], types)
    else:
        table = _get_table(store, manifest["table"])
    return Dataset(table, schema, manifest["n_rows"], manifest["origin"], plain["manifest"])


def _encode_cleaned(store: Store, cleaned: Cleaned) -> dict[str, Any]:
    return {
        "kept": encode(store, cleaned.kept),
        "removed": _put_table(store, cleaned.removed.lazy()),
        "changes": _put_table(store, cleaned.changes),
        "readings": _put_json(store, [reading.to_plain() for reading in cleaned.readings]),
        "decisions": _put_json(store, cleaned.decisions),
        "raw": encode(store, cleaned.raw),
    }


def _decode_cleaned(store: Store, plain: Mapping[str, Any]) -> Cleaned:
    from modelwright_runtime.reading import Reading

    return Cleaned(
        kept=decode(store, plain["kept"]),
        removed=_get_table(store, plain["removed"]).collect(),
        changes=_get_table(store, plain["changes"]),
        readings=tuple(Reading.from_plain(reading) for reading in _get_json(store, plain["readings"])),
        decisions=_decisions(_get_json(store, plain["decisions"])),
        raw=decode(store, plain["raw"]),
    )


def _decisions(plain: Any) -> tuple[Decision, ...]:
    return tuple(Decision(**decision) for decision in plain)


def _encode_splits(store: Store, splits: Splits) -> dict[str, Any]:
    import polars as pl

    train = pl.DataFrame({ROW_ID: splits.train.astype("uint64"), "fold": splits.folds.astype("int8")})
    test = pl.DataFrame({ROW_ID: splits.test.astype("uint64")})
    return {
        "train": _put_table(store, train.lazy()),
        "test": _put_table(store, test.lazy()),
        "split": splits.kind,
        "ordered": splits.ordered,
        "decisions": _put_json(store, splits.decisions),
    }


def _decode_splits(store: Store, plain: Mapping[str, Any]) -> Splits:
    train = _get_table(store, plain["train"]).collect()
    return Splits(
        train=train[ROW_ID].to_numpy(),
        test=_get_table(store, plain["test"]).collect()[ROW_ID].to_numpy(),
        folds=train["fold"].to_numpy(),
        kind=plain["split"],
        ordered=plain["ordered"],
        decisions=_decisions(_get_json(store, plain["decisions"])),
    )


def _encode_trained(store: Store, trained: Trained) -> dict[str, Any]:
    import polars as pl

    shape = trained.validation.shape
    if len(shape) <= 2:
        columns = trained.validation.reshape(shape[0], -1).T
        table = pl.DataFrame({f"output_{index}": column for index, column in enumerate(columns)})
    else:  # boxes and masks have thousands of numbers a row, which would be as many columns
        table = pl.DataFrame({"output": trained.validation.ravel()})
    return {
        "graph": store.put(trained.graph),
        "signature": _put_json(store, trained.signature.to_plain()),
        "validation": _put_table(store, table.lazy()),
        "record": _put_json(
            store,
            {
                "leaderboard": trained.leaderboard,
                "importance": trained.importance,
                "decisions": trained.decisions,
                "parity": trained.parity,
                "history": trained.history,
                **({"shape": shape} if len(shape) > 2 else {}),
            },
        ),
    }


def _decode_trained(store: Store, plain: Mapping[str, Any]) -> Trained:
    from modelwright_runtime.signature import Signature

    record = _get_json(store, plain["record"])
    validation: np.ndarray = _get_table(store, plain["validation"]).collect().to_numpy()
    signature = Signature.from_plain(_get_json(store, plain["signature"]))
    return Trained(
        graph=store.get(plain["graph"]),
        signature=signature,
        leaderboard=tuple(Candidate(**candidate) for candidate in record["leaderboard"]),
        validation=_shaped(validation, record.get("shape"), signature.task),
        importance=record["importance"],
        decisions=_decisions(record["decisions"]),
        parity=record["parity"],
        history=tuple(record["history"]),
    )


def _shaped(table: np.ndarray, shape: list[int] | None, task: Task) -> np.ndarray:
    """Validated answers as they were: (n, n_classes), (n,), or of any shape that was kept beside."""
    if shape is not None:
        return table.reshape(shape)
    return table[:, 0] if task.kind == "regression" else table


def _encode_report(store: Store, report: Report) -> dict[str, Any]:
    return {"report": _put_json(store, report)}


def _decode_report(store: Store, plain: Mapping[str, Any]) -> Report:
    return _report(_get_json(store, plain["report"]))


def _report(record: Mapping[str, Any]) -> Report:
    metrics = {name: tuple(Metric(**metric) for metric in record[name]) for name in ("metrics", "baseline")}
    parts = {
        "slices": tuple(record["slices"]),
        "decisions": _decisions(record["decisions"]),
        "more": tuple(_report(one) for one in record.get("more", ())),
    }
    return Report(**{**record, **metrics, **parts})


_ENCODE: dict[str, Any] = {
    "Dataset": _encode_dataset,
    "Cleaned": _encode_cleaned,
    "Splits": _encode_splits,
    "Trained": _encode_trained,
    "Report": _encode_report,
}
_DECODE: dict[str, Any] = {
    "Dataset": _decode_dataset,
    "Cleaned": _decode_cleaned,
    "Splits": _decode_splits,
    "Trained": _decode_trained,
    "Report": _decode_report,
}
