"""Promises 1 to 6: whatever people do to their histories, every request keeps them.

What has to hold of each request stands in `support.people.World.examine`.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawing import examples, sampled, some
from support.people import (
    CHAT_FAULTS,
    OFF,
    SMALL,
    SUMMARY_FAULTS,
    Act,
    Person,
    World,
    blocks_of,
    unmarked,
    whole,
)
from turnfold import Policy

by_number = st.builds(
    lambda fold_at, keep, **rest: Policy(
        fold_at=fold_at, keep_tokens=int(fold_at * keep), background="off", **rest
    ),
    st.sampled_from([1_000, 1_000, 1_500]),
    st.sampled_from([0.0, 0.2, 0.6]),
    keep_exchanges=st.integers(0, 2),
    keep_first=st.sampled_from([0, 0, 0, 1]),
    recall_tokens=st.sampled_from([0, 200, 1_000]),
    summary_tokens=st.sampled_from([100, 600]),
    max_prompt_tokens=st.sampled_from([None, None, None, 1_500, 4_000]),
    leaf_tokens=st.sampled_from([1_000, 24_000]),
    recall_floor=st.sampled_from([-1.0, 0.3]),
    scope=st.sampled_from(["conversation", "user"]),
    placement=st.sampled_from(["auto", "append", "before_window"]),
    cache=st.sampled_from(["auto", "on", "off"]),
)
by_budget = st.builds(
    lambda tokens, **rest: Policy.for_budget(tokens, background="off", **rest),
    st.sampled_from([500, 1_000, 2_000]),
    keep_first=st.sampled_from([0, 0, 0, 1]),
    leaf_tokens=st.sampled_from([1_000, 1_000, 24_000]),
    recall_floor=st.sampled_from([-1.0, 0.3]),
    scope=st.sampled_from(["conversation", "user"]),
    placement=st.sampled_from(["append", "before_window"]),
)
policies = st.one_of(by_number, by_number, by_number, by_budget)
faults = st.one_of(
    st.none(),
    st.none(),
    st.none(),
    st.tuples(st.just("chat"), st.sampled_from(sorted(CHAT_FAULTS))),
    st.tuples(st.just("summary"), st.sampled_from(sorted((*SUMMARY_FAULTS, "not_found")))),
)
acts = st.builds(
    Act,
    what=st.sampled_from(
        [
            "say",
            "say",
            "say",
            "tools",
            "job",
            "job",
            "rework",
            "final",
            "final",
            "server",
            "cite",
            "cite",
            "warm",
            "compact",
            "edit",
            "amend",
            "correct",
            "delete",
            "delete",
            "regenerate",
            "back",
            "restart",
            "switch",
        ]
    ),
    who=st.integers(0, 1),
    number=st.integers(0, 5),
    size=st.sampled_from(["small", "middle", "large", "large"] * 3 + ["huge"]),
    shape=st.sampled_from(["text", "text", "blocks", "image", "document"]),
    marks=st.sampled_from(["", "", "newest", "system", "automatic"]),
    fault=faults,
    twice=st.sampled_from([False, False, True]),
    stream=st.sampled_from([False] * 9 + [True]),
)
modes = st.sampled_from(["enforced", "enforced", "dropped", "unenforced"])
persons = st.tuples(
    st.sampled_from(["whole", "whole", "whole", "last", "first"]),
    st.sampled_from(["c", "c", ""]),
    st.sampled_from([None, None, OFF]),
    st.sampled_from([0, 0, 0, 9]),
)


def run(people, policy, mode, actions, *, durable=False):
    """The people do what they do; gives what was counted."""
    present = [
        Person(name, named if habit == "whole" else "c", habit, thinking=thinking)
        for name, (habit, named, thinking, _) in zip(("ada", "bob"), people, strict=False)
    ]
    with World(policy, present, mode=mode, durable=durable) as world:
        for person, (*_, past) in zip(present, people, strict=True):
            world.meet(person, past if person.habit != "first" else 0)
        for act in actions:
            world.do(act)
        assert world.seen["repaired"] == 0, "a faithful caller's thinking was refused"
        return world.seen


everything = (st.lists(persons, min_size=1, max_size=2), policies, modes)


@examples(few=60, many=200)
@given(*everything, st.lists(acts, min_size=1, max_size=8))
def test_every_request_keeps_the_promises(people, policy, mode, actions):
    run(people, policy, mode, actions)


def test_what_the_provider_has_compacted_stays_and_what_follows_is_folded():
    """The block goes first, as it came; requests for it pass untouched; all promises hold."""
    talk = [Act("say", size="large")] * 8
    seen = run([("whole", "c", OFF, 0)], SMALL, "enforced", [*talk, Act("compact"), *talk])
    assert seen["compacted"] == 1
    assert seen["folds"] > 2


def test_who_edits_the_first_message_begins_another_history():
    """Without a name only its beginning tells a history from another."""
    policy = Policy(
        fold_at=1_000,
        keep_tokens=0,
        keep_exchanges=0,
        recall_tokens=200,
        summary_tokens=100,
        leaf_tokens=1_000,
        recall_floor=-1.0,
        background="off",
    )
    said = [Act("say", size="middle")] * 3 + [Act("say", shape="image"), Act("edit", number=3)]
    actions = [*said, *[Act("say", size="middle")] * 5, Act("say", size="large"), Act("say")]
    seen = run([("whole", "", None, 0)], policy, "enforced", actions)
    assert seen["folds"] >= 2


def test_what_was_kept_in_view_is_found_once_it_is_folded_on_another_path():
    """Who sends their newest goes back: an older exchange is the first now, and stays instead."""
    policy = replace(SMALL, keep_first=1, keep_exchanges=0)
    actions = [Act("say"), Act("say"), Act("say", who=1), Act("edit", who=1, number=1)]
    people = [("whole", "c", None, 0), ("last", "c", None, 9)]
    assert run(people, policy, "enforced", actions)["folds"] == 1


@sampled
@pytest.mark.parametrize("mode", some(["enforced", "dropped", "unenforced"], step=2))
def test_long_open_exchanges_keep_the_promises(mode):
    job = Act("job", number=5, size="large")
    actions = [Act("say"), job, Act("rework", number=4, size="middle", twice=True), Act("say")]
    actions += [replace(job, number=2, twice=True), Act("restart"), Act("rework", number=1)]
    actions += [Act("say", size="large"), Act("edit", number=1), job, Act("say", twice=True)]
    seen = run([("whole", "c", None, 3)], SMALL, mode, actions)
    assert seen["folds of steps"] > 6


def test_documents_are_cited_by_the_numbers_they_have_in_each_request():
    cites = [Act("cite", number=n, size="middle", twice=n % 3 == 0) for n in range(9)]
    actions = [*cites, Act("edit", number=2), *cites[:4], Act("back", number=8), *cites[:4]]
    seen = run([("whole", "c", None, 0)], SMALL, "enforced", actions)
    assert seen["folds"] > 3


@examples(few=8, many=100)
@given(*everything, st.lists(acts, min_size=1, max_size=8))
def test_every_request_keeps_the_promises_on_disk(people, policy, mode, actions):
    run(people, policy, mode, actions, durable=True)


@pytest.mark.soak
@pytest.mark.parametrize("_part", range(4))  # of 20,000, which take hours one after the other
@examples(few=5_000, many=5_000)
@given(*everything, st.lists(acts, min_size=1, max_size=20), st.sampled_from([False] * 19 + [True]))
def test_every_request_keeps_the_promises_at_length(_part, people, policy, mode, actions, durable):
    run(people, policy, mode, actions, durable=durable)


def test_notes_come_later_on_an_exchange_that_is_one_step():
    """Its only step ends it, and has its id; under a budget it is folded before it has notes."""
    policy = Policy.for_budget(
        500, background="off", keep_first=1, leaf_tokens=1_000, placement="append"
    )
    job = Act("job", number=4, size="middle", twice=True)
    actions = [job, Act("final", number=5, size="middle", shape="blocks", twice=True)]
    actions += [Act("server", number=4, twice=True), Act("say", size="large")]
    actions += [replace(job, number=1, size="huge")]
    seen = run([("first", "c", None, 0)], policy, "enforced", actions)
    assert seen["folds"]


def sent_by(world):
    """The messages of the last request that arrived, cache marks aside."""
    return unmarked(world.fake.asked()[-1].body["messages"])


@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_cut_history_is_sent_whole_also_where_nothing_else_is_changed(cache):
    person = Person("ada", "c", "last", thinking=None)
    with World(replace(SMALL, fold_at=5_000, cache=cache), [person]) as world:
        for _ in range(8):
            world.do(Act("say"))
            missing = 2 if person.cuts == 1 else 0  # they may have been deleted
            assert len(sent_by(world)) == len(person.history()) - 1 - missing
        assert world.seen["repaired"] == 0


def test_what_a_caller_shows_of_an_earlier_past_is_not_lost():
    """Cut to the newest messages, a history reaches further back after an edit."""
    person = Person("ada", "c", "last", thinking=OFF)
    with World(replace(SMALL, fold_at=5_000), [person]) as world:
        world.meet(person, 9)
        world.do(Act("say"))
        world.do(Act("edit", number=1))
        shown = [message["content"] for message in person.cut()[:-1]]
        found = [block["text"] for message in sent_by(world) for block in blocks_of(message)]
        assert set(map(str, shown)) <= set(found)


def test_an_answer_about_turns_for_which_the_summarizer_was_given_up_ends_no_fold():
    """Of a long turn's pieces, asked for side by side, one came to nothing for good."""
    policy = Policy.for_budget(
        500, background="off", leaf_tokens=1_000, recall_floor=-1.0, placement="append"
    )
    acts = [Act("say"), Act("say", size="huge"), Act("warm")]
    acts += [Act("job", fault=("summary", "empty")), Act("say")]
    seen = run([("whole", "c", None, 0)], replace(policy, keep_first=0), "enforced", acts)
    assert seen["degraded"]


def test_what_a_limit_took_back_amid_an_exchange_stays_away():
    """It was recalled at the opening, and a later opening sends the exchange as it was last."""
    policy = replace(
        SMALL,
        fold_at=1_000,
        keep_tokens=0,
        keep_exchanges=2,
        keep_first=1,
        recall_tokens=1_000,
        recall_floor=-1.0,
        summary_tokens=600,
        leaf_tokens=1_000,
        max_prompt_tokens=4_000,
        background="off",
    )
    acts = [
        Act("say", size="large"),
        Act("job", number=3, size="huge", shape="image"),
        Act("tools", number=4, size="large"),
        Act("say"),
    ]
    person = whole("ada", "c")
    with World(policy, [person]) as world:
        for act in acts:
            world.do(act)
            *_, (*_, opening) = person.requests
            if act.what == "tools":
                assert opening == (opening[0], False), "there was no room for it"


def test_a_caller_who_keeps_the_first_exchange_and_the_newest_is_joined():
    class Keeper(Person):
        def cut(self):
            shown = [*self.exchanges[:1], *self.exchanges[1:][-5:]]
            return [message for exchange in shown for message in exchange]

    person = Keeper("ada", "c", "keeper", thinking=OFF)
    with World(SMALL, [person]) as world:
        for _ in range(16):
            world.do(Act("say", size="middle"))
        assert world.receipts[-1].turn == 16
        assert world.receipts[-1].in_memory > 6
        assert world.seen["not joined"] == 0


def test_words_beside_a_result_are_sent_alike_by_who_saw_them_come_and_who_did_not():
    talk = [Act("say")] * 4 + [Act("cite"), Act("switch"), Act("restart"), Act("final"), Act("say")]
    job = Act("job", size="huge", fault=("summary", "overloaded"))
    more = [Act("cite", number=3, size="large"), Act("tools", number=5), Act("say", size="large")]
    last = Act("job", number=2, size="large", twice=True)
    policy = Policy(
        fold_at=1_000, keep_tokens=0, keep_exchanges=2, recall_tokens=0, summary_tokens=100,
        leaf_tokens=1_000, background="off",
    )  # fmt: skip
    run([("first", "c", None, 0)], policy, "enforced", [*talk, job, Act("cite", 1, 4), *more, last])


def test_what_is_folded_is_at_least_named_where_the_summary_has_no_room():
    person = whole("ada", thinking=OFF)
    with World(replace(SMALL, summary_tokens=100, recall_tokens=0), [person]) as world:
        world.meet(person, 12)
        world.do(Act("say"))
        assert world.receipts[-1].in_memory > 0
        assert "<memory-" in str(sent_by(world)[0])


def test_thinking_that_was_refused_is_not_sent_again_by_anyone():
    person = whole("ada")
    with World(replace(SMALL, fold_at=5_000), [person]) as world:
        world.meet(person, 3)
        world.do(Act("amend", number=2, twice=True))  # what was thought of the former text goes
        assert world.seen["amended and repaired"] == 1
        world.do(Act("switch"))
        for _ in range(3):
            world.do(Act("say", twice=True))
        assert world.seen["amended and repaired"] == 1
