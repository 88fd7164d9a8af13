"""Versions of a dataset: append, open, compare, trace, forget; and shuffled batches for training."""

from modelwright.collection.versions.commit import Arrival, Change, Gone, Origin, OvertakenError, append, commit
from modelwright.collection.versions.compare import ColumnShift, Difference, diff
from modelwright.collection.versions.keeping import digests_kept, forget
from modelwright.collection.versions.ledger import files_of, ledger_of, trace
from modelwright.collection.versions.manifest import Version, find, names, newest, tag, tags, untag, versions_of
from modelwright.collection.versions.opening import open_version
from modelwright.collection.versions.shuffling import RowReader, open_reader, shuffled
from modelwright.collection.versions.writing import Written, write_parts

__all__ = [
    "Arrival",
    "Change",
    "ColumnShift",
    "Difference",
    "Gone",
    "Origin",
    "OvertakenError",
    "RowReader",
    "Version",
    "Written",
    "append",
    "commit",
    "diff",
    "digests_kept",
    "files_of",
    "find",
    "forget",
    "ledger_of",
    "names",
    "newest",
    "open_reader",
    "open_version",
    "shuffled",
    "tag",
    "tags",
    "trace",
    "untag",
    "versions_of",
    "write_parts",
]
