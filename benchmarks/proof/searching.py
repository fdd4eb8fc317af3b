"""A history goes in; the passages nearest to its newest message, and that message, come out.

What is built in an afternoon around a vector store: no summary, no window.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from turnfold import Embedder
from turnfold.archive.passages import split
from turnfold_cli.strategies import Message, plain_message

_CHARS_PER_TOKEN = 4


class Nearest:
    """Whole messages by their nearest passage, as many as fit, in the order they were said."""

    def __init__(self, embedder: Embedder, tokens: int) -> None:
        """Args:
        embedder: of passages and of the newest message.
        tokens: what the messages may have together, at four characters each.
        """
        self._embedder = embedder
        self._room = tokens * _CHARS_PER_TOKEN
        self._texts: list[str] = []
        self._vectors: list[Any] = []
        self._of: list[int] = []  # the message that a vector is of a passage of

    def __call__(self, history: list[Message]) -> list[Message]:
        """One message: what was found, and what is asked."""
        self._take_in(history[:-1])
        *_, newest = _texts(plain_message(history[-1]))
        room, taken = self._room, []
        for index in self._ranked(newest):
            if len(self._texts[index]) + 1 <= room:
                room -= len(self._texts[index]) + 1
                taken.append(index)
        content = [*(self._texts[index] for index in sorted(taken)), newest]
        return [{"role": "user", "content": [{"type": "text", "text": text} for text in content]}]

    def _take_in(self, earlier: list[Message]) -> None:
        for message in earlier[len(self._texts) :]:
            text = "\n".join(_texts(plain_message(message))).strip()
            pieces = split(text) if text else []
            if pieces:
                self._vectors += list(self._embedder.embed(pieces))
                self._of += [len(self._texts)] * len(pieces)
            self._texts.append(text)

    def _ranked(self, query: str) -> list[int]:
        if not self._vectors:
            return []
        near = np.stack(self._vectors) @ self._embedder.embed([query])[0]
        return list(dict.fromkeys(self._of[at] for at in np.argsort(-near, kind="stable")))


def _texts(message: Message) -> list[str]:
    content = message["content"]
    if isinstance(content, str):
        return [content]
    return [str(block.get("text") or "") for block in content if block.get("type") == "text"]
