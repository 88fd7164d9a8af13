"""Numbers and names as people write them."""

from __future__ import annotations

from math import floor, isfinite, log10


def figure(value: float | None, *, like: float | None = None) -> str:
    """A number as people write it, with three to four figures; `like` lends its number of decimals.

    >>> figure(0.98765), figure(54.3211), figure(1234567.8), figure(0.0012345), figure(None)
    ('0.988', '54.32', '1,234,568', '0.00123', '–')
    >>> figure(0.0442, like=0.131), figure(3e-9), figure(0.0)
    ('0.044', '3.00e-09', '0')
    """
    if value is None or not isfinite(value):
        return "–"
    pattern = value if like is None or not isfinite(like) else like
    size = abs(pattern)
    if size >= 1e12 or 0.0 < size < 1e-4:
        return f"{value:.2e}"
    if size == 0.0:
        return f"{value + 0.0:.3g}"  # adding nothing takes the sign from a negative zero
    decimals = 3 if 0.1 <= size < 10 else max(0, min(6, 2 - floor(log10(size)) + (size >= 1)))
    told = f"{value:,.{0 if size >= 1000 else decimals}f}"
    return told.removeprefix("-") if float(told.replace(",", "")) == 0.0 else told


def percent(share: float, *, like: float | None = None) -> str:
    """A share in percent: whole, but with a tenth near the ends, where it matters.

    >>> percent(0.634), percent(0.9934), percent(1.0), percent(0.0004), percent(0.94, like=0.97)
    ('63%', '99.3%', '100%', '0.04%', '94.0%')
    """
    hundredths, pattern = 100.0 * share, 100.0 * (share if like is None else like)
    if 5 <= pattern <= 95 or (hundredths == pattern and pattern in (0.0, 100.0)):
        return f"{hundredths:.0f}%"
    return f"{hundredths:.1f}%" if hundredths >= 0.1 or hundredths == 0.0 else f"{hundredths:.1g}%"


def short(text: str, length: int = 40) -> str:
    """A text cut to `length` characters, control characters shown as blanks.

    >>> short("a" * 50, 5), short("two\\nlines")
    ('aaaa…', 'two lines')
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text[: length + 1])
    return plain if len(plain) <= length else plain[: length - 1] + "…"
