"""Single turns are forgotten, by their number or by what a search found, and stay forgotten."""

from dataclasses import replace

import pytest
from support.apps import Talk, question
from support.chats import SMALL, memory, said, stand_in
from support.faulty import Trouble, troubled_store
from support.oblivion import Notes, everything, tells, words_of
from support.stores import STORES
from turnfold import Conversation, TurnfoldError
from turnfold.upkeep.checkup import check
from turnfold_stores import open_store

TURNS = 24
# Numbers from 1. The last turn is open: its answer has not come back with a history yet. Those
# before it are in the window, all others are folded.
FORGOTTEN = {
    "the first": [1],
    "one in the middle": [9],
    "one in the window": [22],
    "the newest closed one": [23],
    "the open one": [24],
    "the open one and the one before": [23, 24],
    "several": [4, 9, 10, 15],
    "all but a few": [*range(1, 12), *range(14, 22)],
}


@pytest.fixture(scope="module")
def talked():
    talk = Talk().go_on(TURNS)
    return talk, list(talk.memory.store.ledger.scan("ada"))


@pytest.fixture
def talk(talked):
    """A long talk in a store of its own."""
    return again(*talked)


def again(before, records, **settings):
    """The same talk in another process; in a store of its own."""
    talk = Talk(before.conversation is not None, **settings)
    talk.memory.store.put_records("ada", records)
    talk.messages = list(before.messages)
    return talk


def restarted(talk):
    """The same talk on the same store in another process."""
    other = Talk(talk.conversation is not None, talk.memory.store)
    other.messages = list(talk.messages)
    return other


def forget(talk, turn):
    return talk.memory.forget(user_id="ada", conversation="c", turn=turn)


def known_of(talk, number, mark="x"):
    """What a store still says of a turn, its summaries among it."""
    return [
        one
        for one in everything(talk.memory.store, "ada")
        if words_of(number, mark) in one or f"delta{number}{mark}" in one
    ]


@pytest.mark.parametrize("store", STORES)
def test_a_forgotten_turn_is_in_no_record_vector_or_file(store, tmp_path, servers):
    with open_store(STORES[store].url(tmp_path, servers)) as opened:
        talk = Talk(store=opened).go_on(12)
        done = forget(talk, [3, 12])
        assert done.exchanges == 1, "the newest was still open"
        assert done.passages >= done.vectors > 0
        assert done.plans >= 2
        assert done.receipts == 2
        assert done.rebuilt > 0
        for number in (3, 12):
            assert not known_of(talk, number)
        for number in (1, 2, 4, 11):
            assert known_of(talk, number)
        assert not forget(talk, [3, 12])
        talk.go_on(6, first=20)
        for number in (3, 12):
            assert not known_of(talk, number)
        assert check(opened).sound
        files = [file for file in tmp_path.rglob("*") if file.is_file()]
        assert done.purged == bool(files)


@pytest.mark.parametrize("forgotten", FORGOTTEN.values(), ids=FORGOTTEN)
@pytest.mark.parametrize(
    ("deletes", "restarts"),
    [(False, True), (True, False)],
    ids=["sent again to another process", "deleted in the app"],
)
def test_what_is_forgotten_stays_so_and_the_rest_goes_on(talk, forgotten, deletes, restarts):
    asked = len(talk.notes.jobs)
    done = forget(talk, forgotten)
    assert done
    assert done.exchanges == len([number for number in forgotten if number < TURNS])
    assert len(talk.notes.jobs) == asked, "no model is asked"
    talk = restarted(talk) if restarts else talk
    if deletes:
        talk.delete(forgotten)
    body = talk.say(question(forgotten[0]))
    assert not talk.receipts[-1].degraded
    assert talk.receipts[-1].in_memory > 0
    for number in set(forgotten) & set(range(1, 20)):
        assert not talk.tells(body, number)
    for number in sorted({2, 5, 12, 13} - set(forgotten)):
        assert talk.finds(number)
        assert talk.tells(talk.say(question(number)), number)
    talk.go_on(6, mark="y")
    for number in forgotten:
        assert not known_of(talk, number)
        assert not talk.finds(number)
        assert not any(f"delta{number}x" in str(job) for job in talk.notes.jobs[asked:])
    for number in sorted({2, 5, 12, 13} - set(forgotten)):
        assert talk.finds(number)
        assert known_of(talk, number)
    folded = sum(len(job.exchanges) for job in talk.notes.jobs[asked:])
    assert folded <= 18, "what is summarized is what is new"
    assert check(talk.memory.store).sound


@pytest.mark.parametrize("forgotten", [9, 23, [24, 9]], ids=str)
def test_once_more_does_no_harm(talk, forgotten):
    assert forget(talk, forgotten)
    before = everything(talk.memory.store)
    assert not forget(talk, forgotten)
    assert everything(talk.memory.store) == before
    assert not forget(talk, 1_000)
    assert everything(talk.memory.store) == before


def test_one_after_another(talk):
    for number in (24, 23, 9, 1, 22, 2):
        assert forget(talk, number)
        talk = restarted(talk)
        talk.say("And now?")
    for number in (24, 23, 9, 1, 22, 2):
        assert not known_of(talk, number)
    for number in (3, 8, 10, 21):
        assert talk.finds(number) or number > 20
        assert known_of(talk, number)


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_what_a_search_found(named):
    talk = Talk(named).go_on(TURNS)
    hits = talk.memory.search("amber7x birch7x cedar7x", user_id="ada", limit=1)
    assert talk.memory.forget(user_id="ada", hit=hits[0]).exchanges == 1
    assert not known_of(talk, 7)
    assert not talk.memory.forget(user_id="ada", hit=hits)
    several = [
        hit
        for number in (3, 4)
        for hit in talk.memory.search(f"amber{number}x birch{number}x", user_id="ada", limit=1)
    ]
    assert talk.memory.forget(user_id="ada", hit=several).exchanges == 2
    talk.go_on(4, mark="y")
    for number in (3, 4, 7):
        assert not known_of(talk, number)
    assert talk.finds(5)


@pytest.mark.parametrize("deletes", [False, True], ids=["sent again", "deleted in the app"])
def test_a_fold_whose_last_exchange_goes_stays_in_force(talk, deletes):
    """Also when the one that is last then goes, and when nothing is left of what it added."""
    last = newest_fold(talk)["count"]
    for number in (last, last - 1):
        forget(talk, number)
        talk = restarted(talk)
    if deletes:
        talk.delete([last - 1, last])
    asked = len(talk.notes.jobs)
    talk.say("And now?")
    assert talk.receipts[-1].in_memory == last - (2 if deletes else 0)
    assert len(talk.notes.jobs) == asked
    summary = "\n".join(newest_fold(talk)["blocks"])
    assert f"delta{last - 2}x" in summary
    assert "delta2x" in summary
    for number in (last - 1, last):
        assert not known_of(talk, number)


def newest_fold(talk):
    """The fold that reaches furthest; of several the newest."""
    folds = [one.body for one in talk.memory.store.ledger.scan("ada", kind="fold")]
    return max(reversed(folds), key=lambda one: one["count"])


def test_turns_keep_their_numbers(talk):
    forget(talk, 5)
    talk.say("And now?")
    assert talk.receipts[-1].turn == TURNS + 1, "it is still in the history"
    [hit] = talk.memory.search("amber9x birch9x cedar9x", user_id="ada", limit=1)
    assert hit.turn == 9
    assert forget(talk, 9).exchanges == 1
    assert not known_of(talk, 9)


def test_all_answers_to_a_turn_go(talk):
    """Of a turn that was answered anew, its other answers are on no living path."""
    question_of_24, first = talk.messages[-2:]
    talk.say("And now?")  # with it, the first answer is known
    talk.messages = [*talk.messages[: 2 * TURNS - 1], {**first, "content": "Another: amberine."}]
    talk.say("And then?")
    talk.messages = [*talk.messages[: 2 * TURNS - 1], {**first, "content": "A third: amberoid."}]
    talk.say("And now what?")
    assert tells(talk.memory.store, "amberine")
    assert forget(talk, TURNS).exchanges == 3
    talk.messages = [*talk.messages[: 2 * TURNS - 1], {**first, "content": "A fourth: amberesk."}]
    talk.go_on(2, mark="y")
    for word in ("amberine", "amberoid", "amberesk", words_of(TURNS, "x")):
        assert not tells(talk.memory.store, word)
    assert question_of_24 in talk.messages, "though it is sent"


def test_the_same_words_elsewhere_are_another_turn(talk):
    talk.say("And who said so?")
    talk.say(said(30, "asked", "y"))
    talk.say("And who said so?")
    number = TURNS + 3
    assert forget(talk, number)
    talk = restarted(talk)
    talk.say(said(31, "asked", "y"))
    talk.say("And who said so?")
    talk.say(said(32, "asked", "y"))
    records = list(talk.memory.store.ledger.scan("ada"))
    asked = {one.id for one in records if one.kind == "content" and "And who" in str(one.body)}
    places = [one.body for one in records if one.kind == "exchange"]
    assert {one["number"] for one in places if one["content"] in asked} == {
        TURNS + 1,
        TURNS + 5,
    }


def test_a_caller_who_cuts_the_history(talk):
    forget(talk, TURNS)
    for number in range(1, 12):
        body = talk.say(said(number, "asked", "y"), talk.messages[-8:])
        assert number < 6 or not talk.tells(body, TURNS), "once it is cut off, it is gone"
    assert not known_of(talk, TURNS)
    assert talk.receipts[-1].in_memory > 0
    assert known_of(talk, TURNS - 1)


def test_pictures_that_were_folded_are_still_named():
    """A summary that is rebuilt says of the others what they showed."""
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.com/boat.png"}}
    talk = Talk()
    for number in range(1, 12):
        text = {"type": "text", "text": said(number, "asked", "x")}
        talk.say([text, picture] if number in {2, 4} else [text])

    before = "\n".join(newest_fold(talk)["blocks"])
    assert "Turn 2: " in before
    assert "Turn 4: " in before
    forget(talk, 4)
    after = "\n".join(newest_fold(talk)["blocks"])
    assert "Turn 2: " in after
    assert "can no longer be seen" in after
    assert "Turn 4: " not in after
    assert "Of turns 4 nothing is known: they were erased." in after


def test_a_conversation_is_resumed_without_them():
    with open_store("memory:") as store:
        remembering = memory(store)

        def resumed():
            return Conversation(
                client=stand_in().client(), memory=remembering, user_id="ada", id="lesson"
            )

        lesson = resumed()
        for number in range(1, 9):
            lesson.say(said(number, "asked", "x"))
        assert remembering.forget(user_id="ada", conversation="lesson", turn=[3, 8])
        for number in (3, 8):
            assert not tells(store, words_of(number, "x"))
        lesson = resumed()
        lesson.say("Go on.")
        lesson.say("And on.")
        asked = [m["content"][:7] for m in resumed().messages if m["role"] == "user"]
        assert asked == [*(f"Turn {n} " for n in (1, 2, 4, 5, 6, 7)), "Go on.", "And on."]


def test_a_forgetting_that_broke_off_is_finished_by_the_next_one():
    """Every write fails once; the next call finds what is left."""
    strike, kept = 1, None
    while True:
        trouble = Trouble(lambda number, _name, at=strike: number == at)
        store = troubled_store(trouble)
        remembering = memory(store, policy=replace(SMALL), summarizer=Notes())
        lesson = Conversation(client=stand_in().client(), memory=remembering, user_id="ada", id="c")
        if kept is None:
            for number in range(1, 11):
                lesson.say(said(number, "asked", "x"))
            kept = list(store.ledger.scan("ada"))
        else:
            store.put_records("ada", kept)
        trouble.armed = True
        try:
            remembering.forget(user_id="ada", conversation="c", turn=[3, 10])
        except RuntimeError:
            struck = True
        else:
            struck = bool(trouble.struck)
        trouble.armed = False
        remembering.forget(user_id="ada", conversation="c", turn=[3, 10])
        for number in (3, 10):
            assert not tells(store, words_of(number, "x")), (strike, trouble.calls[-1])
            assert not tells(store, f"delta{number}x"), (strike, trouble.calls[-1])
        assert tells(store, words_of(4, "x"))
        assert check(store).findings == (), (strike, trouble.calls[-1])
        if not struck:
            break
        strike += 1
    assert strike > 15


async def test_the_async_twin(talk):
    done = await talk.memory.aforget(user_id="ada", conversation="c", turn=4)
    assert done.exchanges == 1
    hits = await talk.memory.asearch("amber7x birch7x", user_id="ada", limit=1)
    assert (await talk.memory.aforget(user_id="ada", hit=hits[0])).exchanges == 1


@pytest.mark.parametrize(
    ("arguments", "tells"),
    [
        ({"turn": 3}, "turn=3 needs a conversation"),
        ({"turn": 0, "conversation": "c"}, "turn=0 must be the number of a turn"),
        ({"turn": [3, True], "conversation": "c"}, "turn=True must be"),
        ({"turn": "3", "conversation": "c"}, "turn='3' must be"),
        ({"turn": 2.0, "conversation": "c"}, r"turn=2\.0 must be"),
        ({"turn": 3, "conversation": "c", "before": 0.0}, "give one of them"),
        ({"hit": "x"}, "hit='x' is not a SearchHit"),
        ({"hit": 3}, "hit=3 is not"),
    ],
)
def test_bad_arguments_forget_nothing(talk, arguments, tells):
    before = everything(talk.memory.store)
    with pytest.raises(TurnfoldError, match=tells):
        talk.memory.forget(user_id="ada", **arguments)
    assert everything(talk.memory.store) == before


def test_a_hit_of_another_conversation_or_user_forgets_nothing(talk):
    [hit] = talk.memory.search("amber7x birch7x", user_id="ada", limit=1)
    before = everything(talk.memory.store)
    with pytest.raises(TurnfoldError, match="this hit is of conversation 'c', not of 'd'"):
        talk.memory.forget(user_id="ada", conversation="d", hit=hit)
    assert not talk.memory.forget(user_id="bob", hit=hit)
    assert everything(talk.memory.store, "ada") == [
        one for one in before if one in everything(talk.memory.store, "ada")
    ]
    assert known_of(talk, 7)
