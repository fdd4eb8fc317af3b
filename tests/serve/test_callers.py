"""Whose memory a request means, by all that clients say of it."""

import json

import pytest
from support.cpu import at_most
from turnfold import TurnfoldError
from turnfold.serve.callers import Caller, caller_of, wants_memory

KEY = {"x-api-key": "sk-one"}
SESSION = "0b1c5a52-5d0f-4c0e-9f3e-0a1b2c3d4e5f"
ACCOUNT = "9a8b7c6d-0000-4000-8000-112233445566"


def named(user_id):
    return {"metadata": {"user_id": user_id}}


def by_key(key=KEY):
    return caller_of(key, {}).user_id


def test_a_header_goes_before_metadata_and_metadata_before_the_key():
    headers = {**KEY, "x-turnfold-user": "ada", "x-turnfold-conversation": "engine"}
    assert caller_of(headers, named("bob")) == Caller("ada", "engine")
    assert caller_of(KEY, named("bob")) == Caller("bob")
    assert caller_of(KEY, {}).user_id.startswith("key-")


def test_a_key_is_told_apart_and_not_told():
    assert by_key() == by_key() != by_key({"x-api-key": "sk-two"})
    assert by_key({"authorization": "Bearer sk-one"}) != by_key({"authorization": "Bearer x"})
    assert "sk-one" not in by_key()
    assert by_key({}) == "local", "as for a client of the SDK that names no one"


@pytest.mark.parametrize(
    "told",
    [
        json.dumps({"device_id": "d" * 64, "account_uuid": ACCOUNT, "session_id": SESSION}),
        json.dumps({"sessionId": SESSION, "accountId": ACCOUNT, "deviceId": "d", "v": 2}),
        f"user_{'d' * 64}_account_{ACCOUNT}_session_{SESSION}",
    ],
    ids=["JSON", "JSON of another agent", "in one word"],
)
def test_of_a_coding_agent_the_account_is_the_user_and_the_session_the_conversation(told):
    assert caller_of(KEY, named(told)) == Caller(ACCOUNT, SESSION, is_agent=True)


@pytest.mark.parametrize(
    "told",
    [
        json.dumps({"device_id": "laptop", "account_uuid": "", "session_id": SESSION}),
        f"user_laptop_account__session_{SESSION}",
    ],
)
def test_without_an_account_the_device_is_the_user(told):
    assert caller_of(KEY, named(told)) == Caller("laptop", SESSION, is_agent=True)


def test_where_only_the_session_is_said_the_key_tells_the_user():
    told = json.dumps({"session_id": SESSION})
    assert caller_of(KEY, named(told)) == Caller(by_key(), SESSION, is_agent=True)


def test_what_else_stands_beside_a_session_is_the_user_as_a_whole():
    one, other = (json.dumps({"team": team, "session_id": SESSION}) for team in ("a", "b"))
    assert caller_of(KEY, named(one)).user_id != caller_of(KEY, named(other)).user_id
    later = json.dumps({"session_id": "another", "team": "a"})
    assert caller_of(KEY, named(later)).user_id == caller_of(KEY, named(one)).user_id


@pytest.mark.parametrize("told", ['{"name": "ada"}', "{no json", "{}", "user_ada", '{"a": [[[['])
def test_any_other_name_is_taken_as_it_is(told):
    assert caller_of(KEY, named(told)) == Caller(told)


def test_what_is_written_in_one_word_is_read_once_however_long_it_is():
    marks = "_account_" * 30_000, "_account__session_" * 30_000 + "!"
    for told in marks:
        with at_most(30), pytest.raises(TurnfoldError, match="at most 512"):
            caller_of(KEY, named(f"user_{told}"))


@pytest.mark.parametrize("told", [None, "", 7, ["ada"], {"user_id": "ada"}])
def test_what_is_no_name_names_no_one(told):
    assert caller_of(KEY, named(told)) == Caller(by_key())


def test_session_headers_are_the_conversation_and_a_subagent_has_its_own():
    headers = {**KEY, "x-claude-code-session-id": "s1"}
    main = caller_of(headers, {})
    sub = caller_of({**headers, "x-claude-code-agent-id": "a7"}, {})
    assert main == Caller(by_key(), "s1", is_agent=True)
    assert sub == Caller(by_key(), "s1/a7", is_agent=True)
    assert caller_of({**headers, "x-turnfold-conversation": "mine"}, {}).conversation == "mine"


@pytest.mark.parametrize("word", ["off", "OFF", " false ", "no", "0"])
def test_a_header_turns_memory_off(word):
    assert not wants_memory({"x-turnfold-memory": word})
    assert wants_memory({"x-turnfold-memory": "on"})


def test_the_holder_of_a_key_cannot_be_named_by_another():
    with pytest.raises(TurnfoldError, match="what this proxy calls"):
        caller_of({"x-api-key": "sk-two", "x-turnfold-user": by_key()}, {})
    with pytest.raises(TurnfoldError, match="what this proxy calls"):
        caller_of({"x-api-key": "sk-two"}, named(by_key()))


def test_behind_the_wall_of_keys_a_name_is_worth_nothing_with_another_key():
    mine = caller_of({**KEY, "x-turnfold-user": "ada"}, {}, "key").user_id
    guesses = ["ada", mine, f"ada@{by_key()}"]
    other = {"x-api-key": "sk-two"}
    guessed = {caller_of({**other, "x-turnfold-user": one}, {}, "key").user_id for one in guesses}
    assert mine not in guessed
    assert caller_of(other, {}, "key").user_id == by_key(other)


def test_a_name_without_end_is_refused():
    with pytest.raises(TurnfoldError, match="at most 512"):
        caller_of({"x-turnfold-user": "a" * 513}, {})
