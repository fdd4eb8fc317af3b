"""A text goes in; out come the languages that its letters tell, where small words do not.

The stop lists of `turnfold_stores` tell a language by its small words. What they lack stands here
with the letters that few others have.
"""

from __future__ import annotations

import re

_TOLD = tuple(
    (language, re.compile(f"[{letters}]", re.IGNORECASE))
    for language, letters in (
        ("uk", "іїєґ"),
        ("vi", "ơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"),
        ("bn", "\u0980-\u09ff"),
    )
)
# Letters that are looked at; so many of them in a hundred tell, and no fewer than two.
_LOOKED_AT = 4_000
_LEAST, _OF_HUNDRED = 2, 1


def languages_by_letters(text: str) -> tuple[str, ...]:
    """The languages, as ISO 639-1 codes, that letters of a text tell; mostly none."""
    if text.isascii():
        return ()
    head = text[:_LOOKED_AT]
    least = max(_LEAST, len(head) * _OF_HUNDRED // 100)
    return tuple(language for language, letters in _TOLD if len(letters.findall(head)) >= least)
