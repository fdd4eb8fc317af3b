"""What is forgotten stays forgotten, whatever breaks and whatever is said in whatever order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chats import SMALL, WORDS, Chat, ask, chats, injected, memory, said, stand_in
from support.drawing import examples
from support.faulty import Trouble, troubled_store
from support.oblivion import DAY, Clock, Notes, everything, tells, words_of
from turnfold.upkeep.checkup import check
from turnfold_stores import open_store


def test_a_forgetting_that_broke_off_is_finished_by_the_next_one():
    """Every write of a forgetting fails once; the next call finds what is left."""
    strike = 1
    while True:
        trouble = Trouble(lambda number, _name, at=strike: number == at)
        store = troubled_store(trouble)
        clock = Clock()
        policy = replace(SMALL, clock=clock)
        remembering = memory(store, policy=policy, summarizer=Notes())
        chat = Chat(remembering.wrap(stand_in().client(), user_id="ada", conversation="c"))
        for number in range(1, 13):
            chat.say(said(number, "asked", "x"))
            clock.now += DAY
        before = clock.now - 6 * DAY
        trouble.armed = True
        try:
            remembering.forget(user_id="ada", before=before)
        except RuntimeError:
            struck = True
        else:
            struck = bool(trouble.struck)
        trouble.armed = False
        remembering.forget(user_id="ada", before=before)
        for number in range(1, 6):
            assert not tells(store, words_of(number, "x")), (strike, trouble.calls[-1])
            assert not tells(store, f"delta{number}x"), (strike, trouble.calls[-1])
        assert tells(store, words_of(7, "x"))
        assert check(store).findings == (), (strike, trouble.calls[-1])
        if not struck:
            break
        strike += 1
    assert strike > 30


class Life:
    """Somebody with a few conversations, who forgets now and then; what was forgotten is noted."""

    def __init__(self, url_of_store):
        self.store = open_store(url_of_store)
        self.clock = Clock()
        self.notes = Notes("m")
        self.fake = stand_in()
        self.chats = {}
        self.said = []  # (number, conversation, when it was closed, whether forgotten)
        self.number = 0
        self.restart()

    def restart(self):
        policy = replace(SMALL, clock=self.clock, recall_floor=0.1, scope="user")
        self.memory = memory(self.store, policy=policy, summarizer=self.notes)

    def say(self, conversation, keeps):
        self.clock.now += DAY
        self.number += 1
        messages = self.chats.setdefault(conversation, [])
        for entry in self.said:
            if entry["conversation"] == conversation and entry["closed"] is None:
                entry["closed"] = self.clock.now
        client = self.memory.wrap(self.fake.client(), user_id="ada", conversation=conversation)
        request = ask(messages[-keeps:], said(self.number, "asked", "m"))
        client.messages.create(**request)
        blocks = " ".join(text for _, _, text in injected(chats(self.fake)[-1]))
        assert not any(
            f"{word}{e['number']}m" in blocks for e in self.said if e["gone"] for word in WORDS
        )
        self.chats[conversation] = [
            *messages,
            request["messages"][-1],
            {"role": "assistant", "content": f"Noted {self.number}."},
        ]
        entry = {"number": self.number, "conversation": conversation, "opened": self.clock.now}
        self.said.append({**entry, "closed": None, "gone": False})

    def forget(self, conversation, days):
        before = None if days is None else self.clock.now - days * DAY
        self.memory.forget(user_id="ada", conversation=conversation, before=before)
        for entry in self.said:
            here = conversation in (None, entry["conversation"])
            when = entry["closed"] or entry["opened"]
            if here and (before is None or when < before):
                entry["gone"] = True

    def check(self):
        gone = [entry["number"] for entry in self.said if entry["gone"]]
        told = "\n".join(everything(self.store))
        for number in gone:
            assert f"amber{number}m " not in told
            assert f"Noted {number}." not in told
        kept = [e["number"] for e in self.said if not e["gone"] and e["closed"]]
        for number in kept:
            assert f"amber{number}m " in told, "what was not forgotten is kept"
        for job in self.notes.jobs:
            for number in gone:
                assert f"amber{number}m " not in str(job)
        self.notes.jobs.clear()
        assert check(self.store).findings == ()


steps = st.one_of(
    st.tuples(st.just("say"), st.sampled_from("ab"), st.sampled_from([8, 1_000, 1_000, 1_000])),
    st.tuples(st.just("many"), st.sampled_from("ab"), st.sampled_from([8, 1_000, 1_000])),
    st.tuples(
        st.just("forget"), st.sampled_from(["a", "b", None]), st.sampled_from([None, 1, 4, 9])
    ),
    st.tuples(st.just("restart"), st.none(), st.none()),
)


@given(st.lists(steps, min_size=3, max_size=14))
@examples(few=8, many=20)
def test_whatever_is_said_and_forgotten_in_whatever_order(moves):
    life = Life("memory:")
    for move, conversation, detail in moves:
        if move == "restart":
            life.restart()
        elif move == "forget":
            life.forget(conversation, detail)
        else:
            for _ in range(9 if move == "many" else 1):
                life.say(conversation, detail)
        life.check()


@pytest.mark.soak
@given(st.lists(steps, min_size=5, max_size=40))
@examples(few=200, many=200)
def test_long_lives_with_much_forgotten(moves):
    test_whatever_is_said_and_forgotten_in_whatever_order.hypothesis.inner_test(moves)
