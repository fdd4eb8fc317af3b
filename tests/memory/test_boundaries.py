"""An exchange begins where the user says something that answers no tool."""

import copy

import pytest
from support.chats import SMALL, injected, memory, stand_in
from support.models import DEFAULT
from turnfold.accounting.tokens import estimate_text
from turnfold.history import boundaries
from turnfold.history.boundaries import is_marked
from turnfold.history.reader import Reader, read
from turnfold_fake import Reply

TOOLS = [{"name": "answer", "input_schema": {"type": "object"}}]
MARKED = "<system-reminder>Keep the list of things to do up to date.</system-reminder>"
REMINDER = "Remember to keep the list of things to do up to date."
PIXEL = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}


def user(*content):
    return {"role": "user", "content": list(content)}


def words(text):
    return {"type": "text", "text": text}


def called(*names):
    uses = [{"type": "tool_use", "id": name, "name": "answer", "input": {}} for name in names]
    return {"role": "assistant", "content": uses}


def result(name):
    return {"type": "tool_result", "tool_use_id": name, "content": f"Result of {name}."}


def openings(messages):
    """The first text of each exchange."""
    return [
        next(block["text"] for block in listed(one.messages[0]) if block["type"] == "text")
        for one in read(messages, seed="s").exchanges
    ]


def listed(message):
    content = message["content"]
    return [words(content)] if isinstance(content, str) else content


DONE = {"role": "assistant", "content": "Done."}
START = [{"role": "user", "content": "Start."}, called("a")]
BEGIN = {
    "beside the result": [user(result("a"), words("Go north."))],
    "right after it": [user(result("a")), {"role": "user", "content": "Go north."}],
    "right after it, as a block": [user(result("a")), user(words("Go north."))],
    "behind a system message": [
        user(result("a")),
        {"role": "system", "content": "Be brief."},
        user(words("Go north.")),
    ],
    "behind a reminder": [user(result("a"), words(MARKED), words("Go north."))],
    "behind a reminder of its own": [
        user(result("a"), words(MARKED)),
        user(words("Go north.")),
    ],
    "with a picture": [user(result("a"), words("Go north."), PIXEL)],
    "in a mark of the user's": [user(result("a"), words("<question>Go north.</question>"))],
}
GO_ON = {
    "the result alone": [user(result("a"))],
    "a marked reminder": [user(result("a"), words(MARKED))],
    "two marked reminders": [user(result("a"), words(f"{MARKED}\n{MARKED}"), words(MARKED))],
    "a marked reminder right after": [user(result("a")), user(words(MARKED))],
    "a note in brackets": [user(result("a"), words("[System note: three calls are left.]"))],
    "a picture": [user(result("a"), PIXEL)],
    "nothing but blanks": [user(result("a"), words("  "))],
}


@pytest.mark.parametrize("said", BEGIN.values(), ids=BEGIN)
def test_words_of_the_user_begin_an_exchange_whatever_stands_beside_them(said):
    messages = [*START, *said, {"role": "assistant", "content": "So."}]
    first, second = read(messages, seed="s").exchanges
    assert [one["role"] for one in first.messages][:3] == ["user", "assistant", "user"]
    assert result("a") in listed(first.messages[2])
    assert "Go north." in str(second.messages[0]["content"])
    assert "tool_result" not in str(second.messages)


@pytest.mark.parametrize("said", GO_ON.values(), ids=GO_ON)
def test_results_and_what_a_harness_adds_to_them_begin_none(said):
    messages = [*START, *said, {"role": "assistant", "content": "So."}]
    assert len(read(messages, seed="s").exchanges) == 1


def test_words_before_all_results_are_there_begin_none():
    messages = [
        {"role": "user", "content": "Start."},
        called("a", "b"),
        user(result("a"), words("Go.")),
    ]
    assert len(read(messages, seed="s").exchanges) == 1
    assert (
        len(
            read(
                [*messages[:2], user(result("a")), user(result("b"), words("Go."))], seed="s"
            ).exchanges
        )
        == 2
    )


def test_an_exchange_is_the_same_sent_as_one_message_or_as_two():
    together = [
        *START,
        user(result("a"), words("Go.")),
        called("b"),
        user(result("b"), words("On.")),
    ]
    apart = [
        *START,
        user(result("a")),
        user(words("Go.")),
        called("b"),
        user(result("b")),
        user(words("On.")),
    ]
    one, two = read(together, seed="s"), read(apart, seed="s")
    assert [x.content_id for x in one.exchanges] == [x.content_id for x in two.exchanges]
    assert [x.exchange_id for x in one.exchanges] == [x.exchange_id for x in two.exchanges]
    assert [x.joins for x in one.exchanges] == [False, True, True]
    assert not any(x.joins for x in two.exchanges)
    knowing = Reader(estimate_text)
    for messages in (together, apart, together):
        assert [x.joins for x in knowing.read(messages, seed="s").exchanges] == [
            x.joins for x in read(messages, seed="s").exchanges
        ]


def loop(texts):
    """A long tool loop: after each call its result, and beside it one of the texts."""
    messages = [{"role": "user", "content": "Start."}]
    for number, text in enumerate(texts):
        name = f"t{number}"
        messages += [called(name), user(result(name), *([words(text)] if text else []))]
    return messages


def test_what_is_heard_again_and_again_begins_none():
    assert len(read(loop([REMINDER] * 6), seed="s").exchanges) == 2, "only the first time"
    assert len(read(loop(["", *[MARKED] * 6]), seed="s").exchanges) == 1
    assert openings(loop([REMINDER, "Go north.", REMINDER, REMINDER, "Go south."])) == [
        "Start.",
        REMINDER,
        "Go north.",
        "Go south.",
    ]


def test_what_people_say_over_and_over_begins_an_exchange_each_time():
    assert len(read(loop(["Go on."] * 6), seed="s").exchanges) == 7
    asked = "What does the next of the documents say about its author?"
    again = loop([asked] * 6)
    again[0] = {"role": "user", "content": asked}
    assert len(read(again, seed="s").exchanges) == 7


def test_a_boundary_never_moves_when_a_history_grows():
    whole = loop([REMINDER, "", "Go north.", REMINDER, MARKED, "Go on.", REMINDER, "Go on."])
    ids = [one.opening_id for one in read(whole, seed="s").exchanges]
    for end in range(1, len(whole) + 1):
        part = [one.opening_id for one in read(whole[:end], seed="s").exchanges]
        assert part == ids[: len(part)]


def test_marks_of_a_harness_are_told_from_what_people_write():
    for text in (MARKED, f"{MARKED} {MARKED}", "<environment_details>\nx\n</environment_details>"):
        assert is_marked(text)
    for text in (
        f"{MARKED} Go on.",
        "<div>Go on.</div>",
        "<system-reminder>open",
        "",
        "[1] Go on.",
    ):
        assert not is_marked(text)


# --- what is sent ----------------------------------------------------------------------------


class FinalTool:
    """A chat whose answers are tool calls, so that each result comes with the next user words."""

    def __init__(self, *, apart=False, conversation="c", thinking=None):
        self.fake = stand_in(self.reply)
        self.receipts = []
        self.memory = memory(policy=SMALL, on_receipt=self.receipts.append)
        self.apart = apart
        self.thinking = thinking
        self.client = self.memory.wrap(
            self.fake.client(max_retries=0), user_id="ada", conversation=conversation
        )
        self.messages = []

    def reply(self, body):
        use = {"type": "tool_use", "name": "answer", "input": {"n": len(body["messages"])}}
        return Reply([use], thinking=self.thinking)

    def say(self, text):
        called = (
            [b for b in self.messages[-1]["content"] if b["type"] == "tool_use"]
            if self.messages
            else []
        )
        results = [result(one["id"]) for one in called]
        if results and self.apart:
            self.messages += [user(*results), {"role": "user", "content": text}]
        else:
            self.messages.append(user(*results, words(text)))
        answer = self.client.messages.create(
            model=DEFAULT, max_tokens=200, tools=TOOLS, messages=copy.deepcopy(self.messages)
        )
        content = [block.model_dump(exclude_none=True) for block in answer.content]
        self.messages.append({"role": "assistant", "content": content})
        return self.fake.calls[-1].body["messages"]


def sentence(number):
    return f"The code of locker {number} is {1000 + 37 * number}. " + f"ember{number} fjord " * 30


@pytest.mark.parametrize("thinking", [False, "Let me see."])
@pytest.mark.parametrize("apart", [False, True])
def test_a_chat_by_final_tool_calls_is_folded_and_recalled(apart, thinking):
    chat = FinalTool(apart=apart, thinking=thinking)
    for number in range(1, 25):
        sent = chat.say(sentence(number))
    assert {call.status for call in chat.fake.calls} == {200}
    last = chat.receipts[-1]
    assert last.turn == 24
    assert last.in_memory > 15
    assert len(sent) < len(chat.messages) / 2
    assert last.degraded == last.stayed == ()
    sent = chat.say("What was the code of locker 3?")
    assert "1111" in str([text for _, _, text in injected({"messages": sent})])


def test_what_is_recalled_stands_before_the_words_and_behind_the_results():
    chat = FinalTool()
    for number in range(1, 25):
        chat.say(sentence(number))
    sent = chat.say("What was the code of locker 3?")
    newest = sent[-1]["content"]
    assert [block["type"] for block in newest] == ["tool_result", "text", "text"]
    assert newest[1]["text"].startswith("<memory-")
    assert newest[2]["text"] == "What was the code of locker 3?"
    first = [block["type"] for block in sent[0]["content"]]
    assert set(first) == {"text"}, "the results before the first live words were folded"


def test_what_is_not_changed_is_sent_as_it_came():
    fake = stand_in()
    client = memory(policy=SMALL).wrap(fake.client(), user_id="ada")
    history = loop([REMINDER, "Go north.", "", "Go south."])
    client.messages.create(model=DEFAULT, max_tokens=9, tools=TOOLS, messages=history)
    sent = fake.calls[-1].body["messages"]
    assert len(sent) == len(history)
    for ours, theirs in zip(sent, history, strict=True):
        mine = [{k: v for k, v in block.items() if k != "cache_control"} for block in listed(ours)]
        assert mine == listed(theirs)


def test_between_folds_each_request_is_the_one_before_and_more():
    chat = FinalTool()
    before, folds = [], 0
    for number in range(1, 25):
        sent = [
            {k: v for k, v in block.items() if k != "cache_control"}
            for message in chat.say(sentence(number))
            for block in message["content"]
        ]
        folds += bool(chat.receipts[-1].folded)
        if not chat.receipts[-1].folded:
            assert sent[: len(before)] == before
        before = sent
    assert folds > 2


def test_a_cut_history_is_joined_whatever_its_harness_says_again_and_again():
    fake = stand_in("All right. " + "ember " * 40)
    kept = memory(policy=SMALL)
    client = kept.wrap(fake.client(), user_id="ada", conversation="c")
    history = []
    for number in range(20):
        name = f"t{number}"
        asked = {"role": "user", "content": sentence(number)}
        history += [asked, called(name), user(result(name), words(REMINDER))]
        client.messages.create(
            model=DEFAULT, max_tokens=99, tools=TOOLS, messages=history[-23:] or history
        )
        history.append({"role": "assistant", "content": "All right. " + "ember " * 40})
    contents = list(kept.store.ledger.scan("ada", kind="content"))
    # The very first reminder could not be known for one.
    assert len(contents) == 20, "each exchange is kept once"
    assert len(fake.calls[-1].body["messages"]) < 20


def test_openings_are_not_read_again_for_each_reminder(monkeypatch):
    squeezed = []

    def squeeze(text):
        squeezed.append(text)
        return " ".join(text.split())

    monkeypatch.setattr(boundaries, "_squeezed", squeeze)
    history = []
    for number in range(200):
        reminder = f"Remember rule number {number // 2} of this house, and keep to it."
        history += [user(words(f"Do thing {number}.")), called(f"t{number}")]
        history += [user(result(f"t{number}"), words(reminder)), DONE]
    columns = boundaries.columns_of(history)
    assert len(columns.starts) > 200, "each rule is the user's where it is heard first"
    assert len(squeezed) < 5 * len(history)


def test_times_are_given_for_the_messages_that_came():
    """A message of results and words is one message to whoever tells when it was said."""
    messages = loop(["Go north.", "", "Go south."])
    transcript = read(messages, seed="s")
    assert len(transcript.messages) == len(messages) + 2
    assert transcript.spread(range(len(messages))) == [0, 1, 2, 2, 3, 4, 5, 6, 6]
