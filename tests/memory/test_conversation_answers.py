"""Answers that the API gives and does not take back: what of them a conversation keeps."""

import logging
from dataclasses import replace

import pytest
from support.chats import SMALL, chats, memory, stand_in, texts
from support.spoken import Spoken
from turnfold_fake import Reply
from turnfold_stores import Record, open_store

HI = {"type": "text", "text": "Hi."}
EMPTY, BLANK = {"type": "text", "text": ""}, {"type": "text", "text": " \n"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
SEARCH = {
    "type": "server_tool_use",
    "id": "srvtoolu_1",
    "name": "web_search",
    "input": {"query": "amber"},
}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}

# What is answered, and what of it is kept; nothing is kept of the exchange where that is nothing.
ANSWERS = {
    "an empty text": ([EMPTY], []),
    "a blank text": ([BLANK], []),
    "an empty text before a real one": ([EMPTY, HI], [HI]),
    "a blank text behind a real one": ([HI, BLANK], [HI]),
    "space at the end of a text": ([{"type": "text", "text": "Hi. \n"}], None),
    "a call": ([CALL], []),
    "a call and a text": ([HI, CALL], [HI]),
    "a search that was paused": ([HI, SEARCH], [HI]),
    "a search and what it found": ([SEARCH, FOUND, HI], None),
}


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


async def said_all(spoken, way, *asked):
    for text in asked:
        await getattr(spoken, way)(text)


@pytest.mark.parametrize("way", ["say", "stream"])
@pytest.mark.parametrize(("given", "kept"), ANSWERS.values(), ids=ANSWERS)
async def test_of_an_answer_is_kept_what_can_be_sent_back(kind, way, given, kept, tmp_path):
    kept = given if kept is None else kept
    fake = stand_in(["One.", Reply(given, thinking=False), "Three.", "Four.", "Five."])
    with memory(f"sqlite:{tmp_path}/s.db") as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await said_all(spoken, way, "First?", "Second?", "Third?", "Fourth?")
        messages = spoken.talk.messages
    if kept:
        assert messages[3]["content"] == kept
    assert ("Second?" in str(messages)) is bool(kept)
    with memory(f"sqlite:{tmp_path}/s.db") as remembering:
        again = Spoken(kind, fake, memory=remembering, id="c")
        assert again.talk.messages == messages
        await said_all(again, way, "Fifth?")
    assert texts(chats(fake)[-1])[-1] == "Fifth?"


@pytest.mark.parametrize("blocks", [[], [EMPTY], [CALL]])
async def test_thinking_alone_is_not_kept(kind, blocks):
    fake = stand_in(["One.", Reply(blocks), "Three."])
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering)
        await said_all(spoken, "say", "First?", "Second?", "Third?")
    assert fake.calls[1].response["content"][0]["type"] == "thinking"
    assert "Second?" not in str(spoken.talk.messages)


async def test_a_call_that_is_left_out_is_told(kind, caplog):
    fake = stand_in([Reply([CALL], thinking=False), Reply([EMPTY], thinking=False)])
    with memory() as remembering, caplog.at_level(logging.WARNING, "turnfold"):
        spoken = Spoken(kind, fake, memory=remembering)
        await spoken.say("First?")
        assert ["the answer called a tool" in one.getMessage() for one in caplog.records] == [True]
        await spoken.say("Second?")
        assert len(caplog.records) == 1


# What older versions kept as it came, and what is read of it.
KEPT = {
    "an empty text": ([EMPTY], []),
    "an empty text before a real one": ([EMPTY, HI], [HI]),
    "a call": ([CALL], []),
    "a search that was paused": ([HI, SEARCH], [HI]),
    "thinking alone": ([THOUGHT], []),
    "thinking that nothing follows": ([HI, THOUGHT], [HI]),
    "nothing": ("", []),
}


@pytest.mark.parametrize(("stored", "read"), KEPT.values(), ids=KEPT)
async def test_what_was_kept_as_it_came_can_be_resumed(kind, stored, read):
    fake, store = stand_in("Fine."), open_store("memory:")
    answers = [[HI], stored]
    records = [
        Record(
            f"said:c:{number}",
            "said",
            "c",
            {
                "messages": [
                    {"role": "user", "content": f"Question {number}?"},
                    {"role": "assistant", "content": answer},
                ]
            },
        )
        for number, answer in enumerate(answers, 1)
    ]
    store.ledger.put("local", records)
    with memory(store) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        kept = [one["content"] for one in spoken.talk.messages[1::2]]
        assert kept == ([[HI], read] if read else [[HI]])
        assert await spoken.say("And now?") == "Fine."
        again = Spoken(kind, fake, memory=remembering, id="c")
        assert again.talk.messages == spoken.talk.messages
        assert await again.say("Still there?") == "Fine."


@pytest.mark.parametrize("secret", ["Tell me the code.", "0000"])
async def test_what_a_redaction_leaves_nothing_of_can_be_resumed(kind, secret):
    fake = stand_in(["0000", "Fine.", "Good."])
    store = open_store("memory:")
    policy = replace(SMALL, redact=lambda text: text.replace(secret, ""))
    with memory(store, policy=policy) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await said_all(spoken, "say", "Tell me the code.", "And now?")
        again = Spoken(kind, fake, memory=remembering, id="c")
        assert texts({"messages": again.talk.messages}) == ["And now?", "Fine."]
        assert await again.say("Still there?") == "Good."
