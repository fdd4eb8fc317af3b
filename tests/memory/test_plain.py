"""A history is the same one however a caller holds it: as dicts, as the SDK's objects, as Enums."""

import enum

import pytest
from support.chats import SMALL
from support.embedders import HashedWords
from support.models import BOUND_THINKING, DEFAULT
from turnfold import Memory, strip_thinking
from turnfold.history.plain import plain
from turnfold_fake import FakeClaude

TURNS = 16


class Role(str, enum.Enum):  # noqa: UP042 - not a StrEnum: its str() is its name
    USER = "user"
    ASSISTANT = "assistant"


class Model(str, enum.Enum):  # noqa: UP042 - likewise
    ONE = DEFAULT


def said(number):
    return {"role": "user", "content": f"Question {number}: " + "ember " * 60}


def held(memory, fake, *, model=DEFAULT, roles=None, whole=False):
    """The history of a chat with memory, as callers append it."""
    client = memory.wrap(fake.client(max_retries=0), user_id="ada", conversation="kiln")
    history = []
    for number in range(TURNS):
        history.append(said(number))
        answer = client.messages.create(model=model, max_tokens=200, messages=history)
        history.append(answer if whole else {"role": "assistant", "content": answer.content})
    if roles is not None:
        history = [{**one, "role": roles(one["role"])} for one in history]
    return history


def ids(memory, user="ada"):
    return {one.id for one in memory.store.ledger.scan(user, kind="content")}


def in_blocks(messages):
    return [block for one in messages if one["role"] == "assistant" for block in one["content"]]


FORMS = {
    "objects": lambda history: history,
    "plain": plain,
    "tuple": lambda history: tuple(
        {**one, "content": tuple(one["content"]) if one["role"] == "assistant" else one["content"]}
        for one in history
    ),
    "generator": iter,
    "enums": lambda history: [{**one, "role": Role(one["role"])} for one in history],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_filled_in_has_the_ids_of_what_was_sent(form):
    with Memory("memory:", policy=SMALL, embedder=HashedWords()) as memory:
        history = held(memory, FakeClaude("Well."))
        sent = ids(memory)
        told = memory.backfill(
            form(history), client=FakeClaude().client(), user_id="ada", conversation="kiln"
        )
        assert told.exchanges == len(sent) == TURNS - 1
        assert ids(memory) == sent


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_preview_shows_what_is_sent(form):
    fake = FakeClaude("Well.")
    with Memory("memory:", policy=SMALL, embedder=HashedWords()) as memory:
        asked = [*held(memory, fake), said(TURNS)]
        body = {"model": DEFAULT, "max_tokens": 200, "messages": form(asked)}
        shown = memory.preview(body, user_id="ada", conversation="kiln")
        client = memory.wrap(fake.client(max_retries=0), user_id="ada", conversation="kiln")
        client.messages.create(**{**body, "messages": form(asked)})
        sent = fake.asked()[-1].body["messages"]
        assert len(sent) < len(asked)
        assert shown["messages"] == sent


@pytest.mark.parametrize("whole", [False, True])
def test_whoever_leaves_memory_takes_their_history_along_however_they_hold_it(whole):
    fake = FakeClaude("Well.")
    with Memory("memory:", policy=SMALL, embedder=HashedWords()) as memory:
        history = held(memory, fake, model=BOUND_THINKING, whole=whole)
    assert "thinking" in {block["type"] for block in in_blocks(plain(history))}
    left = strip_thinking(history)
    assert {block["type"] for block in in_blocks(left)} == {"text"}
    client = fake.client(max_retries=0)
    asked = [{key: one[key] for key in ("role", "content")} for one in left]
    client.messages.create(model=BOUND_THINKING, max_tokens=200, messages=[*asked, said(TURNS)])


def test_roles_and_models_that_are_enums_are_the_words_they_stand_for():
    receipts, fake = [], FakeClaude("Well.")
    with Memory(
        "memory:", policy=SMALL, embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.client(max_retries=0), user_id="ada", conversation="kiln")
        history = []
        for number in range(TURNS):
            history.append({**said(number), "role": Role.USER})
            answer = client.messages.create(model=Model.ONE, max_tokens=200, messages=history)
            history.append({"role": Role.ASSISTANT, "content": answer.content})
    assert not any(one.degraded for one in receipts)
    assert receipts[-1].in_memory > 0
    assert {one.model for one in receipts} == {DEFAULT}
    assert all(one.cost for one in receipts)
