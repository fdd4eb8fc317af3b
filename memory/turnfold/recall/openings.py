"""An opening goes in; whether it is small talk, asks, or points back comes out, in any language.

The phrases are in `openings.toml`. Where a language is not there, an opening is told by its marks
and by how much it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache

from turnfold_stores.search.scanning import STROKES, WORD, normal
from turnfold_stores.search.stemming import language_of
from turnfold_stores.search.stop_words import BY_LANGUAGE
from turnfold_stores.search.terms import telling_words

from turnfold.instructions.phrases import any_of, plainly
from turnfold.language.number_words import Languages, number_words
from turnfold.language.tables import table
from turnfold.language.which_language import languages_by_letters
from turnfold.language.words import bare

_LONGEST_SMALL_TALK = 200
_LATIN = re.compile("[a-z]")
# Signs that end a question, in any script. The Greek one is a semicolon.
_QUESTION_MARK = re.compile(r"[?？؟⸮;՞](?=[\W_]*$)")
_GREEK = re.compile("[\u0370-\u03ff]")
# Behind a question stands a remark at most, for it to be what is asked.
_LONGEST_REMARK = 60
_LATE_QUESTION = re.compile(rf"[?？؟⸮][^?？؟⸮]{{0,{_LONGEST_REMARK}}}$")
# Characters at each end that are looked at.
_EDGE = 500
_WITHOUT_BLANKS = re.compile("[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7ff]")


@dataclass(frozen=True, slots=True)
class Phrases:
    """What openings of some languages are made of, as patterns for `plainly` written text.

    Attributes:
        asking: what a question or request begins with.
        within: what says so further on.
        pointing: what stands for something named before.
        linking: what an opening that goes on from another begins with.
        light: what says little.
        told: what asks for the words of whom it is said to.
        manner: what says how to answer.
        manner_starts: what a part of an opening begins with that says only that.
        small: words that say little, as `plainly` gives them.
        languages: their codes.
    """

    asking: re.Pattern[str]
    within: re.Pattern[str]
    pointing: re.Pattern[str]
    linking: re.Pattern[str]
    light: re.Pattern[str]
    told: re.Pattern[str]
    manner: re.Pattern[str]
    manner_starts: re.Pattern[str] | None
    small: frozenset[str]
    languages: Languages


def is_small_talk(text: str) -> bool:
    """Whether a text is a greeting, a thank-you, a yes and the like, and nothing else."""
    if len(text) > _LONGEST_SMALL_TALK:
        return False
    plain = _plainly(text)
    left, found = _tables().small_talk.subn(" ", plain)
    if not found:
        return WORD.search(plain) is None
    left = _tables().light.sub(" ", left)
    if any(word not in _tables().small_words for word in WORD.findall(left)):
        return False
    if not _ends_as_question(text):
        return True
    phrases = _phrases(text)
    # "Yes, and with her?" is none.
    return not (phrases.asking.search(left) or phrases.pointing.search(left))


def is_asking(text: str) -> bool:
    """Whether a text is a question or a request, by its marks or its first words."""
    end = text[-_EDGE:]
    if _ends_as_question(end) or _LATE_QUESTION.search(end.rstrip()):
        return True
    if end.rstrip().endswith(("!", "！")):
        return False
    plain = _plainly(text[:_EDGE])
    phrases = _phrases(text)
    start = WORD.search(plain)
    while start and (link := phrases.linking.match(plain, start.start())):
        start = WORD.search(plain, link.end())
    if start and phrases.asking.match(plain, start.start()):
        return True
    return len(plain) <= _LONGEST_SMALL_TALK and phrases.within.search(plain) is not None


def points_back(text: str) -> bool:
    """Whether a text names something by what stands for it, or goes on from what was said."""
    plain = _plainly(text)
    phrases = _phrases(text)
    start = WORD.search(plain)
    goes_on = start is not None and phrases.linking.match(plain, start.start()) is not None
    return goes_on or phrases.pointing.search(plain) is not None


def asks_of_assistant(text: str) -> bool:
    """Whether an opening asks for what was said by whom it is said to: "what did you suggest?"."""
    ends = text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]} {text[-_EDGE:]}"
    return _phrases(text).told.search(_plainly(ends)) is not None


def says_how_to_answer(part: str, opening: str) -> bool:
    """Whether a part of an opening only says how to answer: "in a few words", "kurz, bitte".

    It does in the language of the opening or in English, which many know a few words of.
    """
    plain = _plainly(part).replace("'", " ")
    return any(_says_manner(plain, one) for one in (_phrases(opening), _tables().latin("en")))


def _says_manner(plain: str, phrases: Phrases) -> bool:
    # "In" and "with" stand in many of these, and say by themselves how nothing is to be answered.
    if all(one.group() in phrases.small for one in phrases.manner.finditer(plain)):
        return False
    left = phrases.manner.sub(" ", plain)
    if phrases.manner_starts is not None:
        starts = (word.group() for word in WORD.finditer(plain))
        start = next((word for word in starts if not phrases.linking.fullmatch(word)), "")
        if start and not phrases.manner_starts.fullmatch(start):
            return False
    meaning = number_words(phrases.languages).said
    return all(
        word in phrases.small
        or word.isdigit()
        or phrases.linking.fullmatch(word)
        or (bare(word) in meaning and meaning[bare(word)].kind == "number")
        for word in WORD.findall(left)
    )


def telling_words_of(text: str) -> list[str]:
    """The different words of a text that name something, as `telling_words` has them.

    Stop words are left out, small talk, and what points elsewhere.
    """
    phrases = _phrases(text)
    little = (phrases.pointing, phrases.light)
    if _WITHOUT_BLANKS.search(text):
        text = _plainly(text)
        for one in (phrases.within, *little):
            text = one.sub(" ", text)
        return telling_words(text)
    return [
        word
        for word in telling_words(text)
        if not any(one.fullmatch(_plainly(word)) for one in little)
    ]


def _ends_as_question(text: str) -> bool:
    mark = _QUESTION_MARK.search(text[-_EDGE:])
    return mark is not None and (mark.group() != ";" or _GREEK.search(text) is not None)


@lru_cache(maxsize=1_024)
def _plainly(text: str) -> str:
    return plainly(normal(text, "NFKC")).translate(STROKES)


def _phrases(text: str) -> Phrases:
    """Those of the language of a text: of English where it does not say, of all other scripts."""
    if not _LATIN.search(_plainly(text[:_EDGE])):
        return _tables().others()
    told = languages_by_letters(text[:_EDGE]) or (language_of(text[:_EDGE]),)
    return _tables().latin(told[0])


class _Tables:
    """The phrases of all languages, each compiled when it is first met."""

    def __init__(self) -> None:
        self._languages = table("openings.toml")
        self._latin = {
            name
            for name, said in self._languages.items()
            if _LATIN.search(said["asking"]) is not None
        }
        self.small_talk = any_of(self._said("small_talk", *self._languages))
        self.light = any_of(self._said("light", *self._languages))
        self.small_words = {plainly(word) for words in BY_LANGUAGE.values() for word in words}

    @cache  # noqa: B019 - there is one, as long as the process
    def latin(self, language: str) -> Phrases:
        """Those of a language in Latin letters; of English where it is not known."""
        return self._phrases(language if language in self._latin else "en")

    @cache  # noqa: B019 - as above
    def others(self) -> Phrases:
        """Those of all languages in other letters, which few of them share."""
        return self._phrases(*sorted(self._languages.keys() - self._latin))

    def _phrases(self, *names: str) -> Phrases:
        starts = self._said("manner_starts", *names)
        return Phrases(
            asking=any_of(self._said("asking", *names)),
            within=any_of(self._said("within", *names)),
            pointing=any_of(self._said("pointing", *names)),
            linking=any_of(self._said("linking", *names)),
            light=any_of(f"{self._said('light', *names)}|{self._said('small_talk', *names)}"),
            told=any_of(self._said("told", *names)),
            manner=any_of(self._said("manner", *names)),
            manner_starts=any_of(starts) if starts else None,
            small=frozenset(
                part.translate(STROKES)
                for one in names
                for word in BY_LANGUAGE.get(one, ())
                for part in plainly(word).split("'")
            ),
            languages=names,
        )

    def _said(self, key: str, *names: str) -> str:
        phrases = "|".join(said for one in names if (said := self._languages[one].get(key)))
        return phrases.casefold().translate(STROKES)


@cache
def _tables() -> _Tables:
    return _Tables()
