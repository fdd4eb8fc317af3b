"""Words as they are compared: sentences, clauses, stems, and the words that name nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from turnfold_stores.search.scanning import (
    LONGEST_RUN,
    WORD,
    normal,
    sentence_ends,
    stretches,
    without_marks,
)

# What a dot may follow that ends no sentence, besides a single letter ("e.g.", "p.m.").
_ABBREVIATED = frozenset("dr mr mrs ms prof st mt no vs etc approx ca".split())
_LAST_WORD = re.compile(r"(?<![^\W_])[^\W_]++(?=\.$)")
_LONGEST_ABBREVIATION = 8
_LONGEST_SENTENCE = 2_000
CONJUNCTIONS = frozenset("but although though while because whereas however since and so".split())
"""Words that a clause begins with."""
_CLAUSE = re.compile(
    rf"[;()\[\]]|[,:](?!\d)|\s-\s|\b(?:so that|{'|'.join(CONJUNCTIONS)})\b", re.IGNORECASE
)

# Words that carry no matter of their own; negators are not among them.
_EMPTY = frozenset(
    """
    a about above after again all already also am an and any are as at be because been before
    being below both but by can could did do does doing down during each few for from further had
    has have having he her here hers herself him himself his how i if in into is it its itself
    just let like may me might more most must my myself now of off on once only or other our ours
    out over own please same shall she should so some still such than that the their theirs them
    then there these they this those through to too under until up us user users assistant very
    was we well were what when where which while who whom why will with would yes yet you your
    yours yourself get got go going gonna want wants wanted would need needs needed one ones
    said says say saying told tells tell asked asks ask thing things really quite rather
    """.split()
)

# What sentences of notes open with, and what is no one's name. Lower case.
_OPENERS = frozenset(
    """
    a about above according account action actual additional address adult after again age agent
    ago agreed all allergic allergy almost along already also although always amount an and
    annual another answer any anyone anything apart appointment are around article as asked asks
    assistant at attendance attendees aunt author available average avoid avoiding avoids away
    baby back backup because become becomes bedtime been before being below best better between
    big bill birthday blood book booked booking books boss both breakfast brother brothers
    budget bug build builder building builds bus business but buy buys by cake call calls came
    can cannot capacity car cards cash cat category cause chair change changed check child
    children choice chose chosen city class client clients close closed code colleague color
    colour come comes company concert condition conditions congratulations contact contract cook
    cooks cost costs could country course cousin current currently customer customers daily data
    database date dates daughter day days dead deadline deal debt decided decides decision
    default delivery deploy deployment deposit desired despite destination details did died diet
    dinner director discount discussed dislikes do doctor does dog done door down draft drafts
    driver drives drop drops due during each earlier early earns east eat eats eight either
    eleven email employer end ends enough entry error errors estimate even evening event every
    everyone everything exactly exam except expected expects expense export family far father
    favorite favourite fee fees few fifteen fifth fifty final finally finds fine first five fix
    fixed flat flies flight floor following food for former forty found four fourth free fresh
    friend friends from front full further game gave general get gets gift girlfriend give given
    gives go goal goals goes gone good grandfather grandmother great group grows guest guests
    had half has hates have having he health hello help helps her here hey hi high hired his
    holds holiday home hopes hospital hotel hour hours house how however huge hundred husband i
    idea if in income indoor instead intends interview into invoice is issue it items its job
    jobs joins just keep keeps key keys kids kitchen knows lab landlord language last late later
    launch lawyer lead learns lease least leave leaves left less lesson lets letter license
    light like likes limit line list lives loan local location long look looks lost lovely loves
    low lunch machine made main make makes male manager many married master match material may
    meal meals meet meeting meetings member members mentioned menu merge might minimum model
    money month monthly more morning mortgage most mother move moved moves moving much multiple
    music must my name names near nearly need needs neither never new next nine no nobody none
    noon nor normal north not note noted notes nothing now number numbers of off offer offered
    office often okay old on once one only open opened opening opens option options or order
    ordered original other others our out outcome outdoor over overall owed owes own owns
    package paid pain paint painting parent parents parking part partner party pass passport
    password past patient pay payment payments pays per perfect person pet phone pick picks plan
    planned plans plant please plumber plus policy port position possible post power preference
    preferences preferred prefers previous price prices printer problem product profit project
    promise proposal provider purchase purpose question quote quoted raise range rate rather
    reads ready reason received recipe record red release remind reminder rent repair replaced
    report request requested requires research reserved rest result return returns review
    reviews right room rooms rule runs safe salary sale same sat saves savings says schedule
    school score season seat second seems sells sends sent server service session set seven
    several shall share she ship shipment ships shop should show shows side signed signs simple
    since single sister site six size sizes sleep sleeps slot small smoke so sold some someone
    something son soon sorry sort source sourdough south speaks spends spent stack staff stage
    start started starts status stay stays step still stock stop stopped stops store strict
    studies study style such suggested suggests summer support supports sure surgery switch
    system takes target task tasks tax teaches team ten tenant tends term test testing tests
    texts than thank thanks that the their them theme then there these they things think thinks
    third thirty this those though thousand three through ticket tickets time times tires title
    to today together told tomorrow too took total tour tournament town track trades train
    training trains travels treatment tried tries trip try tuition twelve twenty twice two type
    under understood until up update updates upper use used user users uses usually vacation van
    vegan vegetarian vendor venue version very via visit visits volunteer wakes walks wall want
    wanted wants warranty was watches water we wedding week weekend weekly weeks weight well
    went were west what whatever when where whether which while who whole whose why wife will
    wine winter wishes with within without woman won wood work worked worker workers working
    works workshop would wow write writes wrong year yearly years yes yesterday yet you young
    your zero
    """.split()
)
_NO_NAME = re.compile(
    r"(?:ed|ing|ly|tion|tions|sion|ment|ments|ness|ity|ance|ism|ship|ful|less|able|ible|ous|ive)$"
)


# Letters with a stroke or tie, which do not come apart in Unicode.
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i", "ð": "d"})
_GERMAN = frozenset("der die das und ist nicht ich ein eine zu mit auf für den dem wir es".split())


_STRAIGHT = str.maketrans("‘’‛“”„‟‐‑‒–—−", '\'\'\'""""------')
_BLANKS = re.compile(r"(?: ?[^\S\n ]| {2,})[^\S\n]*+")  # all but a single space
_POSSESSIVE = re.compile(r"['’]s?$")
_ORDINAL_ENDING = re.compile(r"(?<=\d)(?:st|nd|rd|th)$")
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ied", "ies", "ed", "es", "ly", "s")
_LAST_LETTERS = frozenset(ending[-1] for ending in _ENDINGS)


def plain(text: str) -> str:
    """Compatible forms, straight quotation marks and hyphens, single spaces."""
    if not text.isascii():
        text = normal(text, "NFKC").translate(_STRAIGHT)
    return _BLANKS.sub(" ", text)


def bare(word: str) -> str:
    """A word without case, accents and possessive."""
    return _bare(word) if len(word) <= LONGEST_RUN else word.casefold()


# Speech repeats its words.
@lru_cache(maxsize=16_384)
def _bare(word: str) -> str:
    word = word.casefold()
    if not word.isascii():
        word = without_marks(word.translate(_STROKES))
    return word if word.isalnum() else _POSSESSIVE.sub("", word)


def stem(word: str) -> str:
    """A word with its commonest endings off, for comparing, not for reading."""
    return _stem(word) if len(word) <= LONGEST_RUN else word.casefold()


@lru_cache(maxsize=16_384)
def _stem(word: str) -> str:
    word = bare(word)
    if word[:1].isdigit():
        return _ORDINAL_ENDING.sub("", word)
    if word[-1:] in _LAST_LETTERS and not word.endswith("ss"):
        for ending in _ENDINGS:
            left = word[: -len(ending)]
            if word.endswith(ending) and len(left) >= 3:
                if ending in {"ied", "ies"}:
                    left += "y"
                elif len(left) > 3 and left[-1] == left[-2] and ending in {"ing", "ed"}:
                    left = left[:-1]
                word = left
                break
    return word.rstrip("e") if len(word) > 3 else word


def matter(text: str) -> set[str]:
    """Stems of the words of a text that carry its matter."""
    return {stem(word) for word in WORD.findall(text) if carries_matter(word)}


def carries_matter(word: str) -> bool:
    """Whether a word says something by itself."""
    return (len(word) > 1 or word.isdigit()) and bare(word) not in _EMPTY


def flat(text: str) -> str:
    """Words in order, whatever stands between them and in whatever case; a blank at both ends."""
    return " " + "".join(bare(word) + " " for word in WORD.findall(text))


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in order; a line ends one. One without end is cut up."""
    start = 0
    for end, after in sentence_ends(text):
        if text[end - 1 : end] == "." and "\n" not in text[end:after]:
            last = _LAST_WORD.search(text, max(start, end - _LONGEST_ABBREVIATION), end)
            if last and is_abbreviated(last.group()):
                continue
        yield from _bounded(text[start:end])
        start = after
    yield from _bounded(text[start:])


def is_abbreviated(word: str) -> bool:
    """Whether a dot behind a word belongs to it."""
    return (len(word) == 1 and word.isalpha()) or word.casefold() in _ABBREVIATED


def _bounded(sentence: str) -> Iterator[str]:
    short = len(sentence) <= _LONGEST_SENTENCE
    for piece in (sentence,) if short else stretches(sentence, _LONGEST_SENTENCE):
        if said := piece.strip():
            yield said


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence between its commas, brackets and conjunctions."""
    return [part for part in _CLAUSE.split(sentence) if WORD.search(part)]


@dataclass(frozen=True, slots=True)
class SmallWords:
    """How many of some words are the small ones of a language."""

    english: int = 0
    german: int = 0
    words: int = 0

    @classmethod
    def among(cls, words: Mapping[str, int]) -> SmallWords:
        """Count them among words, each with how often it is said."""
        return cls(
            sum(often for word, often in words.items() if bare(word) in _EMPTY),
            sum(often for word, often in words.items() if word.casefold() in _GERMAN),
            sum(words.values()),
        )

    def __add__(self, other: SmallWords) -> SmallWords:
        return SmallWords(
            self.english + other.english, self.german + other.german, self.words + other.words
        )

    @property
    def tell_english(self) -> bool:
        """Whether they are English, as far as there are any words."""
        return self.english >= 0.15 * self.words

    @property
    def may_tell_german(self) -> bool:
        """Whether the text may be German, where every noun bears a capital."""
        return self.german >= max(2, 0.08 * self.words)


def opens_without_name(word: str) -> bool:
    """Whether a capital at the head of a sentence says nothing of a word being a name."""
    low = bare(word)
    return low in _OPENERS or low in _EMPTY or (len(low) > 5 and bool(_NO_NAME.search(low)))
