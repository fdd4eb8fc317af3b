"""The prompt cache: marks, prefixes, look-back, least length and lifetimes, in tokens."""

import pytest
from support.models import DEFAULT, LARGEST, LEAST_CACHEABLE
from turnfold_fake import FakeClaude

MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
BIG = "word " * 2_000
TOOL = {"name": "find", "input_schema": {"type": "object"}}


def user(*texts, mark=None):
    blocks = [{"type": "text", "text": each} for each in texts]
    if mark:
        blocks[-1]["cache_control"] = mark
    return {"role": "user", "content": blocks}


def assistant(words):
    return {"role": "assistant", "content": words}


@pytest.fixture
def usage(door):
    """(uncached, written for 5m, written for 1h, read) of a request."""

    def ask(messages, **fields):
        spent = door.accepted(messages, **fields)["usage"]
        made = spent["cache_creation"]
        five, hour = made["ephemeral_5m_input_tokens"], made["ephemeral_1h_input_tokens"]
        assert spent["cache_creation_input_tokens"] == five + hour
        body = {"model": DEFAULT, **fields, "messages": messages}
        whole = spent["input_tokens"] + five + hour + spent["cache_read_input_tokens"]
        assert whole == door.fake.count_tokens(body)
        return spent["input_tokens"], five, hour, spent["cache_read_input_tokens"]

    return ask


def test_without_marks_nothing_is_cached(usage):
    assert usage([user(BIG)]) == usage([user(BIG)]) == (2003, 0, 0, 0)


def test_what_is_written_is_read_by_the_next(usage):
    assert usage([user(BIG, mark=MARK)]) == (0, 2003, 0, 0)
    assert usage([user(BIG, mark=MARK)]) == (0, 0, 0, 2003)


def test_a_longer_conversation_reads_its_beginning(usage):
    usage([user(BIG, mark=MARK)])
    longer = [user(BIG), assistant("yes"), user("one two", mark=MARK)]
    assert usage(longer) == (0, 4 + 5, 0, 2003)
    assert usage([*longer[:2], user("one two"), assistant("yes"), user("three")])[3] == 0


def test_any_change_before_a_block_loses_it(usage):
    usage([user("first", BIG, mark=MARK)], system="Be brief.", tools=[TOOL])
    changed = [user("first", BIG, mark=MARK)]
    assert usage(changed, system="Be brief.", tools=[TOOL])[3] > 2_000
    assert usage(changed, system="Be long.", tools=[TOOL])[3] == 0
    assert usage(changed, system="Be brief.")[3] == 0
    assert usage([user("First", BIG, mark=MARK)], system="Be brief.", tools=[TOOL])[3] == 0


def test_tools_come_before_system_before_messages(usage):
    tools = [{**TOOL, "description": BIG, "cache_control": MARK}]
    assert usage([user("x")], tools=tools)[1] > 2_000
    uncached, written, _, read = usage([user("y")], system="New.", tools=tools)
    assert read > 2_000
    assert written == 0
    assert uncached == 4 + 2


def test_models_do_not_share(usage):
    usage([user(BIG, mark=MARK)])
    assert usage([user(BIG, mark=MARK)], model=LARGEST)[3] == 0


def test_the_automatic_mark_falls_on_the_last_block(usage):
    assert usage([user(BIG)], cache_control=MARK) == (0, 2003, 0, 0)
    grown = [user(BIG), assistant("yes"), user("more")]
    assert usage(grown, cache_control=MARK) == (0, 8, 0, 2003)


def test_marks_do_not_change_the_prefix(usage):
    usage([user(BIG, mark=MARK)])
    assert usage([user(BIG)], cache_control=MARK)[3] == 2003
    assert usage([{"role": "user", "content": BIG}], cache_control=MARK)[3] == 2003


def test_the_look_back_is_twenty_positions(usage):
    usage([user(BIG, mark=MARK)])
    nineteen = [f"n{n}" for n in range(19)]
    assert usage([user(BIG, *nineteen, mark=MARK)])[3] == 2003


def test_beyond_twenty_positions_nothing_is_found(usage):
    usage([user(BIG, mark=MARK)])
    twenty = [f"n{n}" for n in range(20)]
    assert usage([user(BIG, *twenty, mark=MARK)])[3] == 0


def test_a_second_mark_bridges_the_look_back(usage):
    usage([user(BIG, mark=MARK)])
    parts = [user(BIG, mark=MARK), user(*[f"n{n}" for n in range(40)], mark=MARK)]
    assert usage(parts)[3] == 2003


@pytest.mark.parametrize(("model", "least"), LEAST_CACHEABLE.items())
def test_short_prefixes_are_silently_not_cached(usage, model, least):
    short, enough = "word " * (least - 4), "word " * (least - 3)
    assert usage([user(short, mark=MARK)], model=model) == (least - 1, 0, 0, 0)
    assert usage([user(enough, mark=MARK)], model=model) == (0, least, 0, 0)


def test_five_minutes_are_refreshed_by_reading(fake, usage):
    usage([user(BIG, mark=MARK)])
    for _ in range(3):
        fake.clock.advance(299)
        assert usage([user(BIG, mark=MARK)])[3] == 2003
    fake.clock.advance(300)
    assert usage([user(BIG, mark=MARK)]) == (0, 2003, 0, 0)


def test_an_hour_is_an_hour(fake, usage):
    assert usage([user(BIG, mark=HOUR)]) == (0, 0, 2003, 0)
    fake.clock.advance(3_599)
    assert usage([user(BIG, mark=MARK)])[3] == 2003
    fake.clock.advance(3_599)
    assert usage([user(BIG, mark=MARK)])[3] == 2003
    fake.clock.advance(3_600)
    assert usage([user(BIG, mark=MARK)])[3] == 0


def test_both_lifetimes_in_one_request(usage):
    system = [{"type": "text", "text": BIG, "cache_control": HOUR}]
    assert usage([user("one two", mark=MARK)], system=system) == (0, 5, 2000, 0)
    assert usage([user("three", mark=MARK)], system=system) == (0, 4, 0, 2000)


def test_a_refused_request_leaves_nothing(door, usage):
    door.refusal([user(BIG, mark=MARK), assistant("prefill")])
    assert usage([user(BIG, mark=MARK)])[3] == 0


def test_an_answer_that_never_began_leaves_nothing(usage, door):
    fake = FakeClaude()
    pending = fake._respond("POST", "/v1/messages", {}, _raw())
    again = fake._respond("POST", "/v1/messages", {}, _raw())
    assert [call.usage["cache_read_input_tokens"] for call in fake.calls] == [0, 0]
    pending.began()
    again.began()
    fake._respond("POST", "/v1/messages", {}, _raw())
    assert fake.calls[-1].usage["cache_read_input_tokens"] == 2003


def _raw():
    import json

    messages = [user(BIG, mark=MARK)]
    return json.dumps({"model": DEFAULT, "max_tokens": 9, "messages": messages}).encode()


def test_four_marks_and_no_more(door):
    marked = [user("x", mark=MARK) for _ in range(4)]
    assert door.accepted(marked)
    five = "A maximum of 4 blocks with cache_control may be provided. Found 5."
    assert door.refusal(marked, cache_control=MARK) == five
    assert door.refusal([*marked, user("x", mark=MARK)]) == five
    assert door.refusal(marked, tools=[{**TOOL, "cache_control": MARK}]) == five


def test_an_hour_comes_before_five_minutes(door):
    assert door.accepted([user("x", mark=HOUR), user("y", mark=MARK)])
    late = door.refusal([user("x", mark=MARK), user("y", mark=HOUR)])
    assert "a ttl='1h' cache_control block must not come after" in late
    assert "must not come after" in door.refusal([user("x", mark=MARK)], cache_control=HOUR)


def test_no_mark_on_empty_text_or_thinking(door):
    empty = user("", mark=MARK)
    assert "cannot be set for empty text" in door.refusal([empty])
    thought = {"type": "thinking", "thinking": "", "signature": "x", "cache_control": MARK}
    marked = [user("x"), {"role": "assistant", "content": [thought]}, user("y")]
    assert "Extra inputs are not permitted" in door.refusal(marked)


def test_a_mark_is_ephemeral_for_five_minutes_or_an_hour(door):
    assert "ephemeral" in door.refusal([user("x", mark={"type": "lasting"})])
    day = {"type": "ephemeral", "ttl": "1d"}
    assert "'5m' or '1h'" in door.refusal([user("x", mark=day)])
