"""Promise 9: what is cited stays in view, on every branch, as long as the limits allow it."""

import copy
from dataclasses import replace

import pytest
from support.chats import MODEL, SMALL, memory, stand_in
from turnfold import Policy
from turnfold.history.citations import Citations
from turnfold.history.reader import read
from turnfold.request.recounted import recounted
from turnfold.summaries.notes import Item, SummaryDraft
from turnfold_fake import Reply

FILL = "ember fjord grove heron " * 25
KINDS = pytest.mark.parametrize("kind", ["document", "search_result", "result"])


def source(kind, number):
    """Something to be cited: a document, a search result, or one that a tool gave."""
    text = f"Item {number} weighs {number * 37} grams. {FILL}"
    if kind == "document":
        plain = {"type": "text", "media_type": "text/plain", "data": text}
        cited = {"enabled": True}
        return {"type": "document", "title": f"List {number}", "source": plain, "citations": cited}
    return {
        "type": "search_result",
        "source": f"https://lists.example/{number}",
        "title": f"List {number}",
        "content": [{"type": "text", "text": text}],
        "citations": {"enabled": True},
    }


def citation(kind, number, index):
    words = f"weighs {number * 37} grams"
    if kind == "document":
        return {
            "type": "char_location",
            "cited_text": words,
            "document_index": index,
            "document_title": f"List {number}",
            "start_char_index": 7,
            "end_char_index": 20,
        }
    return {
        "type": "search_result_location",
        "cited_text": words,
        "search_result_index": index,
        "source": f"https://lists.example/{number}",
        "title": f"List {number}",
        "start_block_index": 0,
        "end_block_index": 0,
    }


class Library:
    """A chat that is shown sources, and whose answers cite some, by their number in the request."""

    def __init__(self, kind, policy=SMALL, summarizer=None, **options):
        self.kind = kind
        self.cites = []  # numbers of the sources that the next answer cites
        self.fake = stand_in(self.reply, **options)
        self.receipts = []
        self.memory = memory(policy=policy, summarizer=summarizer, on_receipt=self.receipts.append)
        self.client = self.memory.wrap(
            self.fake.client(max_retries=0), user_id="ada", conversation="c"
        )

    def reply(self, body):
        shown = shown_in(body["messages"])
        cited = [
            citation(self.kind, number, shown.index(f"List {number}"))
            for number in self.cites
            if f"List {number}" in shown
        ]
        said = {"type": "text", "text": f"So it says. {FILL}"}
        return Reply([{**said, "citations": cited} if cited else said], thinking=False)

    def say(self, history, text, number=None):
        """The history with another turn, which shows the source of a number."""
        self.receipts.clear()
        block = [] if number is None else [source(self.kind, number)]
        if self.kind == "result" and block:
            name = f"toolu_{number}"
            use = {"type": "tool_use", "id": name, "name": "look", "input": {}}
            found = {"type": "tool_result", "tool_use_id": name, "content": block}
            opening = [
                {"role": "user", "content": text},
                {"role": "assistant", "content": [use]},
                {"role": "user", "content": [found]},
            ]
        else:
            opening = [{"role": "user", "content": [*block, {"type": "text", "text": text}]}]
        messages = [*history, *opening]
        tools = [{"name": "look", "input_schema": {"type": "object"}}]
        answer = self.client.messages.create(
            model=MODEL, max_tokens=200, messages=copy.deepcopy(messages), tools=tools
        )
        content = [one.model_dump(exclude_none=True) for one in answer.content]
        return [*messages, {"role": "assistant", "content": content}]

    @property
    def sent(self):
        return self.fake.asked()[-1].body["messages"]


def shown_in(messages):
    """The titles of the sources of a request, in order."""
    titles = []
    todo = [block for message in messages if isinstance(message["content"], list)
            for block in message["content"]]  # fmt: skip
    while todo:
        block = todo.pop(0)
        if block["type"] in {"document", "search_result"}:
            titles.append(block["title"])
        elif block["type"] == "tool_result" and isinstance(block["content"], list):
            todo = [*block["content"], *todo]
    return titles


def cited_in(messages):
    """The citations of a request's answers."""
    return [
        one
        for message in messages
        if message["role"] == "assistant" and isinstance(message["content"], list)
        for block in message["content"]
        for one in block.get("citations") or ()
    ]


def numbers_in(messages):
    """The numbers of what a request's answers cite."""
    return [one.get("document_index", one.get("search_result_index")) for one in cited_in(messages)]


@KINDS
def test_a_chat_in_which_each_turn_is_shown_and_cites_its_own_sources_is_folded(kind):
    chat = Library(kind)
    history = []
    for number in range(12):
        chat.cites = [number]
        history = chat.say(history, f"How heavy is item {number}?", number)
        assert chat.receipts[-1].degraded == ()
        assert len(cited_in(chat.sent)) == len(shown_in(chat.sent)) - 1, "none is left out"
    assert chat.receipts[-1].in_memory > 8
    assert {call.status for call in chat.fake.calls} == {200}


@KINDS
def test_what_is_cited_stays_and_all_behind_it(kind):
    chat = Library(kind)
    history = chat.say([], "Keep this list.", 1)
    for number in range(10):
        chat.cites = [1]
        history = chat.say(history, f"What of {number}?")
    assert "List 1" in shown_in(chat.sent)
    assert "citations in exchange" in chat.receipts[-1].stayed[0]
    chat.cites = []
    for number in range(10):
        history = chat.say(history, f"And then {number}?")
    assert shown_in(chat.sent) == [], "nothing in view cites it any more"
    assert chat.receipts[-1].stayed == ()


@KINDS
def test_of_a_fold_only_a_part_of_which_was_written_no_answer_is_parted_from_its_source(kind):
    """Summaries are asked for side by side, and the second may fail alone."""
    quiet = Library(kind, replace(SMALL, fold_at=100_000))
    history = quiet.say([], "Keep this list.", 1)
    for number in range(12):
        quiet.cites = [1] if number == 7 else []
        history = quiet.say(history, f"What of {number}?")
    told = []

    def fails_at_the_second(job):
        told.append(job.first)
        if job.first > 1 and told.count(job.first) == 1:
            raise RuntimeError("not now")
        return SummaryDraft([Item("narrative", "-", (job.first,))])

    chat = Library(kind, replace(SMALL, leaf_tokens=1_000), fails_at_the_second)
    history = chat.say(history, "And now?")
    assert min(told) == 1 < max(told)
    assert numbers_in(chat.sent), "the answer cites what is in view"
    assert not [why for why in chat.receipts[-1].degraded if why.startswith("citations")]
    assert chat.receipts[-1].folded == 0
    chat.say(history, "And now?")
    assert chat.receipts[-1].folded > 6
    assert not chat.receipts[-1].degraded


LIMITED = Policy(max_prompt_tokens=1_500, keep_tokens=300, summary_tokens=300, background="off")
FAST = (LIMITED, Policy.for_budget(1_200, keep_exchanges=2, background="off"))


@KINDS
@pytest.mark.parametrize("policy", FAST, ids=["max_prompt_tokens", "for_budget"])
def test_a_limit_holds_though_every_answer_cites_the_first_source(kind, policy):
    chat = Library(kind, policy)
    history = chat.say([], "Keep this list.", 1)
    for number in range(25):
        chat.cites = [1]
        history = chat.say(history, f"What of {number}?")
        receipt = chat.receipts[-1]
        if cited_in(history) and not shown_in(chat.sent):
            break
    assert receipt.in_memory > 0
    assert receipt.usage.prompt_tokens <= 1_500
    assert cited_in(chat.sent) == []
    assert "So it says." in str(chat.sent), "the text of the answer stays"
    assert any(why.startswith("citations:") for why in receipt.degraded)
    block = str(chat.sent[0]["content"])
    assert "List 1" in block
    assert "no longer shown" in block
    before = chat.sent
    history = chat.say(history, "And now?")
    assert {call.status for call in chat.fake.calls} == {200}
    if not chat.receipts[-1].folded:
        assert unmarked(chat.sent)[: len(before)] == unmarked(before)


def work(chat, history, number, found, name="List"):
    """The history with one more step of an agent, and what a tool found in it."""
    chat.receipts.clear()
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    answer = chat.client.messages.create(
        model=MODEL, max_tokens=200, messages=copy.deepcopy(history), tools=tools
    )
    use = {"type": "tool_use", "id": f"toolu_{number}", "name": "look", "input": {}}
    said = [one.model_dump(exclude_none=True) for one in answer.content]
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": found}
    return [
        *history,
        {"role": "assistant", "content": [*said, use]},
        {"role": "user", "content": [result]},
    ]


@pytest.mark.parametrize("again", [False, True], ids=["once", "found again with other words"])
def test_a_step_in_view_goes_without_the_citations_of_steps_that_are_folded(again):
    chat = Library("search_result", replace(LIMITED, fold_at="auto"))
    history = [{"role": "user", "content": "Look at all of it."}]
    history = work(chat, history, 1, [source("search_result", 1)])
    for number in range(2, 25):
        chat.cites = [1]
        late = {**source("search_result", 2), "source": "https://lists.example/1"}
        before = [one for one in history if one["role"] == "assistant"]
        history = work(chat, history, number, [late] if again else FILL)
        in_view = sum(one["role"] == "assistant" for one in chat.sent)
        if cited_in(before[-in_view:]) and "List 1" not in shown_in(chat.sent):
            break
    assert chat.receipts[-1].folded_steps
    assert {call.status for call in chat.fake.calls} == {200}
    assert cited_in(chat.sent) == []
    assert any(why.startswith("citations:") for why in chat.receipts[-1].degraded)


def unmarked(messages):
    return [
        [{k: v for k, v in block.items() if k != "cache_control"} for block in message["content"]]
        for message in messages
        if isinstance(message["content"], list)
    ]


@KINDS
def test_a_prompt_that_the_api_finds_too_long_is_folded_whatever_is_cited(kind):
    chat = Library(kind, Policy(fold_at=100_000, background="off"), window=2_500)
    history = chat.say([], "Keep this list.", 1)
    for number in range(30):
        chat.cites = [1]
        history = chat.say(history, f"What of {number}?")
    assert chat.receipts[-1].in_memory > 0
    assert chat.fake.calls[-1].status == 200


@KINDS
def test_what_is_cited_stays_on_the_branch_that_cites_it(kind):
    """The user edits a turn, that branch is folded, and goes back to the version that cites."""
    chat = Library(kind, Policy(fold_at=1_300, keep_tokens=200, background="off"))
    history = chat.say([], "Here is the list.", 1)
    for number in range(2):
        history = chat.say(history, f"Note {number}: {FILL}")
    chat.cites = [1]
    citing = chat.say(history, "How heavy is item 1?")
    chat.cites = []
    other = chat.say(history, f"Tell me a story instead. {FILL * 4}")
    for _ in range(2):
        other = chat.say(other, f"Go on. {FILL * 2}")
    assert chat.receipts[-1].in_memory >= 2
    back = chat.say(citing, "Who made that list?")
    assert shown_in(chat.sent) == ["List 1"]
    assert len(cited_in(chat.sent)) == 1
    for number in range(4):
        back = chat.say(back, f"And {number}?")
    assert {call.status for call in chat.fake.calls} == {200}
    chat.say(other, "And on that branch?")
    assert shown_in(chat.sent) == []


@KINDS
def test_an_answer_that_was_made_while_some_was_folded_is_right_where_none_is(kind):
    """Its citations have the numbers of a request from which much was left out."""
    chat = Library(kind)
    history = []
    for number in range(8):
        chat.cites = [number]
        history = chat.say(history, f"How heavy is item {number}?", number)
    assert numbers_in(history) != list(range(8)), "they have the numbers they had in the request"
    again = Library(kind, Policy(fold_at=100_000, background="off"))
    again.say(history, "And now?")
    assert numbers_in(again.sent) == list(range(8))


@pytest.mark.parametrize("keeps_out", [{"max_tokens": 0}, {}], ids=["warms", "store fails"])
@KINDS
async def test_a_history_that_goes_without_memory_has_its_own_numbers(kind, keeps_out):
    chat = Library(kind)
    history = []
    for number in range(8):
        chat.cites = [number]
        history = chat.say(history, f"How heavy is item {number}?", number)
    assert numbers_in(history) != list(range(8))
    asked = {
        "model": MODEL,
        "max_tokens": 50,
        "messages": [*history, {"role": "user", "content": "And now?"}],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        **keeps_out,
    }
    before = copy.deepcopy(asked)
    chat.cites = []
    if not keeps_out:
        chat.memory.store.close()
    chat.client.messages.create(**asked)
    assert numbers_in(chat.sent) == list(range(8))
    client = chat.memory.wrap(chat.fake.async_client(), user_id="ada", conversation="c")
    await client.messages.create(**asked)
    assert numbers_in(chat.sent) == list(range(8))
    counted = {name: value for name, value in asked.items() if name != "max_tokens"}
    chat.client.messages.count_tokens(**counted)
    assert numbers_in(chat.fake.calls[-1].body["messages"]) == list(range(8))
    await client.messages.count_tokens(**counted)
    assert asked == before, "what the caller holds stays as it is"


def test_words_beside_a_result_move_no_citation():
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
    found = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Nothing."}
    said = {"type": "text", "text": "And this?"}
    answer = {"type": "text", "text": "So.", "citations": [citation("document", 2, 7)]}
    messages = [
        {"role": "user", "content": [source("document", 1), said]},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [found, source("document", 2), said]},
        {"role": "assistant", "content": [answer]},
        {"role": "user", "content": "And?"},
    ]
    sent = recounted({"messages": messages})["messages"]
    assert numbers_in(sent) == [1]
    assert [one for n, one in enumerate(sent) if n != 3] == messages[:3] + messages[4:]


@pytest.mark.parametrize(
    "messages",
    [None, "Hello.", [None], [{}], [{"role": "assistant", "content": [{"citations": [{}]}]}],
     [{"role": "assistant", "content": [{"type": "text", "citations": [{"document_index": 1}]}]}]],
)  # fmt: skip
def test_a_body_that_is_none_of_its_affair_stays_what_it_is(messages):
    body = {"messages": messages}
    assert recounted(body) is body


def test_of_sources_of_one_name_the_one_with_the_words_is_meant():
    def untitled(number):
        return {**source("document", number), "title": None}

    cites = {**citation("document", 2, 0), "document_title": None}
    messages = [
        {"role": "user", "content": [untitled(1), untitled(2), untitled(3)]},
        {"role": "assistant", "content": [{"type": "text", "text": "So.", "citations": [cites]}]},
        {"role": "user", "content": "And?"},
    ]
    (changed,) = Citations(read(messages, seed="s")).rewritten(0, 0).values()
    assert changed["content"][0]["citations"][0]["document_index"] == 1
    assert cites["document_index"] == 0, "the caller's objects are not changed"
