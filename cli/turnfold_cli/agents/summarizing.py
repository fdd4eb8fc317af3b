"""A long history goes in; a summary of its older part, and the newer part as it was, come out.

What a summary says is made of sentences it was shown, as those of every strategy are here: the
API's stand-in understands nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from turnfold.accounting.tokens import estimate_text
from turnfold.history.block_text import words_of
from turnfold_fake.sentences import read_sentences

from turnfold_cli.strategies import Message, Strategy, plain_message

# What a summary of a whole window is taken to have, and one that somebody keeps by hand.
SUMMARY_TOKENS = 3_000
KEPT_SUMMARY_TOKENS = 1_500
# Where the newest part is kept beside the summary: from so many tokens on, down to so many.
WINDOW_FROM, WINDOW_KEEPS = 10_000, 4_000

_ASK_SUMMARY = (
    "Write a summary of all of this, with which the work can go on: what was asked, what was "
    "done, what was found, what is to be done next."
)
_GIVE_SUMMARY = "The conversation until here, in short:"

Size = Callable[[list[Message]], int]
Summarize = Callable[[list[Message]], str]


class Summarized:
    """Puts what is older into a summary once a prompt is over a size."""

    def __init__(
        self, summarize: Summarize, size: Size, *, trigger: int, keep: int = 0, whole: bool = False
    ) -> None:
        """Args:
        summarize: given the prompt so far, the summary before at its head, what becomes of it.
        size: tokens of messages.
        trigger: tokens from which on it does.
        keep: tokens of the newest that stay as they are; the newest step always does.
        whole: whether the summary is of all of the prompt, what stays as it is included.
        """
        self._summarize = summarize
        self._size = size
        self._trigger = trigger
        self._keep = keep
        self._whole = whole
        self._summary = ""
        self._from = 0

    def __call__(self, history: list[Message]) -> list[Message]:
        """The summary, and what came after it."""
        shown = self._shown(history)
        if self._size(shown) > self._trigger:
            start = self._kept_from(history)
            if start > self._from:
                older = shown if self._whole else shown[: len(shown) - (len(history) - start)]
                self._summary = self._summarize(older)
                self._from = start
                shown = self._shown(history)
        return shown

    def _kept_from(self, history: list[Message]) -> int:
        """Where what stays begins: with an assistant, so that roles alternate and calls keep
        their results.
        """
        answers = [n for n, message in enumerate(history) if message["role"] == "assistant"]
        kept = answers[-1] if answers else 0
        if self._keep:
            for n in reversed(answers[:-1]):
                if self._size(history[n:]) > self._keep:
                    break
                kept = n
        return kept

    def _shown(self, history: list[Message]) -> list[Message]:
        if not self._summary:
            return list(history)
        told = {"role": "user", "content": f"{_GIVE_SUMMARY}\n\n{self._summary}"}
        return [told, *history[self._from :]]


def stand_in_summary(messages: Sequence[Message], tokens: int = SUMMARY_TOKENS) -> str:
    """Sentences out of messages, evenly spread, as many as a summary has room for."""
    sentences = [
        one.text for one in read_sentences({"messages": [plain_message(m) for m in messages]})
    ]
    ends = list(itertools.accumulate(map(estimate_text, sentences)))
    share = min(1.0, tokens / max(1, ends[-1] if ends else 1))
    picked, given = [], 0
    for text, end in zip(sentences, ends, strict=True):
        if given < end * share:
            picked.append(text)
            given += estimate_text(text)
    return "\n".join(picked) or "Nothing was said."


def asking_for_summary(messages: Sequence[Message]) -> list[Message]:
    """Messages with a request for their summary at the end, as the API makes it."""
    ask = {"type": "text", "text": _ASK_SUMMARY}
    if messages[-1]["role"] != "user":
        return [*messages, {"role": "user", "content": [ask]}]
    return [*messages[:-1], {"role": "user", "content": [*said_in(messages[-1]), ask]}]


def said_in(message: Message) -> list[Any]:
    """The blocks of a message; a text is one."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def as_text(messages: Sequence[Message]) -> list[Message]:
    """Messages as one text with a request for their summary, for a model that has no tools."""
    said = [f"{one['role']}: {words_of(plain_message(one)['content'])}" for one in messages]
    return [{"role": "user", "content": "\n\n".join([*said, _ASK_SUMMARY])}]


def rolling_summary(tokens: int = KEPT_SUMMARY_TOKENS) -> Strategy:
    """One summary, written anew each turn by the cheap model, and the newest answer."""
    return Strategy(
        "rolling-summary",
        "rolling summary",
        cutter=lambda api: Summarized(
            partial(api.digest, tokens=tokens), api.count, trigger=0, keep=0
        ),
    )


def summary_and_window(
    trigger: int = WINDOW_FROM,
    keep: int = WINDOW_KEEPS,
    *,
    tokens: int = KEPT_SUMMARY_TOKENS,
    size: Size | None = None,
) -> Strategy:
    """One summary by the cheap model of what is older, and the newest messages.

    Args:
        trigger: tokens of the prompt from which on the older part is summarized.
        keep: tokens of the newest messages that stay.
        tokens: what the summary may have.
        size: counts messages; None for as the API counts them.
    """
    return Strategy(
        "summary-window",
        f"summary + window past {trigger // 1000}k",
        cutter=lambda api: Summarized(
            partial(api.digest, tokens=tokens), size or api.count, trigger=trigger, keep=keep
        ),
    )
