"""A conversation: a text goes in, an answer comes out, and the history is kept."""

from dataclasses import replace

import anthropic
import pytest
from support.chats import (
    MODEL,
    SMALL,
    Chat,
    chats,
    injected,
    memory,
    said,
    stand_in,
    summaries,
    texts,
)
from support.spoken import Spoken
from turnfold import Conversation, TurnfoldError, memory_of, with_memory
from turnfold.accounting.prices import Usage
from turnfold_fake import Fault, Reply
from turnfold_stores import StoreError, open_store


@pytest.fixture(params=["sync", "async"])
def kind(request):
    return request.param


def roles(talk):
    return [message["role"] for message in talk.messages]


# --- saying -----------------------------------------------------------------------------------


async def test_what_is_said_is_answered_and_kept(kind):
    fake = stand_in(["In Bern.", "Since May."])
    with memory() as remembering:
        spoken = Spoken(kind, fake, "Be brief.", memory=remembering)
        assert await spoken.say("Where is she?") == "In Bern."
        assert await spoken.say("Since when?", max_tokens=77) == "Since May."
    first, second = chats(fake)
    assert texts(first) == ["Where is she?"]
    assert texts(second) == ["Where is she?", "In Bern.", "Since when?"]
    assert first["system"] == "Be brief."  # nothing is marked before a second turn is likely
    assert [block["text"] for block in second["system"]] == ["Be brief."]
    assert (first["max_tokens"], second["max_tokens"]) == (1024, 77)
    assert roles(spoken.talk) == ["user", "assistant"] * 2


async def test_an_answer_goes_back_as_it_came_thinking_and_all(kind):
    fake = stand_in(lambda _body: None)
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering)
        await spoken.say("One.")
        await spoken.say("Two.")
    given = fake.calls[0].response["content"]
    assert given[0]["type"] == "thinking"
    assert spoken.talk.messages[1]["content"] == given
    assert chats(fake)[1]["messages"][1]["content"] == given


async def test_a_stream_gives_pieces_and_is_kept_when_complete(kind):
    fake = stand_in("The keys hang behind the blue door. " * 9)
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering)
        pieces = await spoken.stream("Where are they?")
        assert len(pieces) > 3
        assert spoken.talk.messages[1]["content"] == [{"type": "text", "text": "".join(pieces)}]
        assert "".join(pieces) == "The keys hang behind the blue door. " * 9


async def test_a_long_conversation_is_folded(kind):
    fake = stand_in("All right. " * 20)
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        for number in range(1, 13):
            await spoken.say(said(number))
    talk = spoken.talk
    assert len(talk.messages) == 24
    assert summaries(fake)
    assert injected(chats(fake)[-1])
    full, sent = zip(*talk.growth, strict=True)
    assert len(full) == 12
    assert list(full) == sorted(full)
    assert max(sent) < max(full)
    assert talk.growth[-1] == (talk.last.tokens.full, talk.last.tokens.sent)
    assert talk.last.turn == 12
    spent = sum((Usage.from_api(call.usage) for call in fake.calls), Usage())
    assert talk.usage == spent, "summaries included"


# --- what was never said ----------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "  \n", None, 3])
async def test_nothing_to_say_is_refused(kind, text):
    fake = stand_in()
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering)
        with pytest.raises(TurnfoldError, match="nothing to say"):
            await spoken.say(text)
        with pytest.raises(TurnfoldError, match="nothing to say"):
            await spoken.stream(text)
    assert fake.calls == []


@pytest.mark.parametrize("way", ["say", "stream"])
@pytest.mark.parametrize("fault", ["overloaded", "timeout", "stream_error", "cut_stream"])
async def test_an_error_leaves_nothing_said(kind, way, fault):
    fake = stand_in("The keys hang behind the blue door. " * 9)
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await spoken.say("One.")
        before = spoken.talk.messages
        fake.fail_next(Fault(fault, on="chat"))
        with pytest.raises((anthropic.APIError, TurnfoldError)):
            await getattr(spoken, way)("Two.")
        assert spoken.talk.messages == before
        await spoken.say("Three.")
        assert texts(chats(fake)[-1])[0::2] == ["One.", "Three."]
        again = Spoken(kind, fake, memory=remembering, id="c").talk
        assert again.messages == spoken.talk.messages


async def test_a_stream_stopped_early_was_never_said(kind):
    fake = stand_in("The keys hang behind the blue door. " * 9)
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        assert len(await spoken.stream("One.", stop_after=1)) == 1
        assert spoken.talk.messages == []
        assert spoken.talk.usage.prompt_tokens == fake.count_tokens(chats(fake)[0]), "but paid for"
        assert Spoken(kind, fake, memory=remembering, id="c").talk.messages == []
        await spoken.say("Two.")
        assert texts(chats(fake)[-1]) == ["Two."]


async def test_an_answer_of_nothing_leaves_nothing_said(kind):
    fake = stand_in(lambda _body: Reply([], thinking=False))
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering)
        assert await spoken.say("One.") == ""
        assert spoken.talk.messages == []


def test_the_messages_are_a_copy():
    with memory() as remembering:
        talk = Conversation(client=stand_in().client(), memory=remembering)
        talk.say("One.")
        talk.messages.clear()
        talk.messages[0]["role"] = "assistant"
        assert roles(talk) == ["user", "assistant"]


# --- resuming ---------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["{}/folder", "sqlite:{}/s.db"])
async def test_a_conversation_goes_on_by_its_id_after_the_process_ended(kind, url, tmp_path):
    fake = stand_in("All right. " * 20)
    with memory(url.format(tmp_path)) as first:
        spoken = Spoken(kind, fake, memory=first, id="c")
        for number in range(1, 10):
            await spoken.say(said(number))
        messages = spoken.talk.messages
    with memory(url.format(tmp_path)) as second:
        again = Spoken(kind, fake, memory=second, id="c")
        assert again.talk.messages == messages
        paid = len(summaries(fake))
        assert paid
        await again.say("And now?")
        assert len(summaries(fake)) == paid
        assert injected(chats(fake)[-1])[0] == injected(chats(fake)[-2])[0]


async def test_another_id_and_another_user_begin_anew(kind):
    fake = stand_in()
    with memory() as remembering:
        await Spoken(kind, fake, memory=remembering, id="c", user_id="ada").say("Saffron.")
        for other in ({"id": "d", "user_id": "ada"}, {"id": "c", "user_id": "bob"}, {"id": "c"}):
            spoken = Spoken(kind, fake, memory=remembering, **other)
            assert spoken.talk.messages == []
            await spoken.say("Hello.")
            assert texts(chats(fake)[-1]) == ["Hello."]


async def test_two_conversations_at_once_do_not_mix(kind):
    fake = stand_in()
    with memory() as remembering:
        one, other = (Spoken(kind, fake, memory=remembering) for _ in range(2))
        assert one.talk.id != other.talk.id
        for number in range(20):
            await one.say(said(number, "asked", "saffron"))
            await other.say(said(number, "asked", "wyvern"))
    assert "wyvern" not in str([texts(body) for body in chats(fake)[0::2]])
    assert "saffron" not in str([texts(body) for body in chats(fake)[1::2]])
    assert injected(chats(fake)[-1])


async def test_a_conversation_that_went_on_elsewhere_says_so(kind):
    fake = stand_in()
    with memory() as remembering:
        one, other = (Spoken(kind, fake, memory=remembering, id="c") for _ in range(2))
        await one.say("One.")
        with pytest.raises(StoreError, match="'c' has gone on elsewhere"):
            await other.say("Two.")
        assert Spoken(kind, fake, memory=remembering, id="c").talk.messages == one.talk.messages


class Full:
    """A ledger that cannot take what was said."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def put(self, user_id, records):
        records = list(records)
        if any(record.kind == "said" for record in records):
            raise StoreError("no space left")
        return self._inner.put(user_id, records)


async def test_a_store_that_fails_does_not_cost_the_answer(kind):
    fake, store = stand_in(), open_store("memory:")
    store.ledger = Full(store.ledger)
    with memory(store) as remembering:
        assert await Spoken(kind, fake, memory=remembering).say("One.") == "All right."


# --- reset ------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["conversation", "user"])
async def test_a_reset_begins_anew_and_nothing_comes_back(kind, scope):
    fake = stand_in("All right. " * 20)
    with memory(policy=replace(SMALL, scope=scope)) as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        for number in range(1, 12):
            await spoken.say(said(number, "asked", "saffron"))
        assert injected(chats(fake)[-1])
        spoken.talk.reset()
        assert (spoken.talk.messages, spoken.talk.last, spoken.talk.growth) == ([], None, [])
        before = len(fake.calls)
        question = "What of amber2saffron, birch2saffron?"
        for number in range(1, 12):
            await spoken.say(said(number))
        await spoken.say(question)
    later = str([texts(call.body) for call in fake.calls[before:]])
    assert "saffron" not in later.replace(question, "")


async def test_after_a_reset_the_new_generation_is_resumed(kind):
    fake = stand_in()
    with memory() as remembering:
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        await spoken.say("Old.")
        spoken.talk.reset()
        await spoken.say("New.")
        spoken.talk.reset()
        await spoken.say("Newest.")
        again = Spoken(kind, fake, memory=remembering, id="c").talk
    assert again.messages == spoken.talk.messages
    assert again.messages[0]["content"] == "Newest."


@pytest.mark.parametrize("name", ["c#1", "c1", "c:1", "c/1"])
async def test_no_name_is_another_conversations_generation(kind, name):
    fake = stand_in()
    with memory() as remembering:
        other = Spoken(kind, fake, memory=remembering, id=name)
        await other.say("Mine.")
        spoken = Spoken(kind, fake, memory=remembering, id="c")
        spoken.talk.reset()
        await spoken.say("Yours.")
        assert Spoken(kind, fake, memory=remembering, id=name).talk.messages == other.talk.messages
        assert len(spoken.talk.messages) == 2


@pytest.mark.parametrize("conversation", ["c", None])
def test_what_was_reset_is_not_found_by_a_search(conversation):
    fake = stand_in("All right. " * 20)
    with memory() as remembering:
        talk = Conversation(client=fake.client(), memory=remembering, user_id="ada", id="c")
        for mark in ("saffron", "wyvern"):
            talk.reset()
            for number in range(1, 12):
                talk.say(said(number, "asked", mark))
        hits = remembering.search(
            "amber2saffron amber2wyvern", user_id="ada", conversation=conversation, limit=50
        )
        assert {hit.conversation for hit in hits} == {"c"}
        for given in ({}, {"conversation": "c"}):
            with pytest.raises(TurnfoldError, match="hit is of conversation 'c', not of 'd'"):
                remembering.forget(hit=hits[0], user_id="ada", conversation="d")
            assert remembering.forget(hit=hits[0], user_id="ada", **given).exchanges or given
    assert any("wyvern" in hit.text for hit in hits)
    assert not any("saffron" in hit.text for hit in hits)


# --- clients ----------------------------------------------------------------------------------


async def test_a_client_with_memory_lends_it_to_the_conversation(kind):
    """The conversation brings its own name, so the client's memory is not asked twice."""
    fake, receipts = stand_in(), []
    with memory(on_receipt=receipts.append) as remembering:
        client = remembering.wrap(Spoken.client_of(kind, fake), conversation="another")
        spoken = Spoken(kind, fake, client=client, id="c")
        assert spoken.talk.memory is remembering
        for number in range(1, 17):
            await spoken.say(said(number))
        assert memory_of(client) is remembering, "the client itself is left as it is"
        conversations = {r.conversation for r in remembering.store.ledger.scan("local")}
    assert conversations == {"c"}
    assert len(receipts) == len(spoken.talk.growth) == 16
    assert injected(chats(fake)[-1])


async def test_other_middleware_of_a_client_stays(kind):
    seen = []

    def watch(request, call_next):
        seen.append(request.json["messages"])
        return call_next(request)

    async def watch_async(request, call_next):
        seen.append(request.json["messages"])
        return await call_next(request)

    fake = stand_in()
    make = fake.async_client if kind == "async" else fake.client
    with memory() as remembering:
        bare = make(middleware=[watch_async if kind == "async" else watch])
        await Spoken(kind, fake, client=remembering.wrap(bare), id="c").say("One.")
    assert len(seen) == 1


def test_a_conversation_needs_no_memory_given():
    fake = stand_in()
    talk = Conversation(client=fake.client())
    assert talk.say("One.") == "All right."
    assert talk.model == chats(fake)[0]["model"] == MODEL
    lent = Conversation(client=with_memory(fake.client()))
    assert lent.memory is not talk.memory


def test_a_client_wrapped_for_a_user_talks_as_this_user():
    with memory() as remembering:
        client = remembering.wrap(stand_in().client(), user_id="ada")
        Conversation(client=client, id="c").say("One.")
        assert set(remembering.store.users()) == {"ada"}


@pytest.mark.parametrize("name", ["", 3])
@pytest.mark.parametrize("what", ["user_id", "id"])
def test_an_empty_name_is_refused(kind, what, name):
    with pytest.raises(TurnfoldError, match=f"{what}={name!r} must be a non-empty string"):
        Spoken(kind, stand_in(), **{what: name})


ODD_NAMES = [
    "a\x1fb",
    "\x1f",
    "a\x1f",
    "a\x1f7",
    "a\x1f07",
    "a\x1f-1",
    "a\x1f٣",
    "a\x1f²",
    "a\x1f" + "9" * 5_000,
    "a\x1f1\x1f1",
    "a\x00b",
    "a\x1eb\x1cc\x85d\u2028e",
    " ",
    "\ufeff\u200b",
    "İ'\"\\%_",
]


@pytest.mark.parametrize(("kind", "names"), [("memory", ODD_NAMES), ("sqlite", ODD_NAMES[:4])])
def test_a_conversation_may_have_any_name_and_breaks_no_search(kind, names, tmp_path):
    """The character between a name and its generation is the callers' like any other."""
    url = {"memory": "memory:", "sqlite": f"sqlite:{tmp_path}/store.db"}[kind]
    with memory(url) as remembering:
        for number, name in enumerate(names):
            client = remembering.wrap(stand_in().client(), user_id="ada", conversation=name)
            Chat(client).go_on(9, f"x{number}")
        for number, name in enumerate(names):
            for only in (name, None):
                [hit, *_] = remembering.search(f"amber2x{number}", user_id="ada", conversation=only)
                assert hit.conversation == name
        for name in names:
            assert remembering.forget(user_id="ada", conversation=name).exchanges
        assert not remembering.search("amber2x0", user_id="ada")


def test_a_name_that_looks_like_a_generation_to_come_is_a_name():
    with memory() as remembering:
        talk = Conversation(client=stand_in().client(), memory=remembering, user_id="ada", id="a")
        for name, mark in (("a", "y"), ("a\x1f2", "z")):
            client = remembering.wrap(stand_in().client(), user_id="ada", conversation=name)
            Chat(client).go_on(12, mark)
        talk.reset()
        hits = remembering.search("amber2y amber2z", user_id="ada")
        assert {hit.conversation for hit in hits} == {"a\x1f2"}
