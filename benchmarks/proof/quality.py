"""Synthetic chats go in; how updates, dates, contradictions and facts come out, goes out.

All of it is deterministic, and judged by what stands in a prompt, not by a model.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bench_drift import chatter
from turnfold import Embedder
from turnfold_cli.agents.summarizing import summary_and_window
from turnfold_cli.evidence import Prompt
from turnfold_cli.replay import Conditions, Replay
from turnfold_cli.strategies import FULL, TURNFOLD, Strategy, strategies_named
from turnfold_cli.transcripts import Conversation, Message, Question, Turn

from proof import coverage
from proof.embedding import fast_embedder
from proof.said import CHANGED, CONTRADICTED, READINGS, Pair
from proof.searching import Nearest
from proof.strategies import listed_read, policy_at

DISTANCES = (10, 1_000)
DAYS = 60
_OF_A_DAY = 10  # exchanges
_PORTION = 50  # exchanges between two requests of a long chat
_START = datetime(2031, 1, 6, 9, tzinfo=UTC)
_NEAREST_TOKENS = 4_000
# A label of what was recalled, which tells a date where that is another than the one before; and
# what a summary says beside a note that took another's place.
_LABEL = re.compile(r"^[0-9a-f]+:(?:\d{4}-\d\d-\d\d )?(\d+)u ([^\n]*)", re.MULTILINE)
_DATED = re.compile(r"^[0-9a-f]+:(\d{4}-\d\d-\d\d) \d+[a-z]", re.MULTILINE)
_REPLACED = re.compile(r"no longer|newer|since then|superseded", re.IGNORECASE)


def measured(
    distances: Sequence[int] = DISTANCES, embedder: Embedder | None = None
) -> dict[str, Any]:
    """Every part, with a title, how it was measured, and its rows."""
    embedder = embedder or fast_embedder()
    how = (
        "Said early, said otherwise later, asked about after as much again; of what people chat "
        "in between, all is different. Newer stands: the later value is in the prompt. Older "
        "alone: only the outdated one is. In order: where both stand, the later one comes after. "
        "Marked: it carries the number of a later turn, or the older one is said to hold no longer."
    )
    return {
        "updates": {
            "title": "A changed fact",
            "how": how,
            "rows": list(_changes(CHANGED, distances, embedder)),
        },
        "contradictions": {
            "title": "Two statements that contradict each other, neither of which says so",
            "how": how.replace("Newer stands", "Newer stands, of two that cannot both be true"),
            "rows": list(_changes(CONTRADICTED, distances, embedder)),
        },
        "when": {
            "title": "What was said when",
            "how": (
                f"Something with a number of its own on each of {DAYS} days, among {_OF_A_DAY} "
                "exchanges a day, asked for by its date. "
                "Stands: that day's is in the prompt. Dated: with its date beside it; messages of "
                "the API carry none, so without memory nothing is."
            ),
            "rows": list(_days(embedder)),
        },
        "coverage": {
            "title": "Facts in summaries, with the gate and without",
            "how": coverage.HOW,
            "rows": coverage.measured(),
        },
    }


def compared(embedder: Embedder) -> Sequence[Strategy]:
    """What a prompt is made by: all, a window, a summary, search, memory."""
    [window] = strategies_named(["window-tokens"])
    nearest = Strategy(
        "retrieval", "retrieval only", cutter=lambda _: Nearest(embedder, _NEAREST_TOKENS)
    )
    return [FULL, window, summary_and_window(), nearest, TURNFOLD]


# --- changed facts and contradictions -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Portions(Conversation):
    """A conversation of which only every so many exchanges are sent on: the rest is history."""

    size: int = 1

    def turns(self) -> Iterator[Turn]:
        """Some exchanges each; all but the last answer is given."""
        step = 2 * self.size
        for start in range(0, len(self.messages), step):
            part = self.messages[start : start + step]
            yield Turn(tuple(part[:-1]), tuple(part[-1:]))


def _changes(
    pairs: Sequence[Pair], distances: Sequence[int], embedder: Embedder
) -> Iterator[dict[str, Any]]:
    for distance in distances:
        talk = _talk(pairs, distance)
        for strategy in compared(embedder):
            counts = dict.fromkeys(("newer", "alone", "both", "ordered", "marked"), 0)
            for pair, text in zip(pairs, _prompts(strategy, talk, embedder), strict=True):
                for name, holds in judged(pair, text).items():
                    counts[name] += holds
            print(f"{strategy.title}, {distance:,} exchanges", file=sys.stderr, flush=True)
            yield {
                "exchanges between": distance,
                "strategy": strategy.title,
                "newer stands": counts["newer"] / len(pairs),
                "older alone": counts["alone"] / len(pairs),
                "in order, of both": counts["ordered"] / counts["both"] if counts["both"] else None,
                "marked, of both": counts["marked"] / counts["both"] if counts["both"] else None,
                "ours": strategy.name == TURNFOLD.name,
            }


def _talk(pairs: Sequence[Pair], distance: int) -> Portions:
    said = [
        *(pair.older for pair in pairs),
        *(chatter(n) for n in range(distance)),
        *(pair.newer for pair in pairs),
        *(chatter(n) for n in range(distance, 2 * distance)),
    ]
    questions = tuple(
        Question(f"q{n}", "update", pair.asked, words=(pair.now,)) for n, pair in enumerate(pairs)
    )
    size = _PORTION if distance > _PORTION else 1
    name = f"said otherwise after {distance}"
    return Portions(name, tuple(_answered(said)), questions=questions, size=size)


def _answered(said: Sequence[str]) -> Iterator[Message]:
    for text in said:
        yield {"role": "user", "content": text}
        yield {"role": "assistant", "content": "I see, and we go on."}


def _prompts(
    strategy: Strategy, talk: Conversation, embedder: Embedder, conditions: Conditions | None = None
) -> Iterator[str]:
    """The text of the prompt that each question is asked with; "" for one that was refused."""
    with Replay(
        strategy,
        talk,
        policy=policy_at(listed_read()),
        embedder=embedder,
        conditions=conditions,
    ) as one:
        one.fake.clock.advance(_START.timestamp())
        for _ in one.play():
            pass
        for asked in one.ask():
            call = one.fake.asked()[-1]
            yield Prompt(call.body, asked.text).text if call.status == 200 else ""


def judged(pair: Pair, text: str) -> dict[str, bool]:
    """How a prompt tells of a fact that was said twice."""
    newer, older = pair.now in text, pair.before in text
    both = newer and older
    turns = {
        name: [int(turn) for turn, said in _LABEL.findall(text) if token in said]
        for name, token in (("before", pair.before), ("now", pair.now))
    }
    labelled = bool(turns["before"] and turns["now"]) and max(turns["now"]) > max(turns["before"])
    replaced = any(pair.before in line and _REPLACED.search(line) for line in text.splitlines())
    return {
        "newer": newer,
        "alone": older and not newer,
        "both": both,
        "ordered": both and text.rindex(pair.now) > text.rindex(pair.before),
        "marked": both and (labelled or replaced),
    }


# --- days -----------------------------------------------------------------------------------------


def _days(embedder: Embedder) -> Iterator[dict[str, Any]]:
    chance = random.Random(5)
    days = [_START + timedelta(days=n) for n in range(DAYS)]
    values = chance.sample(range(1_000, 10_000), DAYS)
    said = [
        text
        for n, value in enumerate(values)
        for text in (
            READINGS[n % len(READINGS)].format(value),
            *(chatter(n * _OF_A_DAY + m) for m in range(1, _OF_A_DAY)),
        )
    ]
    asked = days[2:-10:5]
    questions = tuple(
        Question(
            day.date().isoformat(),
            "when",
            f"What did I tell you on {day.day} {day:%B %Y}?",
            words=(str(values[days.index(day)]),),
        )
        for day in asked
    )
    talk = Portions("a reading a day", tuple(_answered(said)), questions=questions, size=_OF_A_DAY)
    one_day = Conditions(seconds=timedelta(days=1).total_seconds())
    for strategy in compared(embedder):
        stands = dated = 0
        for question, text in zip(
            questions, _prompts(strategy, talk, embedder, one_day), strict=True
        ):
            stands += question.words[0] in text
            dated += _day_of(question.words[0], text) == question.id
        print(f"{strategy.title}, by date", file=sys.stderr, flush=True)
        yield {
            "strategy": strategy.title,
            "stands": stands / len(questions),
            "dated": dated / len(questions),
            "ours": strategy.name == TURNFOLD.name,
        }


def _day_of(token: str, text: str) -> str:
    """The date that a recalled passage stands under; "" where it stands under none."""
    before, found, _ = text.rpartition(token)
    dates: Sequence[str] = _DATED.findall(before) if found else ()
    return dates[-1] if dates else ""
