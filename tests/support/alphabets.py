"""Texts that nobody writes and the world sends: long runs of one thing, by name.

Each is a function from a length in characters to a text of about that length, always the same.
"""

import json
import random
from collections.abc import Callable

Alphabet = Callable[[int], str]

_HEX = "0123456789abcdef"
_BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_IDEOGRAPHS = "".join(map(chr, range(0x4E00, 0x5200)))
_THAI = "".join(map(chr, range(0xE01, 0xE3B)))
_KANA = "".join(map(chr, range(0x3041, 0x3090)))
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщыэюя    "
_ARABIC = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي    "
_SPEECH = (
    "the house with number seven is ready and we have paid Berlin on 5 March never again because "
    "it was not open at half past two when Marta said no I think twenty contracts went to windows "
    "while her sister still needs 1,200 francs or a key but nobody told us until Tuesday"
).split()
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


def _of(letters: str) -> Alphabet:
    return lambda n: "".join(random.Random(n).choices(letters, k=n))


def repeated(piece: str) -> Alphabet:
    """The same piece over and over."""
    return lambda n: (piece * (n // len(piece) + 1))[:n]


def _lines(line: Callable[[int], str]) -> Alphabet:
    def text(n: int) -> str:
        size = max(1, len(line(1_000)))
        return "".join(line(number) for number in range(n // size + 2))[:n]

    return text


def _prose(n: int) -> str:
    chance = random.Random(n)
    sentences = (
        " ".join(chance.choices(_SPEECH, k=chance.randint(4, 18))) for _ in range(n // 40 + 1)
    )
    return ". ".join(one.capitalize() for one in sentences)[:n]


def _code(i: int) -> str:
    return (
        f"def handler_{i}(request, retries={i}):\n"
        f"    return self.client.get(f'/v1/items/{i}', timeout={i % 60})\n\n"
    )


def _log(i: int) -> str:
    return (
        f"2026-05-{i % 28 + 1:02d} 12:{i % 60:02d}:07 ERROR worker {i} lost its lease on shard "
        f"{i * 7 % 991}, retrying in 40 ms after timeout\n"
    )


def _record(i: int) -> str:
    row = {"id": i, "user": f"u{i}", "email": f"u{i}@ex.example", "total": i * 1.5, "tags": ["a"]}
    return json.dumps(row) + ","


ALPHABETS: dict[str, Alphabet] = {
    "prose": _prose,
    "code": _lines(_code),
    "minified": _lines(lambda i: f'function a{i}(b,c){{return b.x{i % 97}+c[{i}]||d("{i}")}};'),
    "JSON": _lines(_record),
    "JSON within JSON": _lines(lambda i: json.dumps(json.dumps({"line": f"a\n{i}"}))),
    "log": _lines(_log),
    "CSV": _lines(lambda i: f"{i},Name{i % 977},{i * 3.17:.2f},2026-{i % 12 + 1:02d}-07\n"),
    "digits": _of("0123456789"),
    "numbers": _of("0123456789 "),
    "digits of full width": _of("０１２３４５６７８９"),
    "digits of Arabic": _of("٠١٢٣٤٥٦٧٨٩"),
    "small digits": _of("⁰¹²³⁴⁵⁶⁷⁸⁹"),
    # Texts in ASCII are spared much: one other letter, and all of that is done.
    "digits in French": lambda n: "é " + _of("0123456789")(n - 2),
    "coordinates in French": lambda n: "é " + _of("0123456789,.")(n - 2),
    "hex": _of(_HEX),
    "hex in groups": _of(_HEX + " "),
    "base64url": _of(_BASE64URL),
    "DNA": _of("ACGT"),
    "ideographs": _of(_IDEOGRAPHS),
    "Chinese": _of(_IDEOGRAPHS[:200] + "。，？" * 6),
    "kana": _of(_KANA),
    "Thai": _of(_THAI),
    "Russian": _of(_CYRILLIC),
    "Arabic": _of(_ARABIC),
    "jamo": repeated("\u1112\u1161\u11ab"),
    "marks on a letter": lambda n: "Z" + "\u0301\u0316" * (n // 2),
    "marked letters": repeated("e\u0301"),
    "sound marks": repeated("\uff9e"),
    "zero width": repeated("a\u200b"),
    "nothing but zero width": repeated("\u200b\u200d"),
    "emoji": repeated("😀👩\u200d👩\u200d👧 "),
    "right to left": repeated("א\u200f\u202e"),
    "ligatures": repeated("ﷺ"),
    "blanks": repeated(" "),
    "tabs": repeated("\t"),
    "lines": repeated("\n"),
    "blank lines": repeated(" \n"),
    "other lines": repeated("a\u2028b\u2029"),
    "returns": repeated("a\r"),
    "noughts and figures": repeated("\x00a\x00 7"),
    "keycaps": repeated("1\ufe0f\u20e32\ufe0f\u20e3"),
    "a nought after each": repeated("a\x00"),
    **{f"only {mark}": repeated(mark) for mark in PUNCTUATION},
    **{
        f"over and over {piece!r}": repeated(piece)
        for piece in (
            "a ", "a,", "a.", "a. ", "ab. ", "a-", "a_", "a@", "a'", '"a', "'a ", "`a", "(a", "a\\",
            "1 ", "1,", "1.", "1-", "1/", "1:", "(1 ", "+1 ", "1x", "#a", "?! ", "- ", "__ ", "<m",
            "</ memory ", "www.", "http://", "I ", "to the ", "not a ", "and 1 ", "may ",
            "5 March ", "half past ", "twenty ", "no longer ", "user: ", "\\u0041", "a\n", "1\n",
            "，", "。",
        )
    },
    "one denied": lambda n: "not " + " ".join(
        f"w{chr(97 + i % 26)}{i}q" + " the" * (i % 4 == 0) for i in range(n // 8)
    ),
    "all denied": _lines(lambda i: f"not w{i}q. "),
    "names": _lines(lambda i: f"A{'abcdef'[i % 6]}{i:x} "),
    "identifiers": _lines(lambda i: f"x_{i}-{i * 7919 % 997:x} "),
    "a leader": lambda n: "Chapter one " + "." * n + " 1",
    "a form": lambda n: "Name: " + "_" * n + " (sign here)",
    "a digit last": lambda n: "?" * n + "a 7",
}  # fmt: skip
