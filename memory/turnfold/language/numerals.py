"""How numbers are written in figures: digits, what groups them, and Chinese numerals go in.

A number is a text in its shortest decimal form, and as such has no size to fear.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Context, Decimal

from turnfold_stores.search.scanning import LONGEST_RUN

SUFFIX = {"k": 3, "m": 6, "mn": 6, "bn": 9, "b": 9, "tn": 12}
"""Letters behind a figure, each with the zeros it stands for."""

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
    if digits.isascii() and digits.isdecimal():
        return digits.lstrip("0") or "0"
    if not digits.isascii():
        digits = "".join("." if c == "." else str(unicodedata.digit(c)) for c in digits)
    whole, _, decimals = digits.partition(".")
    whole, decimals = whole.lstrip("0") or "0", decimals.rstrip("0")
    return f"{whole}.{decimals}" if decimals else whole


def with_zeros(one: Number, zeros: int) -> Number:
    """A number times a power of ten; itself where it is too long to be meant as one."""
    if len(one) > LONGEST_RUN:
        return one
    return number(format(_EXACT.multiply(Decimal(one), 10**zeros), "f"))


def readings(digits: str) -> set[Number]:
    """What a figure may mean: a dot or comma may group thousands or begin the decimals."""
    if digits.isdecimal():
        return {number(digits)}
    whole, dot, decimals = digits.partition(".")
    if whole.isdigit() and (not dot or (decimals.isdigit() and len(decimals) != _THOUSAND)):
        return {number(digits)}
    if 0 <= digits.find(",") < digits.rfind(".") and len(whole) < digits.rfind(","):
        return set()  # dots and commas by turns
    digits = digits.translate(_GROUPING)
    if "," in decimals and not _DOT_THOUSANDS.fullmatch(digits):
        return set()  # a comma behind a dot begins decimals, or parts two values
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


# --- Chinese, Japanese and Korean -------------------------------------------------------------

_DIGIT = {**dict(zip("〇零一二三四五六七八九", "00123456789", strict=True)), "两": "2", "兩": "2"}
_ZEROS = {"十": 1, "百": 2, "千": 3, "십": 1, "백": 2, "천": 3}
_MYRIADS = {"万": 4, "萬": 4, "亿": 8, "億": 8, "兆": 12, "만": 4, "억": 8, "조": 12}
_SCALES = frozenset((*_ZEROS, *_MYRIADS))
_HAN = "".join(one for one in (*_DIGIT, *_ZEROS, *_MYRIADS) if one < "가")
_HANGUL = "".join(one for one in (*_ZEROS, *_MYRIADS) if one >= "가")
# A figure is found whether or not a numeral follows, so that none is looked at from each digit.
_NUMERAL = re.compile(
    r"\d++(?:[.,]\d++)*+"
    rf"(?P<multiplied>\s?(?:[{_HAN}]|[{_HANGUL}](?![가-힣]*[은는이가을를]\b))"
    rf"[\d.,{_HAN}{_HANGUL}]*+(?:\s\d[\d.,]*[{_HANGUL}]++)*+)?+"
    rf"|[{_HAN}]++"
)
_PART = re.compile(rf"[\d.,]+|[{''.join(_DIGIT)}]+|[{_HAN}{_HANGUL}]")
# What is counted: without one of these behind it a single numeral may be part of a name.
_COUNTED = re.compile(
    r"[天日号號月年周週岁歳歲个個人元円塊块张張章条條项項点點时時次倍件本枚匹杯冊册名位戸户床楼樓层層階間间页頁泊晩晚円巷弄室栋棟隻只頭头輛辆部台組组種种届屆句字]"
    r"|分[钟鐘]|小[时時]|公[里斤]|キロ|か月|ヶ月|世纪"
)
# What means no number, though it is written with numerals.
_IDIOMS = frozenset("万一 千万 萬一 千萬 万千 万万 一一 三三 七七 八八 千百 百万".split())
_SHORTEST_OF_DIGITS = 3


def in_digits(text: str) -> str:
    """A text with ASCII's digits in place of Chinese numerals, and of what multiplies a figure.

    A single numeral is one only where something is counted by it: "三天", but not "三亚".
    """
    return _NUMERAL.sub(_as_digits, text)


def _as_digits(found: re.Match[str]) -> str:
    shown = found.group()
    if shown[0].isdecimal():
        if found["multiplied"] is None:
            return shown
    else:
        if shown in _IDIOMS:
            return shown
        if len(shown) == 1 and (shown == "一" or not _COUNTED.match(found.string, found.end())):
            return shown
        of_digits = all(one in _DIGIT for one in shown)
        if of_digits and 1 < len(shown) < _SHORTEST_OF_DIGITS and not set("〇零") & set(shown):
            return shown  # "三四天" is three or four
    try:
        return _value(shown)
    except ArithmeticError:
        return shown


def _value(shown: str) -> str:
    total = section = Decimal(0)
    last: Decimal | None = None
    by = 0
    for part in _PART.findall(shown):
        if part in _ZEROS:
            section += (Decimal(1) if last is None else last) * 10 ** _ZEROS[part]
        elif part in _MYRIADS:
            section += last or 0
            total += (section or 1) * 10 ** _MYRIADS[part]
            section = Decimal(0)
        elif part[0] in _DIGIT:
            digits = "".join(_DIGIT[one] for one in part)
            if len(digits) == len(shown):
                return digits  # digit by digit: a year, or what is left of a long number
            last = Decimal(digits)
            continue
        else:
            last = Decimal(part.strip(".,").replace(",", "") or "0")
            continue
        last, by = None, _ZEROS.get(part) or _MYRIADS[part]
    if last is not None and by > 1 and shown[-2:-1] in _SCALES and shown[-1] in _DIGIT:
        last *= 10 ** (by - 1)  # "一万八千五", as it is spoken: 18,500
    return number(format(total + section + (last or 0), "f"))
