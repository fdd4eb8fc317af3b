"""Everything in turnfold that reads a text somebody sent, by name: a function of the text."""

from collections.abc import Callable

from turnfold.accounting.tokens import estimate_text
from turnfold.archive.passages import split
from turnfold.history.exchanges import canonical
from turnfold.history.utterances import Utterance, utterances
from turnfold.language.quantities import quantities
from turnfold.language.time_spans import span_in
from turnfold.language.words import matter, plain, sentences
from turnfold.recall.query import RecallQuery, coverage, read_opening
from turnfold.recall.ranking import messages_of
from turnfold.request.quotation import mark_for, memory_block
from turnfold.summaries.evidence import Evidence
from turnfold.summaries.notes import SummaryJob
from turnfold.summaries.readings import Reading
from turnfold.summaries.sentences import extract
from turnfold.summaries.standing_instructions import Wishes, standing_instructions
from turnfold_stores import terms
from turnfold_stores.search.bm25 import Bm25
from turnfold_stores.search.scanning import scan

NOTE = (
    "The user said that order AX-42 of 3 March, for 1,200 francs, was not paid. "
    'Berta\'s "red door" is at https://a.example/x, telephone 041 555 12 12.'
)
WISH = "Always answer in French."
ASKED = RecallQuery(WISH, frozenset(terms(WISH)), 3, asks=True, words=4)
NOW = 1_770_000_000.0


def _job(text: str) -> SummaryJob:
    said = [Utterance("user", text), Utterance("assistant", "I see."), Utterance("tool", text)]
    return SummaryJob(1, [said[:2], said[2:]], max_tokens=1_500)


def _gate(text: str) -> object:
    evidence = Evidence([text])
    return [evidence.complaints(NOTE), evidence.has_code("x_y_z-1"), evidence.has_name("NATO")]


def _speech(text: str) -> object:
    call = {"type": "tool_use", "id": "t", "name": "read", "input": {"text": text}}
    message = {"role": "assistant", "content": [call]}
    return utterances([message]), canonical(message)


def _ranked(text: str) -> object:
    [message] = messages_of("id", [Utterance("user", text)])
    return message, coverage(ASKED, text)


def _indexed(text: str) -> object:
    index = Bm25()
    index.add("id", "c", text)
    return list(index.match(WISH))


READERS: dict[str, Callable[[str], object]] = {
    "query": lambda text: read_opening(text, [text[::-1]]),
    "time words": lambda text: span_in(text, NOW),
    "gate": _gate,
    "note": lambda text: Evidence([NOTE]).complaints(text),
    "reading": Reading,
    "extractive": lambda text: extract(_job(text)),
    "wishes": lambda text: (
        standing_instructions(_job(text)),
        Wishes(_job(text).exchanges, 1).turns_of(WISH),
    ),
    "passages": split,
    "numbers": lambda text: quantities(plain(text)),
    "matter": matter,
    "sentences": lambda text: sum(1 for _ in sentences(text)),
    "tokens": lambda text: sum(1 for _ in scan(text)),
    "terms": terms,
    "index": _indexed,
    "ranking": _ranked,
    "quotation": lambda text: memory_block(mark_for([text]), text),
    "speech": _speech,
    "estimate": estimate_text,
}
