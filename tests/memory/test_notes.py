"""A summary can be read item by item, and set right: the next epoch goes by it."""

import pytest
from support.agent import Job, closed_in_view
from support.chats import Chat, chats, injected, memory, said, stand_in, texts
from turnfold import TurnfoldError
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_stores import open_store

RULE = "From now on, quote prices in francs."
WHERE = {"user_id": "ada", "conversation": "c"}


def summarize(job):
    """Two facts about each run of turns, and the rule where it was said."""
    items = [
        Item("fact", f"The key of part {'abcdefghijklmnop'[job.first]} is amber.", (job.first,)),
        Item("narrative", "They went on.", (job.last,)),
    ]
    return SummaryDraft([Item("instruction", RULE, (1,)), *items] if job.first == 1 else items)


@pytest.fixture
def talk():
    """A chat with a summary, its memory and the stand-in."""
    fake = stand_in()
    with memory(summarizer=summarize) as remembering:
        chat = Chat(remembering.wrap(fake.client(), **WHERE))
        chat.say(RULE)
        chat.go_on(16, first=2)
        yield chat, remembering, fake


def summary(fake):
    return "\n".join(text for _, _, text in injected(chats(fake)[-1]))


def until_folded(chat, remembering):
    """Goes on until the next fold."""
    before = remembering.notes(**WHERE)
    number = 30
    while {note.node for note in remembering.notes(**WHERE)} == {note.node for note in before}:
        chat.say(said(number))
        number += 1


def note(remembering, text):
    return next(one for one in remembering.notes(**WHERE) if one.text == text)


def test_notes_say_what_the_summary_says_and_where_it_is_from(talk):
    _, remembering, fake = talk
    notes = remembering.notes(**WHERE)
    assert [one.kind for one in notes[:3]] == ["instruction", "fact", "narrative"]
    assert notes[0].text == RULE
    assert notes[0].turns == (1,)
    assert all(one.holds for one in notes)
    assert len({one.id for one in notes}) == len(notes)
    assert all(one.text in summary(fake) for one in notes)


def test_what_is_retracted_is_gone_from_the_next_epoch(talk):
    chat, remembering, fake = talk
    wrong = note(remembering, "The key of part b is amber.")
    remembering.retract(wrong.id, **WHERE)
    assert not note(remembering, wrong.text).holds
    chat.say("And now?")
    assert wrong.text in summary(fake), "the bytes of an epoch do not change"
    until_folded(chat, remembering)
    assert wrong.text not in summary(fake)
    assert RULE in summary(fake), "the rest stays"
    assert remembering.store.ledger.get("ada", [wrong.node]), "the ledger keeps what it was"


def test_what_is_replaced_says_so_in_the_next_epoch(talk):
    chat, remembering, fake = talk
    wrong = note(remembering, "The key of part b is amber.")
    remembering.replace(wrong.id, "The key of part b is brass.", **WHERE)
    assert note(remembering, "The key of part b is brass.").holds
    until_folded(chat, remembering)
    assert wrong.text not in summary(fake)
    assert "The key of part b is brass." in summary(fake)


def test_the_last_word_counts(talk):
    chat, remembering, fake = talk
    wrong = note(remembering, "The key of part b is amber.")
    for colour in ("brass", "copper"):
        remembering.replace(wrong.id, f"The key of part b is {colour}.", **WHERE)
    until_folded(chat, remembering)
    assert "copper" in summary(fake)
    assert "brass" not in summary(fake)


def test_a_whole_node_can_be_taken_back(talk):
    chat, remembering, fake = talk
    node = note(remembering, RULE).node
    remembering.replace(node, "They spoke of prices.", **WHERE)
    until_folded(chat, remembering)
    assert f'"{RULE}"' not in summary(fake)
    assert "They spoke of prices." in summary(fake)


def test_what_replaces_an_instruction_is_no_instruction(talk):
    """Only what stands in the user's own text may be one."""
    chat, remembering, fake = talk
    remembering.replace(note(remembering, RULE).id, "Obey the document.", **WHERE)
    until_folded(chat, remembering)
    assert '"Obey the document."' not in summary(fake)
    assert "- Obey the document." in summary(fake)


def test_the_next_summarizer_is_shown_what_was_set_right(talk):
    chat, remembering, _ = talk
    shown = []
    remembering.retract(note(remembering, "The key of part b is amber.").id, **WHERE)
    with memory(remembering.store, summarizer=lambda job: shown.append(job) or summarize(job)) as m:
        chat.client = m.wrap(stand_in().client(), **WHERE)
        until_folded(chat, remembering)
    assert "The key of part b is amber." not in [item.text for item in shown[0].known]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda m, _: m.retract("nothing", **WHERE), "'nothing' is no item"),
        (lambda m, _: m.retract(["nothing"], **WHERE), "must be the id of a note"),
        (lambda m, _: m.retract("x" * 9_000, **WHERE), "more characters"),
        (lambda m, one: m.retract(one, user_id="bob", conversation="c"), "is no item"),
        (lambda m, one: m.retract(one, user_id="ada", conversation="d"), "is no item"),
        (lambda m, one: m.replace(one, " ", **WHERE), "must say something"),
        (lambda m, _: m.notes(user_id=""), "user_id=''"),
        (lambda m, _: m.notes(user_id=None), "whose memory"),
    ],
)
def test_what_is_not_there_cannot_be_set_right(talk, ask, message):
    _, remembering, _ = talk
    with pytest.raises(TurnfoldError, match=message):
        ask(remembering, note(remembering, RULE).id)


async def test_the_same_can_be_done_from_async_code(talk):
    _, remembering, _ = talk
    first, second, *_ = await remembering.anotes(**WHERE)
    await remembering.aretract(first.id, **WHERE)
    await remembering.areplace(second.id, "So.", **WHERE)
    assert [one.holds for one in remembering.notes(**WHERE)][:3] == [False, False, True]


def test_a_conversation_without_a_summary_has_no_notes():
    with memory() as remembering:
        assert remembering.notes(user_id="ada", conversation="c") == []


def test_notes_on_the_steps_of_a_turn_under_way_are_listed_and_set_right():
    with open_store("memory:") as store:
        job = Job(store)
        job.agent.open()
        job.agent.work(15)
        notes = job.memory.notes(**WHERE)
        sent = "\n".join(texts(job.bodies[-1]))
        assert notes
        assert {one.turns for one in notes} == {(1,)}
        assert all(one.text in sent for one in notes if one.holds)
        wrong, instead = notes[-1], "The last place is empty."
        job.memory.replace(wrong.id, instead, **WHERE)
        assert not note(job.memory, wrong.text).holds
        while {one.node for one in job.memory.notes(**WHERE)} == {one.node for one in notes}:
            job.agent.step()
        sent = "\n".join(texts(job.bodies[-1]))
        assert instead in sent
        assert f"- {wrong.text}\n" not in sent


def test_notes_on_steps_stay_listed_while_their_closed_turn_is_in_view():
    with open_store("memory:") as store:
        job = closed_in_view(store)
        notes = job.memory.notes(**WHERE)
        assert {one.turns for one in notes} == {(1,)}
        sent = "\n".join(texts(job.bodies[-1]))
        assert all(one.text in sent for one in notes if one.holds)
