"""Replies: always the same, scripted, by a function, replayed."""

import anthropic
import pytest
from support.models import DEFAULT
from turnfold_fake import FakeClaude, Reply, replies_from
from turnfold_fake.tokens import count_block, count_text, cut_text

TEXT = {"type": "text", "text": "Two."}


def said(door, *messages):
    history = [{"role": "user", "content": each} for each in messages or ("Hi.",)]
    return [b["text"] for b in door.accepted(history)["content"] if b["type"] == "text"]


def test_a_text_is_always_the_same(door_to):
    door = door_to(FakeClaude("One."))
    assert said(door) == said(door) == ["One."]


def test_a_script_goes_in_order_then_the_default(door_to):
    door = door_to(FakeClaude(["One.", [TEXT], Reply("Three.", stop_reason="refusal")]))
    assert said(door) == ["One."]
    assert said(door) == ["Two."]
    assert door.accepted([{"role": "user", "content": "x"}])["stop_reason"] == "refusal"
    assert said(door) == ["Understood: Hi."]


def test_a_function_sees_the_body(door_to):
    def echo(body):
        return None if body["model"] != DEFAULT else body["messages"][-1]["content"]

    assert said(door_to(FakeClaude(echo)), "Say this.") == ["Say this."]


def test_the_default_shortens_what_was_asked(door):
    assert said(door, " ".join("abcdefghijklmnop")) == ["Understood: a b c d e f g h i j k l …"]
    assert said(door, " ") == ["Understood."]


def test_a_transcript_is_replayed(door_to):
    transcript = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": [{"type": "text", "text": "Again?"}]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "", "signature": "x"}, TEXT],
        },
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Hello"},
        {"role": "assistant", "content": " again."},
    ]
    door = door_to(FakeClaude(replies_from(transcript)))
    assert said(door, "Again?") == ["Two."]
    assert said(door, "Hi.") == ["Hello."]
    assert said(door, "Hi.") == ["Hello", " again."]
    assert said(door, "Memory in front.", "Again?") == ["Two."]
    assert said(door, "Unheard of.") == ["Understood: Unheard of."]


def test_tool_results_are_replayed_too(door_to):
    call = {"type": "tool_use", "id": "a", "name": "find", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "a", "content": "found"}
    history = [
        {"role": "user", "content": "Find."},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [done]},
    ]
    door = door_to(FakeClaude(replies_from([*history, {"role": "assistant", "content": "Done."}])))
    assert door.accepted(history[:1])["stop_reason"] == "tool_use"
    assert door.accepted(history)["content"][-1]["text"] == "Done."


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("word", 1),
        ("tokenizer", 2),
        ("1234567", 3),
        ("a, b.", 4),
        ("漢字かな", 4),
        ("Zürich", 1),
        ("one\n\ntwo", 3),
    ],
)
def test_tokens(text, count):
    assert count_text(text) == count


def test_a_cut_keeps_the_beginning():
    text = "one two, three 456789"
    assert [cut_text(text, n) for n in (-9, 0, 2, 3, 99)] == ["", "", "one two", "one two, ", text]


def test_blocks_have_tokens():
    image = {"type": "image", "source": {"type": "url", "url": "https://example.com/x.png"}}
    paper = {"type": "document", "title": "A paper", "source": {"type": "text", "data": "x y"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [TEXT, image]}
    assert count_block(image) == 1_600
    assert count_block(paper) == 4 + 2 + 2
    assert count_block(result) == 4 + 2 + 1_600
    signed = {"type": "thinking", "thinking": "one two", "signature": "x" * 99}
    assert count_block(signed) == 6
    kinds = [{"type": "base64", "data": "A" * 4_000}, {"type": "file", "file_id": "f"}]
    kinds += [{"type": "content", "content": "one"}, {"type": "content", "content": [TEXT]}]
    counts = [count_block({"type": "document", "source": source}) for source in kinds]
    assert counts == [1_704, 2_004, 5, 6]


def test_a_compaction_asked_for_gives_one_signed_block():
    client = FakeClaude("One.").client(max_retries=0)
    asked = {"model": DEFAULT, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]}
    create = client.beta.messages.create
    # In the body: older releases of the SDK have no argument for it.
    asked["extra_body"] = {"compaction": {"type": "summarize"}}
    summary = create(**asked, betas=["compact-2026-09-04"])
    assert [block.type for block in summary.content] == ["compaction"]
    assert summary.stop_reason == "compaction"
    with pytest.raises(anthropic.BadRequestError, match="compaction"):
        create(**asked)
    with pytest.raises(anthropic.BadRequestError, match="context_management"):
        create(
            **asked,
            context_management={"edits": []},
            betas=["compact-2026-09-04"],
        )


def test_nothing_is_said_where_the_cache_is_only_filled():
    client = FakeClaude("One.").client()
    asked = {"model": DEFAULT, "max_tokens": 0, "messages": [{"role": "user", "content": "Hi."}]}
    assert client.messages.create(**asked).content == []


THOUGHT = "one two three " * 70


@pytest.mark.parametrize("most", [9, 32, 50, 213, 214, 300])
@pytest.mark.parametrize(
    "reply",
    [
        Reply("Two words.", thinking=THOUGHT),
        Reply([{"type": "thinking", "thinking": THOUGHT}, TEXT]),
        Reply([{"type": "tool_use", "name": "find", "input": {}}], thinking=THOUGHT),
    ],
)
def test_no_answer_is_longer_than_max_tokens(door_to, reply, most):
    door = door_to(FakeClaude(lambda _: reply))
    answer = door.accepted([{"role": "user", "content": "Hi."}], max_tokens=most)
    assert answer["usage"]["output_tokens"] <= most
    thought = "".join(b["thinking"] for b in answer["content"] if b["type"] == "thinking")
    assert THOUGHT.startswith(thought)
    if 32 <= most < 214:
        assert [b["type"] for b in answer["content"]] == ["thinking"]
        assert answer["usage"]["output_tokens"] == most
        assert answer["stop_reason"] == "max_tokens"
    if most == 300:
        assert len(answer["content"]) == 2
        assert answer["stop_reason"] in ("end_turn", "tool_use")


def test_cut_thinking_may_come_back(door_to):
    door = door_to(FakeClaude([Reply("Two.", thinking=THOUGHT)]))
    history = [{"role": "user", "content": "Hi."}]
    answer = door.accepted(history, max_tokens=50)
    history += [{"role": "assistant", "content": answer["content"]}, *history]
    assert door.accepted(history)["stop_reason"] == "end_turn"


# --- what is wrong in a test -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "tells"),
    [
        ([TEXT], r"answer 0 of the list is a dict: .* \[\[\{…\}, \{…\}\]\]"),
        (["One.", 5], "answer 1 of the list: a reply is a text or a list of blocks, not int"),
        ([[{"text": "x"}]], "answer 0 of the list: block 0 of a reply has no `type`"),
        ([[TEXT, "x"]], "block 1 of a reply is a dict, not str"),
        ([[{"type": "text"}]], "block 0 of a reply, `text`, needs `text`, a str"),
        ([[{"type": "tool_use", "name": "a"}]], "`tool_use`, needs `input`, a dict"),
        ([[{"type": "tool_use", "input": {}}]], "`tool_use`, needs `name`, a str"),
        (TEXT, "not dict; a single answer is a list of one"),
        (5, "not int; a single answer is a list of one"),
        (Reply("One."), "not Reply; a single answer is a list of one"),
    ],
)
def test_what_is_no_answer_is_said_at_once(reply, tells):
    for name in ("reply", "summary"):
        with pytest.raises(TypeError, match=tells):
            FakeClaude(**{name: reply})


def test_what_the_sdk_handed_out_is_no_block():
    block = anthropic.types.TextBlock(type="text", text="One.")
    with pytest.raises(TypeError, match="model_dump"):
        Reply([block])
    assert Reply([block.model_dump()]).content
    with pytest.raises(TypeError, match="put the block into a list"):
        Reply(TEXT)


def raising(_):
    raise RuntimeError("a slip in the test")


def unsendable(_):
    return [{"type": "tool_use", "name": "find", "input": {"at": object()}}]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("reply", "tells"),
    [
        (raising, "RuntimeError: a slip in the test"),
        (lambda _: 5, "TypeError: a reply is a text or a list of blocks, not int"),
        (lambda _: [{"type": "tool_use", "name": "find"}], "`tool_use`, needs `input`"),
        (unsendable, "TypeError: Object of type object is not JSON"),
    ],
)
def test_a_reply_that_raises_is_no_fault_of_the_network(reply, tells, streamed, caplog):
    fake = FakeClaude(reply)
    asked = {"model": DEFAULT, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi."}]}
    with fake.client() as client, pytest.raises(anthropic.InternalServerError, match=tells):
        client.messages.create(**asked, stream=streamed)
    assert [(call.status, call.error_type) for call in fake.calls] == [(500, "api_error")]
    assert "Traceback" in caplog.text


def test_so_are_faults_and_compactions_that_raise():
    asked = {"model": DEFAULT, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi."}]}
    with pytest.raises(anthropic.InternalServerError, match="TypeError"):
        FakeClaude(faults=lambda body: None).client().messages.create(**asked)
    fake = FakeClaude(compaction=raising)
    compacting = {"extra_body": {"compaction": {"type": "summarize"}}}
    with pytest.raises(anthropic.InternalServerError, match="a slip in the test"):
        fake.client().beta.messages.create(**asked, **compacting, betas=["compact-2026-09-04"])


def test_a_reply_that_raises_is_told_over_http_too():
    fake = FakeClaude(raising)
    asked = {"model": DEFAULT, "max_tokens": 99, "messages": [{"role": "user", "content": "Hi."}]}
    with fake.serve() as url, anthropic.Anthropic(api_key="x", base_url=url) as client:
        with pytest.raises(anthropic.InternalServerError, match="a slip in the test"):
            client.messages.create(**asked)
        assert len(fake.calls) == 1
