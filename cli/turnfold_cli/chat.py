"""A chat that remembers: what is typed goes in, what is shown comes out; no terminal here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import typer
from anthropic import Anthropic, APIConnectionError, APIError, APIStatusError
from turnfold import Conversation, Policy
from turnfold.archive.plans import read_fold
from turnfold_stores.records.fields import Reading

from turnfold_cli import rendering
from turnfold_cli.exit_codes import BAD_INPUT
from turnfold_cli.harmless import harmless

_MAX_TOKENS = 4_096
_MOST_HITS = 5


def in_one_line(wrong: APIError) -> str:
    """What the API did not like, in one line."""
    if isinstance(wrong, APIStatusError):
        body = wrong.body if isinstance(wrong.body, dict) else {}
        error = body.get("error")
        told = error if isinstance(error, dict) else {}
        kind = told.get("type") or "error"
        message = str(told.get("message") or wrong.message)
        said = " ".join(message.split())
        return f"{_asked(wrong)} answered {wrong.status_code} {kind}: {said}"
    if isinstance(wrong, APIConnectionError):
        return f"{_asked(wrong)} cannot be reached: {' '.join(wrong.message.split())}"
    return " ".join(str(wrong.message).split())


def _asked(wrong: APIError) -> str:
    """Who was asked: Claude, or whatever another server has."""
    try:
        model = json.loads(wrong.request.content)["model"]
    except Exception:  # noqa: BLE001 - an error is to be told, whatever its request is like
        return "Claude"
    return "Claude" if "claude" in str(model) else f"{wrong.request.url.host}, asked for {model!r},"


def policy_of(summary_model: str, fold_at: str) -> Policy:
    """The policy of a chat.

    Args:
        summary_model: a name, or "auto".
        fold_at: a number of tokens, or "auto".

    Raises:
        PolicyError: a value does not fit.
    """
    changes: dict[str, Any] = {"summary_model": summary_model, "fold_at": fold_at}
    if fold_at.isdecimal():
        # What a fold leaves has to be less than what it folds at.
        tokens = int(fold_at)
        changes |= {"fold_at": tokens, "keep_tokens": min(Policy().keep_tokens, tokens // 4)}
    return Policy(**changes)


def client_at(base_url: str | None) -> Anthropic:
    """A client of Claude, or of another server that speaks the Messages API.

    Args:
        base_url: of that server; None for the environment's, or Claude's own.
    """
    if _has_key() or not _elsewhere(base_url):
        return Anthropic(base_url=base_url)
    # A server at home asks for none, and the SDK sends something in any case.
    return Anthropic(base_url=base_url, api_key="none")


def need_key(base_url: str | None = None) -> None:
    """End the command with one clear line where there is no key, and Claude is to be asked.

    Args:
        base_url: of another server, which may want none.
    """
    if _has_key() or _elsewhere(base_url):
        return
    rendering.complain(
        "Claude needs a key: set ANTHROPIC_API_KEY. Without one there is the stand-in: "
        "`turnfold chat --fake`, or `turnfold demo`, which shows memory at work"
    )
    raise typer.Exit(BAD_INPUT)


def _has_key() -> bool:
    return any(os.environ.get(name) for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"))


def _elsewhere(base_url: str | None) -> bool:
    return bool(base_url or os.environ.get("ANTHROPIC_BASE_URL"))


class Chat:
    """Lines in, text out, until the line that quits."""

    def __init__(self, talk: Conversation, write: Callable[[str], None]) -> None:
        """Args:
        talk: the conversation.
        write: shows text as it comes; line ends are the chat's own.
        """
        self._talk = talk
        # What a model said, or a tool, must not steer the terminal; now or from memory.
        self._write: Callable[[str], None] = lambda text: write(harmless(text))
        self._commands: dict[str, Callable[[str], None]] = {
            "/help": self._help,
            "/memory": self._memory,
            "/recall": self._recall,
            "/receipt": self._receipt,
            "/reset": self._reset,
        }

    def greet(self) -> None:
        """Say what this is, and where it was left."""
        exchanges = sum(one["role"] == "user" for one in self._talk.messages)
        where = f"goes on after {exchanges} exchanges" if exchanges else "begins"
        self._write(f"{self._talk.model}; the conversation {self._talk.id!r} {where}. ")
        self._write("/help lists the commands, Ctrl-D quits.\n")

    def take(self, line: str) -> bool:
        """Answer a line, or do what it commands.

        Returns:
            Whether to go on.

        Raises:
            anthropic.APIError: Claude did not answer.
            TurnfoldError: memory failed in a way that cannot be passed over.
        """
        line = line.strip()
        name, _, rest = line.partition(" ")
        if name == "/quit":
            return False
        if name in self._commands:
            self._commands[name](rest.strip())
        elif name.startswith("/") and name[1:].isalpha():
            self._write(f"{name} is no command; /help lists them\n")
        elif line:
            self._answer(line)
        return True

    def _answer(self, text: str) -> None:
        pieces = self._talk.stream(text, max_tokens=_MAX_TOKENS)
        try:
            for piece in pieces:
                self._write(piece)
        except KeyboardInterrupt:
            self._write(" … (stopped; neither question nor answer is kept)")
        finally:
            self._write("\n")
        told = (*self._talk.last.remarks, *self._talk.last.degraded) if self._talk.last else ()
        for reason in told:
            self._write(f"(memory: {reason})\n")

    def _help(self, _: str) -> None:
        self._write(
            "/memory       the summary in force, and how much is in memory\n"
            "/recall TEXT  search what is in memory\n"
            "/receipt      what the last request sent, saved and cost\n"
            "/reset        begin anew; what was said is recalled no more\n"
            "/quit         leave; the conversation can be resumed\n"
        )

    def _memory(self, _: str) -> None:
        scope = self._talk.scope
        ledger = self._talk.memory.store.ledger
        scan = ledger.scan(scope.user_id, kind="fold", conversation=scope.conversation)
        folds = [fold for _, fold in Reading().all(scan, read_fold)]
        if not folds:
            self._write("nothing is in memory yet: all of the conversation is sent as it is\n")
            return
        newest = folds[-1]
        self._write(f"{newest.count} exchanges are in memory; the summary in force:\n\n")
        self._write("\n".join(newest.blocks) + "\n")

    def _recall(self, text: str) -> None:
        if not text:
            self._write("say what to look for: /recall TEXT\n")
            return
        scope = self._talk.scope
        hits = self._talk.memory.search(
            text, user_id=scope.user_id, conversation=scope.conversation, limit=_MOST_HITS
        )
        for hit in hits:
            self._write(f"[turn {hit.turn}, {hit.role}, {hit.score:.2f}] {hit.text}\n")
        if not hits:
            self._write("nothing is in memory yet\n")

    def _receipt(self, _: str) -> None:
        last = self._talk.last
        if last is None:
            self._write("nothing was sent yet\n")
            return
        tokens, usage = last.tokens, last.usage
        price = "unknown" if last.cost is None else f"${last.cost:.4f}"
        full = "unknown" if last.full_cost is None else f"${last.full_cost:.4f}"
        said = last.summary_usage.prompt_tokens
        self._write(
            f"turn {last.turn}, {last.model}; {last.in_memory} exchanges in memory, {last.folded} "
            "of them moved there in this turn\n"
            f"sent about {tokens.sent:,} tokens (system and tools {tokens.fixed:,}, summary "
            f"{tokens.summary:,}, recalled {tokens.recalled:,}, window {tokens.window:,}); full "
            f"history {tokens.full:,}\n"
            f"counted: {usage.prompt_tokens:,} in, {usage.cache_read:,} of them from the cache; "
            f"{usage.output_tokens:,} out; summaries {said:,} in\n"
            f"cost {price}; full history without a cache {full}\n"
        )
        for hit in last.hits:
            self._write(f"recalled from turn {hit.turn}: {hit.text}\n")
        for reason in last.degraded:
            self._write(f"degraded: {reason}\n")

    def _reset(self, _: str) -> None:
        self._talk.reset()
        self._write("begun anew\n")
