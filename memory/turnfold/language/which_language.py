"""A text goes in; out come the languages it is in, or may be in.

The stop lists of `turnfold_stores` tell a language by its small words. What they lack stands here
with the letters that few others have.
"""

from __future__ import annotations

import re
from itertools import islice

from turnfold_stores.search.scanning import WORD, stretches
from turnfold_stores.search.stemming import language_of
from turnfold_stores.search.stop_words import BY_LANGUAGE

from turnfold.language.number_words import Languages

UNDETERMINED = "und"
"""ISO 639's code for a language that is not known."""

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
# Words that tell a language, and which part of them are small words in what is surely in it.
_FEWEST_WORDS, _MOST_WORDS, _OF_WORDS = 20, 1_000, 0.1
# Letters that tell a language among others.
_TELLS_LANGUAGE = 100


def languages_by_letters(text: str) -> tuple[str, ...]:
    """The languages, as ISO 639-1 codes, that letters of a text tell; mostly none."""
    if text.isascii():
        return ()
    head = text[:_LOOKED_AT]
    least = max(_LEAST, len(head) * _OF_HUNDRED // 100)
    return tuple(language for language, letters in _TOLD if len(letters.findall(head)) >= least)


def languages_of(*texts: str) -> Languages:
    """The languages of some texts, that of most of them first; English where none says.

    Where so few of the words are small words of it that it may be another one, such as Swahili or
    chats that write Hindi in Latin letters, English and `UNDETERMINED` come behind it.
    """
    text = "\n".join(texts)
    by_letters, whole = languages_by_letters(text), language_of(text)
    long = (language_of(text) for text in texts if len(text) >= _TELLS_LANGUAGE)
    guessed = () if by_letters or _is_sure(text, whole) else ("en", UNDETERMINED)
    told = (*by_letters, whole, *long, *guessed)
    return tuple(dict.fromkeys(one for one in told if one)) or ("en",)


def _is_sure(text: str, language: str) -> bool:
    """Whether a text is in the language that its small words tell."""
    if not text.isascii():
        return True
    found = (word for stretch in stretches(text) for word in WORD.findall(stretch.lower()))
    said = list(islice(found, _MOST_WORDS))
    small = BY_LANGUAGE.get(language, frozenset())
    return len(said) < _FEWEST_WORDS or sum(map(small.__contains__, said)) > len(said) * _OF_WORDS
