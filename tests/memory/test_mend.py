"""The two refusals memory can mend: thinking bound elsewhere, and a prompt that is too long."""

import copy

import pytest
from anthropic import BadRequestError
from support.embedders import HashedWords
from support.faulty import Trouble, troubled_store
from support.histories import TOOLS
from support.models import DEFAULT as MODEL
from support.models import SHOWN_THINKING
from turnfold import Memory, Policy, strip_thinking
from turnfold.request.thinking import body_without_thinking, thinking_ids, unproven
from turnfold_fake import FakeClaude, Fault
from turnfold_stores import open_store


def turns(count, size=60):
    history = []
    for number in range(count):
        history.append({"role": "user", "content": f"Question {number}. " + "ember " * size})
        history.append({"role": "assistant", "content": f"Answer {number}. " + "fjord " * size})
    return history


def ask(client, history, **options):
    return client.messages.create(model=MODEL, max_tokens=200, messages=history, **options)


def thoughtful(fake, count):
    """A history made without memory, with its thinking."""
    history = []
    for number in range(count):
        history.append({"role": "user", "content": f"Question {number}."})
        reply = ask(fake.client(), history)
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        history.append({"role": "assistant", "content": content})
    return history


def test_refused_thinking_is_stripped_and_the_request_sent_once_more():
    fake, receipts = FakeClaude(), []
    history = thoughtful(fake, 3)
    history[0] = {"role": "user", "content": "Someone edited this."}
    history.append({"role": "user", "content": "Go on."})
    with Memory("memory:", embedder=HashedWords(), on_receipt=receipts.append) as memory:
        client = memory.wrap(fake.client(max_retries=0))
        reply = ask(client, history)
        assert reply.stop_reason == "end_turn"
        statuses = [call.status for call in fake.calls[-2:]]
        assert statuses == [400, 200]
        assert any("thinking" in why for why in receipts[-1].degraded)

        history.append(
            {
                "role": "assistant",
                "content": [b.model_dump(exclude_none=True) for b in reply.content],
            }
        )
        history.append({"role": "user", "content": "And on."})
        ask(client, history)
        assert fake.calls[-1].status == 200
        assert fake.calls[-2].status == 200, "what was refused once must not be sent again"
        assert not receipts[-1].degraded
    sent = fake.calls[-1].body["messages"]
    assert [bool(thinking_ids(m)) for m in sent if m["role"] == "assistant"] == [False] * 3 + [True]


def test_thinking_of_which_a_client_lost_a_part_goes_as_a_whole():
    """Who cleans up histories loses an empty block, and is refused at every turn from then on."""
    call = {"type": "tool_use", "id": "toolu_0", "name": "find", "input": {}}
    pieces = [("thinking", "Where?"), ("text", "Let me look."), ("thinking", "")]
    fake, receipts = FakeClaude([[*({"type": k, k: said} for k, said in pieces), call]]), []
    tools = [{"name": "find", "input_schema": {"type": "object"}}]
    history = [{"role": "user", "content": "Find it."}]
    reply = ask(fake.client(), history, tools=tools, thinking=SHOWN_THINKING)
    content = [block.model_dump(exclude_none=True) for block in reply.content]
    content = [block for block in content if block.get("thinking") != ""]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "found"}
    history += [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    with pytest.raises(BadRequestError, match="cannot be modified"):
        ask(fake.client(max_retries=0), history, tools=tools)
    with Memory("memory:", embedder=HashedWords(), on_receipt=receipts.append) as memory:
        ask(memory.wrap(fake.client(max_retries=0)), history, tools=tools)
    assert [call.status for call in fake.calls] == [200, 400, 400, 200]
    assert any("thinking" in why for why in receipts[-1].degraded)


def test_thinking_made_elsewhere_goes_where_something_before_it_was_folded():
    """Nothing is known of what it was bound to; so it is not tried out on the API."""
    fake, receipts = FakeClaude(), []
    history = turns(16)
    history.append({"role": "user", "content": "And what else?"})
    reply = ask(fake.client(), history)
    thought = [block.model_dump(exclude_none=True) for block in reply.content]
    history += [{"role": "assistant", "content": thought}, {"role": "user", "content": "Go on."}]
    policy = Policy(fold_at=1_000, keep_tokens=300, background="off")
    memory = Memory("memory:", policy=policy, embedder=HashedWords(), on_receipt=receipts.append)
    ask(memory.wrap(fake.client(max_retries=0), conversation="c"), history)
    assert receipts[-1].in_memory
    chats = fake.asked()
    assert [call.status for call in chats] == [200, 200]
    assert (
        thought[1:] == [m for m in chats[-1].body["messages"] if m["role"] != "user"][-1]["content"]
    )


def test_what_stands_before_thinking_that_goes_goes_too():
    """The API wants no gap in it."""
    thoughts = [(1, ["a"]), (3, ["b"]), (5, ["c"])]
    before = {1: "one", 3: "three", 5: "five"}
    kept = {"a": "one", "b": "another", "c": "five"}
    assert unproven(thoughts, kept, before=before, touched_from=9) == [1, 3]


def test_what_is_refused_again_within_a_tool_loop_is_not_sent_a_third_time():
    """A key of the API changes twice: each time all that was thought before it goes."""
    fake = FakeClaude([[{"type": "tool_use", "name": "look", "input": {}}]] * 3)
    history = [{"role": "user", "content": "Look three times."}]
    receipts = []
    store = open_store("memory:")
    for round_ in range(4):
        if round_ in {1, 2}:
            fake.fail_next(Fault("bad_signature", on="chat"))
        memory = Memory(store, embedder=HashedWords(), on_receipt=receipts.append)
        reply = ask(memory.wrap(fake.client(max_retries=0)), history, tools=TOOLS)
        content = [block.model_dump(exclude_none=True) for block in reply.content]
        history.append({"role": "assistant", "content": content})
        results = [
            {"type": "tool_result", "tool_use_id": block["id"], "content": "Nothing."}
            for block in content
            if block["type"] == "tool_use"
        ]
        history.append({"role": "user", "content": results})
    assert [call.status for call in fake.calls] == [200, 400, 200, 400, 200, 200]
    replies = [m for m in fake.calls[-1].body["messages"] if m["role"] == "assistant"]
    assert [bool(thinking_ids(one)) for one in replies] == [False, False, True]
    assert [bool(one.degraded) for one in receipts] == [False, True, True, False]


def test_a_store_that_cannot_note_the_refusal_does_not_cost_the_answer():
    trouble = Trouble(lambda _, name: name == "ledger.put floor")
    fake, receipts = FakeClaude(), []
    history = thoughtful(fake, 3)
    history[0] = {"role": "user", "content": "Someone edited this."}
    history.append({"role": "user", "content": "Go on."})
    store = troubled_store(trouble)
    trouble.armed = True
    memory = Memory(store, embedder=HashedWords(), on_receipt=receipts.append)
    ask(memory.wrap(fake.client(max_retries=0)), history)
    assert trouble.struck == 1
    assert [call.status for call in fake.calls[-2:]] == [400, 200]
    assert len(receipts[-1].degraded) == 2


def test_a_fault_that_stays_reaches_the_caller_after_one_more_try():
    fake = FakeClaude(faults=[Fault("bad_signature", on="chat", times=5)])
    with Memory("memory:", embedder=HashedWords()) as memory:
        client = memory.wrap(fake.client(max_retries=0))
        with pytest.raises(Exception, match="signature"):
            ask(client, [*turns(2), {"role": "user", "content": "Go on."}])
    assert len(fake.calls) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_is_folded_and_sent_once_more(stream):
    fake, receipts = FakeClaude(window=2_500), []
    policy = Policy(fold_at=100_000, keep_tokens=50_000, leaf_tokens=1_000, background="off")
    history = [*turns(24), {"role": "user", "content": "What was question 3?"}]
    with Memory(
        "memory:", policy=policy, embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.client(max_retries=0))
        if stream:
            with client.messages.stream(model=MODEL, max_tokens=200, messages=history) as events:
                events.until_done()
        else:
            ask(client, history)
        statuses = [call.status for call in fake.asked()]
        assert statuses == [400, 200]
        assert receipts[-1].in_memory == 24
        assert any("too long" in why for why in receipts[-1].degraded)

        before = fake.calls[-1].body
        ask(client, history)
        assert fake.calls[-1].body["messages"] == before["messages"], "the mended plan holds"


async def test_the_async_client_mends_too():
    fake = FakeClaude(window=2_500)
    policy = Policy(fold_at=100_000, keep_tokens=50_000, leaf_tokens=1_000, background="off")
    history = [*turns(24), {"role": "user", "content": "What was question 3?"}]
    with Memory("memory:", policy=policy, embedder=HashedWords()) as memory:
        client = memory.wrap(fake.async_client(max_retries=0))
        await client.messages.create(model=MODEL, max_tokens=200, messages=history)
    assert [call.status for call in fake.asked()] == [400, 200]


def test_when_there_is_nothing_to_fold_the_caller_gets_the_error():
    fake = FakeClaude(window=2_500)
    memory = Memory("memory:", embedder=HashedWords())
    client = memory.wrap(fake.client(max_retries=0))
    with memory, pytest.raises(Exception, match="prompt is too long"):
        ask(client, [{"role": "user", "content": "x " * 9_000}])
    assert len(fake.calls) == 1


def test_a_history_can_leave_memory_with_its_thinking_stripped():
    fake = FakeClaude()
    policy = Policy(fold_at=1_000, keep_tokens=300, background="off")
    with Memory("memory:", policy=policy, embedder=HashedWords()) as memory:
        client = memory.wrap(fake.client(max_retries=0), conversation="c")
        history = []
        for number in range(12):
            history.append({"role": "user", "content": f"Question {number}. " + "ember " * 60})
            reply = ask(client, history)
            content = [block.model_dump(exclude_none=True) for block in reply.content]
            history.append({"role": "assistant", "content": content})
    history.append({"role": "user", "content": "Alone now."})
    bare = fake.client(max_retries=0)
    with pytest.raises(Exception, match="signature"):
        ask(bare, history)
    before = [dict(message) for message in history]
    ask(bare, strip_thinking(history))
    assert fake.calls[-1].status == 200
    assert history == before


# --- requests that memory keeps out of --------------------------------------------------------


class Left:
    """A chat with thinking that was made behind a folded prompt, as its caller holds it."""

    def __init__(self, door):
        self.fake, self.store = FakeClaude(), open_store("memory:")
        policy = Policy(fold_at=1_000, keep_tokens=300, background="off")
        memory = Memory(self.store, policy=policy, embedder=HashedWords())
        client = memory.wrap(self.fake.client(max_retries=0), conversation="c")
        self.history = []
        for number in range(12):
            self.history.append({"role": "user", "content": f"Question {number}. " + "ember " * 60})
            reply = ask(client, self.history)
            content = [block.model_dump(exclude_none=True) for block in reply.content]
            self.history.append({"role": "assistant", "content": content})
        self.history.append({"role": "user", "content": "And now?"})
        self.door = door
        self.client = memory.wrap(door.client(self.fake, max_retries=0), conversation="c")
        self.calls = len(self.fake.calls)
        self.records = self.stored()

    def stored(self):
        return [record.id for record in self.store.ledger.scan("local")]

    async def do(self, told):
        return await told if self.door.is_async else told

    @property
    def sent(self):
        """Status and messages of what was sent since."""
        return [(one.status, one.body["messages"]) for one in self.fake.calls[self.calls :]]


KEPT_OUT = {
    "warms": lambda client, **body: client.messages.create(**body, max_tokens=0),
    "counts": lambda client, **body: client.messages.count_tokens(**body),
    "counts, beta": lambda client, **body: client.beta.messages.count_tokens(**body),
}


@pytest.mark.parametrize("kind", KEPT_OUT)
async def test_what_memory_keeps_out_of_is_sent_once_more_without_its_thinking(door, kind):
    left = Left(door)
    before = copy.deepcopy(left.history)
    assert await left.do(KEPT_OUT[kind](left.client, model=MODEL, messages=left.history))
    assert left.sent == [(400, before), (200, strip_thinking(before))]
    assert left.history == before
    assert left.stored() == left.records


@pytest.mark.parametrize("kind", KEPT_OUT)
async def test_what_holds_is_sent_once_and_as_it_is(door, kind):
    left = Left(door)
    history = [*strip_thinking(left.history)]
    assert await left.do(KEPT_OUT[kind](left.client, model=MODEL, messages=history))
    assert left.sent == [(200, history)]


async def test_a_refusal_of_something_else_is_the_callers(door):
    left = Left(door)
    left.fake.fail_next(Fault("bad_request", on="any"))
    with pytest.raises(BadRequestError, match="not supported here"):
        await left.do(KEPT_OUT["warms"](left.client, model=MODEL, messages=left.history))
    assert len(left.sent) == 1


async def test_one_without_thinking_is_not_sent_again_whatever_is_said_of_it(door):
    left = Left(door)
    left.fake.fail_next(Fault("bad_signature", on="any"))
    body = {"model": MODEL, "messages": strip_thinking(left.history)}
    with pytest.raises(BadRequestError, match="signature"):
        await left.do(KEPT_OUT["warms"](left.client, **body))
    assert len(left.sent) == 1


async def test_what_the_provider_is_to_summarize_is_never_changed(door):
    left = Left(door)
    with pytest.raises(BadRequestError, match="signature"):
        await left.do(
            left.client.beta.messages.create(
                model=MODEL,
                max_tokens=50,
                messages=left.history,
                extra_body={"compaction": {"type": "summarize"}},
                betas=["compact-2026-09-04"],
            )
        )
    assert left.sent == [(400, left.history)]


@pytest.mark.parametrize(
    "messages", [None, 7, [None], ["Hello."], [{"role": "assistant"}], [{"content": [7]}]]
)
def test_a_body_in_which_no_thinking_can_be_found_has_no_other(messages):
    assert body_without_thinking({"messages": messages}) is None
