"""A package as one C99 file and its header: cells in, answer out, no heap, no library."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelwright.core.errors import UserError

if TYPE_CHECKING:
    from modelwright.packaging.targets._plan import Plan
    from modelwright.packaging.targets._writer import Read, Writer
    from modelwright_runtime.model import Model
    from modelwright_runtime.signature import Signature

MAX_TABLE_BYTES = 64 * 2**20
_KEYWORDS = frozenset({
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
})  # fmt: skip
TASKS = ("binary", "multiclass", "multilabel", "regression", "forecast")


@dataclass(frozen=True, kw_only=True)
class Source:
    """The C of a model: two texts, and the bytes of its constant tables and of its working memory."""

    name: str
    header: str
    code: str
    table_bytes: int
    memory_bytes: int


def embedded_source(model: Model) -> Source:
    """Compile a package's graph to C99.

    The caller fills a row: numbers as doubles (booleans 0 and 1, datetimes seconds since 1970, NaN where missing), and
    categories as texts (NULL where missing). The bounds, sentinels, markers of missing values and spellings that
    training knew are applied in C; only the taking apart of numbers written as text stays with the caller. Answers are
    those of the package, float32 probabilities or float64 values, to the rounding of sums.

    Raises `UserError` `target.operator` for an operator that has no C, `target.column` for a column that is no number
    and no category, `target.task` for pictures and for several targets, and `target.size` beyond 64 MiB of tables.
    Cost: one run of the graph for one row, and 1 s for each 10 MB of trees.

    >>> from modelwright.testing.packages import tiny_graph, tiny_signature
    >>> from modelwright_runtime.model import Model
    >>> made = embedded_source(Model(tiny_graph(), tiny_signature(), name="Paid bills"))
    >>> made.name, "malloc" in made.code, made.memory_bytes < 200
    ('paid_bills', False, True)
    """
    from modelwright.packaging.targets._graphs import graph_of
    from modelwright.packaging.targets._plan import read_plan
    from modelwright.packaging.targets._writer import Writer

    signature = model.signature
    _check(signature)
    writer = Writer(read_plan(graph_of(model)))
    name = c_name(model.name)
    rows = _rows(writer, signature, name)
    _steps(writer, writer.plan)
    out = writer.plan.outputs[0]
    answer = writer.buffer(out)
    writer.text(f"for (i = 0; i < {writer.value(out).size}; ++i) answer[i] = {answer}[i];")
    memory, pointers, memory_bytes = writer.laid_out()
    if writer.table_bytes > MAX_TABLE_BYTES:
        raise UserError(
            "target.size", f"the embedded target would hold {writer.table_bytes:,} bytes of tables; "
            f"at most {MAX_TABLE_BYTES:,} are written.", hint="train with fewer or smaller trees",
        )  # fmt: skip
    return Source(
        name=name,
        header=_header(signature, name, writer, out),
        code=_code(signature, name, writer, (memory, pointers), (rows, out)),
        table_bytes=writer.table_bytes,
        memory_bytes=memory_bytes,
    )


def c_name(name: str) -> str:
    """A model's name as C can say it.

    >>> c_name("Ames Housing"), c_name("2 cities"), c_name("double")
    ('ames_housing', 'm_2_cities', 'm_double')
    """
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "model"
    return f"m_{plain}" if plain[0].isdigit() or plain in _KEYWORDS else plain[:60]


def _check(signature: Signature) -> None:
    if signature.more_tasks or signature.task.kind not in TASKS:
        raise UserError(
            "target.task", f"the embedded target cannot answer {signature.task.kind} with "
            f"{len(signature.more_tasks)} further targets.", hint="take the target `mobile`",
        )  # fmt: skip
    if signature.task.columns or signature.task.sets or (signature.task.costs and signature.task.kind != "binary"):
        raise UserError(
            "target.task", "the embedded target tells one class or one value, this model also costs, quantiles, an "
            "interval or a set.", hint="take the target `mobile`, or train without `conformal`, `objective`, `costs`",
        )  # fmt: skip
    if signature.group_thresholds is not None:
        raise UserError(
            "target.task", "the embedded target has one threshold, this model one for each "
            f"{' and '.join(signature.group_thresholds.names)}.", hint="train without `fair`, or with weights",
        )  # fmt: skip
    for array in signature.arrays:
        if array.form not in ("numbers", "codes"):
            raise _column(array.columns[0], array.form)
    if signature.texts:
        raise _column(signature.texts[0].column, "text")


def _column(name: str, kind: str) -> UserError:
    return UserError(
        "target.column", f"the embedded target cannot read the column {name!r} ({kind}); it takes numbers and "
        "categories.", hint="leave the column out of training, or take the target `mobile`",
    )  # fmt: skip


# What comes in ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Columns:
    """The columns of a row in C, in order: those given as numbers, and those given as texts."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]


def columns_of(signature: Signature) -> Columns:
    """Which columns a row has in C: numbers, booleans and datetimes as doubles, categories as texts."""
    kinds = {reading.column: reading.kind for reading in signature.readings}
    listed = [*signature.numbers, *(name for array in signature.arrays for name in array.columns)]
    listed += signature.categories
    names = list(dict.fromkeys(listed))
    texts = [name for name in names if kinds[name] == "category" or name in signature.categories]
    return Columns(tuple(name for name in names if name not in texts), tuple(texts))


def _rows(writer: Writer, signature: Signature, name: str) -> list[str]:
    """Statements that read a row's cells into `numbers` and `texts`; the graph's inputs read from those."""
    from modelwright.packaging.targets._cells import array_reads, number_statements, text_statements

    columns = columns_of(signature)
    lines = number_statements(writer, signature, columns) + text_statements(writer, signature, columns)
    places = [columns.numbers.index(column) for column in signature.numbers]
    if signature.numbers:
        writer.given("numbers", _picked(writer, "numbers", places))
    if signature.categories:
        places = [columns.texts.index(column) for column in signature.categories]
        writer.given("categories", _picked(writer, "texts", places))
    array_reads(writer, signature, columns)
    return lines


def _picked(writer: Writer, array: str, places: list[int]) -> Read:
    import numpy as np

    from modelwright.packaging.targets._literals import index_expression

    where = index_expression(np.array(places))
    table = "" if where else writer.table(np.array(places))
    return lambda index: f"{array}[{where(index) if where else f'{table}[{index}]'}]"


def _steps(writer: Writer, plan: Plan) -> None:
    from modelwright.packaging.targets._operators import write_step

    for step in plan.steps:
        write_step(writer, step)


# The texts ----------------------------------------------------------------------------------------------------


def _c_comment(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text).replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def _c_text(text: str) -> str:
    """A text as C writes it; bytes beyond ASCII in octal, and no trigraphs."""
    made = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{made}"'


def _header(signature: Signature, name: str, writer: Writer, out: str) -> str:
    columns, task, upper = columns_of(signature), signature.task, name.upper()
    value = writer.value(out)
    kind = "float" if value.dtype.itemsize == 4 else "double"
    kinds = {reading.column: reading.kind for reading in signature.readings}
    lines = [
        f"/* {_c_comment(name)}: {task.kind} of {_c_comment(task.target)}. Written by Modelwright; do not edit.",
        " * Not for two threads at once: the working memory is static. */",
        f"#ifndef MW_{upper}_H", f"#define MW_{upper}_H", "",
        f"#define {upper}_N_NUMBERS {len(columns.numbers)}",
        f"#define {upper}_N_TEXTS {len(columns.texts)}",
        f"#define {upper}_N_ANSWERS {value.size}",
        f"#define {upper}_N_CLASSES {len(task.classes)}", "",
        "typedef struct {",
    ]  # fmt: skip
    told = {"boolean": "0 or 1", "datetime": "seconds since 1970"}
    if columns.numbers:
        lines.append(f"  double numbers[{len(columns.numbers)}]; /* NAN where missing */")
        lines += [
            f"  /* {place}: {_c_comment(column)}{', ' + told[kinds[column]] if kinds[column] in told else ''} */"
            for place, column in enumerate(columns.numbers)
        ]
    if columns.texts:
        lines.append(f"  const char *texts[{len(columns.texts)}]; /* UTF-8; NULL where missing */")
        lines += [f"  /* {place}: {_c_comment(column)} */" for place, column in enumerate(columns.texts)]
    lines += [f"}} {name}_row;", ""]
    if task.classes:
        lines.append(f"extern const char *const {name}_classes[{len(task.classes)}];")
    says = {
        "binary": f"{kind} probabilities of the classes; returns the number of the class that is said",
        "multiclass": f"{kind} probabilities of the classes; returns the number of the likeliest",
        "multilabel": f"{kind} probability of each label; returns 0",
    }.get(task.kind, f"{kind} values; returns 0")
    lines += [f"/* Answers one row: {says}. */", f"int {name}_predict(const {name}_row *row, {kind} *answer);", ""]
    return "\n".join([*lines, f"#endif /* MW_{upper}_H */", ""])


def _code(
    signature: Signature,
    name: str,
    writer: Writer,
    room: tuple[list[str], dict[str, str]],
    body: tuple[list[str], str],
) -> str:
    from modelwright.packaging.targets._support import support

    (memory, pointers), (rows, out) = room, body
    columns, value = columns_of(signature), writer.value(out)
    kind = "float" if value.dtype.itemsize == 4 else "double"
    sums = max((int(item.split()[1]) for item in writer.helpers if item.startswith("sums ")), default=0)
    statements = [*rows, *writer.body]
    used = "\n".join([*statements, *_decision(signature)])
    counters = [letter for letter in "ijkr" if re.search(rf"\b{letter}\b", used)]
    local = [f"int {', '.join(counters)};"]
    local += [f"double sums[{sums}];"] if sums else []
    local += [f"double numbers[{len(columns.numbers)}];"] if columns.numbers else []
    local += [f"const char *texts[{len(columns.texts)}];"] if columns.texts else []
    local += [line for name, line in pointers.items() if re.search(rf"\b{name}\b", used)]
    local += ["(void)numbers;"] if columns.numbers else []  # a model may look at none of them
    local += ["(void)texts;"] if columns.texts else []
    classes = ", ".join(_c_text(text) for text in signature.task.classes)
    parts = [
        f'#include "{name}.h"\n\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>',
        f"const char *const {name}_classes[{len(signature.task.classes)}] = {{{classes}}};" if classes else "",
        "\n".join(writer.tables), support(writer.helpers), "\n".join(memory),
        f"int {name}_predict(const {name}_row *row, {kind} *answer) {{",
    ]  # fmt: skip
    text = "\n\n".join(part for part in parts if part)
    lines = [*local, *statements, *_decision(signature)]
    return text + "\n" + "\n".join(f"  {line}" for line in lines) + "\n}\n"


def _decision(signature: Signature) -> list[str]:
    from modelwright.packaging.targets._literals import literal

    task = signature.task
    if task.kind == "binary":
        return [f"return answer[1] >= {literal(signature.threshold, 'double')};"]
    if task.kind == "multiclass":
        return ["j = 0;", f"for (i = 1; i < {len(task.classes)}; ++i) if (answer[i] > answer[j]) j = i;", "return j;"]
    return ["return 0;"]
