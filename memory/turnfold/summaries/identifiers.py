"""A text goes in; whether an identifier or a telephone number stands in it comes out."""

from __future__ import annotations

import re

from turnfold_stores.search.scanning import LONGEST_RUN, Token, stretches

from turnfold.language.quantities import quantities
from turnfold.language.words import bare, plain

# An amount with its unit or ending: "4.9kW", "120s", "8m41s", "78-year-old", "15-го".
_MEASURE = re.compile(
    r"\d[\d.,]*-?[^\W\d_A-Z]++(?:-[^\W\d_]++)*+|(?:\d+[dhms]|\d+min){2,}"
    r"|\d[\d.,]*(?:x\d[\d.,]*)+"
)
# "web-07", "tyo-batch-3", "12F"; but not "mid-2027"
_NUMBERED = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)+-\d+|[A-Za-z]+-0\d+|\d+(?![KMB]$)[A-Z]{1,3}")
# "ב-20": a preposition of one letter before a figure.
_PREFIXED = re.compile(r"[^\W\d_a-zA-Z]{1,2}-\d[\d.,]*")
_GROUPED = re.compile(r"\d{1,3}(?:\.\d{3})+")
TITLES = frozenset(
    "mr mrs ms dr prof sir miss st m mme mlle sr sra don dona herr frau bey hanim pan pani "
    "i i'm i'd i've i'll ok am pm "
    "eur usd gbp chf wifi pdf url usb tv pc id faq gps".split()
)
"""Words that are no names and no identifiers."""
# What may stand between the parts of an identifier, and what ends it.
_JOINT = re.compile(r"[-_\s./\\:#@+~]++")
_SEAM = "\x1f"
_BREAK = re.compile(r"[^\w\x1f]++")
_SEAMS = re.compile(rf"{_SEAM}{{2,}}")
_BREAKS = re.compile(r"\n{2,}")
# Of ASCII what stands between words.
_BETWEEN = {
    code: _SEAM if _JOINT.match(chr(code)) else "\n"
    for code in range(128)
    if not chr(code).isalnum()
}
_NO_PART = re.compile(r"[\W_]++")
_DIALLED_JOINT = re.compile(r"(?<=\d)[ ()./-]++(?=\d)")
_DIALLED = re.compile(r"\d{6,}")
# "v2.14.3", which is "2.14.3".
_VERSION = re.compile(r"v?\d+(?:\.\d+)+")


class Identifiers:
    """A text without what may separate the parts of an identifier.

    Attributes:
        dialled: its longer runs of digits, whatever separates these; between blanks.
    """

    def __init__(self, text: str) -> None:
        joined: list[str] = []
        dialled: list[str] = []
        for stretch in stretches(text):
            shown = plain(stretch)
            dialled += _DIALLED.findall(_DIALLED_JOINT.sub("", shown))
            if shown.isascii():
                apart = shown.lower().translate(_BETWEEN)
                joined.append(_BREAKS.sub("\n", _SEAMS.sub(_SEAM, apart)))
            else:
                joined.append(_BREAK.sub("\n", _JOINT.sub(_SEAM, shown.casefold())))
        self._joined = "".join(joined)
        self._squeezed = self._joined.replace(_SEAM, "")
        self.dialled = f" {' '.join(dialled)} "

    def has(self, code: str) -> bool:
        """Whether an identifier occurs; of a version with or without its "v"."""
        shown = plain(code).casefold()
        is_version = _VERSION.fullmatch(shown) is not None
        wanted = _NO_PART.sub("", shown.lstrip("v") if is_version else shown)
        if wanted not in self._squeezed:
            return False
        # What is so long that it is opaque is in one piece.
        joint = f"{_SEAM}?" if len(wanted) <= LONGEST_RUN else ""
        parts = joint.join(map(re.escape, wanted))
        # Letters of another script may touch it: "單號SD-20934".
        before = "[0-9a-z]" if wanted[:1].isascii() else f"[^{_SEAM}\n]"
        parts = f"v?{parts}" if is_version else parts
        behind = "[0-9a-z]" if wanted[-1:].isascii() else f"[^{_SEAM}\n]"
        return re.search(f"(?<!{before}){parts}(?!{behind})", self._joined) is not None


def is_code(token: Token) -> bool:
    """Whether a token that looks like an identifier is no date, no amount and no title."""
    shown = token.text.strip(".-:/")
    if token.kind == "number":
        return bool(_NUMBERED.fullmatch(shown))
    if token.kind != "code":
        return False
    if (
        bare(shown) in TITLES
        or _PREFIXED.fullmatch(shown)
        or _MEASURE.fullmatch(shown)
        or _GROUPED.fullmatch(shown)
    ):
        return False
    found = quantities(shown, ())
    if shown.startswith("#") or shown.replace(".", "").isdigit():
        return not found.dates
    return not (found.dates or found.times)
