"""Chats in sessions go in; R@5, R@10 and NDCG@10 at session level come out.

The figure that others publish: of the sessions that hold the answer, which share is among the
first 5 or 10 that a search brings. Read are conversations whose turns name a `session`, and the
format of LongMemEval, a JSON list of

    {"question_id", "question_type", "question", "haystack_session_ids", "haystack_sessions":
     [[{"role", "content"}]], "haystack_dates"?, "answer_session_ids"}

Questions whose id ends with `_abs` have no answer in any session and are left out, as there.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnfold import Embedder, Memory, Policy
from turnfold.errors import TranscriptError
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_cli.transcripts import parse_transcript
from turnfold_fake import FakeClaude
from turnfold_stores.search.bm25 import Bm25

from proof.embedding import fast_embedder
from proof.strategies import PATIENCE

CUTOFFS = (5, 10)
_HITS = 200  # passages that sessions are ranked by
_NO_ANSWER = "_abs"
_UNSCORED = frozenset({"event_ordering", "abstention"})
_USER = "sessions"
_MOMENT = 1e9  # seconds since the epoch; every session is of the same one

HOW = (
    "Each session is a conversation in memory; `Memory.search` ranks passages, and a session "
    "stands where its first passage does. R@k is the share of the sessions with the answer among "
    "the first k, NDCG@10 heeds their order; means over questions. Vectors alone rank by "
    "the nearest passage, BM25 by all words of a session."
)

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the sessions that hold its answer."""

    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Haystack:
    """Sessions by name, and what is asked about them."""

    name: str
    sessions: Mapping[str, Messages]
    asked: Sequence[Asked]


def is_haystack(file: Path) -> bool:
    """Whether a file has LongMemEval's format."""
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return '"haystack_session' in opened.read(1_000_000)
    except (OSError, UnicodeDecodeError):
        return False


def read_haystacks(file: Path, limit: int | None = None) -> list[Haystack]:
    """The questions of a file in LongMemEval's format, each with sessions of its own.

    Raises:
        TranscriptError: a field is missing; says which, and of which question.
    """
    found = []
    for value in json.loads(file.read_text(encoding="utf-8-sig")):
        name = str(value.get("question_id", "a question without an id"))
        if name.endswith(_NO_ANSWER):
            continue
        try:
            ids = [str(one) for one in value["haystack_session_ids"]]
            sessions = dict(zip(ids, value["haystack_sessions"], strict=True))
            gold = frozenset(str(one) for one in value["answer_session_ids"])
            asked = [Asked(value["question"], gold)]
        except (KeyError, ValueError) as wrong:
            raise TranscriptError(f"{file.name}, {name}: {wrong} is missing or amiss") from None
        found.append(Haystack(name, sessions, asked))
    return found[:limit]


def read_turns(file: Path, only: Sequence[str] = (), limit: int | None = None) -> list[Haystack]:
    """Conversations whose turns name a `session`; those whose turns do not are left out."""
    found = []
    for value in _values(file):
        turns = value.get("turns") or []
        name = str(value.get("conv_id") or value.get("id") or file.stem)
        if not turns or any("session" not in turn for turn in turns) or (only and name not in only):
            continue
        sessions: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        for turn in turns:
            said = {"role": turn["role"], "content": turn.get("content") or turn.get("text")}
            sessions[str(turn["session"])].append(said)
        of = {str(turn["id"]): str(turn["session"]) for turn in turns if "id" in turn}
        asked = [
            Asked(one["question"], frozenset(of[str(e)] for e in evidence if str(e) in of))
            for one in value.get("questions") or ()
            if (evidence := one.get("evidence")) and one.get("type") not in _UNSCORED
        ]
        found.append(Haystack(name, sessions, [one for one in asked if one.gold]))
    return found[:limit]


def _values(file: Path) -> list[Mapping[str, Any]]:
    """The values of a file; none of a folder, a zip, or a file with lines that are broken."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        try:
            whole = json.loads(text)
        except ValueError:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError):
        return []
    values = whole if isinstance(whole, list) else [whole]
    return [one for one in values if isinstance(one, Mapping)]


def measured(
    files: Sequence[Path],
    haystacks: Sequence[Path],
    only: Sequence[str] = (),
    limit: int | None = None,
    embedder: Embedder | None = None,
) -> dict[str, Any] | None:
    """Rows by file and way of searching; None where no file has sessions to tell apart.

    Args:
        files: transcripts.
        haystacks: of them, those in LongMemEval's format, in which each question has a history.
        only: ids of the conversations to take of the others; all for none.
        limit: so many conversations, or questions with a history of their own, of each file.
        embedder: None for the default.
    """
    rows: list[dict[str, Any]] = []
    for file in files:
        read = read_haystacks(file, limit) if file in haystacks else read_turns(file, only, limit)
        # Among five sessions or fewer the first five are all there are.
        telling = [one for one in read if len(one.sessions) > CUTOFFS[0] and one.asked]
        if telling:
            embedder = embedder or fast_embedder()
            rows += _rows(file.stem, telling, embedder)
    return {"how": HOW, "rows": rows} if rows else None


def _rows(source: str, found: Sequence[Haystack], embedder: Embedder) -> Iterator[dict[str, Any]]:
    scores: dict[str, list[dict[str, float]]] = defaultdict(list)
    for haystack in found:
        for ways in _ranked(haystack, embedder):
            for way, (ranked, gold) in ways.items():
                scores[way].append(scored(ranked, gold))
        print(f"sessions of {haystack.name}", file=sys.stderr, flush=True)
    for way, some in scores.items():
        yield {
            "transcripts": source,
            "search": way,
            "sessions": sum(len(one.sessions) for one in found) / len(found),
            "questions": len(some),
            **{name: sum(one[name] for one in some) / len(some) for name in some[0]},
            "ours": way == "turnfold",
        }


Ranked = tuple[Sequence[str], frozenset[str]]


def _ranked(haystack: Haystack, embedder: Embedder) -> Iterator[dict[str, Ranked]]:
    """For each question the sessions in the order of each way to search."""
    words = Bm25()
    for name, messages in haystack.sessions.items():
        words.add(name, "", "\n".join(str(one["content"]) for one in messages))
    policy = Policy(
        fold_at=1_000,
        keep_tokens=0,
        keep_exchanges=0,
        deadline=PATIENCE,
        clock=lambda: _MOMENT,
        time_zone="UTC",
    )
    with Memory(policy=policy, embedder=embedder, summarizer=_no_summary) as memory:
        client = FakeClaude().client()
        for name, messages in haystack.sessions.items():
            if said := _closed(messages):
                memory.backfill(said, client=client, user_id=_USER, conversation=name)
        for asked in haystack.asked:
            hits = memory.search(asked.text, user_id=_USER, limit=_HITS)
            dense = sorted(hits, key=lambda hit: -(hit.vector_score or -1.0))
            yield {
                "turnfold": (_once(hit.conversation for hit in hits), asked.gold),
                "vectors alone": (_once(hit.conversation for hit in dense), asked.gold),
                "BM25 over sessions": (
                    _once(hit.id for hit in words.match(asked.text)),
                    asked.gold,
                ),
            }


def _no_summary(job: SummaryJob) -> SummaryDraft:
    """As little as memory takes: search reads what was said, not what was summarized."""
    return SummaryDraft([Item("narrative", "—", (job.first,))])


def _closed(messages: Messages) -> list[dict[str, Any]]:
    """A session as a conversation whose every exchange is over, so that all of it goes into
    memory; nothing where no user speaks.
    """
    said = [dict(one) for one in messages if str(one.get("content") or "").strip()]
    if not any(one["role"] == "user" for one in said):
        return []
    [read] = parse_transcript(json.dumps({"messages": said}), name="session")
    more = [{"role": "user", "content": "And then?"}, {"role": "assistant", "content": "So."}]
    return [*read.messages, *more]


def scored(ranked: Sequence[str], gold: frozenset[str]) -> dict[str, float]:
    """R@5, R@10 and NDCG@10 of one ranking of sessions.

    Args:
        ranked: sessions, the best first, each once.
        gold: those that hold the answer; at least one.
    """
    found = {f"R@{k}": len(gold.intersection(ranked[:k])) / len(gold) for k in CUTOFFS}
    most = CUTOFFS[-1]
    gained = sum(_gain(n) for n, one in enumerate(ranked[:most]) if one in gold)
    ideal = sum(_gain(n) for n in range(min(len(gold), most)))
    return {**found, f"NDCG@{most}": gained / ideal}


def _gain(place: int) -> float:
    return 1 / math.log2(place + 2)


def _once(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
