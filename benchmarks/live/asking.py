"""A strategy and a conversation go in; what it sends, what is answered, and cache hits come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import anthropic
from anthropic import Anthropic
from proof.strategies import PATIENCE, Contender, size
from turnfold import Embedder, Memory, Policy, Receipt
from turnfold.accounting.prices import Usage
from turnfold.request.cache_diagnosis import FIELD, reason_in
from turnfold.request.least_thinking import with_least_thinking
from turnfold_cli.agents.summarizing import as_text
from turnfold_cli.evidence import Prompt
from turnfold_cli.strategies import Api, Message, plain_message
from turnfold_cli.transcripts import Conversation, Question

from live.paying import Account, PayingClient

GOING_ON = 3
"""Turns that are held at the end, each continuing the one before, to see what the cache serves."""
MAX_TOKENS = 300
_USER = "live"
_MOMENT = 1_900_000_000.0  # the clock stands still: a second run asks the same, word for word
_REFUSED = frozenset({400, 413})
_HOPELESS = frozenset({401, 402, 403, 404})


class LiveError(Exception):
    """Nothing can be asked: the key, the model's name or the account is not right."""


class UnansweredError(Exception):
    """The API did not answer this time; another run asks again."""


class RefusedError(Exception):
    """The API will not take a request, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where questions go.

    Attributes:
        client: the SDK's, behind `http`.
        http: what pays.
        account: of what is paid.
        model: who answers.
        summary_model: who writes summaries; see `Policy.summary_model`.
        diagnosed: whether the server tells why its cache could not serve a request.
    """

    client: Anthropic
    http: PayingClient
    account: Account
    model: str
    summary_model: str
    diagnosed: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a question.

    Attributes:
        answer: what was said; "" where the API refused the request.
        share: of what it needs, how much stood in the prompt: 0 to 1.
        prompt_tokens: as the API counted them.
        dollars: what it cost, without verdicts.
        refused: why the API took it not; "" where it did.
    """

    answer: str
    share: float
    prompt_tokens: int
    dollars: float
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Continued:
    """A turn that continues the one before.

    Attributes:
        usage: what the API counted.
        reason: why the cache could not serve all of the turn before, in the API's word; "" where
            it found nothing; None where it was not asked, or has not said.
    """

    usage: Usage
    reason: str | None


class Session:
    """One strategy on one conversation, of which all was said but the answers to questions."""

    def __init__(
        self, contender: Contender, conversation: Conversation, door: Door, embedder: Embedder
    ) -> None:
        self.conversation = conversation
        self.degraded: dict[str, None] = {}
        self._door = door
        self._client = door.client
        strategy = contender.strategy
        api = Api(size, self._summarized, self._digested, lambda _, says: says)
        self._cut = strategy.cutter(api) if strategy.cutter else strategy.cut
        self._plays = strategy.cutter is not None
        self._asked = with_least_thinking({"model": door.model, "max_tokens": MAX_TOKENS})
        if conversation.system:
            self._asked["system"] = conversation.system
        if conversation.tools:
            self._asked["tools"] = list(conversation.tools)
        self._receipts: list[Receipt] = []
        self._memory: Memory | None = None
        if strategy.memory is not None:
            policy = replace(
                strategy.memory.policy(Policy(deadline=PATIENCE)),
                clock=lambda: _MOMENT,
                time_zone="UTC",
                background="off",
                diagnose_cache=door.diagnosed,
                summary_model=door.summary_model,
            )
            self._memory = Memory(
                policy=policy, embedder=embedder, on_receipt=self._receipts.append
            )
            self._client = self._memory.wrap(
                door.client, user_id=_USER, conversation=conversation.id
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._memory is not None:
            self._memory.close()

    def prepare(self) -> None:
        """Take in what was said before the last turns; summaries are written by the real model.

        Raises:
            LiveError: nothing can be asked.
            UnansweredError: a summary was not written.
        """
        turns = list(self.conversation.turns())[:-GOING_ON]
        history: list[Message] = []
        for turn in turns:
            history += turn.said
            if self._plays:
                with told_apart():
                    self._cut(list(history))
            history += turn.answered
        if self._memory is not None and history:
            report = self._memory.backfill(
                history, client=self._client, user_id=_USER, conversation=self.conversation.id
            )
            self.degraded.update(dict.fromkeys(report.degraded))

    def go_on(self) -> Iterator[Continued]:
        """Hold the last turns, each with the answer of the file; what the cache served of each.

        Raises:
            LiveError: nothing can be asked.
            UnansweredError: the API did not answer.
        """
        turns = list(self.conversation.turns())
        history = [m for turn in turns[:-GOING_ON] for m in (*turn.said, *turn.answered)]
        previous = ""
        for turn in turns[-GOING_ON:]:
            history += turn.said
            body: dict[str, Any] = {}
            if self._memory is None and self._door.diagnosed:
                body[FIELD] = {"previous_message_id": previous or None}
            try:
                message, receipt = self._sent(self._marked(history, newest=True), **body)
            except RefusedError:
                return  # and so will be each question
            told = message.to_dict()
            previous = message.id
            reason = receipt.cache_miss_reason if receipt else reason_in(told)
            asked = self._memory is not None or self._door.diagnosed
            yield Continued(Usage.from_api(told["usage"]), reason if asked else None)
            history += turn.answered

    def ask(self, question: Question) -> Reply:
        """Ask on a copy of the history.

        Raises:
            LiveError: nothing can be asked.
            UnansweredError: the API did not answer.
        """
        drawn = self._door.account.drawn
        asked = [*self.conversation.messages, {"role": "user", "content": question.text}]
        try:
            message, _ = self._sent(self._marked(asked, newest=False))
        except RefusedError as refused:
            return Reply("", 0.0, 0, 0.0, str(refused))
        prompt = Prompt(self._door.http.last, question.text)
        share = (
            float(prompt.has_words(question.words))
            if question.words
            else prompt.share_of(question.evidence)
        )
        usage = Usage.from_api(message.usage.to_dict())
        return Reply(_text(message), share, usage.prompt_tokens, self._door.account.drawn - drawn)

    def _sent(
        self, messages: Sequence[Message], **more: Any
    ) -> tuple[anthropic.types.Message, Receipt | None]:
        self._receipts.clear()
        with told_apart():
            message = self._client.messages.create(
                messages=list(messages),  # type: ignore[arg-type]
                extra_body=more or None,
                **self._asked,
            )
        for receipt in self._receipts:
            self.degraded.update(dict.fromkeys(receipt.degraded))
        return message, self._receipts[-1] if self._receipts else None

    def _marked(self, history: Sequence[Message], *, newest: bool) -> Sequence[Message]:
        """What is sent of a history, with breakpoints of the cache, unless memory sets its own."""
        sent = [plain_message(one) for one in self._cut(list(history))]
        if self._memory is None:
            places = {len(sent) - 2, len(sent) - 1 if newest else -1}
            sent = [_with_breakpoint(one) if n in places else one for n, one in enumerate(sent)]
        return sent

    def _summarized(self, messages: list[Message]) -> str:
        return self._digested(messages)

    def _digested(self, messages: list[Message], tokens: int = 1_500) -> str:
        """A summary of messages by the model that writes them for memory, too."""
        asked = {"model": self._door.summary_model, "max_tokens": tokens}
        written = self._door.client.messages.create(
            messages=as_text(messages),  # type: ignore[arg-type]
            **with_least_thinking(asked),
        )
        return _text(written) or "Nothing was said."


@contextmanager
def told_apart() -> Iterator[None]:
    """The SDK's errors by what is to be done about them."""
    try:
        yield
    except anthropic.APIStatusError as wrong:
        said = _said(wrong)
        if wrong.status_code in _REFUSED:
            raise RefusedError(said) from None
        if wrong.status_code in _HOPELESS:
            raise LiveError(said) from None
        raise UnansweredError(said) from None
    except anthropic.APIConnectionError as wrong:
        raise UnansweredError(str(wrong)) from None


def _said(wrong: anthropic.APIStatusError) -> str:
    """The API's own word, which holds no key; a page of a proxy is left out."""
    body = wrong.body if isinstance(wrong.body, Mapping) else {}
    error = body.get("error")
    told = error.get("message") if isinstance(error, Mapping) else None
    return f"{wrong.status_code}: {told or type(wrong).__name__}"


def _text(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text").strip()


def _with_breakpoint(message: Message) -> Message:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return {**message, "content": [*blocks[:-1], {**blocks[-1], "cache_control": _EPHEMERAL}]}


_EPHEMERAL = {"type": "ephemeral"}
