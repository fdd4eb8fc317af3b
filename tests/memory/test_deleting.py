"""The user of an app deletes or corrects exchanges of a history; memory goes on with the rest."""

import json
import logging
from dataclasses import replace

import pytest
from support.apps import Talk, question
from support.chats import Chat, chats, history, memory, said, summaries
from support.models import SHOWN_THINKING
from turnfold.upkeep.checkup import check
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import open_store

TURNS = 24
# Which exchanges are deleted: numbers from 1. Turn 24 is in the window, the others are folded.
DELETED = {
    "the first": [1],
    "the second": [2],
    "one in the middle": [9],
    "one in the window": [24],
    "the newest but one": [23],
    "several": [4, 9, 10, 15],
    "the first and others": [1, 2, 8, 20],
    "every third": [3, 6, 9, 12, 15, 18],
}


@pytest.fixture(scope="module", params=["named", "unnamed"])
def talked(request):
    """A long talk, as records; each test goes on with it in a store of its own."""
    talk = Talk(request.param == "named").go_on(TURNS + 1)
    talk.messages = talk.messages[: 2 * TURNS]  # the newest answer is on its way
    return talk, list(talk.memory.store.ledger.scan("ada"))


@pytest.fixture
def talk(talked):
    before, records = talked
    again = Talk(before.conversation is not None)
    again.memory.store.put_records("ada", records)
    again.messages = list(before.messages)
    return again


@pytest.mark.parametrize("deleted", DELETED.values(), ids=DELETED)
def test_what_was_deleted_is_nowhere_and_the_rest_goes_on(talk, deleted):
    talk.delete(deleted)
    kept = len(talk.messages)
    body = talk.say(question(deleted[0]))
    assert len(talk.notes.jobs) <= 1, "nothing that was summarized is summarized again"
    assert len(body["messages"]) < kept, "memory goes on"
    assert talk.receipts[-1].turn == TURNS - len(deleted) + 1
    assert not talk.receipts[-1].degraded
    for number in deleted:
        assert not talk.tells(body, number)
        assert not talk.finds(number)
    for number in sorted({3, 5, 11, 16} - set(deleted)):
        assert talk.finds(number)
        assert talk.tells(talk.say(question(number)), number)
    talk.go_on(8, mark="y")
    for number in deleted:
        assert not any(talk.tells(one, number) for one in chats(talk.fake))
        assert not any(f"delta{number}x" in str(job) for job in talk.notes.jobs)
        assert not talk.finds(number)
    folded = sum(len(job.exchanges) for job in talk.notes.jobs)
    assert folded <= 16, "what is summarized is what is new"


@pytest.mark.parametrize("deleted", [[1], [5], [4, 9]], ids=str)
def test_turns_are_counted_anew(talk, deleted):
    conversation = talk.conversation
    before = talk.memory.notes(user_id="ada", conversation=conversation)
    talk.delete(deleted)
    talk.say("And now?")
    after = talk.memory.notes(user_id="ada", conversation=conversation)
    turn_of = {one.text: one.turns[0] for one in before}
    assert {one.text for one in before} - {one.text for one in after} == {
        f"Turn {number} asked of delta{number}x." for number in deleted
    }
    for note in after:
        was = turn_of[note.text]
        assert note.turns == (was - sum(number < was for number in deleted),)
    for hit in talk.memory.search("amber16x birch16x", user_id="ada", limit=1):
        assert hit.turn == 16 - len(deleted)


def test_another_process_sends_the_same(talk):
    talk.delete([6])
    kept = list(talk.messages)
    body = talk.say("And now?")
    again = Talk(talk.conversation is not None, talk.memory.store)
    again.messages = kept
    assert again.say("And now?") == body


def test_what_is_deleted_and_brought_back_is_known_again(talk):
    whole = list(talk.messages)
    talk.delete([9])
    assert not talk.tells(talk.say(question(9)), 9)
    talk.go_on(2, mark="y")
    newer = talk.messages[2 * (TURNS - 1) :]
    talk.messages = [*whole, *newer]  # the app has an undo
    assert talk.tells(talk.say(question(9)), 9)
    assert talk.finds(9)
    assert talk.receipts[-1].in_memory > 15
    assert sum(len(job.exchanges) for job in talk.notes.jobs) <= 6


def test_one_after_another(talk):
    for number in (20, 14, 9, 9, 5, 3):
        talk.delete([number])
        body = talk.say("And now?")
        assert len(body["messages"]) < len(talk.messages) / 2
    for number in (20, 14, 9, 10, 5, 3):
        assert not talk.tells(body, number)
        assert not talk.finds(number)
    assert sum(len(job.exchanges) for job in talk.notes.jobs) <= 8


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("number", [2, 9, 24])
def test_what_was_corrected_holds_as_it_is_now(talk, role, number):
    at = 2 * number - (2 if role == "user" else 1)
    corrected = "The spare key is with Mrs Okada in number 31."
    before = talk.messages[at]["content"]
    talk.messages[at] = {"role": role, "content": corrected}
    body = talk.say("Where is the spare key?")
    assert before[:30] not in json.dumps(body)
    assert f"delta{number}x" not in json.dumps(body) or role == "assistant"
    assert "Okada" in json.dumps(body)
    talk.go_on(6, mark="y")
    assert "Okada" in json.dumps(talk.say("Where is the spare key?"))
    hits = talk.memory.search("spare key with Mrs Okada", user_id="ada", limit=1)
    assert corrected in hits[0].text
    for hit in talk.memory.search(before, user_id="ada"):
        assert before[:30] not in hit.text


def test_a_note_that_names_what_was_deleted_goes_with_it():
    """Also one of another turn: a summarizer may say anything of what it has read."""
    talk = Talk()

    def gossip(job):
        draft = talk.notes(job)
        *others, last = draft.items
        return replace(
            draft, items=[*others, replace(last, text=f"{last.text[:-1]}, of marmalade.")]
        )

    talk.memory._summarizer = gossip
    talk.go_on(2)
    talk.say(said(3, "asked", "x") + " And of marmalade.")
    talk.go_on(TURNS - 3, first=4)
    assert str(talk.memory.notes(user_id="ada", conversation="c")).count("of marmalade") > 1
    talk.delete([3])
    assert "armalade" not in json.dumps(talk.say("And now?"))
    assert "armalade" not in str(talk.memory.notes(user_id="ada", conversation="c"))


@pytest.mark.parametrize("deleted", DELETED.values(), ids=DELETED)
def test_thinking_stays_valid(deleted):
    fake = FakeClaude(lambda _body: Reply("All right.", thinking="Let me see."))
    receipts = []
    remembering = memory(on_receipt=receipts.append)
    client = remembering.wrap(fake.client(max_retries=0), user_id="ada", conversation="c")
    chat = Chat(client, thinking=SHOWN_THINKING)
    chat.fields["max_tokens"] = 4_000
    chat.go_on(TURNS)
    for number in sorted(deleted, reverse=True):
        del chat.messages[2 * number - 2 : 2 * number]
    chat.go_on(4, "y")
    assert not [reason for one in receipts for reason in one.degraded]
    assert {call.status for call in fake.calls} == {200}


# --- what is a deletion, and what a cut ---------------------------------------------------------


def windowed(messages, most, least):
    """What a caller sends who cuts down to `least` exchanges when there are more than `most`."""
    exchanges = len(messages) // 2
    over = exchanges - most
    dropped = 0 if over <= 0 else -(-over // (most - least + 1)) * (most - least + 1)
    return messages[2 * dropped :]


@pytest.mark.parametrize(("most", "least"), [(10, 10), (16, 8), (9, 6)], ids=str)
def test_a_cut_is_joined_again(most, least):
    talk = Talk()
    for number in range(1, 40):
        talk.say(said(number, "asked", "x"), windowed(talk.messages, most, least))
    assert talk.receipts[-1].turn == 39
    assert talk.finds(1)
    assert talk.tells(talk.say(question(2), windowed(talk.messages, most, least)), 2)
    assert sum(len(job.exchanges) for job in talk.notes.jobs) <= 48


def test_what_is_deleted_from_a_cut_history_is_gone():
    talk = Talk()
    for number in range(1, 25):
        talk.say(said(number, "asked", "x"), talk.messages[-20:])
    talk.delete([19])
    body = talk.say(question(19), talk.messages[-20:])
    assert not talk.tells(body, 19)
    assert not talk.finds(19)
    assert talk.finds(2)
    assert talk.receipts[-1].turn == 24


def test_who_deletes_the_first_exchange_and_goes_on_has_deleted_it(talk):
    talk.delete([1])
    talk.go_on(5, mark="y")
    talk.delete([1])  # the second, by now the first
    talk.go_on(3, mark="z")
    for number in (1, 2):
        assert not talk.tells(chats(talk.fake)[-1], number)
        assert not talk.finds(number)


def test_without_a_name_a_history_that_lost_much_of_its_front_goes_on(caplog):
    talk = Talk(named=False).go_on(TURNS)
    with caplog.at_level(logging.WARNING, "turnfold"):
        talk.messages = talk.messages[2 * 15 :]
        assert len(talk.say("And now?")["messages"]) == len(talk.messages) - 1
    assert "was cut at its front" in caplog.text
    body = talk.go_on(12, mark="y").say("And now?")
    assert len(body["messages"]) < len(talk.messages) / 2, "it does not go on as it was cut"
    assert not talk.tells(body, 3)


def test_without_a_name_a_history_that_is_cut_each_turn_passes(caplog):
    talk = Talk(named=False)
    with caplog.at_level(logging.WARNING, "turnfold"):
        for number in range(1, 30):
            body = talk.say(said(number, "asked", "x"), talk.messages[-20:])
            assert number < 13 or len(body["messages"]) == 21
    assert caplog.text.count("was cut at its front") == 1


def test_a_history_of_the_same_words_is_another():
    """Two chats without a name that begin alike are told apart by what follows."""
    talk = Talk(named=False).go_on(12)
    other = history(2, "x") + history(10, "o")
    body = talk.say("And now?", other)
    assert not any(talk.tells(body, number) for number in range(3, 12))


def test_the_store_holds_together_after_it_all(talk):
    for number in (20, 14, 2):
        talk.delete([number])
        talk.go_on(2, mark=f"y{number}")
    assert check(talk.memory.store).sound
    talk.memory.forget(user_id="ada")
    assert not talk.finds(5)


def test_on_disk_and_asked_from_elsewhere(tmp_path):
    with open_store(f"sqlite:{tmp_path}/store.db") as store:
        talk = Talk(store=store, background="on").go_on(TURNS)
        again = Talk(store=store, background="on")
        again.messages = list(talk.messages)
        again.delete([7])
        assert not again.tells(again.say(question(7)), 7)
        assert not again.finds(7)
        assert len(summaries(again.fake)) == 0
