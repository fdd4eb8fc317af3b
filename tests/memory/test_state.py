"""Promise 9: state is not folded away."""

from dataclasses import replace

import pytest
from support.embedders import HashedWords
from support.models import DEFAULT, PREFILL
from turnfold import Memory, Policy
from turnfold.accounting.tokens import count_message, estimate_text
from turnfold.history.reader import read
from turnfold.request.carried_state import carried_from
from turnfold_fake import FakeClaude

POLICY = Policy(fold_at=1_000, keep_tokens=200, keep_exchanges=1, background="off")


def pair(number, user=None, assistant=None, between=()):
    said = f"Question {number}. " + "ember " * 60
    return [
        {"role": "user", "content": said if user is None else user},
        *between,
        {"role": "assistant", "content": assistant or f"Answer {number}. " + "fjord " * 60},
    ]


def send(history, *, policy=POLICY, model=DEFAULT, beta=False, **options):
    """What arrives when a caller meets memory with this history, and the receipt."""
    fake, receipts = FakeClaude("Done."), []
    with Memory(
        "memory:", policy=policy, embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.client(max_retries=0))
        messages = client.beta.messages if beta else client.messages
        messages.create(model=model, max_tokens=200, messages=history, **options)
    return fake.calls[-1].body["messages"], receipts[-1]


def filler(start, count):
    return [message for n in range(start, start + count) for message in pair(n)]


NOW = {"role": "user", "content": "And now?"}


def test_a_system_message_in_force_is_carried_behind_the_first_live_opening():
    history = [
        *pair(0, between=[{"role": "system", "content": "Answer in French."}]),
        *pair(
            1, between=[{"role": "system", "content": "Be brief.", "clear_at": "next_user_message"}]
        ),
        *filler(2, 8),
        NOW,
    ]
    sent, receipt = send(history, beta=True)
    assert receipt.in_memory >= 2
    systems = [i for i, m in enumerate(sent) if m["role"] == "system"]
    assert systems == [1]
    assert [block["text"] for block in sent[1]["content"]] == ["Answer in French."]


RULE = {"role": "system", "content": "Weigh each parcel twice, and write both weights. " * 40}


def test_what_is_carried_is_counted():
    sent, receipt = send([*pair(0, between=[RULE]), *filler(1, 9), NOW], beta=True)
    assert receipt.in_memory >= 1
    assert RULE["content"] in str(sent)
    assert abs(receipt.tokens.sent - size_of(sent)) < 60


def test_what_steps_leave_in_force_is_counted():
    history = [{"role": "user", "content": "Weigh all of it."}]
    for number in range(12):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "weigh", "input": {}}
        found = f"Parcel {number} weighs {number * 37} grams. " * 12
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": found}
        history += [
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
            *([] if number else [RULE]),
        ]
    sent, receipt = send(history, policy=replace(POLICY, summary_tokens=300), beta=True)
    assert receipt.folded_steps > 1
    assert RULE["content"] in str(sent)
    assert abs(receipt.tokens.sent - size_of(sent)) < 60


def size_of(messages):
    """Tokens of what arrived, as they are estimated."""
    return sum(count_message(one, estimate_text) for one in messages)


def test_tool_changes_are_carried_net_and_the_last_effort_holds():
    def change(kind, name):
        return {"type": kind, "tool": {"type": "tool_reference", "name": name}}

    tools = [{"name": n, "input_schema": {"type": "object"}} for n in ("look", "count", "weigh")]
    history = [
        *pair(0, between=[{"role": "system", "content": [change("tool_removal", "look")]}]),
        *pair(
            1,
            between=[
                {
                    "role": "system",
                    "content": [change("tool_removal", "count")],
                    "output_config": {"effort": "low"},
                },
            ],
        ),
        *pair(
            2,
            between=[
                {
                    "role": "system",
                    "content": [change("tool_addition", "look")],
                    "output_config": {"effort": "high"},
                },
            ],
        ),
        *filler(3, 8),
        NOW,
    ]
    sent, _ = send(history, tools=tools, beta=True)
    (carried,) = [m for m in sent if m["role"] == "system"]
    changes = {(b["type"], b["tool"]["name"]) for b in carried["content"]}
    assert changes == {("tool_removal", "count"), ("tool_addition", "look")}
    assert carried["output_config"] == {"effort": "high"}


def test_a_tool_that_came_and_went_is_not_carried():
    tool = {"definition": {"name": "weigh", "input_schema": {"type": "object"}}}
    changes = [
        {"role": "system", "content": [{"type": kind, "tool": tool}]}
        for kind in ("tool_addition", "tool_removal")
    ]
    history = [*pair(0, between=changes[:1]), *pair(1, between=changes[1:])]
    assert carried_from(read(history[:3], seed="s").exchanges).system is not None
    assert carried_from(read(history, seed="s").exchanges).system is None


def test_container_uploads_are_carried():
    upload = {"type": "container_upload", "file_id": "file_1"}
    history = [*pair(0, user=[upload, {"type": "text", "text": "Here."}]), *filler(1, 8), NOW]
    sent, receipt = send(history, beta=True)
    assert receipt.in_memory >= 1
    assert upload in [
        {k: v for k, v in block.items() if k != "cache_control"} for block in sent[0]["content"]
    ]


def test_documents_stay_while_a_live_citation_counts_them():
    document = {
        "type": "document",
        "source": {
            "type": "text",
            "media_type": "text/plain",
            "data": "The mill was built in 1782.",
        },
        "citations": {"enabled": True},
    }
    citation = {
        "type": "char_location",
        "cited_text": "1782",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 22,
        "end_char_index": 26,
    }
    citing = [{"type": "text", "text": "In 1782. " + "fjord " * 60, "citations": [citation]}]
    history = [
        *filler(0, 2),
        *pair(2, user=[document, {"type": "text", "text": "When?"}]),
        *filler(3, 6),
        *pair(9, assistant=citing),
        NOW,
    ]
    sent, receipt = send(history)
    assert receipt.in_memory == 2
    assert "citations" in receipt.stayed[0]
    assert any(
        block.get("type") == "document"
        for message in sent
        if isinstance(message["content"], list)
        for block in message["content"]
    )
    plain = [*history[:-2], *pair(9)[1:], NOW]
    _, receipt = send(plain)
    assert receipt.in_memory > 3, "nothing points to it any more"
    assert receipt.stayed == ()


def test_nothing_up_to_a_compaction_of_the_provider_is_touched():
    compaction = {"type": "compaction", "content": "Before this, much was said."}
    first = [
        {"role": "user", "content": [compaction, {"type": "text", "text": "Question 0."}]},
        {"role": "assistant", "content": "Answer 0. " + "fjord " * 60},
    ]
    sent, receipt = send([*first, *filler(1, 10), NOW], beta=True)
    assert sent[:2] == first
    assert receipt.in_memory > 0
    assert "<memory-" in sent[2]["content"][0]["text"]


@pytest.mark.parametrize("keep", [1, 2])
def test_the_first_exchanges_stay_where_the_policy_keeps_them(keep):
    policy = Policy(fold_at=1_000, keep_tokens=200, keep_first=keep, background="off")
    history = [*filler(0, 12), NOW]
    sent, receipt = send(history, policy=policy)
    assert sent[: 2 * keep] == history[: 2 * keep]
    assert receipt.in_memory > 0
    assert "Turns" in sent[2 * keep]["content"][0]["text"]


def test_a_prefill_stays_last():
    history = [*filler(0, 10), NOW, {"role": "assistant", "content": "The answer is"}]
    sent, receipt = send(history, model=PREFILL)
    assert receipt.in_memory > 0
    assert sent[-1] == {"role": "assistant", "content": "The answer is"} or (
        sent[-1]["content"][0]["text"] == "The answer is"
    )


def test_a_paused_turn_is_resent_as_it_is():
    paused = {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Searching."},
            {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {"query": "x"},
            },
        ],
    }
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    sent, receipt = send([*filler(0, 10), NOW, paused], tools=tools)
    assert receipt.in_memory > 0
    assert [b["type"] for b in sent[-1]["content"]] == ["text", "server_tool_use"]
