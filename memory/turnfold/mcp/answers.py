"""What the tools of the MCP server answer, in shapes that a client is told beforehand.

Without slots: the SDK would take those for defaults when it makes schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

from turnfold.forgetting.forget import Forgotten
from turnfold.history.utterances import Utterance
from turnfold.language.days import known_minute
from turnfold.recall.search import SearchHit, TurnSaid
from turnfold.upkeep.note_editing import Note

# Characters of one utterance that are shown: a file that a tool read may have millions.
_SHOWN = 4_000


@dataclass(frozen=True)
class Words:
    """Something that was said. `by` is "user", "assistant", "tool", "document" or "system"."""

    by: str
    text: str


@dataclass(frozen=True)
class FoundPassage:
    """A passage. `id` is what `read_around` and `forget` take; `turn` counts from 1."""

    id: str
    by: str
    text: str
    conversation: str
    turn: int
    said: str
    before: Words | None = None
    after: Words | None = None


@dataclass(frozen=True)
class Passages:
    """What a search found, the best first."""

    passages: list[FoundPassage] = field(default_factory=list)


@dataclass(frozen=True)
class SpokenTurn:
    """A turn of a conversation: what was asked, and all that answered it."""

    turn: int
    said: str
    words: list[Words]


@dataclass(frozen=True)
class SpokenTurns:
    """Turns in their order."""

    conversation: str
    turns: list[SpokenTurn]


@dataclass(frozen=True)
class KnownConversation:
    """A conversation of which there are notes."""

    conversation: str
    last_said: str


@dataclass(frozen=True)
class KnownConversations:
    """The newest first."""

    conversations: list[KnownConversation]


@dataclass(frozen=True)
class ListedNote:
    """A note. `id` is what `correct_note` and `retract_note` take.

    `holds` is false where a later note supersedes it, or it was corrected or taken back.
    """

    id: str
    kind: str
    text: str
    turns: list[int]
    holds: bool


@dataclass(frozen=True)
class ListedNotes:
    """The notes of a conversation, the oldest first."""

    notes: list[ListedNote]


@dataclass(frozen=True)
class Done:
    """What was done, in a sentence."""

    done: str


def passages_of(hits: Iterable[SearchHit], zone: tzinfo | None) -> Passages:
    """The hits of a search."""
    return Passages(
        [
            FoundPassage(
                hit.id,
                hit.role,
                hit.text,
                hit.conversation,
                hit.turn,
                _day(hit.at, zone),
                _words(hit.before),
                _words(hit.after),
            )
            for hit in hits
        ]
    )


def turns_of(conversation: str, turns: Sequence[TurnSaid], zone: tzinfo | None) -> SpokenTurns:
    """Turns of a conversation."""
    return SpokenTurns(
        conversation,
        [
            SpokenTurn(
                one.turn, _day(one.at, zone), [Words(w.source, _clip(w.text)) for w in one.said]
            )
            for one in turns
        ],
    )


def notes_of(notes: Iterable[Note]) -> ListedNotes:
    """The notes of a summary."""
    return ListedNotes([ListedNote(n.id, n.kind, n.text, list(n.turns), n.holds) for n in notes])


def conversations_of(known: Iterable[tuple[str, float]], zone: tzinfo | None) -> KnownConversations:
    """Names of conversations and when the newest folded turn of each was said."""
    newest = sorted(known, key=lambda one: -one[1])
    return KnownConversations([KnownConversation(name, _day(at, zone)) for name, at in newest])


def told(forgotten: Forgotten) -> Done:
    """What a forgetting did."""
    return Done(
        f"{forgotten.exchanges} turns forgotten, with {forgotten.passages} passages; "
        f"{forgotten.summaries} notes deleted, {forgotten.rebuilt} written anew without them."
    )


def _words(said: Utterance | None) -> Words | None:
    return None if said is None else Words(said.source, _clip(said.text))


def _clip(text: str) -> str:
    more = len(text) - _SHOWN
    return text if more <= 0 else f"{text[:_SHOWN]}… ({more:,} more characters)"


def _day(at: float, zone: tzinfo | None) -> str:
    """A moment to the minute, by the days of the policy; "" where it is not known."""
    return known_minute(at, zone) if at else ""
