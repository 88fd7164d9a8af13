"""Personal data masked on request: "write to ann@ex.org" becomes "write to [email]". Nothing is masked unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from modelwright.cleaning.findings import Findings
from modelwright.cleaning.mend import Method
from modelwright.cleaning.texts.columns import Change, changed_cells, text_columns
from modelwright.cleaning.texts.personal import What, personal
from modelwright.core.data import ROW_ID, Dataset
from modelwright.core.spec import Spec
from modelwright.core.values import Watch

if TYPE_CHECKING:
    import polars as pl

NAME = "masking"
SURE = 1.0  # asked for: no other change of the cell may win


class MaskingSpec(Spec):
    """Which personal data is masked, and where."""

    mask: tuple[What, ...] = Field((), description="email, phone, iban, card, ip, national_id; none: nothing is done")
    columns: tuple[str, ...] = Field((), description="in which columns; by default all that hold texts")


def propose(data: Dataset, spec: MaskingSpec, *, seed: int = 0, watch: Watch | None = None) -> Findings:
    """Propose texts with a word in place of each piece of personal data; what only looks like it is flagged.

    >>> import polars as pl
    >>> data = Dataset.from_frame(pl.DataFrame({"note": ["mail ann@ex.org", "call 030 / 1234567", "fine"]}))
    >>> found = propose(data, MaskingSpec(mask=("email", "phone")))
    >>> found.cells["after"].to_list(), found.flags["reason"].to_list()
    (['mail [email]'], ['may hold a telephone number'])

    Reference: ISO/IEC 7812-1 (Luhn), ISO 13616 (IBAN), RFC 5322; see `personal` for what is not found.
    """
    if not spec.mask:
        return Findings.of()
    for name in spec.columns:
        _ = data.schema[name]
    columns = [name for name in text_columns(data) if not spec.columns or name in spec.columns]

    def change(text: str) -> Change | None:
        return _masked(text, spec.mask)

    return Findings.of(
        cells=changed_cells(data, columns, NAME, change, _suspect()), flags=_looks_like(data, columns, spec.mask)
    )


def masked(text: str, wanted: tuple[What, ...]) -> str:
    """The text with `[email]`, `[phone]`, ... where such data stood.

    >>> masked("from 192.168.0.7, IBAN DE89 3704 0044 0532 0130 00.", ("ip", "iban"))
    'from [ip], IBAN [iban].'
    """
    for one in reversed([one for one in personal(text, wanted) if one.sure]):
        text = f"{text[: one.start]}[{one.what}]{text[one.end :]}"
    return text


def _masked(text: str, wanted: tuple[What, ...]) -> Change | None:
    found = sorted({one.what for one in personal(text, wanted) if one.sure})
    if not found:
        return None
    return masked(text, wanted), f"holds personal data: {', '.join(found).replace('_', ' ')}", SURE


def _suspect() -> pl.Expr:
    """Texts without an at sign, four digits or two colons cannot hold any."""
    import polars as pl

    return pl.col("before").str.contains(r"@|\d\D{0,3}\d\D{0,3}\d\D{0,3}\d|:.*:")


def _looks_like(data: Dataset, columns: list[str], wanted: tuple[What, ...]) -> pl.DataFrame | None:
    import polars as pl

    from modelwright.cleaning.texts.columns import flagged_cells

    if "phone" not in wanted:
        return None

    def judge(text: str) -> list[tuple[str, float]]:
        n_loose = sum(not one.sure for one in personal(text, ("phone", *wanted)))
        return [("may hold a telephone number", float(n_loose))] if n_loose else []

    numbered = data.table.select(ROW_ID, *columns).with_columns(
        pl.when(pl.col(name).str.contains(r"\b0\d")).then(pl.col(name)).alias(name) for name in columns
    )
    return flagged_cells(Dataset(numbered, data.schema, data.n_rows), columns, NAME, judge)


MEND = Method(
    name=NAME, about="Personal data in texts, masked where the settings ask for it.", propose=propose,
    kinds=("category", "text"), spec=MaskingSpec,
)  # fmt: skip
