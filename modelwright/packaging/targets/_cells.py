"""How the cells of a row are read in C: what `modelwright_runtime.cells` does, for numbers and for short texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwright.packaging.targets._writer import Writer
    from modelwright.packaging.targets.embedded import Columns
    from modelwright_runtime.reading import Reading
    from modelwright_runtime.signature import Signature

_LARGEST = 1.7976931348623157e308


def number_statements(writer: Writer, signature: Signature, columns: Columns) -> list[str]:
    """Numbers that are infinite, out of bounds or a sentinel become NaN."""
    import numpy as np

    readings = {reading.column: reading for reading in signature.readings}
    listed = [readings[name] for name in columns.numbers]
    if not listed:
        return []
    low = np.array([-_LARGEST if item.low is None else item.low for item in listed], dtype=np.float64)
    high = np.array([_LARGEST if item.high is None else item.high for item in listed], dtype=np.float64)
    bounds = [_bound(writer, array) for array in (low, high)]
    lines = [
        f"for (i = 0; i < {len(listed)}; ++i) {{",
        "  const double one = row->numbers[i];",
        f"  numbers[i] = one >= {bounds[0]} && one <= {bounds[1]} ? one : NAN;",
        "}",
    ]
    pairs = [(place, value) for place, item in enumerate(listed) for value in item.sentinels]
    if pairs:
        places = writer.table(np.array([place for place, _ in pairs]))
        values = writer.table(np.array([value for _, value in pairs]), kind="double")
        lines.append(
            f"for (i = 0; i < {len(pairs)}; ++i) if (numbers[{places}[i]] == {values}[i]) numbers[{places}[i]] = NAN;"
        )
    return lines


def _bound(writer: Writer, bounds: Any) -> str:
    from modelwright.packaging.targets._literals import literal

    if (bounds == bounds[0]).all():
        return literal(bounds[0], "double")
    return f"{writer.table(bounds, kind='double')}[i]"


def text_statements(writer: Writer, signature: Signature, columns: Columns) -> list[str]:
    """Markers of missing values become the empty text, known spellings the one that training used."""
    from modelwright.packaging.targets.embedded import _c_text

    readings = {reading.column: reading for reading in signature.readings}
    if not columns.texts:
        return []
    lines = [f'for (i = 0; i < {len(columns.texts)}; ++i) texts[i] = row->texts[i] ? row->texts[i] : "";']
    for place, name in enumerate(columns.texts):
        for marker in _folded(readings[name]):
            writer.helpers.add("order")
            lines.append(f'if (!mw_order(texts[{place}], {_c_text(marker)}, 1)) texts[{place}] = "";')
        # one after the other would read a spelling's own spelling again
        spellings = [pair for pair in readings[name].variants.items() if pair[0] != pair[1]]
        for number, (spelling, canonical) in enumerate(spellings):
            writer.helpers.add("order")
            other = "else " if number else ""
            test = f"!mw_order(texts[{place}], {_c_text(spelling)}, 0)"
            lines.append(f"{other}if ({test}) texts[{place}] = {_c_text(canonical)};")
    return lines


def _folded(reading: Reading) -> list[str]:
    """The markers, in small letters; beyond ASCII only as they are written."""
    return sorted({marker.casefold() for marker in reading.missing if marker})


def array_reads(writer: Writer, signature: Signature, columns: Columns) -> None:
    """The arrays of a network over a table: numbers as float32, categories as codes."""
    for place, array in enumerate(signature.arrays):
        name = f"array_{place}"
        if array.form == "numbers":
            _number_array(writer, name, array, columns)
        else:
            _code_array(writer, name, array, columns)


def _number_array(writer: Writer, name: str, array: Any, columns: Columns) -> None:
    """float32 of each column, or of its part of a date, less its shift."""
    from modelwright.packaging.targets._literals import literal
    from modelwright_runtime.dates import PARTS

    n_columns, settings = len(array.columns), array.settings
    parts = settings.get("parts") or [None] * n_columns
    origins = settings.get("origins") or [0.0] * n_columns
    shifts = settings.get("shift") or [0.0] * n_columns
    made = writer.room(name)
    for place, column in enumerate(array.columns):
        one = f"numbers[{columns.numbers.index(column)}]"
        if parts[place] is not None:
            writer.helpers.update(("date", "floor"))
            one = f"mw_date({one}, {literal(origins[place], 'double')}, {PARTS.index(parts[place])})"
        less = f" - {literal(shifts[place], 'double')}" if shifts[place] else ""
        writer.text(f"{made}[{place}] = (float)({one}{less});")


def _code_array(writer: Writer, name: str, array: Any, columns: Columns) -> None:
    """0 where missing, 1 where unseen, 2 and on the levels; booleans have the levels "0" and "1"."""
    import numpy as np

    from modelwright.packaging.targets._operators import _texts

    made = writer.room(name)
    for place, (column, levels) in enumerate(zip(array.columns, array.settings["levels"], strict=True)):
        if column in columns.numbers:
            one = f"numbers[{columns.numbers.index(column)}]"
            codes = {level: code for code, level in enumerate(levels, start=2)}
            no, yes = codes.get("0", 1), codes.get("1", 1)
            writer.text(f"{made}[{place}] = {one} != {one} ? 0 : {one} == 1 ? {yes} : {one} == 0 ? {no} : 1;")
            continue
        one = f"texts[{columns.texts.index(column)}]"
        where, order = _texts(writer, levels)
        table = writer.table(np.asarray(order) + 2)
        writer.helpers.update(("find", "order"))
        writer.text(f"k = mw_find({where}, {one});")
        writer.text(f'{made}[{place}] = !mw_order({one}, "", 0) ? 0 : k < 0 ? 1 : {table}[k];')
