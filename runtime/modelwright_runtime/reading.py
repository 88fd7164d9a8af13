"""How the raw cell of a column becomes a value: the one parser of cells, in training and in serving.

A `Reading` is plain data (it travels in the package as JSON). Cleaning decides it from the data; cleaning
and serving both read cells through `read_cell`, so a served row is read exactly as a training row was.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, Literal

Kind = Literal[
    "number", "category", "boolean", "datetime", "text", "image", "audio", "series", "boxes", "mask", "labels"
]
Value = float | str | None
Whole = bytes | list[float] | list[str] | None

MEDIA = ("image", "audio", "mask")
MAX_MEDIA_BYTES = 2**26
MAX_SERIES_VALUES = 2**22
CURRENCIES = "$€£¥₹₽₩"
_BLANKS = re.compile(r"\s+")  # \s covers the no-break and the thin blanks too
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z")
_SUFFIX = re.compile(r"(.*?\d[.,]?)\s*([^\d\s.,()+-][^\d]*[23]?)\Z", re.DOTALL)  # "12 m2" is "12" and "m2"
_PREFIX = re.compile(r"([^\W\d_]+\.?)\s*(?=[\d+.-])")  # "USD 12"
_MAX_NUMBER_CHARACTERS = 400  # the longest float64 written out has 327
_EPOCH = datetime(1970, 1, 1)


class CellError(ValueError):
    """A cell that cannot be read; `str(error)` is the reason, for the cleaning log and for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The rule that reads one column.

    `missing` are the markers that mean "no value" (compared stripped and case-folded; the empty text always
    does). `decimal` and `thousands` are the number's marks. `units` maps a suffix or prefix, as written, to the
    factor that brings it to the column's own unit (`{"cm": 10.0, "mm": 1.0}`; `"%": 0.01`); a bare number has
    factor 1, unless `""` says otherwise. `sentinels` are numbers (of a date: its seconds since 1970) that mean
    "no value"; values outside `low..high` are impossible and read as missing. `formats` are `strptime` formats,
    tried in order. `true` and `false` are case-folded words. `variants` maps a spelling of a category to its
    canonical spelling.
    """

    column: str
    kind: Kind
    missing: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    units: Mapping[str, float] = field(default_factory=dict)
    sentinels: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    formats: tuple[str, ...] = ()
    true: tuple[str, ...] = ()
    false: tuple[str, ...] = ()
    variants: Mapping[str, str] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """JSON-able form; only what differs from the default."""
        plain: dict[str, Any] = {"column": self.column, "kind": self.kind}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name not in plain and value not in ((), {}, "", None) and value != item.default:
                plain[item.name] = list(value) if isinstance(value, tuple) else value
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Reading:
        """The inverse of `to_plain`.

        >>> reading = Reading(column="price", kind="number", decimal=",", missing=("?",))
        >>> Reading.from_plain(reading.to_plain()) == reading
        True
        """
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        return cls(**settings)


def is_missing(text: str, reading: Reading) -> bool:
    """Whether a stripped text means "no value" in this column.

    >>> is_missing("N/A", Reading(column="x", kind="number", missing=("n/a",)))
    True
    """
    return not text or (bool(reading.missing) and text.casefold() in reading.missing)


def read_cell(cell: Any, reading: Reading) -> Value:
    """Read one cell: a finite number, a text or None. Datetimes are seconds since 1970, booleans 0 or 1.

    Images, sounds, series and labels are no single values: `read_whole` reads them.

    Raises `CellError` with the reason when the cell is neither missing nor readable.

    >>> read_cell(" 1.234,5 € ", Reading(column="x", kind="number", decimal=",", thousands="."))
    1234.5
    >>> read_cell("2 cm", Reading(column="x", kind="number", units={"mm": 1.0, "cm": 10.0}))
    20.0
    >>> read_cell(" NEW  york", Reading(column="c", kind="category", variants={"NEW york": "New York"}))
    'New York'
    """
    if type(cell) is not str:
        if isinstance(cell, (list, tuple, dict, set, bytes)) or getattr(cell, "ndim", None):
            raise CellError(f"not a single value: {_shown(cell)}")
        cell = cell.item() if hasattr(cell, "item") else cell
        if cell is None or type(cell).__name__ == "NAType" or cell != cell:  # None, pandas.NA, NaN, NaT
            return None
    kind = reading.kind
    if kind == "number":
        return _read_number(cell, reading)
    if kind == "category":
        text = _BLANKS.sub(" ", as_text(cell)).strip()
        return None if is_missing(text, reading) else reading.variants.get(text, text)
    if kind == "text":
        text = as_text(cell).strip()
        return None if is_missing(text, reading) else text
    if kind == "boolean":
        return _read_boolean(cell, reading)
    return _read_datetime(cell, reading)


def _shown(cell: Any) -> str:
    """A cell for a message; Python refuses to write integers of thousands of digits."""
    try:
        return repr(cell)[:60]
    except ValueError:
        return "a number of thousands of digits"


def as_text(cell: Any) -> str:
    """A cell as the text that a CSV file would hold: whole floats without a point, booleans in lower case.

    >>> as_text(3.0), as_text(True), as_text("x")
    ('3', 'true', 'x')
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    try:
        return str(cell)
    except ValueError:
        raise CellError(f"not readable: {_shown(cell)}") from None


def _read_number(cell: Any, reading: Reading) -> float | None:
    if isinstance(cell, str):
        text = cell.strip()
        if is_missing(text, reading):
            return None
        number = parse_number(text, reading)
    else:
        try:
            number = float(cell)
        except (TypeError, ValueError, OverflowError):
            raise CellError(f"not a number: {_shown(cell)}") from None
    if not math.isfinite(number):
        raise CellError(f"not a finite number: {_shown(cell)}")
    return _if_possible(number, reading)


def _if_possible(number: float, reading: Reading) -> float | None:
    if number in reading.sentinels:
        return None
    if (reading.low is not None and number < reading.low) or (reading.high is not None and number > reading.high):
        return None
    return number


def parse_number(text: str, reading: Reading) -> float:
    """The number that a stripped, non-missing text says; raises `CellError`.

    Currency signs are passed over, `(12)` is minus twelve, a known unit multiplies.

    >>> parse_number("$1,234.50", Reading(column="x", kind="number", thousands=","))
    1234.5
    >>> parse_number("12.0 oz.", Reading(column="x", kind="number", units={"oz.": 1.0}))
    12.0
    """
    if len(text) > _MAX_NUMBER_CHARACTERS:  # `_SUFFIX` takes quadratic time
        raise CellError(f"not a number: {text[:60]!r} ...")
    plain = text.replace("\u2212", "-")  # the minus sign of typesetters
    if reading.decimal == "." and _NUMBER.match(plain):
        return float(plain) * reading.units.get("", 1.0)
    negative = plain.startswith("(") and plain.endswith(")")
    plain = plain.strip("()").strip().strip(CURRENCIES).strip()
    factor = reading.units.get("", 1.0)
    if reading.units:
        plain, factor = _without_unit(plain, reading.units, factor)
    if plain[:1] in "+-" and plain[1:2] and plain[1] in CURRENCIES:
        plain = plain[0] + plain[2:]
    if reading.thousands:
        plain = plain.replace("\u00a0", " ").replace("\u202f", " ")
        _check_groups(plain, text, reading)
        plain = plain.replace(reading.thousands, "")
    if reading.decimal == ",":
        plain = plain.replace(",", ".")
    if not _NUMBER.match(plain):
        raise CellError(f"not a number: {text!r}"[:80])
    return float(plain) * factor * (-1.0 if negative else 1.0)


def _without_unit(text: str, units: Mapping[str, float], factor: float) -> tuple[str, float]:
    """The text without its known unit, and the factor of that unit."""
    suffix = _SUFFIX.match(text)
    if suffix and suffix.group(2) in units:
        return suffix.group(1), units[suffix.group(2)]
    prefix = _PREFIX.match(text)
    if prefix and prefix.group(1) in units:
        return text[prefix.end() :], units[prefix.group(1)]
    return text, factor


def _check_groups(plain: str, text: str, reading: Reading) -> None:
    """Thousands marks must stand before groups of three: `1,23` is not one hundred and twenty-three."""
    whole = plain.split(reading.decimal)[0].lstrip("+-")
    groups = whole.split(reading.thousands)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        raise CellError(f"thousands marks out of place: {text!r}"[:80])


def _read_boolean(cell: Any, reading: Reading) -> float | None:
    text = as_text(cell).strip()
    if is_missing(text, reading):
        return None
    word = text.casefold()
    if word in reading.true:
        return 1.0
    if word in reading.false:
        return 0.0
    raise CellError(f"neither {'/'.join(reading.true)} nor {'/'.join(reading.false)}: {text!r}"[:120])


def _read_datetime(cell: Any, reading: Reading) -> float | None:
    if isinstance(cell, datetime):
        moment = cell
    elif isinstance(cell, date):
        moment = datetime(cell.year, cell.month, cell.day)
    else:
        text = as_text(cell).strip()
        if is_missing(text, reading):
            return None
        moment = _parse_datetime(text, reading)
    if moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise CellError(f"not a date between the years 1 and 9999: {_shown(cell)}") from None
    return _if_possible((moment - _EPOCH).total_seconds(), reading)


def _parse_datetime(text: str, reading: Reading) -> datetime:
    for form in reading.formats:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    if not reading.formats:  # the source had dates of its own; JSON and CSV can only spell them
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    expected = " or ".join(reading.formats) or "2024-12-31 or 2024-12-31T23:59:59"
    raise CellError(f"not a date of the form {expected}: {text!r}"[:120])


def read_whole(cell: Any, reading: Reading) -> Whole:
    """Read a cell that is no single value: a file's bytes, a list of numbers, a list of texts, or None.

    Images, masks and sounds are bytes, or their base64, also as a `data:` URI; the file is not opened here. A series
    is a list of numbers, or a text such as `[1, 2]`, `1;2,5;3`, `1 2 3` or `1,2,3`: NaN where a value is missing,
    None where all are. Labels are a list of texts, or a text parted by `|`, `;` or `,`.

    Raises `CellError` with the reason when the cell is neither missing nor readable.

    >>> read_whole("data:image/png;base64,iVBORw0K", Reading(column="photo", kind="image"))
    b'\\x89PNG\\r\\n'
    >>> read_whole("1;2,5;", Reading(column="s", kind="series"))
    [1.0, 2.5, nan]
    >>> read_whole("war|love", Reading(column="l", kind="labels"))
    ['war', 'love']
    """
    if isinstance(cell, str):
        cell = cell.strip()
        if is_missing(cell, reading):
            return None
    elif cell is None or type(cell).__name__ == "NAType" or (isinstance(cell, float) and cell != cell):
        return None
    if reading.kind in MEDIA:
        return _read_file(cell)
    if reading.kind == "series":
        return _read_series(cell)
    if reading.kind == "labels":
        return _read_labels(cell)
    raise CellError(f"{reading.kind} are not read from a cell")


def _read_file(cell: Any) -> bytes:
    if isinstance(cell, str):
        data = _from_base64(cell)
    elif isinstance(cell, (bytes, bytearray, memoryview)):
        data = bytes(cell)
    else:
        raise CellError(f"neither a file's bytes nor their base64: {_shown(cell)}")
    if not data:
        raise CellError("a file of 0 bytes")
    if len(data) > MAX_MEDIA_BYTES:
        raise CellError(f"a file of {len(data):,} bytes; at most {MAX_MEDIA_BYTES:,} are read")
    return data


def _from_base64(text: str) -> bytes:
    if len(text) > 2 * MAX_MEDIA_BYTES:
        raise CellError(f"a file of more than {MAX_MEDIA_BYTES:,} bytes")
    head, comma, rest = text.partition(",")
    if comma and head.startswith("data:"):
        if not head.endswith(";base64"):
            raise CellError("a data: URI must be of base64")
        text = rest
    if not text.isascii():
        raise CellError(f"no base64 of a file: {text[:60]!r}")
    if any(mark in text for mark in " \n\r\t"):
        text = "".join(text.split())
    if "-" in text or "_" in text:
        text = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CellError(f"no base64 of a file: {text[:60]!r}") from None


def _read_series(cell: Any) -> list[float] | None:
    """Numbers, NaN where one is missing or not finite; None when there is none at all."""
    if isinstance(cell, str):
        values = _parse_series(cell)
    else:
        if hasattr(cell, "tolist"):
            cell = cell.tolist()
        elif hasattr(cell, "to_list"):
            cell = cell.to_list()
        if not isinstance(cell, (list, tuple)):
            raise CellError(f"no list of numbers: {_shown(cell)}")
        values = list(cell)
    if len(values) > MAX_SERIES_VALUES:
        raise CellError(f"a series of {len(values):,} values; at most {MAX_SERIES_VALUES:,} are read")
    if not set(map(type, values)) <= {float, int}:
        values = [_step(value) for value in values]
    try:
        numbers = [float(value) for value in values]
    except OverflowError:
        raise CellError("a number is beyond a 64-bit float") from None
    finite = [number if math.isfinite(number) else math.nan for number in numbers]
    return finite if any(number == number for number in finite) else None


def _step(value: Any) -> float:
    if value is None or (isinstance(value, str) and value.strip().casefold() in ("", "nan", "null", "none", "na")):
        return math.nan
    if isinstance(value, (list, tuple, dict, bytes)):
        raise CellError(f"no flat list of numbers: {_shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise CellError(f"not a number in a list of numbers: {_shown(value)}") from None


def _parse_series(text: str) -> list[Any]:
    """The parts of a text: JSON, or parted by semicolons (then a comma is a decimal mark), blanks or commas."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            raise CellError(f"no list of numbers: {text[:60]!r}") from None
        if not isinstance(found, list):
            raise CellError(f"no list of numbers: {text[:60]!r}")
        return found
    if ";" in text:
        return [part.strip().replace(",", ".") for part in text.split(";")]
    if "," in text:
        return [part.strip() for part in text.split(",")]
    return list(text.split())


def _read_labels(cell: Any) -> list[str]:
    if isinstance(cell, str):
        if cell.startswith("["):
            try:
                cell = json.loads(cell)
            except (ValueError, RecursionError):
                raise CellError(f"no list of labels: {cell[:60]!r}") from None
        else:
            mark = next((mark for mark in "|;," if mark in cell), None)
            cell = cell.split(mark) if mark else [cell]
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if not isinstance(cell, (list, tuple)) or any(isinstance(item, (list, dict, bytes)) for item in cell):
        raise CellError(f"no list of labels: {_shown(cell)}")
    labels = (as_text(item).strip() for item in cell if item is not None)
    return list(dict.fromkeys(label for label in labels if label))
