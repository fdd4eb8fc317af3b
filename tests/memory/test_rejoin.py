"""Callers that cut their history: memory lays what they send against the path it knows."""

import logging

import pytest
from support.embedders import HashedWords
from support.models import DEFAULT, NO_THINKING
from turnfold import Memory, Policy
from turnfold_fake import FakeClaude

POLICY = Policy(
    fold_at=1_000, keep_tokens=300, recall_tokens=300, recall_floor=-1.0, background="off"
)


def say(number):
    return f"Question {number} about item-{number}. " + "ember " * 60


def answer(body):
    last = body["messages"][-1]["content"]
    text = last if isinstance(last, str) else last[-1]["text"]
    return f"Answer to {text.split()[1]}. " + "fjord " * 60


def text_of(body):
    parts = []
    for message in body["messages"]:
        content = message["content"]
        parts += [content] if isinstance(content, str) else [b.get("text", "") for b in content]
    return "\n".join(parts)


def last_20(history):
    """The newest 20 messages, then down to the first user turn."""
    cut = history[-20:]
    while cut[0]["role"] != "user":
        cut = cut[1:]
    return cut


def drop_pairs_keep_first(history):
    kept = list(history)
    while len(kept) > 9:
        del kept[1:3]
    return kept


def with_a_clock(history):
    first, *rest = history
    return [{**first, "content": f"It is now {len(history)} o'clock. {first['content']}"}, *rest]


def whole(history):
    return history


def talk(cut, turns, *, store="memory:", conversation="c", restart=False, heard=None):
    """A caller with a habit talks for a while; gives the requests that arrived, and the ledger."""
    fake = FakeClaude(answer)
    memory = Memory(store, policy=POLICY, embedder=HashedWords(), on_receipt=heard)
    history, bodies = [], []
    for number in range(turns):
        if restart:
            memory.close()
            memory = Memory(store, policy=POLICY, embedder=HashedWords(), on_receipt=heard)
        client = memory.wrap(fake.client(max_retries=0), conversation=conversation)
        history.append({"role": "user", "content": say(number)})
        reply = client.messages.create(
            model=DEFAULT,
            max_tokens=400,
            messages=cut(history),
            thinking=NO_THINKING,
        )
        history.append({"role": "assistant", "content": reply.content[0].text})
        bodies.append(fake.asked()[-1].body)
    assert {call.status for call in fake.calls} == {200}
    contents = [r.id for r in memory.store.ledger.scan("local", kind="content")]
    exchanges = [r.id for r in memory.store.ledger.scan("local", kind="exchange")]
    summaries = len(fake.asked("summary"))
    memory.close()
    return bodies, contents, exchanges, summaries


@pytest.mark.parametrize("restart", [False, True], ids=["one process", "restarted each turn"])
def test_a_cut_history_is_sent_as_the_whole_one_would_be(restart, tmp_path):
    store = f"sqlite:{tmp_path}/m.db"
    expected, contents, exchanges, summaries = talk(whole, 24)
    bodies, *rest = talk(drop_pairs_keep_first, 24, store=store, restart=restart)
    assert [text_of(body) for body in bodies] == [text_of(body) for body in expected]
    assert [len(rest[0]), len(rest[1]), rest[2]] == [len(contents), len(exchanges), summaries]


@pytest.mark.parametrize("restart", [False, True], ids=["one process", "restarted each turn"])
def test_what_may_have_been_deleted_and_was_cut_is_missing_for_one_turn(restart, tmp_path):
    """At the turn that first misses its front, nothing tells a cut from a deletion."""
    expected, contents, exchanges, summaries = talk(whole, 24)
    bodies, kept, places, asked = talk(
        last_20, 24, store=f"sqlite:{tmp_path}/m.db", restart=restart
    )
    first = 10  # the turn at which the history has grown past 20 messages
    assert [text_of(body) for body in bodies[:first]] == [text_of(b) for b in expected[:first]]
    assert "Answer to 0." in text_of(expected[first])
    assert ["Answer to 0." in text_of(body) for body in bodies[first : first + 3]] == [
        False,
        True,
        True,
    ]
    lengths = zip(bodies, expected, strict=True)
    assert all(abs(len(a["messages"]) - len(b["messages"])) <= 2 for a, b in lengths)
    assert len(kept) == len(contents)
    assert len(places) == len(exchanges) + 9, "those of the one turn stand on a path of their own"
    assert asked <= summaries


def test_what_was_cut_is_summarized_and_found_though_the_caller_no_longer_sends_it():
    bodies, *_ = talk(last_20, 24)
    assert "turns 1-" in text_of(bodies[-1]).lower()
    assert len(bodies[-1]["messages"]) < 12


def test_a_clock_in_the_first_message_makes_no_new_path_each_turn():
    _, contents, exchanges, summaries = talk(with_a_clock, 24)
    _, plain_contents, plain_exchanges, plain_summaries = talk(whole, 24)
    assert len(exchanges) <= len(plain_exchanges) + 3
    assert len(contents) <= len(plain_contents) + 3
    assert summaries <= plain_summaries + 1  # with the clock more is said, so a fold comes earlier


def test_the_clock_that_is_sent_is_the_callers_newest():
    bodies, *_ = talk(with_a_clock, 3)
    assert "It is now 5 o'clock." in text_of(bodies[-1])


def test_without_a_name_a_cut_history_passes_as_it_is_with_one_warning(caplog):
    with caplog.at_level(logging.WARNING, "turnfold"):
        bodies, *_ = talk(drop_pairs_keep_first, 24, conversation=None)
    warnings = [r for r in caplog.records if "was cut at its front" in r.getMessage()]
    assert len(warnings) == 1
    assert "<memory-" not in text_of(bodies[-1])
    assert len(bodies[-1]["messages"]) <= 9


@pytest.mark.parametrize("sent", [1, 2, 3, 9])
def test_who_sends_too_little_to_be_known_again_is_told(sent):
    receipts = []
    newest = lambda history: history[-2 * sent - 1 :]
    bodies, *_ = talk(newest, 12, heard=receipts.append)
    told = [any("too few exchanges" in why for why in one.degraded) for one in receipts]
    assert told == [sent < 3 and turn > sent for turn in range(12)]
    assert all("<memory-" not in text_of(body) for body in bodies) == (sent < 3)


def test_a_new_history_under_a_used_name_is_not_stitched_to_the_old_one():
    fake = FakeClaude(answer)
    with Memory("memory:", policy=POLICY, embedder=HashedWords()) as memory:
        client = memory.wrap(fake.client(), conversation="c")
        for topic in ("granite", "willow"):
            history = []
            for number in range(8):
                history.append({"role": "user", "content": f"{topic} {number} " + "ember " * 60})
                history.append({"role": "assistant", "content": f"{topic} " + "fjord " * 60})
            history.append({"role": "user", "content": "And now?"})
            client.messages.create(model=DEFAULT, max_tokens=99, messages=history)
    body = fake.asked()[-1].body
    assert "<memory-" in text_of(body)
    assert "granite" not in text_of(body)
