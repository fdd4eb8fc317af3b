"""What the user said goes in; what of it asks for something from then on comes out."""

from __future__ import annotations

import re

from turnfold.summary import SummaryJob
from turnfold.words import sentences

_REPLY = (
    "answer|reply|respond|use|write|give|address|call|include|format|keep|start|end|show|quote|"
    "add|tell|explain|list|ask|speak|sign|mention|suggest|recommend|put|say|remind|check"
)
_STANDING = re.compile(
    r"\b(?:from (?:now|here|this point) on(?:wards?)?|going forward|in (?:the )?future|henceforth"
    r"|every time (?:I|you)|whenever (?:I ask|you (?:answer|reply|write|give|use|show)))\b"
    rf"|^(?:please\s+|and\s+|also,?\s+)?(?:always|never)\s+(?:{_REPLY})\b"
    rf"|^please\s+(?:always|never)\b|^remember to (?:always\s+)?(?:{_REPLY})\b",
    re.IGNORECASE,
)
_NOT_STANDING = re.compile(
    r"^(?:I|we|he|she|they|it|what|how|why|when|who)\b|\?\s*$", re.IGNORECASE
)

# Characters of a wish at the most, and wishes of a job.
_LONGEST = 200
_MOST_INSTRUCTIONS = 12


def standing_instructions(job: SummaryJob) -> list[tuple[int, str]]:
    """Sentences of the user that plainly ask for something from then on: (turn, words)."""
    found = [
        (turn, sentence)
        for turn, exchange in enumerate(job.exchanges, job.first)
        for said in exchange
        if said.source == "user"
        for sentence in sentences(said.text)
        if len(sentence) <= _LONGEST
        and _STANDING.search(sentence)
        and not _NOT_STANDING.search(sentence)
    ]
    return found[-_MOST_INSTRUCTIONS:]
