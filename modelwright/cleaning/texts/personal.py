"""Personal data in texts: where it stands, and whether its check digits say that it is what it looks like."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

What = Literal["email", "phone", "iban", "card", "ip", "national_id"]
_LEFT, _RIGHT = r"(?<![\w.+-])", r"(?![\w-])"


@dataclass(frozen=True, slots=True)
class Found:
    """Personal data from `start` to `end` of a text. `sure` is False where only the look of it speaks for it."""

    start: int
    end: int
    what: What
    sure: bool


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1).

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


_IBAN_COUNTRIES = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
_IBAN_LENGTHS = {country: length for length, names in _IBAN_COUNTRIES.items() for country in names.split()}


def iban(text: str) -> bool:
    """Whether a text without blanks is an IBAN: its country's length and its check digits (ISO 13616).

    >>> iban("DE89370400440532013000"), iban("DE89370400440532013001")
    (True, False)
    """
    if _IBAN_LENGTHS.get(text[:2]) != len(text):
        return False
    return int("".join(str(int(mark, 36)) for mark in text[4:] + text[:4])) % 97 == 1


def _card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1 and luhn(digits)


def _address(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version in (4, 6)
    except ValueError:
        return False


# National numbers ---------------------------------------------------------------------------------------------


def _weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _us(text: str) -> bool:
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def _spanish(text: str) -> bool:
    digits = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == text[-1]


def _italian(text: str) -> bool:
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    values = [int(mark) if mark.isdigit() else ord(mark) - 65 for mark in text]
    total = sum(odd[value] if place % 2 == 0 else value for place, value in enumerate(values[:15]))
    return chr(65 + total % 26) == text[15]


def _french(text: str) -> bool:
    plain = re.sub(r"\s", "", text).replace("2A", "19").replace("2B", "18")
    return 97 - int(plain[:13]) % 97 == int(plain[13:])


def _finnish(text: str) -> bool:
    body = text[:6] + text[7:10]
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(body) % 31] == text[10]


def _swedish(text: str) -> bool:
    digits = re.sub(r"\D", "", text)[-10:]
    return 1 <= int(digits[2:4]) <= 12 and 1 <= int(digits[4:6]) % 60 <= 31 and luhn(digits)


def _polish(text: str) -> bool:
    century, month = divmod(int(text[2:4]), 20)
    born = _is_day({4: 1800, 0: 1900, 1: 2000, 2: 2100, 3: 2200}[century] + int(text[:2]), month, int(text[4:6]))
    return born and _weighted(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _brazilian(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    first = _weighted(digits[:9], tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = _weighted(digits[:10], tuple(range(11, 1, -1))) * 10 % 11 % 10
    return digits[9:] == f"{first}{second}" and len(set(digits)) > 1


def _german(text: str) -> bool:
    digits = re.sub(r"\s", "", text)
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product - 1) % 10 + 1) * 2 % 11
    often = max(digits[:10].count(digit) for digit in set(digits[:10]))
    return 2 <= often <= 3 and (11 - product) % 10 == int(digits[10])


_NATIONAL: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"\d{3}-\d{2}-\d{4}", _us),
    (r"(?:\d{8}|[XYZ]\d{7})[A-Z]", _spanish),
    (r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", _italian),
    (r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", _french),
    (r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]", lambda text: True),
    (r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", _finnish),
    (r"(?:19|20)?\d{6}[-+]\d{4}", _swedish),
    (r"\d{3}\.\d{3}\.\d{3}-\d{2}", _brazilian),
    (r"\d{11}", _polish),
    (r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}", _german),
)
"""Numbers of persons in the United States, Spain, Italy, France, Britain, Finland, Sweden, Brazil, Poland, Germany."""

_PHONE = (
    r"(?:\+|\b00)[1-9](?:[ ().\-/]{0,2}\d){6,13}|\(\d{2,5}\)[ ]?\d(?:[ .\-/]?\d){4,9}|\b\d{3}[-. ]\d{3}[-. ]\d{4}\b"
)
_LOOSE_PHONE = r"\b0\d{1,4}[ /\-]{1,3}\d(?:[ .\-]?\d){4,9}\b"
_IPV6 = r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{1,4}|\d{1,3}(?:\.\d{1,3}){3})?"

_RULES: tuple[tuple[What, re.Pattern[str], Callable[[str], bool], bool], ...] = (
    (
        "email",
        re.compile(r"(?<![\w.+-])[\w.+%'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])"),
        lambda text: not text.startswith(("'", ".")),
        True,
    ),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), lambda text: True, True),
    ("card", re.compile(_LEFT + r"\d(?:[ -]?\d){12,18}" + _RIGHT), _card, True),
    *(("national_id", re.compile(_LEFT + rf"(?:{form})" + _RIGHT), check, True) for form, check in _NATIONAL),
    ("ip", re.compile(r"(?<![\w.])(?<![vV]ersion )\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)"), _address, True),
    ("ip", re.compile(rf"(?<![\w:.]){_IPV6}(?![\w:])"), _address, True),
    ("phone", re.compile(r"(?<![\w.+-])(?:" + _PHONE + r")(?!\w|-\d)"), lambda text: True, True),
    ("phone", re.compile(r"(?<![\w.+/-])(?:" + _LOOSE_PHONE + r")(?!\w|[-/]\d)"), lambda text: True, False),
)


def personal(text: str, wanted: tuple[str, ...]) -> list[Found]:
    """Where personal data of the wanted sorts stands in a text, in order and without overlap.

    E-mail addresses by their form; IBANs, payment cards and national numbers by their check digits (of the United
    States and Britain, which have none, by their ranges); IP addresses by their range; telephone numbers by an
    international prefix, brackets or the North American form. Names, addresses and dates of birth are not found.

    >>> text = "Ann <ann@ex.org>, +44 20 7946 0958, card 4111 1111 1111 1111, order 4111 1111 1111 1112"
    >>> [(one.what, text[one.start:one.end]) for one in personal(text, ("email", "phone", "card"))]
    [('email', 'ann@ex.org'), ('phone', '+44 20 7946 0958'), ('card', '4111 1111 1111 1111')]
    """
    found: list[Found] = []
    for one in _candidates(text, wanted):
        if all(one.end <= other.start or one.start >= other.end for other in found):
            found.append(one)
    return sorted(found, key=lambda one: one.start)


def _candidates(text: str, wanted: tuple[str, ...]) -> Iterator[Found]:
    for what, pattern, check, sure in _RULES:
        if what not in wanted:
            continue
        for match in pattern.finditer(text):
            if what == "iban":
                end = _iban_end(match.group())
                if end:
                    yield Found(match.start(), match.start() + end, what, sure)
            elif check(match.group()):
                yield Found(match.start(), match.end(), what, sure)


def _iban_end(text: str) -> int:
    """How much of a run of letters and digits in groups is an IBAN: the country says how long it is. 0 for none."""
    length = _IBAN_LENGTHS.get(text[:2], 0)
    n_marks = 0
    for place, mark in enumerate(text):
        n_marks += mark != " "
        if n_marks == length:
            return place + 1 if iban(text[: place + 1].replace(" ", "")) else 0
    return 0
