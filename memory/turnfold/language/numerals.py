"""How numbers are written: digits, what groups them, and words go in; one form comes out.

A number is a text in its shortest decimal form, and as such has no size to fear.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Context, Decimal

from turnfold_stores.search.scanning import LONGEST_RUN

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
VALUE = {word: number for number, word in enumerate(ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, 2)
}
SCALE = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "dozen": 12}
ORDINAL = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
        "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth "
        "twentieth".split(),
        1,
    )
} | {
    word: 10 * number
    for number, word in enumerate(
        "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth".split(), 3
    )
}
SUFFIX = {"k": 1_000, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9, "tn": 10**12}

_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d+)?")
_DECIMALS = re.compile(r"\d+\.\d+")
_COMMA_DECIMALS = re.compile(r"\d+,\d+")
_DOT_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_THOUSAND = 3  # digits that a dot may group
_GROUPING = str.maketrans("", "", " '_")
_EXACT = Context(prec=2 * LONGEST_RUN)

Number = str
"""A number in its shortest decimal form: "1200", "0.5". As a text it has no size to fear."""


def number(digits: str) -> Number:
    """The shortest form of digits, with or without decimals behind a dot."""
    if not digits.isascii():
        digits = "".join("." if c == "." else str(unicodedata.digit(c)) for c in digits)
    whole, _, decimals = digits.partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def times(one: Number, by: int) -> Number:
    """A number so many times; itself where it is too long to be meant as one."""
    if len(one) > LONGEST_RUN:
        return one
    return number(format(_EXACT.multiply(Decimal(one), by), "f"))


def readings(digits: str) -> set[Number]:
    """What a figure may mean: a dot or comma may group thousands or begin the decimals."""
    whole, dot, decimals = digits.partition(".")
    if whole.isdigit() and (not dot or (decimals.isdigit() and len(decimals) != _THOUSAND)):
        return {number(digits)}
    digits = digits.translate(_GROUPING)
    read: set[Number] = set()
    if digits.isdigit():
        read.add(number(digits))
    if _THOUSANDS.fullmatch(digits):
        read.add(number(digits.replace(",", "")))
    elif _COMMA_DECIMALS.fullmatch(digits):
        read.add(number(digits.replace(",", ".")))
    if _DECIMALS.fullmatch(digits):
        read.add(number(digits))
    if _DOT_THOUSANDS.fullmatch(digits):
        read.add(number(digits.replace(".", "").replace(",", ".")))
    return read


def sum_of(words: Sequence[str]) -> int:
    """The number that is spelt in words."""
    total = current = 0
    for word in words:
        if word in VALUE:
            current += VALUE[word]
        elif word == "hundred":
            current = max(current, 1) * 100
        else:
            total += max(current, 1) * SCALE[word]
            current = 0
    return total + current
