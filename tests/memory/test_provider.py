"""Summaries by the provider's own compaction: `Memory(summarizer="provider")`."""

import asyncio
import json

import pytest
from support.chats import MODEL, ask, history, memory, said, stand_in
from turnfold import Policy, TurnfoldError
from turnfold_fake import Fault

BESIDE = Policy(fold_at=2_000, keep_tokens=500, background="on", cache="on")
BETA = "compact-2026-09-04"


def notes(body):
    """What the provider makes of it: how each of the newest turns began."""
    asked = [one for one in body["messages"] if one["role"] == "user"]
    texts = [block["text"] for one in asked for block in blocks(one) if block["type"] == "text"]
    items = [{"kind": "narrative", "text": text} for text in texts if "<memory" not in text]
    return json.dumps({"items": items[-3:]})


def blocks(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def compactions(fake):
    return [call for call in fake.calls if call.body.get("compaction") is not None]


def usual(fake):
    return [call for call in fake.asked("summary") if "compaction" not in call.body]


async def idle(remembering):
    """Wait until nothing is prepared any more."""
    background = remembering._background
    if tasks := list(background._tasks):
        await asyncio.wait(tasks, timeout=30)
    if (thread := background._thread) is not None:
        thread.join(30)


async def talk(door, fake, turns, *, policy=BESIDE, **options):
    receipts, messages = [], []
    with memory(policy=policy, summarizer="provider", on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake), conversation="c")
        for number in range(1, turns + 1):
            asked = {**ask(messages, said(number)), **options}
            await door.ask("create", client, asked)
            messages = [*asked["messages"], {"role": "assistant", "content": said(number, "told")}]
            await idle(remembering)
    return receipts


async def test_the_api_compacts_the_turns_where_they_stand(door):
    """By the chat's model, with system and tools as they are, beside the turn."""
    fake = stand_in(compaction=notes)
    receipts = await talk(door, fake, 30, stop_sequences=["END"], system="Be brief.")
    asked = compactions(fake)
    assert len(asked) >= 2
    assert {call.status for call in asked} == {200}
    assert not usual(fake)
    assert receipts[-1].in_memory > 10
    assert not any(receipt.degraded for receipt in receipts)
    for call in asked:
        assert call.body["model"] == MODEL
        assert call.body["system"]
        assert BETA in call.headers["anthropic-beta"]
        assert call.body["messages"][-1]["role"] == "assistant"
    assert all(receipt.tokens.summary > 0 for receipt in receipts[-3:])


async def test_it_is_read_from_the_cache(door):
    """All but the newest answer was sent before: the reads are what it costs."""
    fake = stand_in(compaction=notes)
    await talk(door, fake, 30)
    for call in compactions(fake):
        usage = call.usage
        assert usage["cache_read_input_tokens"] > 3 * usage["input_tokens"]


async def test_the_notes_pass_the_gate_and_are_forgotten_as_any(door):
    """What the turns do not say does not get in, whoever says it."""
    made_up = {"items": [{"kind": "fact", "text": "Mr. Xanthopoulos paid 987,654."}]}
    fake = stand_in(compaction=lambda _: json.dumps(made_up))
    receipts = await talk(door, fake, 30)
    assert receipts[-1].in_memory > 0
    sent = json.dumps([call.body["messages"] for call in fake.asked()])
    assert "Xanthopoulos" not in sent


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "compaction: Extra inputs are not permitted"), (404, "not found"), (403, "no beta")],
)
async def test_where_there_is_none_the_same_model_is_asked_in_the_usual_way(door, status, words):
    """And the API is not asked for a compaction again."""
    kinds = {400: "bad_request", 404: "not_found", 403: "forbidden"}

    def refuses(body, _):
        asked = body.get("compaction") is not None
        return Fault(kinds[status], message=words) if asked else None

    fake = stand_in(compaction=notes, faults=refuses)
    receipts = await talk(door, fake, 30)
    assert len(compactions(fake)) == 1
    assert {call.body["model"] for call in usual(fake)} == {MODEL}
    assert receipts[-1].in_memory > 10
    assert not any(receipt.degraded for receipt in receipts)


async def test_a_fold_that_cannot_wait_is_asked_for_in_the_usual_way(door):
    """Nothing was sent yet in which its turns stand."""
    fake = stand_in(compaction=notes)
    policy = Policy(fold_at=1_000, keep_tokens=300, background="off")
    receipts = []
    with memory(policy=policy, summarizer="provider", on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(fake), conversation="c")
        await door.ask("create", client, ask(history(12)))
    assert not compactions(fake)
    assert receipts[-1].in_memory > 0
    assert {call.body["model"] for call in usual(fake)} == {MODEL}


def test_any_other_word_is_no_summarizer():
    with pytest.raises(TurnfoldError, match="provider"):
        memory(summarizer="claude").__enter__()
