"""What is forgotten is gone: from every record, vector, summary and file, and it stays gone."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.chats import (
    SMALL,
    Chat,
    ask,
    chats,
    history,
    injected,
    memory,
    said,
    stand_in,
    summaries,
    texts,
)
from support.embedders import HashedWords
from support.models import SHOWN_THINKING
from support.oblivion import DAY, Clock, Notes, everything, tells, words_of
from support.stores import STORES
from turnfold import Conversation, TurnfoldError
from turnfold.forgetting.forget import forget_again
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import FakeClaude, Reply
from turnfold_stores import STORE_USER, open_store, vector_of
from turnfold_stores.records.vectors import entry_id_of


@pytest.fixture(params=["memory", "folder", "sqlite"])
def store(request, tmp_path, servers):
    with open_store(STORES[request.param].url(tmp_path, servers)) as opened:
        yield opened


@pytest.fixture(params=STORES)
def any_store(request, tmp_path, servers):
    """One of each kind, those on servers too."""
    with open_store(STORES[request.param].url(tmp_path, servers)) as opened:
        yield opened


@pytest.fixture
def plain(tmp_path):
    with open_store("memory:") as opened:
        yield opened


def kinds(store, user_id, conversation=None):
    return {one.kind for one in store.ledger.scan(user_id, conversation=conversation)}


def talk(
    store, turns, *, mark="", conversation="c", user_id="ada", fake=None, policy=SMALL, **more
):
    """A chat of so many turns, whole history each time."""
    fake = fake or stand_in()
    remembering = memory(store, policy=policy, **more)
    client = remembering.wrap(fake.client(), user_id=user_id, conversation=conversation)
    chat = Chat(client)
    chat.go_on(turns, mark)
    return chat, remembering, fake


# --- one conversation ---------------------------------------------------------------------------


def test_a_forgotten_conversation_is_in_no_record_vector_or_file(any_store, tmp_path):
    store = any_store
    talk(store, 14, mark="x")
    _, remembering, _ = talk(store, 14, mark="y", conversation="other")
    vectors = [
        (one, vector_of(one).astype("<f4").tobytes())
        for one in store.ledger.scan("ada", kind="vector")
    ]
    shared = {packed for one, packed in vectors if one.conversation == "other"}  # "All right."
    gone = [packed for one, packed in vectors if one.conversation == "c" and packed not in shared]
    assert gone, "something was folded and indexed"
    assert tells(store, words_of(1, "x"))

    done = remembering.forget(user_id="ada", conversation="c")

    assert done.exchanges == 13, "the newest was still open"
    assert (
        done.passages
        >= done.vectors
        == len({one.id for one, _ in vectors if one.conversation == "c"})
    )
    assert done.plans >= 14
    assert done.receipts == 14
    assert done.summaries > 1
    assert bool(done)
    assert kinds(store, "ada", "c") == set()
    for number in range(1, 15):
        assert not tells(store, words_of(number, "x"))
    kept = {one.id.partition(":")[2] for one, _ in vectors if one.conversation == "other"}
    assert store.index.ids("ada") == kept
    assert tells(store, words_of(1, "y"))
    files = [file.read_bytes() for file in Path(tmp_path).rglob("*") if file.is_file()]
    assert done.purged == bool(files)
    for data in files:
        assert b"amber1x" not in data.lower()
        assert not any(packed in data for packed in gone)


def test_a_forgotten_user_leaves_nothing_but_tombstones(store):
    talk(store, 14, mark="x", user_id="ada-lovelace-17")
    _, remembering, _ = talk(store, 14, mark="y", user_id="bob")
    remembering.forget(user_id="ada-lovelace-17")
    assert kinds(store, "ada-lovelace-17") == {"tombstone-key", "tombstone", "forgetting"}
    assert store.index.ids("ada-lovelace-17") == set()
    assert tells(store, words_of(1, "y"))
    assert store.index.ids("bob")


def test_forgetting_twice_finds_nothing_more(plain):
    _, remembering, _ = talk(plain, 9)
    assert remembering.forget(user_id="ada", conversation="c")
    assert not remembering.forget(user_id="ada", conversation="c")
    assert not remembering.forget(user_id="nobody")


async def test_the_async_twin(plain):
    _, remembering, _ = talk(plain, 9)
    assert (await remembering.aforget(user_id="ada")).exchanges == 8


@pytest.mark.parametrize(
    ("arguments", "tells"),
    [
        ({"user_id": ""}, "user_id='' must be"),
        ({"user_id": None}, "user_id=None"),
        ({"user_id": "ada", "conversation": ""}, "conversation='' must be"),
        ({"user_id": "ada", "before": "yesterday"}, "before='yesterday' must be seconds"),
        ({"user_id": "ada", "before": float("nan")}, "before=nan"),
        ({"user_id": STORE_USER}, "keeps for itself"),
    ],
)
def test_bad_arguments_forget_nothing(plain, arguments, tells):
    _, remembering, _ = talk(plain, 3)
    before = everything(plain)
    with pytest.raises(TurnfoldError, match=tells):
        remembering.forget(**arguments)
    assert everything(plain) == before


# --- it stays forgotten -------------------------------------------------------------------------


@pytest.mark.parametrize("reopened", [False, True], ids=["same process", "another process"])
def test_a_resent_history_does_not_come_back(plain, reopened):
    chat, remembering, fake = talk(plain, 14, mark="x")
    remembering.forget(user_id="ada", conversation="c")
    if reopened:
        chat.client = memory(plain).wrap(fake.client(), user_id="ada", conversation="c")
    asked = len(summaries(fake))
    for number in range(20, 40):
        chat.say(said(number, "asked", "y"))
    for number in range(1, 15):  # the newest one, too, which was open when it was forgotten
        assert not tells(plain, words_of(number, "x"))
    late = summaries(fake)[asked:]
    assert late, "what came later was folded"
    assert not any("x " in text for body in late for text in texts(body) if "amber" in text)
    assert tells(plain, words_of(20, "y")), "what is said from then on is remembered"
    passages = plain.ledger.scan("ada", kind="passage")
    assert all("amber" not in one.text or "y" in one.text for one in passages)


def test_what_is_sent_again_passes_while_there_is_room_and_goes_without_a_summary(plain):
    chat, remembering, fake = talk(plain, 14, mark="x", policy=replace(SMALL, fold_at=100_000))
    remembering.forget(user_id="ada", conversation="c")
    chat.say("And now?")
    assert "amber1x" in json.dumps(chats(fake)[-1]), "the caller sends it, so it is sent"
    assert not summaries(fake)

    chat.client = memory(plain).wrap(fake.client(), user_id="ada", conversation="c")
    chat.say("And now?")  # at 1,000 tokens there is no room for it
    sent = chats(fake)[-1]
    assert "amber1x" not in json.dumps(sent)
    assert not summaries(fake), "there was nothing to summarize"
    [(_, _, note)] = injected(sent)
    assert "Of turns 1-" in note
    assert "they were erased" in note
    assert not tells(plain, "amber1x")


def test_the_same_words_said_anew_elsewhere_are_remembered(plain):
    _, remembering, _ = talk(plain, 6, mark="x")
    remembering.forget(user_id="ada", conversation="c")
    talk(plain, 6, mark="x", conversation="another")
    talk(plain, 6, mark="x", user_id="bob")
    assert kinds(plain, "ada", "another") >= {"content", "exchange"}
    assert kinds(plain, "bob") >= {"content", "exchange"}


def test_a_fresh_start_under_the_same_name_is_remembered(plain):
    _, remembering, fake = talk(plain, 6, mark="x")
    remembering.forget(user_id="ada", conversation="c")
    chat = Chat(remembering.wrap(fake.client(), user_id="ada", conversation="c"))
    chat.go_on(6, "new")
    assert tells(plain, words_of(1, "new"))
    assert tells(plain, words_of(5, "new"))


def test_tombstones_tell_nothing(plain):
    _, remembering, _ = talk(plain, 6, mark="x")
    names = [one.id for one in plain.ledger.scan("ada")]
    remembering.forget(user_id="ada", conversation="c")
    left = "\n".join(everything(plain, "ada"))
    assert left.count('"tombstone:') == 6
    assert "amber" not in left
    assert '"c"' not in left
    for digest in {part for name in names for part in re.findall("[0-9a-f]{32}", name)}:
        assert digest not in left


@pytest.mark.parametrize("window", [6, 12])
def test_callers_that_cut_their_history(plain, window):
    fake = stand_in()
    remembering = memory(plain)
    client = remembering.wrap(fake.client(), user_id="ada", conversation="c")
    messages = []

    def say(text):
        nonlocal messages
        request = ask(messages[-window:], text)
        answer = client.messages.create(**request)
        messages += [
            request["messages"][-1],
            {"role": "assistant", "content": answer.content[0].text},
        ]

    for number in range(1, 13):
        say(said(number, "asked", "x"))
    remembering.forget(user_id="ada", conversation="c")
    for number in range(20, 45):
        say(said(number, "asked", "y"))
    for number in range(1, 12):
        assert not tells(plain, words_of(number, "x"))
        assert not any(
            "erased" not in t and f"amber{number}x" in t
            for body in chats(fake)[-3:]
            for t in texts(body)
        )
    assert tells(plain, words_of(20, "y"))
    assert injected(chats(fake)[-1]), "memory works again"


def test_thinking_is_not_sent_behind_another_prefix(plain):
    fake = FakeClaude(lambda _body: Reply("All right.", thinking="Let me see."))
    receipts = []
    remembering = memory(plain, on_receipt=receipts.append)
    client = remembering.wrap(fake.client(max_retries=0), user_id="ada", conversation="c")
    chat = Chat(client, thinking=SHOWN_THINKING)
    chat.fields["max_tokens"] = 4_000
    chat.go_on(12)
    remembering.forget(user_id="ada", conversation="c")
    chat.go_on(8, "y", first=20)
    remembering.forget(user_id="ada", before=0.0)
    chat.go_on(3, "z", first=40)
    assert not [reason for one in receipts for reason in one.degraded]


# --- by age -------------------------------------------------------------------------------------


@pytest.fixture
def aged(store):
    """20 turns, one a day; turn n was closed when turn n + 1 came."""
    clock, notes, receipts = Clock(), Notes(), []
    policy = replace(SMALL, clock=clock, recall_floor=0.1)
    remembering = memory(store, policy=policy, on_receipt=receipts.append, summarizer=notes)
    fake = stand_in()
    chat = Chat(remembering.wrap(fake.client(), user_id="ada", conversation="c"))
    for number in range(1, 21):
        chat.say(said(number, "asked", "x"))
        clock.now += DAY
    return SimpleNamespace(
        chat=chat, memory=remembering, fake=fake, clock=clock, notes=notes, receipts=receipts
    )


def test_what_is_old_goes_and_the_rest_is_kept_without_asking_a_model(store, aged):
    asked = len(aged.notes.jobs)
    done = aged.memory.forget(user_id="ada", before=aged.clock.now - 12 * DAY)
    assert len(aged.notes.jobs) == asked
    assert done.exchanges == 7, "turn 8 was closed 12 days ago, not before then"
    assert done.rebuilt > 0
    for number in range(1, 8):
        assert not tells(store, words_of(number, "x"))
        assert not tells(store, f"delta{number}x")
    for number in range(8, 20):
        assert tells(store, words_of(number, "x"))
    folds = {one.id: one.body for one in store.ledger.scan("ada", kind="fold")}
    nodes = {one.id for one in store.ledger.scan("ada", kind="node")}
    contents = {one.id for one in store.ledger.scan("ada", kind="content")}
    assert folds
    for fold in folds.values():
        assert set(fold["nodes"]) <= nodes
        assert set(fold["contents"]) <= contents
        assert fold["previous"] in {*folds, ""}
    newest = json.dumps(max(folds.values(), key=lambda fold: fold["count"]))
    assert "Of turns 1-7 nothing is known: they were erased." in newest
    assert "Turn 8 asked of delta8x." in newest, "what the rest said is still summarized"
    assert store.index.ids("ada") == {
        one.id.partition(":")[2] for one in store.ledger.scan("ada", kind="vector")
    }


def test_a_moment_may_be_a_datetime(aged):
    then = datetime.fromtimestamp(aged.clock.now - 12 * DAY, UTC)
    assert aged.memory.forget(user_id="ada", before=then).exchanges == 7


def test_the_chat_goes_on_with_what_is_left(store, aged):
    chat, receipts = aged.chat, aged.receipts
    aged.memory.forget(user_id="ada", before=aged.clock.now - 12 * DAY)
    asked = len(aged.notes.jobs)
    chat.say("What of amber9x birch9x cedar9x ember9x?")
    assert not receipts[-1].degraded
    assert receipts[-1].folded == 0, "the rebuilt fold is in force"
    assert receipts[-1].in_memory > 7
    assert 9 in {hit.turn for hit in receipts[-1].hits}
    assert "delta8x" in json.dumps(chats(aged.fake)[-1])
    chat.say("What of amber2x birch2x cedar2x ember2x?")
    for sent in chats(aged.fake)[-2:]:
        for number in range(1, 8):
            assert f"asked of amber{number}x" not in json.dumps(sent)
            assert f"delta{number}x" not in json.dumps(sent)
    chat.go_on(12, "y", first=50)
    assert len(aged.notes.jobs) > asked, "it folded again"
    for number in range(1, 8):
        assert not tells(store, f"asked of amber{number}x")
        assert f"asked of amber{number}x" not in str(aged.notes.jobs[asked:])


def test_a_later_note_that_names_what_was_forgotten_goes_too(plain):
    clock = Clock()

    def summarizer(job):
        named = [
            Item("fact", f"Turn {n} said something of note.", (n,))
            for n in range(job.first, job.last + 1)
        ]
        told = (job.first if job.first == 1 else job.last,)
        return SummaryDraft([*named, Item("fact", "They spoke of amber1x again.", told)])

    policy = replace(SMALL, clock=clock)
    remembering = memory(plain, policy=policy, summarizer=summarizer)
    chat = Chat(remembering.wrap(stand_in().client(), user_id="ada", conversation="c"))
    for number in range(1, 16):
        chat.say(said(number, "asked", "x"))
        clock.now += DAY
    assert tells(plain, "They spoke of amber1x again.")
    remembering.forget(user_id="ada", before=clock.now - 12 * DAY)
    assert not tells(plain, "amber1x")
    assert tells(plain, "Turn 5 said something of note.")


def test_a_long_idle_conversation_goes_to_its_last_word(plain):
    clock = Clock()
    policy = replace(SMALL, clock=clock)
    chat, remembering, _ = talk(plain, 6, mark="x", policy=policy)
    clock.now += 40 * DAY
    assert remembering.forget(user_id="ada", before=clock.now - 30 * DAY).exchanges == 5
    assert kinds(plain, "ada") == {"tombstone-key", "tombstone", "forgetting"}
    chat.go_on(4, "y", first=20)
    assert not tells(plain, words_of(6, "x"))
    assert tells(plain, words_of(20, "y"))


def test_what_a_policy_does_not_retain_is_forgotten_by_the_turn_that_meets_it(plain):
    clock = Clock()
    policy = replace(SMALL, clock=clock, retain_days=5)
    talk(plain, 4, mark="x", policy=policy)
    talk(plain, 4, mark="o", policy=policy, conversation="another")
    clock.now += 3 * DAY
    talk(plain, 4, mark="y", policy=policy, conversation="later")
    assert tells(plain, words_of(1, "x"))
    clock.now += 3 * DAY
    _, remembering, _ = talk(plain, 2, mark="z", policy=policy, conversation="now")
    assert not tells(plain, words_of(1, "x"))
    assert not tells(plain, words_of(1, "o"))
    assert tells(plain, words_of(1, "y"))
    clock.now += 3 * DAY  # the same process, another day
    remembering.wrap(stand_in().client(), user_id="ada", conversation="now").messages.create(
        **ask([])
    )
    assert not tells(plain, words_of(1, "y"))


# --- elsewhere ----------------------------------------------------------------------------------


def test_what_another_conversation_had_recalled_goes_from_its_plans(plain):
    policy = replace(SMALL, scope="user", recall_floor=0.1)
    talk(plain, 12, mark="x", policy=policy)
    fake = stand_in()
    remembering = memory(plain, policy=policy)
    client = remembering.wrap(fake.client(), user_id="ada", conversation="other")
    chat = Chat(client)
    chat.say("What of amber2x birch2x cedar2x delta2x ember2x?")
    chat.say("And then?")
    recalled = [
        one
        for one in plain.ledger.scan("ada", kind="plan", conversation="other")
        if one.body["shown"]
    ]
    assert recalled, "the other conversation recalled it"
    remembering.forget(user_id="ada", conversation="c")
    plans = list(plain.ledger.scan("ada", kind="plan", conversation="other"))
    assert len(plans) == 2
    assert all(
        "birch2x told" not in one.body["recalled"] and not one.body["shown"] for one in plans
    )
    said_here = [one for one in everything(plain, "ada") if "told of amber2x" in one]
    assert not said_here
    chat.say("And now?")
    assert not any("told of amber2x" in text for text in texts(chats(fake)[-1]))


def test_what_a_turn_at_work_writes_meanwhile_is_taken_back(plain):
    remembering = None

    def summarizer(job):
        remembering.forget(user_id="ada", conversation="c")
        return SummaryDraft(
            [Item("fact", f"Turn {job.first} was about amber{job.first}x things.", (job.first,))]
        )

    remembering = memory(plain, summarizer=summarizer)
    client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
    client.messages.create(**ask(history(12, "x"), "And now?"))
    for number in range(1, 13):
        assert not tells(plain, f"amber{number}x")


def test_what_is_forgotten_while_it_is_embedded_is_taken_back(store):
    """By another process: then nothing else is left that would lead to what is written late."""

    class Waits(HashedWords):
        def embed(self, texts):
            if len(texts) > 1 and not forgotten:
                forgotten.append(memory(store).forget(user_id="ada", conversation="c"))
            return super().embed(texts)

    forgotten = []
    client = memory(store, embedder=Waits()).wrap(
        stand_in().client(), user_id="ada", conversation="c"
    )
    client.messages.create(**ask(history(12, "x"), "And now?"))
    assert forgotten
    assert kinds(store, "ada") <= {"tombstone-key", "tombstone", "forgetting", "plan", "usage"}
    assert store.index.ids("ada") == set()
    for number in range(1, 13):
        assert not tells(store, f"amber{number}x")


@pytest.mark.parametrize("kind", ["vector", "fold", "plan"])
def test_what_a_killed_worker_wrote_of_what_was_forgotten_goes_with_the_next_turn(plain, kind):
    """Of one kind alone: whoever forgot had deleted the others."""
    policy = replace(SMALL, scope="user", recall_floor=0.1)
    _, remembering, fake = talk(plain, 12, mark="x", policy=policy)
    other = remembering.wrap(fake.client(), user_id="ada", conversation="other")
    Chat(other).say("What of amber2x birch2x cedar2x delta2x ember2x?")
    where = "other" if kind == "plan" else "c"  # which had recalled something
    late = list(plain.ledger.scan("ada", kind=kind, conversation=where))
    assert late
    remembering.forget(user_id="ada", conversation="c")
    plain.replace("ada", [], late)
    if kind == "vector":
        plain.index_again("ada", [entry_id_of(one) for one in late])
    talk(plain, 1, mark="y", conversation="new", policy=policy)
    assert kinds(plain, "ada", "c") == set()
    assert plain.index.ids("ada") == plain.have_vectors("ada", map(entry_id_of, late)) == set()
    for number in range(1, 12):
        assert not tells(plain, words_of(number, "x"))


def test_a_question_put_anew_behind_forgotten_turns_finds_nothing_damaged(plain):
    """The fold counted what was forgotten, which the app still sends; the places no longer do."""
    receipts = []
    with memory(plain, policy=SMALL, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(stand_in().client(), user_id="ada", conversation="c")
        client.messages.create(**ask(history(9, "x"), "And now?"))
        remembering.forget(user_id="ada", conversation="c")
        for turns in (13, 14):
            client.messages.create(**ask(history(turns, "x"), "And now?"))
    assert receipts[1].folded
    assert [one.degraded for one in receipts] == [(), (), ()]


def test_what_an_import_brings_back_is_forgotten_again(plain):
    _, remembering, _ = talk(plain, 12, mark="x")
    records = list(plain.ledger.scan("ada"))
    remembering.forget(user_id="ada")
    plain.put_records("ada", records)
    assert tells(plain, words_of(1, "x"))
    done = forget_again(plain, SMALL, "ada")
    assert done.exchanges == 11
    for number in range(1, 12):
        assert not tells(plain, words_of(number, "x"))


def test_a_conversation_forgotten_and_resumed(plain):
    remembering = memory(plain)

    def resumed():
        return Conversation(
            client=stand_in().client(), memory=remembering, user_id="ada", id="lesson"
        )

    talk = resumed()
    for number in range(1, 6):
        talk.say(said(number, "asked", "x"))
    talk.reset()
    for number in range(1, 6):
        talk.say(said(number, "asked", "y"))
    remembering.forget(user_id="ada", conversation="lesson")
    for mark in "xy":
        assert not tells(plain, words_of(1, mark))
        assert not tells(plain, words_of(5, mark))
    talk.say("Go on.")  # the one that is still open goes on
    assert resumed().messages[0]["content"] == "Go on."
    again = resumed()
    again.say("And on.")
    assert [m["content"] for m in resumed().messages if m["role"] == "user"] == [
        "Go on.",
        "And on.",
    ]


def test_a_resumed_conversation_that_lost_its_beginning_goes_on(plain):
    clock = Clock()
    remembering = memory(plain, policy=replace(SMALL, clock=clock))
    talk = Conversation(client=stand_in().client(), memory=remembering, user_id="ada", id="lesson")
    for number in range(1, 10):
        talk.say(said(number, "asked", "x"))
        clock.now += DAY
    remembering.forget(user_id="ada", before=clock.now - 4 * DAY)
    again = Conversation(client=stand_in().client(), memory=remembering, user_id="ada", id="lesson")
    assert "amber4x" not in json.dumps(again.messages)
    assert "amber5x" in json.dumps(again.messages)
    again.say("Go on.")
    assert "Go on." in json.dumps(
        Conversation(
            client=stand_in().client(), memory=remembering, user_id="ada", id="lesson"
        ).messages
    )
