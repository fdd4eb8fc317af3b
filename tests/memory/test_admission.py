"""What is posted to /v1/messages and is no turn passes as it came, and leaves nothing behind."""

import typing
from dataclasses import replace

import pytest
import typing_extensions
from anthropic.types.beta import message_create_params
from support.chats import SMALL, ask, chats, history, memory, stand_in
from turnfold.sdk.turn_requests import OTHER_THAN_TURNS, other_than_turn
from turnfold_stores import open_store

BETA = "compact-2026-09-04"
LONG = history(12)
COMPACTION = {"compaction": {"type": "summarize"}}
WARMING = {"max_tokens": 0}
both = pytest.mark.parametrize("fields", [COMPACTION, WARMING], ids=["compaction", "warming"])


class Talk:
    """Somebody's chat that was long enough to be folded."""

    def __init__(self, conversation="c", policy=SMALL):
        self.fake = stand_in("Noted. " * 60)
        self.store = open_store("memory:")
        self.memory = memory(self.store, policy=policy)
        bare = self.fake.client(max_retries=0)
        self.client = self.memory.wrap(bare, user_id="ada", conversation=conversation)
        self.answer = self.client.messages.create(**ask(LONG))
        assert len(self.sent) < len(LONG)

    @property
    def sent(self):
        return chats(self.fake)[-1]["messages"]

    def stored(self):
        return {record.id for record in self.store.ledger.scan("ada")}

    def create(self, **asked):
        return self.client.beta.messages.create(**asked, betas=[BETA])


@both
@pytest.mark.parametrize("stream", [False, True])
def test_a_body_that_is_no_turn_passes_untouched_and_is_not_stored(fields, stream):
    talk = Talk()
    before = talk.stored()
    asked = {**ask(history(13), "(placeholder)"), **fields}
    if stream:
        with talk.client.beta.messages.stream(**asked, betas=[BETA]) as pieces:
            answer = pieces.get_final_message()
    else:
        answer = talk.create(**asked)
    assert talk.sent == asked["messages"]
    assert [block.type for block in answer.content] == list(fields.keys() & {"compaction"})
    assert talk.stored() == before
    hits = talk.memory.search("placeholder", user_id="ada")
    assert not any("placeholder" in hit.text for hit in hits)


@both
def test_the_turn_after_it_is_what_it_would_have_been(fields):
    interrupted, plain = Talk(), Talk()
    interrupted.create(**{**ask(history(13), "(placeholder)"), **fields})
    for talk in (interrupted, plain):
        talk.create(**ask(history(13), "Where were we?"))
    assert interrupted.sent == plain.sent


@pytest.mark.parametrize("conversation", ["c", None])
def test_a_history_that_begins_with_the_providers_summary_goes_on_with_memory(conversation):
    talk = Talk(conversation)
    (summary,) = talk.create(**ask(LONG, **COMPACTION)).content
    block = summary.model_dump(exclude_none=True)
    going_on = [{"role": "user", "content": [block]}, *LONG[-6:]]
    for number in range(8):
        asked = ask(going_on, f"And {number}?")
        answer = talk.create(**asked)
        first = {k: v for k, v in talk.sent[0]["content"][0].items() if k != "cache_control"}
        assert first == block, "the provider's summary stays first"
        going_on = [*asked["messages"], {"role": "assistant", "content": answer.content[0].text}]
    assert len(talk.sent) < len(going_on) - 4, "what follows it is folded"


@pytest.mark.parametrize("placement", ["append", "before_window"])
def test_what_is_recalled_comes_behind_the_providers_summary(placement):
    """Its block may come with words of the user's, and these may recall at once."""
    frugal = replace(SMALL, scope="user", placement=placement, recall_floor=-1.0)
    talk = Talk(None, frugal)
    (summary,) = talk.create(**ask(LONG, **COMPACTION)).content
    block = summary.model_dump(exclude_none=True)
    words = {"type": "text", "text": LONG[2]["content"]}
    talk.create(**ask([], [block, words]))
    (first,) = talk.sent
    assert [one["type"] for one in first["content"]] == ["compaction", "text", "text"]
    assert first["content"][0] == block
    assert "Said earlier" in first["content"][1]["text"]
    assert first["content"][2] == words


def test_a_null_is_nothing():
    for one in OTHER_THAN_TURNS:
        assert other_than_turn({**ask(LONG), one.field: None}) is None


# What a request may carry and be a turn all the same.
OF_A_TURN = frozenset(
    {
        "messages", "model", "billing_policy", "cache_control", "container", "context_management",
        "diagnostics", "fallback_credit_token", "fallbacks", "inference_geo", "mcp_servers",
        "metadata", "output_config", "service_tier", "speed", "stop_sequences", "stream", "system",
        "thinking", "tool_choice", "tools", "betas", "user_profile_id", "workspace_id",
    }
)  # fmt: skip


def test_every_field_of_the_sdk_was_looked_at():
    """A new field of the API may make a request something else than a turn."""
    fields = set()
    for shape in typing.get_args(message_create_params.MessageCreateParams):
        fields |= typing_extensions.get_type_hints(shape).keys()
    strange = fields - OF_A_TURN - {one.field for one in OTHER_THAN_TURNS}
    assert not strange, (
        f"does one of them make it no turn? See turnfold.sdk.turn_requests: {strange}"
    )
