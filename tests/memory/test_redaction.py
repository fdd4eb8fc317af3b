"""What a redaction takes out reaches no record, file, summarizer or embedder."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chats import SMALL, Chat, ask, chats, injected, memory, said, stand_in, summaries
from support.embedders import HashedWords
from support.spoken import Spoken
from turnfold import Conversation, Policy
from turnfold.errors import PolicyError
from turnfold.history.redaction import redacted
from turnfold.request.thinking import thinking_ids
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import STORE_USER, open_store

CARD = "4111-1111-1111-1111"
URLS = {
    "memory": lambda folder: "memory:",
    "folder": lambda folder: str(folder / "store"),
    "sqlite": lambda folder: f"sqlite:{folder / 'store.db'}",
}


def without_cards(text):
    return re.sub(r"\d{4}-\d{4}-\d{4}-\d{4}", "[card]", text)


DISCREET = replace(SMALL, redact=without_cards)


@pytest.fixture(params=URLS)
def store(request, tmp_path):
    with open_store(URLS[request.param](tmp_path)) as opened:
        yield opened


def everything(store):
    users = [*store.users(), STORE_USER]
    return "\n".join(str(one) for user in users for one in store.ledger.scan(user))


def talk(store, turns=14, **options):
    fake = stand_in(f"I noted {CARD}.")
    embedder = HashedWords()
    remembering = memory(store, policy=DISCREET, embedder=embedder, **options)
    client = remembering.wrap(fake.client(), user_id="ada", conversation="c")
    chat = Chat(client)
    for number in range(1, turns + 1):
        chat.say(f"{said(number)} My card is {CARD}.")
    return chat, fake, embedder, remembering


def test_what_is_redacted_reaches_no_record_and_no_file(store, tmp_path):
    _, _, embedder, _ = talk(store)
    told = everything(store)
    assert CARD not in told
    assert "[card]" in told
    assert embedder.texts
    assert not any(CARD in text for text in embedder.texts)
    for file in Path(tmp_path).rglob("*"):
        if file.is_file():
            assert CARD.encode() not in file.read_bytes(), file


def test_the_summarizer_does_not_see_it_and_the_model_that_is_asked_does(store):
    chat, fake, _, _ = talk(store)
    assert summaries(fake)
    assert not any(CARD in json.dumps(body) for body in summaries(fake))
    sent = chats(fake)[-1]
    assert CARD in json.dumps(sent["messages"][-1])
    blocks = "".join(text for _, _, text in injected(sent))
    assert blocks
    assert CARD not in blocks, "what memory gives back is what it kept"
    assert CARD in chat.messages[0]["content"], "the caller's messages stay as they are"


def test_tools_documents_and_their_inputs_are_redacted_too(tmp_path):
    path = tmp_path / "store.db"
    text = {"type": "text", "text": f"text {CARD}"}
    source = {"type": "text", "media_type": "text/plain", "data": f"data {CARD}"}
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "pay",
        "input": {"id": CARD, "notes": [{"name": f"deep {CARD}"}]},
    }
    messages = [
        {
            "role": "user",
            "content": [text, {"type": "document", "title": f"title {CARD}", "source": source}],
        },
        {"role": "assistant", "content": [call]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": f"result {CARD}"},
                text,
            ],
        },
        {"role": "assistant", "content": f"Paid with {CARD}."},
    ]
    [tool] = [{"name": "pay", "input_schema": {"type": "object"}}]
    with open_store(f"sqlite:{path}") as store:
        client = memory(store, policy=DISCREET).wrap(stand_in().client(), conversation="c")
        client.messages.create(**ask(messages, tools=[tool]))
        assert "[card]" in everything(store)
        assert CARD not in everything(store)
    assert not any(CARD.encode() in file.read_bytes() for file in tmp_path.iterdir())


def test_what_is_no_text_stays_as_it_is():
    shout = str.upper
    message = {
        "role": "user",
        "content": [
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "aBc"},
            },
            {"type": "tool_use", "id": "toolu_a", "name": "look", "input": {"type": "x", "n": 1.5}},
            {"type": "thinking", "thinking": "hm", "signature": "sIg"},
            {"type": "redacted_thinking", "data": "dAta"},
            {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}},
        ],
    }
    image, call, thinking, sealed, text = redacted(message, shout)["content"]
    assert image == message["content"][0]
    assert call == {
        "type": "tool_use",
        "id": "toolu_a",
        "name": "look",
        "input": {"type": "X", "n": 1.5},
    }
    assert thinking == {"type": "thinking", "thinking": "HM", "signature": "sIg"}
    assert sealed == message["content"][3]
    assert text == {"type": "text", "text": "HELLO", "cache_control": {"type": "ephemeral"}}
    assert message["content"][4]["text"] == "hello"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8).map(lambda t: t + "SECRET"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(json_values)
def test_no_text_of_an_input_escapes(value):
    block = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "n",
        "input": {"id": value, "type": value},
    }
    message = {"role": "assistant", "content": [block]}
    assert "SECRET" not in str(redacted(message, lambda text: text.replace("SECRET", "")))


def test_ids_are_of_the_redacted_text_so_no_digest_tells_a_secret():
    """Two histories that differ only in what is redacted are one to memory."""
    with open_store("memory:") as one, open_store("memory:") as other:
        ids = []
        for store, card in ((one, CARD), (other, "5500-0000-0000-0004")):
            client = memory(store, policy=DISCREET).wrap(stand_in().client(), conversation="c")
            chat = Chat(client)
            for number in range(1, 9):
                chat.say(f"{said(number)} My card is {card}.")
            ids.append(
                [record.id for record in store.ledger.scan("local") if record.kind != "spend"]
            )
        assert ids[0] == ids[1]


def test_a_history_that_was_cut_is_joined_again():
    fake = stand_in()
    receipts = []
    remembering = memory(policy=DISCREET, on_receipt=receipts.append)
    client = remembering.wrap(fake.client(), conversation="c")
    messages = []
    for number in range(1, 20):
        request = ask(messages[-10:], f"{said(number)} My card is {CARD}.")
        client.messages.create(**request)
        messages += [request["messages"][-1], {"role": "assistant", "content": f"Noted {CARD}."}]
    assert receipts[-1].turn == 19, "the missing front was found"
    again = memory(remembering.store, policy=DISCREET, on_receipt=receipts.append)
    again.wrap(fake.client(), conversation="c").messages.create(**ask(messages[-10:]))
    assert receipts[-1].turn == 20, "in another process, too"


def test_a_conversation_is_resumed_with_what_was_kept(tmp_path):
    with open_store("memory:") as store:
        remembering = memory(store, policy=DISCREET)
        first = Conversation(client=stand_in().client(), memory=remembering, id="x")
        for number in range(1, 9):
            first.say(f"{said(number)} My card is {CARD}.")
        assert CARD in json.dumps(first.messages)
        written = {one.id for one in store.ledger.scan("local", kind="exchange")}
        again = Conversation(client=stand_in().client(), memory=remembering, id="x")
        assert CARD not in json.dumps(again.messages)
        assert len(again.messages) == len(first.messages)
        again.say("Go on.")
        after = {one.id for one in store.ledger.scan("local", kind="exchange")}
        assert len(after - written) == 1, "it is the same path"
        assert CARD not in everything(store)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_is_resumed_has_no_thinking_about_texts_that_were_redacted(store, kind):
    fake = FakeClaude(lambda _body: Reply("Noted.", thinking="About what was said."))
    with memory(store, policy=DISCREET) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="x")
        for text in ("Hello.", f"My card is {CARD}.", "Thanks."):
            await spoken.say(text)
        again = Spoken(kind, fake, memory=remembering, id="x")
        kept = [thinking_ids(message) != [] for message in again.talk.messages[1::2]]
        assert kept == [True, False, False]
        await again.say("Go on.")
        await again.say("And on.")
        once_more = Spoken(kind, fake, memory=remembering, id="x")
        assert once_more.talk.messages == again.talk.messages, "it was sent as it is kept"
        await once_more.say("And now?")
    assert {call.status for call in fake.calls} == {200}


def test_what_was_answered_with_nothing_but_thinking_is_not_kept(store):
    fake = FakeClaude([Reply([], "max_tokens", thinking="So."), Reply("Noted.", thinking="So.")])
    with memory(store, policy=DISCREET) as remembering:
        talk = Conversation(client=fake.client(), memory=remembering, id="x")
        talk.say(f"My card is {CARD}.")
        talk.say("And?")
        again = Conversation(client=fake.client(), memory=remembering, id="x")
        assert again.messages == talk.messages
        assert [one["role"] for one in again.messages] == ["user", "assistant"]
        again.say("Go on.")
    assert {call.status for call in fake.calls} == {200}


def test_a_redaction_that_fails_stores_nothing():
    def broken(_text):
        raise ValueError("no")

    receipts = []
    with open_store("memory:") as store:
        remembering = memory(
            store, policy=replace(SMALL, redact=broken), on_receipt=receipts.append
        )
        client = remembering.wrap(stand_in().client(), conversation="c")
        chat = Chat(client)
        chat.go_on(4)
        assert list(store.users()) == []
    assert all("memory" in one.degraded[0] for one in receipts), "and says so"


def test_a_redaction_that_gives_no_text_is_told():
    fake = FakeClaude(lambda _body: Reply("All right.", thinking=False))
    policy = replace(SMALL, redact=lambda _text: None, on_error="raise")
    client = memory(policy=policy).wrap(fake.client(max_retries=0), conversation="c")
    with pytest.raises(PolicyError, match="redact must give a text"):
        client.messages.create(**ask([]))
    with pytest.raises(PolicyError, match="redact must be a function"):
        Policy(redact="cards")


@pytest.mark.parametrize("days", [0, -1, "30", True, float("nan")])
def test_days_that_are_none(days):
    with pytest.raises(PolicyError, match="retain_days"):
        Policy(retain_days=days)
