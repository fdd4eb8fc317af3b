"""Type-checked, never run: what a type checker sees of the public names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
from anthropic import (
    Anthropic,
    AnthropicBedrock,
    AsyncAnthropic,
    AsyncMessageStreamManager,
    AsyncStream,
    MessageStreamManager,
    Stream,
)
from anthropic.types import Message, RawMessageStreamEvent, ToolResultBlockParam
from anthropic.types.beta import BetaMessage
from turnfold import (
    AsyncConversation,
    Cap,
    Conversation,
    Embedder,
    Memory,
    Policy,
    Receipt,
    Summarizer,
    memory_of,
    open_store,
    with_memory,
)
from turnfold.summaries.notes import Item, SummaryDraft, SummaryJob
from turnfold_stores import Store

# --- clients ----------------------------------------------------------------------------------


def a_client_keeps_its_type_and_its_overloads() -> None:
    client = with_memory(Anthropic())
    assert_type(client, Anthropic)
    messages = client.messages
    assert_type(messages.create(model="m", max_tokens=1, messages=[]), Message)
    assert_type(messages.create(model="m", max_tokens=1, messages=[], stream=False), Message)
    assert_type(
        messages.create(model="m", max_tokens=1, messages=[], stream=True),
        Stream[RawMessageStreamEvent],
    )
    assert_type(messages.stream(model="m", max_tokens=1, messages=[]), MessageStreamManager[None])
    raw = messages.with_raw_response.create(model="m", max_tokens=1, messages=[])
    assert_type(raw.parse(), Message)
    assert_type(client.beta.messages.create(model="m", max_tokens=1, messages=[]), BetaMessage)
    assert_type(client.with_options(timeout=1), Anthropic)


async def an_async_client_keeps_its_type_and_its_overloads() -> None:
    client = with_memory(AsyncAnthropic(), "./folder", user_id="ada", conversation="c")
    assert_type(client, AsyncAnthropic)
    messages = client.messages
    assert_type(await messages.create(model="m", max_tokens=1, messages=[]), Message)
    assert_type(
        await messages.create(model="m", max_tokens=1, messages=[], stream=True),
        AsyncStream[RawMessageStreamEvent],
    )
    assert_type(
        messages.stream(model="m", max_tokens=1, messages=[]), AsyncMessageStreamManager[None]
    )


def a_clouds_client_keeps_its_type() -> None:
    assert_type(with_memory(AnthropicBedrock()), AnthropicBedrock)


# --- memory -----------------------------------------------------------------------------------


def tell(receipt: Receipt) -> None:
    assert_type(receipt.cost, float | None)
    assert_type(receipt.tokens.sent, int)
    assert_type(receipt.degraded, tuple[str, ...])
    assert_type([hit.text for hit in receipt.hits], list[str])


async def tell_on_loop(receipt: Receipt) -> None:
    assert_type(receipt.turn, int)


def a_memory_wraps_any_client() -> None:
    Memory(on_receipt=lambda receipt: receipt.cost)
    Memory(on_receipt=tell_on_loop).wrap(AsyncAnthropic(), on_receipt=tell_on_loop)
    with Memory(Path("folder"), policy=Policy(fold_at=2_000), on_receipt=tell) as memory:
        assert_type(memory, Memory)
        assert_type(memory.store, Store)
        assert_type(memory.wrap(Anthropic(), user_id="ada"), Anthropic)
        assert_type(memory.wrap(AsyncAnthropic(), conversation="c"), AsyncAnthropic)
    assert_type(memory_of(Anthropic()), Memory | None)
    assert_type(open_store("memory:"), Store)
    Memory(open_store("memory:"))


def a_history_is_taken_in() -> None:
    messages = [{"role": "user", "content": "Hello."}]
    memory = Memory()
    report = memory.backfill(messages, client=Anthropic(), user_id="ada", conversation="c")
    assert_type(report.folded, int)
    assert_type(report.cost, float | None)
    memory.backfill(
        messages,
        client=Anthropic(),
        user_id="ada",
        conversation="c",
        times=[datetime(2026, 3, 5, tzinfo=UTC)],
        progress=lambda step, done, of: print(step, done / of),
    )
    memory.backfill(messages, client=Anthropic())  # type: ignore[call-arg]


def what_is_kept_can_be_read_and_set_right() -> None:
    memory = Memory()
    assert_type([note.text for note in memory.notes(user_id="ada")], list[str])
    memory.retract("some-note", user_id="ada", conversation="c")
    memory.replace("some-note", "It was Tuesday.", user_id="ada", conversation="c")
    memory.replace("some-note", user_id="ada")  # type: ignore[call-arg]
    assert_type([hit.score for hit in memory.search("nets", user_id="ada")], list[float])
    assert_type(memory.forget(user_id="ada").exchanges, int)
    memory.forget(user_id="ada", conversation="c", turn=3)
    memory.forget(user_id="ada", conversation="c", turn=[3, 4])
    memory.forget(user_id="ada", hit=memory.search("boats", user_id="ada"))
    memory.forget()  # type: ignore[call-arg]


def a_policy_takes_only_what_it_knows() -> None:
    Policy(background="on", turn_cap=Cap(tokens=9), conversation_cap=Cap(dollars=0.5))
    Policy(background="maybe")  # type: ignore[arg-type]
    Policy(placement="append", scope="user", cache="off", on_error="raise", count_tokens=len)
    Policy(placement="middle")  # type: ignore[arg-type]
    Policy(fold_at="many")  # type: ignore[arg-type]
    assert_type(Policy.for_budget(4_000, scope="user"), Policy)
    Policy(fold=1)  # type: ignore[call-arg]
    Policy(fold_at=2_000).fold_at = 3  # type: ignore[misc]


def a_store_is_no_number() -> None:
    Memory(3)  # type: ignore[arg-type]
    with_memory(Anthropic(), store=3)  # type: ignore[arg-type]


# --- one's own parts --------------------------------------------------------------------------


class MyEmbedder:
    """Satisfies the protocol without knowing of it."""

    model = "mine"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.full((len(texts), 4), 0.5, dtype=np.float32)


class MyOtherEmbedder:
    """Its name is known when it is loaded."""

    @property
    def model(self) -> str:
        return "mine"

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.full((len(texts), 4), 0.5, dtype=np.float32)


class NoEmbedder:
    model = "mine"

    def embed(self, texts: Sequence[str]) -> list[float]:
        return [1.0 for _ in texts]


class MySummarizer:
    def __call__(self, job: SummaryJob) -> SummaryDraft:
        return SummaryDraft([Item("fact", said.text) for said in job.exchanges[0]])


def my_summarizer(job: SummaryJob) -> SummaryDraft:
    return SummaryDraft([Item("fact", f"Turns {job.first} to {job.last}.", (job.first,))])


def no_summarizer(job: SummaryJob) -> str:
    return f"Turns {job.first} to {job.last}."


def ones_own_parts_fit() -> None:
    embedder: Embedder = MyEmbedder()
    embedder = MyOtherEmbedder()
    embedder = NoEmbedder()  # type: ignore[assignment]
    summarizer: Summarizer = MySummarizer()
    summarizer = my_summarizer
    summarizer = no_summarizer  # type: ignore[assignment]
    Memory(embedder=embedder, summarizer=summarizer)
    Memory(embedder=MyEmbedder(), summarizer=my_summarizer)


# --- tools ------------------------------------------------------------------------------------


def a_tool_for_runners_and_for_loops() -> None:
    client, recall = with_memory(Anthropic()), Memory().tool(user_id="ada", conversation="c")
    client.beta.messages.tool_runner(model="m", max_tokens=1, messages=[], tools=[recall])
    files = Memory().memory_tool(user_id="ada", conversation="c")
    client.beta.messages.tool_runner(model="m", max_tokens=1, messages=[], tools=[files])
    message = client.messages.create(
        model="m", max_tokens=1, messages=[], tools=[recall.definition]
    )
    results = [recall.tool_result(one) for one in message.content if recall.answers(one)]
    client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": results}])


async def an_async_tool() -> None:
    client, recall = with_memory(AsyncAnthropic()), Memory().atool(user_id="ada")
    client.beta.messages.tool_runner(model="m", max_tokens=1, messages=[], tools=[recall])
    assert_type(await recall.tool_result({}), ToolResultBlockParam)


# --- conversations ----------------------------------------------------------------------------


def a_conversation() -> None:
    talk = Conversation("Be brief.", client=Anthropic(), user_id="ada", id="c")
    assert_type(talk.say("Hello."), str)
    assert_type(talk.stream("Hello."), Iterator[str])
    assert_type(talk.messages, list[dict[str, Any]])
    assert_type(talk.growth, list[tuple[int, int]])
    assert_type(talk.last, Receipt | None)
    assert_type(talk.usage.prompt_tokens, int)
    assert_type(talk.id, str)
    assert_type(talk.memory, Memory)
    talk.reset()
    Conversation(client=AsyncAnthropic())  # type: ignore[arg-type]


async def an_async_conversation() -> None:
    talk = AsyncConversation(model="m", client=AsyncAnthropic(), memory=Memory())
    assert_type(await talk.say("Hello."), str)
    assert_type(talk.stream("Hello."), AsyncIterator[str])
    assert_type(talk.messages, list[dict[str, Any]])
    AsyncConversation(client=Anthropic())  # type: ignore[arg-type]
