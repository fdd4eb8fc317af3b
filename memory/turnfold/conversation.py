"""A text goes in, an answer comes out; the history and its memory are kept.

talk = Conversation(system="You are brief.")
talk.say("What is a fold?")
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import Message

from turnfold.accounting.prices import Usage
from turnfold.accounting.receipt import Receipt
from turnfold.archive.conversations import History
from turnfold.errors import StoreError, TurnfoldError, as_turnfold_error, failure
from turnfold.history.sendable import is_call, sendable_blocks
from turnfold.memory import Memory, memory_of, without_memory
from turnfold.resilience.taking_turns import TakingTurns, Turn
from turnfold.resilience.worker_threads import TooLate
from turnfold.scope import LOCAL_USER, Scope
from turnfold.sdk.deadline import not_ready
from turnfold.sdk.listeners import check_listener
from turnfold.sdk.part_threads import Bounds
from turnfold.summarizers.driver import Do, Script, play, play_on_loop

logger = logging.getLogger("turnfold")

DEFAULT_MODEL = "claude-sonnet-5-5"

_NO_TOOLS = (
    "the answer called a tool, and a Conversation has none to answer with: the call is left out of "
    "the history. Use the client itself, with memory, for requests with tools"
)


class _Begun(NamedTuple):
    """A turn that may be sent: the history it goes on, and the request."""

    history: History
    request: dict[str, Any]


class _Talk:
    """What the sync and the async conversation share: the history and the accounts.

    What reads or writes the store in a turn is a script, whose steps each of them waits for in its
    own way, in threads of the memory's and no longer than the deadline.
    """

    def __init__(
        self,
        system: str | None,
        model: str,
        memory: Memory,
        user_id: str,
        name: str | None,
    ) -> None:
        self.system = system
        self.model = model
        self.id = name if name is not None else uuid.uuid4().hex
        self.memory = memory
        self.last: Receipt | None = None
        self.usage = Usage()
        self.growth: list[tuple[int, int]] = []
        self._user_id = user_id
        self._history = History(memory.store, user_id, self.id, redact=memory.policy.redact)
        self._turns = TakingTurns()
        self._resets = TakingTurns()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The whole history, as the Messages API takes it. A copy."""
        return [dict(message) for message in self._history.messages]

    @property
    def scope(self) -> Scope:
        """Whose memory this is, and the conversation in its present generation."""
        return self._history.scope

    def reset(self) -> None:
        """Begin anew under the same id. What was said is recalled no more.

        An answer that is on its way is given, and belongs to what was said.
        """
        with self._resets.one() as turn:  # the last of several is the one that holds
            turn.wait()
            self._history = self._history.anew()
            self.last = None
            self.growth = []

    def _begin(self, text: str, max_tokens: int) -> Script[_Begun]:
        """What is sent, once it is known that the answer can be kept.

        Raises:
            StoreError: someone else has gone on with this conversation.
        """
        while not (yield from self._is_latest(history := self._history)):
            if history is self._history:
                raise self._gone_on()
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max_tokens,
            "messages": [*history.messages, {"role": "user", "content": text}],
        }
        if self.system:
            request["system"] = self.system
        return _Begun(history, request)

    def _is_latest(self, history: History) -> Script[bool]:
        try:
            self._bounds.store.check()  # whether it works again is for the turn to try
            return bool((yield Do(history.is_latest)))
        except BaseException as raised:  # noqa: BLE001 - a store may raise anything
            wrong = failure(raised)
        if isinstance(wrong, TooLate):
            self._bounds.blame(wrong)  # so that the turn does not wait for it again
        self._raise_if_wanted(wrong)
        return True

    @property
    def _bounds(self) -> Bounds:
        return self.memory._background.bounds  # noqa: SLF001 - one package

    def _perform(self, effect: Do) -> Any:
        return self._bounds.turns.do(effect.step, self.memory.policy.deadline)

    async def _perform_async(self, effect: Do) -> Any:
        return await self._bounds.turns.do_async(effect.step, self.memory.policy.deadline)

    def _raise_if_wanted(self, wrong: Exception) -> None:
        """A store that fails costs no answer, unless the policy says otherwise."""
        if self.memory.policy.on_error == "raise":
            raise self._as_told(wrong)

    def _as_told(self, wrong: Exception) -> TurnfoldError:
        """What a failure of the store is called to people."""
        if isinstance(wrong, TooLate):
            return not_ready(self.memory.policy.deadline)
        return as_turnfold_error(wrong, "the store failed")

    def _gone_on(self) -> StoreError:
        return StoreError(
            f"conversation {self.id!r} has gone on elsewhere since it was opened here, or was "
            f"begun anew or forgotten; open it again with the same id to go on from there"
        )

    def _said(self, turn: Turn, begun: _Begun, answer: Message) -> Script[None]:
        """Take a finished answer into the history."""
        if answer.stop_reason is None:
            raise TurnfoldError("the answer broke off before its end; nothing was said")
        blocks = [block.model_dump(exclude_none=True) for block in answer.content]
        content = sendable_blocks(blocks)
        if sum(map(is_call, content)) < sum(map(is_call, blocks)):
            logger.warning("%s", _NO_TOOLS)
        if not content:  # an answer of nothing cannot be sent back
            return
        history, sent = begun.history, begun.request["messages"]
        if history is not self._history:  # it was begun anew here, meanwhile
            return
        if turn.is_overtaken or len(sent) != len(history.messages) + 1:
            raise TurnfoldError(
                "something else was said before this stream came to its end; its answer is not "
                "kept. Read a stream to its end, or close it, before you say more"
            )
        exchange = [sent[-1], {"role": "assistant", "content": content}]
        before = history.messages
        # It is said, also where whoever waits is stopped while it is written down.
        history.messages = [*before, *exchange]
        try:
            kept = yield from self._kept(history, exchange)
        except TurnfoldError:
            history.messages = before
            raise
        if not kept:
            history.messages = before
            if history is self._history:
                raise self._gone_on()

    def _kept(self, history: History, exchange: list[dict[str, Any]]) -> Script[bool]:
        """Write an exchange down. False where it does not go on the history.

        Where the store fails, or is not done in time, it does: the answer is worth more than its
        record. What is written too late all the same stands, unless the failure is raised; what
        nobody began to write is written before the next exchange.
        """
        raises = self.memory.policy.on_error == "raise"
        history.unwritten.append(exchange)
        try:
            self._bounds.store.admit()
            return (yield from self._tried(Do(partial(history.write, withdraws=raises))))
        except BaseException as raised:  # noqa: BLE001 - a store may raise anything
            if not isinstance(raised, Exception) and exchange in history.unwritten:
                logger.warning("an answer is not stored yet, but with the next: %r", raised)
            wrong = failure(raised)
        if raises:
            with suppress(ValueError):  # it is being written, and will be withdrawn
                history.unwritten.remove(exchange)
        self._raise_if_wanted(wrong)
        told = self._as_told(wrong)
        logger.warning("an answer could not be stored and may not be resumed: %s", told)
        return True

    def _tried(self, effect: Do) -> Script[bool]:
        """Wait for a step that the store was admitted for, and note how that fared."""
        store = self._bounds.store
        try:
            done = bool((yield effect))
            store.worked()
        except BaseException as raised:
            self._bounds.blame(failure(raised))
            raise
        finally:
            store.untried()  # as where it was stopped: it neither worked nor failed
        return done

    def _account(self, history: History, receipt: Receipt) -> None:
        self.usage += receipt.usage + receipt.summary_usage
        if history is self._history:
            self.last = receipt
            self.growth.append((receipt.tokens.full, receipt.tokens.sent))


def _check_text(text: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise TurnfoldError("there is nothing to say: give a text that is not empty")


def _text_of(answer: Message) -> str:
    return "".join(block.text for block in answer.content if block.type == "text")


def _memory_for(client: object | None, memory: Memory | None) -> Memory:
    if memory is not None:
        return memory
    return (memory_of(client) if client is not None else None) or Memory()


class Conversation(_Talk):
    """A conversation with Claude that remembers.

    Attributes:
        system: the system prompt; the same for every turn.
        model: the model asked.
        id: names the conversation in the store; the same id resumes it, in another process too.
        memory: the Memory in use.
        messages: the whole history so far.
        last: the receipt of the last answer; None before the first.
        usage: all tokens spent so far in this process, summaries included.
        growth: (tokens of full history, tokens sent) for each answered turn, estimated.
    """

    def __init__(
        self,
        system: str | None = None,
        model: str = DEFAULT_MODEL,
        *,
        client: Anthropic | None = None,
        memory: Memory | None = None,
        user_id: str | None = None,
        id: str | None = None,  # noqa: A002 - the name is public
    ) -> None:
        """Args:
            system: the system prompt.
            model: the model to ask.
            client: the client to use; by default `Anthropic()`.
            memory: where to remember; by default the client's, else one that ends with the
                process.
            user_id: whose memory; by default one local user.
            id: names the conversation; an id known to the store resumes it.

        Raises:
            TurnfoldError: a name is empty, or the memory's on_receipt is `async def`.
            StoreError: the store cannot be read.
        """
        _check_names(user_id, id)
        user_id = user_id or _user_of(client) or LOCAL_USER
        super().__init__(system, model, _memory_for(client, memory), user_id, id)
        self._client = without_memory(client) if client is not None else Anthropic()
        check_listener(self.memory._on_receipt, self._client)  # noqa: SLF001 - one package

    def say(self, text: str, max_tokens: int = 1024) -> str:
        """Say something and wait for the answer. Where that fails, nothing was said.

        What the API does not take back of an answer is left out of the history: blank texts,
        thinking that it broke off in, calls of tools. Where that is all of it, nothing was said.

        Raises:
            anthropic.APIError: as without memory.
            StoreError: someone else has gone on with this conversation, or begun it anew.
            TurnfoldError: the text is empty.
        """
        _check_text(text)
        with self._turns.one() as turn:
            turn.wait()
            begun = play(self._begin(text, max_tokens), self._perform)
            answer = self._with_memory(begun.history).messages.create(**begun.request)
            play(self._said(turn, begun, answer), self._perform)
        return _text_of(answer)

    def stream(self, text: str, max_tokens: int = 1024) -> Iterator[str]:
        """Say something and take the answer in pieces, as they come.

        The exchange joins the history when the answer is complete; stop early and it was never
        said. Other threads that say something wait until it is read to its end or closed.
        """
        _check_text(text)
        with self._turns.one() as turn:
            turn.wait()
            begun = play(self._begin(text, max_tokens), self._perform)
            with self._with_memory(begun.history).messages.stream(**begun.request) as pieces:
                for piece in pieces.text_stream:
                    with turn.at_rest():
                        yield piece
                answer = pieces.get_final_message()
            play(self._said(turn, begun, answer), self._perform)

    def _with_memory(self, history: History) -> Anthropic:
        return self.memory.wrap(
            self._client,
            user_id=history.scope.user_id,
            conversation=history.scope.conversation,
            on_receipt=partial(self._account, history),
        )


class AsyncConversation(_Talk):
    """The same as `Conversation`, over an async client. The store is read when it is made."""

    def __init__(
        self,
        system: str | None = None,
        model: str = DEFAULT_MODEL,
        *,
        client: AsyncAnthropic | None = None,
        memory: Memory | None = None,
        user_id: str | None = None,
        id: str | None = None,  # noqa: A002 - the name is public
    ) -> None:
        """See `Conversation`; the default client is `AsyncAnthropic()`."""
        _check_names(user_id, id)
        user_id = user_id or _user_of(client) or LOCAL_USER
        super().__init__(system, model, _memory_for(client, memory), user_id, id)
        self._client = without_memory(client) if client is not None else AsyncAnthropic()

    async def say(self, text: str, max_tokens: int = 1024) -> str:
        """Say something and wait for the answer. Where that fails, nothing was said."""
        _check_text(text)
        with self._turns.one() as turn:
            await turn.wait_async()
            begun = await play_on_loop(self._begin(text, max_tokens), self._perform_async)
            answer = await self._with_memory(begun.history).messages.create(**begun.request)
            await play_on_loop(self._said(turn, begun, answer), self._perform_async)
        return _text_of(answer)

    async def stream(self, text: str, max_tokens: int = 1024) -> AsyncIterator[str]:
        """Say something and take the answer in pieces, as they come. See `Conversation.stream`."""
        _check_text(text)
        with self._turns.one() as turn:
            await turn.wait_async()
            begun = await play_on_loop(self._begin(text, max_tokens), self._perform_async)
            with_memory = self._with_memory(begun.history)
            async with with_memory.messages.stream(**begun.request) as pieces:
                async for piece in pieces.text_stream:
                    with turn.at_rest():
                        yield piece
                answer = await pieces.get_final_message()
            await play_on_loop(self._said(turn, begun, answer), self._perform_async)

    def _with_memory(self, history: History) -> AsyncAnthropic:
        return self.memory.wrap(
            self._client,
            user_id=history.scope.user_id,
            conversation=history.scope.conversation,
            on_receipt=partial(self._heard, history),
        )

    async def _heard(self, history: History, receipt: Receipt) -> None:
        """On the loop: no listener of the application's, which may block, holds it up."""
        self._account(history, receipt)


def _user_of(client: Any) -> str | None:
    """The user a client was wrapped for."""
    found = [one.whose.user_id for one in getattr(client, "middleware", ()) if _is_memory(one)]
    return found[0] if found else None


def _is_memory(middleware: object) -> bool:
    return isinstance(getattr(middleware, "memory", None), Memory)


def _check_names(user_id: str | None, name: str | None) -> None:
    for what, value in (("user_id", user_id), ("id", name)):
        if value is not None and (not isinstance(value, str) or not value):
            raise TurnfoldError(f"{what}={value!r} must be a non-empty string, or None")
        if value is not None and "\x1f" in value:
            raise TurnfoldError(f"{what}={value!r} must not hold the control character \\x1f")
