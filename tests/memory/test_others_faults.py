"""What one user brings about befalls no other: odd input, what is refused them, what they stop."""

import asyncio
import contextlib
import json
import re
import time
from dataclasses import replace

import pytest
from support.chats import SMALL, ask, history, memory, stand_in
from support.embedders import HashedWords
from support.faulty import Trouble, troubled_store
from turnfold.errors import SummaryError
from turnfold.request.refusals import Useless
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold.summarizers.resting import Rest
from turnfold_fake import FakeClaude, Fault, Reply

CARD = "my card is 4111 1111 1111 1111"


def redact(text):
    if "4111" in text:
        raise RuntimeError(f"no such card in {text!r}")
    return text


def nested(depth):
    value = "x"
    for _ in range(depth):
        value = [value]
    return value


ODD = {
    "a name that is no text": {"metadata": {"user_id": "\ud83d"}},
    "a text that is none": {"messages": [{"role": "user", "content": "Hi \ud83d."}]},
    "a mark that is no object": {
        "system": [{"type": "text", "text": "Be kind.", "cache_control": "ephemeral"}]
    },
    "a type that is a list": {"messages": [{"role": "user", "content": [{"type": ["text"]}]}]},
    "a type that is an object": {"messages": [{"role": "user", "content": [{"type": {}}]}]},
    "a content that is an object": {"messages": [{"role": "user", "content": {"text": "Hi."}}]},
    "lists in lists": {
        "messages": [{"role": "user", "content": [{"type": "text", "text": nested(3_000)}]}]
    },
    "what redact fails for": {"messages": [{"role": "user", "content": CARD}]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_input_of_one_user_costs_no_other_their_memory(odd):
    got = []
    one = memory(policy=replace(SMALL, redact=redact), on_receipt=got.append)
    client = stand_in("Fine.").client(max_retries=0)
    anybody = one.wrap(client, conversation="c")
    for _ in range(4):
        with contextlib.suppress(Exception):  # the API refuses most of them
            anybody.messages.create(**ask([], "Hi."), extra_body=odd)
    got.clear()
    ada = one.wrap(client, user_id="ada", conversation="c")
    ada.messages.create(**ask(history(9), "Where is amber3?"))
    assert got[0].degraded == ()
    assert got[0].tokens.sent < got[0].tokens.full


SUMMARIES = {
    "are refused": {"faults": lambda body, _: Fault("refused", on="summary") if of(body) else None},
    "are not what the turns say": {
        "summary": lambda body: json.dumps({"items": [LIE]}) if of(body) else None
    },
    "are no JSON": {"summary": lambda body: "mallory has said that" if of(body) else None},
}
LIE = {"kind": "fact", "text": "Zed owes Quentin 4711 dollars since 1999.", "turns": [1]}


def of(body):
    return "mallory" in json.dumps(body["messages"])


@pytest.mark.parametrize("fake", SUMMARIES.values(), ids=SUMMARIES)
def test_where_summaries_of_one_user_come_to_nothing_others_have_theirs(fake):
    got = []
    one = memory(on_receipt=got.append)
    client = stand_in("Fine.", **fake).client(max_retries=0)
    mallory = one.wrap(client, user_id="mallory", conversation="c")
    for more in range(5):
        mallory.messages.create(**ask(history(9 + 7 * more, "mallory")))
    assert any("in a row were of no use" in why for why in got[-1].degraded)
    ada = one.wrap(client, user_id="ada", conversation="c")
    ada.messages.create(**ask(history(9)))
    assert got[-1].degraded == ()
    assert got[-1].folded
    assert one.notes(user_id="ada", conversation="c")


def test_what_comes_to_nothing_for_three_users_in_a_row_is_left_alone_for_all_and_quotes_none():
    got = []
    one = memory(on_receipt=got.append)
    client = stand_in("Fine.", summary=lambda _: "They have said something.").client(max_retries=0)
    for name in ("ada", "bob", "eve", "joe"):
        one.wrap(client, user_id=name, conversation="c").messages.create(**ask(history(9, name)))
    whys = [receipt.degraded[0] for receipt in got]
    assert all("They have said" in why for why in whys[:3])
    assert "of no use (for several users" in whys[3]
    assert "They have said" not in whys[3]


@pytest.mark.parametrize("kind", ["unauthorized", "rate_limit"])
def test_keys_that_are_refused_leave_others_their_summaries(kind):
    got = []
    one = memory(on_receipt=got.append)
    faults = [Fault(kind, on="summary", times=99)]
    for number in range(4):
        client = stand_in("Fine.", faults=faults).client(max_retries=0, api_key=f"broke {number}")
        wrapped = one.wrap(client, user_id=f"mallory {number}", conversation="c")
        wrapped.messages.create(**ask(history(9)))
        assert got[-1].degraded
    ada = one.wrap(stand_in("Fine.").client(max_retries=0), user_id="ada", conversation="c")
    ada.messages.create(**ask(history(9)))
    assert got[-1].degraded == ()
    assert got[-1].folded


class Slow(HashedWords):
    def embed(self, texts):
        time.sleep(0.3)
        return super().embed(texts)


def test_calls_that_are_cancelled_cost_others_nothing():
    fake = FakeClaude(lambda _: Reply("Fine.", thinking=False), window=2_500)
    got = []

    async def chat():
        one = memory(embedder=Slow(), on_receipt=got.append)
        await one.aload()

        def asks(number, text, messages):
            client = one.wrap(fake.async_client(), user_id=f"u{number}", conversation="c")
            return client.messages.create(**ask(messages, text))

        for number in range(4):
            await asks(number, "Where is amber3?", history(25))
        got.clear()
        further = [*history(25), *ask([], "Where is amber3?")["messages"]]
        further.append({"role": "assistant", "content": "Fine."})
        stopped = [asyncio.create_task(asks(n, "Where is birch4?", further)) for n in range(2)]
        await asyncio.sleep(0.1)
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        await asyncio.gather(*(asks(n, "Where is birch4?", further) for n in (2, 3)))

    asyncio.run(chat())
    theirs = [one for one in got if one.user_id in {"u2", "u3"}]
    assert [one.degraded for one in theirs] == [(), ()]
    assert all(one.hits for one in theirs)


def test_a_summarizer_that_cannot_read_ones_turns_is_asked_for_others_and_quotes_nobody():
    got = []

    def summarize(job):
        if "mallory" in str(job):
            raise odd(f"cannot read {CARD!r}")
        return SummaryDraft([Item("narrative", "They spoke of amber.", (1,))])

    for odd in (ValueError, KeyError, RuntimeError):
        one = memory(summarizer=summarize, on_receipt=got.append)
        client = stand_in("Fine.").client(max_retries=0)
        mallory = one.wrap(client, user_id="mallory", conversation="c")
        for more in range(6):
            mallory.messages.create(**ask(history(9 + 7 * more, "mallory")))
        one.wrap(client, user_id="ada", conversation="c").messages.create(**ask(history(9)))
        assert "4111" not in str(got[-1].degraded)
        assert odd is RuntimeError or not any("not asked" in why for why in got[-1].degraded)


def test_pauses_of_one_user_are_kept_while_others_come_and_go():
    rest = Rest(lambda: 0.0)
    for _ in range(3):
        rest.judged(of_use=False, user_id="mallory")
    for number in range(5_000):
        rest.check(f"user {number}")
        rest.worked(f"user {number}")
        rest.judged(of_use=True, user_id=f"user {number}")
    with pytest.raises(Useless):
        rest.check("mallory")


def test_what_is_of_no_use_to_anybody_is_left_alone_for_longer_each_time():
    now = [0.0]
    rest = Rest(lambda: now[0])

    def useless(user_id):
        rest.failed(SummaryError("no JSON"), user_id)
        rest.judged(of_use=False, user_id=user_id)

    for name in ("ada", "bob", "eve"):
        useless(name)
    pauses = []
    for number in range(9):
        with pytest.raises(Useless) as told:
            rest.check(f"new {number}")
        pauses.append(int(re.search(r"for (\d+) s", str(told.value))[1]))
        now[0] += pauses[-1]
        rest.check(f"new {number}")
        useless(f"new {number}")
    assert pauses == [600 * 2**n for n in range(8)] + [86_400]


def test_who_cannot_try_a_store_that_is_back_leaves_that_to_the_next():
    now, got = [0.0], []
    trouble = Trouble(lambda *_: True)
    policy = replace(SMALL, redact=redact)
    one = memory(troubled_store(trouble), policy=policy, on_receipt=got.append)
    one._background.bounds.store._clock = lambda: now[0]
    client = stand_in("Fine.").client(max_retries=0)
    ada = one.wrap(client, user_id="ada", conversation="c")
    mallory = one.wrap(client, user_id="mallory", conversation="c")
    trouble.armed = True
    for _ in range(3):
        ada.messages.create(**ask(history(9)))
    trouble.armed = False
    now[0] += 10
    mallory.messages.create(**ask([], CARD))
    ada.messages.create(**ask(history(9)))
    assert "redact failed" in got[-2].degraded[0]
    assert got[-1].degraded == ()
