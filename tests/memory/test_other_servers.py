"""Servers that speak the Messages API in their own way: other models, errors, windows, usage."""

import json
import logging
import re

import pytest
from support.chats import MODEL, ask, history, memory, said, stand_in
from support.drawing import drawn
from support.models import SUMMARY
from support.other_servers import OtherServer, is_summary
from turnfold import Policy
from turnfold.errors import SummaryError
from turnfold.request.refusals import lacks_model
from turnfold.summarizers import Item, SummaryDraft
from turnfold.summarizers.reconciling import Supersessions
from turnfold.summarizers.resting import USELESS
from turnfold_fake import Fault, Reply

QWEN = "qwen2.5-1.5b"
BY_ITSELF = Policy(background="off")


async def talk(door, server, turns, *, policy=BY_ITSELF, model=QWEN, name="c", **options):
    """The receipts of a chat whose exchanges have some 130 tokens."""
    receipts, messages = [], []
    with memory(policy=policy, on_receipt=receipts.append, **options) as remembering:
        client = remembering.wrap(door.client(server), conversation=name)
        for number in range(1, turns + 1):
            asked = ask(messages, said(number), model=model, max_tokens=100)
            await door.ask("create", client, asked)
            messages = [*asked["messages"], {"role": "assistant", "content": said(number, "told")}]
    return receipts


# --- who writes summaries ---------------------------------------------------------------------

SMALL_AT = Policy(fold_at=1_000, keep_tokens=300, background="off")


async def test_where_chats_are_with_no_claude_the_chats_own_model_writes(door, caplog):
    """It is not asked for a model that is not there, and that is said once."""
    server = OtherServer()
    with caplog.at_level(logging.WARNING, "turnfold"):
        receipts = await talk(door, server, 20, policy=SMALL_AT)
    assert receipts[-1].in_memory > 10
    assert {body["model"] for _, body in server.asked} == {QWEN}
    assert {status for status, _ in server.asked} == {200}
    assert caplog.text.count("the chat's own model") == 1
    assert "Policy(summary_model=...)" in caplog.text
    assert not any(receipt.degraded for receipt in receipts)
    assert sum("own model" in str(receipt.remarks) for receipt in receipts) == 1


NO_SUCH_MODEL = {
    "the API": (404, "model: {model}"),
    "vLLM": (404, "The model `{model}` does not exist."),
    "LiteLLM": (
        400,
        (
            "/v1/messages: Invalid model name passed in model={model}. Call `/v1/models` to view "
            "available models for your key."
        ),
    ),
    "Ollama": (404, "model '{model}' not found, try pulling it first"),
    "a gateway": (422, "Model {model} is not supported by this route"),
}


@drawn(every={"words"}, words=NO_SUCH_MODEL)
async def test_a_gateway_that_lacks_the_usual_model_has_the_chats_own_write(door, words, caplog):
    server = OtherServer(models=(MODEL,), unknown=words)
    with caplog.at_level(logging.WARNING, "turnfold"):
        receipts = await talk(door, server, 20, policy=SMALL_AT, model=MODEL)
    assert receipts[-1].in_memory > 10
    asked = [body["model"] for _, body in server.summaries()]
    assert asked.count(SUMMARY) == 1
    assert asked.count(MODEL) >= 2
    assert caplog.text.count("the chat's own model") == 1
    assert not any(receipt.degraded for receipt in receipts)


async def test_who_was_named_is_not_replaced(door):
    server = OtherServer()
    policy = Policy(fold_at=1_000, keep_tokens=300, background="off", summary_model="mistral")
    receipts = await talk(door, server, 12, policy=policy)
    assert {body["model"] for _, body in server.summaries()} == {"mistral"}
    assert any("mistral" in why for receipt in receipts for why in receipt.degraded)


def test_at_the_api_itself_the_usual_model_writes_for_any_chat():
    fake = stand_in()
    with memory() as remembering:
        client = remembering.wrap(fake.client())
        client.messages.create(**ask(history(12)))
    assert [call.body["model"] for call in fake.asked("summary")] == [SUMMARY]


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_other_failures_say_nothing_of_the_model(status):
    wrong = RuntimeError("the server is overloaded")
    wrong.status_code = status
    assert not lacks_model(wrong)


# --- a prompt that is too long, in other words ------------------------------------------------

OVERFLOWS = {
    "llama-server": (
        400,
        (
            '{"error": {"code": 400, "message": "request ({n} tokens) exceeds the available '
            'context size ({window} tokens), try increasing it", '
            '"type": "exceed_context_size_error", '
            '"n_prompt_tokens": {n}, "n_ctx": {window}}}'
        ),
    ),
    "LiteLLM": (
        400,
        (
            '{"error": {"message": "litellm.ContextWindowExceededError: litellm.BadRequestError: '
            "OpenAIException - This model's maximum context length is {window} tokens. However, "
            'you requested {n} tokens", "type": null, "param": null, "code": "400"}}'
        ),
    ),
    "LiteLLM, as a failure of its own": (
        500,
        (
            '{"error": {"message": "litellm.ContextWindowExceededError: the prompt does not fit", '
            '"type": "api_error"}}'
        ),
    ),
    "llama-cpp-python": (
        500,
        '{"error": {"message": "Requested tokens ({n}) exceed context window of {window}"}}',
    ),
    "vLLM": (
        400,
        "The decoder prompt (length {n}) is longer than the maximum model length of {window}.",
    ),
    "FastAPI": (422, '{"detail": "prompt too long; exceeded max context length by 12 tokens"}'),
    "a message and no more": (400, '{"error": "context length exceeded"}'),
    "LM Studio": (
        400,
        (
            '{"error": "The model is loaded with context length of only {window} tokens, which is '
            'not enough. Trying to keep the first {n} tokens when context the overflows."}'
        ),
    ),
    "a gateway by size": (413, "Request entity too large: context window exceeded"),
    "Bedrock": (400, "Input is too long for requested model."),
    "Vertex": (
        400,
        "The input token count ({n}) exceeds the maximum number of tokens allowed ({window}).",
    ),
}


@drawn(every={"words"}, words=OVERFLOWS, window=[4_096, 8_192])
async def test_a_prompt_that_is_too_long_is_folded_whatever_the_server_calls_it(
    door, words, window
):
    """Every turn is answered, by few refusals, and what is sent from then on fits."""
    server = OtherServer(window=window, overflow=words)
    exchanges = window // 110
    receipts, messages = [], history(exchanges)
    with memory(policy=BY_ITSELF, on_receipt=receipts.append) as remembering:
        client = remembering.wrap(door.client(server), conversation="c")
        for number in range(1, 9):
            asked = ask(messages, said(number, mark="x"), model=QWEN, max_tokens=200)
            await door.ask("create", client, asked)
            answer = {"role": "assistant", "content": said(number, "told", "x")}
            messages = [*asked["messages"], answer]
    assert len(server.chats()) == 8
    refused = [body for status, body in server.asked if status != 200 and not is_summary(body)]
    assert len(refused) <= (1 if "{window}" in words[1] else 3)
    assert receipts[-1].in_memory > exchanges // 2


@drawn(window=[4_096, 8_192, 12_000])
async def test_requests_for_summaries_fit_a_small_window_too(door, window):
    """The window was read from the first refusal; a long exchange is cut to what fits."""
    server = OtherServer(window=window, overflow=OVERFLOWS["llama-server"])
    log = "".join(f"worker {n} lost its lease on shard {n}.\n" for n in range(window // 6))
    long = [{"role": "user", "content": f"Read. {log}"}, {"role": "assistant", "content": "Read."}]
    with memory(policy=BY_ITSELF) as remembering:
        client = remembering.wrap(door.client(server), conversation="c")
        asked = ask([*history(3), *long, *history(3, "x")], model=QWEN, max_tokens=200)
        await door.ask("create", client, asked)
    statuses = [status for status, _ in server.summaries()]
    assert statuses.count(400) == 0
    assert len(statuses) > 1


async def test_a_model_of_the_same_name_elsewhere_has_a_window_of_its_own(door):
    """What one server says of its window binds no requests to another."""
    small = OtherServer(window=4_096, overflow=OVERFLOWS["llama-server"])
    large = OtherServer()
    receipts = []
    with memory(policy=BY_ITSELF, on_receipt=receipts.append) as remembering:
        for server, base_url in (
            (small, "http://127.0.0.1:8080"),
            (large, "http://127.0.0.1:8081"),
        ):
            client = remembering.wrap(door.client(server, base_url=base_url), conversation=base_url)
            asked = ask(history(38, base_url[-1]), model=QWEN, max_tokens=200)
            await door.ask("create", client, asked)
    assert [receipt.in_memory > 0 for receipt in receipts] == [True, False]
    assert len(large.chats()[0]["messages"]) == 77


# --- what it says of notes ----------------------------------------------------------------------


async def test_a_list_that_breaks_off_before_its_first_note_says_nothing(door):
    """LiteLLM says "end_turn" of what was cut off, too; nothing is folded into an empty node."""
    fake = stand_in(summary='Here you are:\n```json\n{"items": [')
    receipts = await talk(door, fake, 20, policy=SMALL_AT, model=MODEL)
    assert any("not the JSON asked for" in why for one in receipts for why in one.degraded)
    assert receipts[-1].in_memory > 0


async def test_a_model_that_says_the_examples_again_has_said_nothing(door):
    """As Qwen of 1.5 billion weights did: they hold no name or number that would give them away."""

    def parrots(body):
        examples = re.findall(r'"([A-Z][^"]+\.)"', body["system"])
        assert len(examples) >= 6
        notes = [{"kind": "fact", "text": one, "turns": [1]} for one in examples]
        return Reply(json.dumps({"items": notes}))

    fake = stand_in(summary=parrots)
    receipts = await talk(door, fake, 20, policy=SMALL_AT, model=MODEL)
    assert receipts[-1].in_memory > 0
    sent = json.dumps([call.body["messages"] for call in fake.asked()])
    assert "allergic" not in sent
    assert "runbook" not in sent


async def test_a_model_that_is_no_claude_is_told_no_examples(door):
    server = OtherServer()
    await talk(door, server, 20, policy=SMALL_AT)
    assert server.summaries()
    assert not any("allergic" in body["system"] for _, body in server.summaries())


class Compares:
    """Compares notes, and says so often enough what cannot be."""

    def __init__(self, answer):
        self.asked = 0
        self._answer = answer

    def __call__(self, job):
        return SummaryDraft(
            [
                Item("fact", exchange[0].text, (turn,))
                for turn, exchange in enumerate(job.exchanges, job.first)
            ]
        )

    def reconcile(self, items):
        self.asked += 1
        if isinstance(self._answer, Exception):
            raise self._answer
        return Supersessions([(items[-1].id, items[0].id)] if self._answer else [])


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (SummaryError("the answer of qwen is not the JSON asked for: 'Well'"), USELESS),
        (True, USELESS),  # an earlier note cannot replace a later one
        (False, 5),
    ],
)
def test_who_compares_notes_in_vain_is_not_paid_for_it_for_ever(answer, times):
    """And goes on to write them: that is another matter."""
    compares, policy = Compares(answer), Policy(leaf_tokens=1_000, keep_tokens=0)
    with memory(policy=policy, summarizer=compares) as remembering:
        for name in "abcde":
            report = remembering.backfill(
                history(30, name), client=stand_in().client(), user_id="ada", conversation=name
            )
            assert report.leaves > 1
    assert compares.asked == times


# --- what it says of usage --------------------------------------------------------------------


async def test_without_cache_fields_receipts_count_what_there_is(door):
    server = OtherServer()
    receipts = await talk(door, server, 30, policy=Policy(fold_at=3_000, background="off"))
    assert all(receipt.usage.prompt_tokens > 0 for receipt in receipts)
    assert all(receipt.usage.cache_read == 0 for receipt in receipts)
    assert not any(receipt.degraded for receipt in receipts)
    assert receipts[-1].unpriced == (QWEN,)
    assert json.dumps(server.asked[-1][1])


async def test_an_answer_that_says_nothing_of_usage_is_an_answer(door):
    server = OtherServer(counts=False)
    receipts = await talk(door, server, 30, policy=Policy(fold_at=3_000, background="off"))
    assert receipts[-1].in_memory > 5
    assert not any(receipt.degraded for receipt in receipts)


async def test_who_answers_under_the_name_of_its_file_is_known_by_the_one_that_was_asked(
    door, caplog
):
    """llama-server tells the path of its weights: no price is known by it, and no remedy."""
    server = OtherServer(answers_as="/srv/weights/q4.gguf")
    with caplog.at_level(logging.WARNING, "turnfold"):
        receipts = await talk(door, server, 20, policy=SMALL_AT)
    assert receipts[-1].in_memory > 10
    assert "q4.gguf" not in caplog.text
    assert receipts[-1].unpriced == (QWEN,)


async def test_a_fault_of_the_api_that_only_sounds_alike_is_the_callers(door):
    """Nothing is folded, and the error goes through."""
    fake = stand_in(faults=[Fault("server_error", on="chat", message="Internal error, context")])
    with memory() as remembering:
        client = remembering.wrap(door.client(fake, max_retries=0))
        with pytest.raises(Exception, match="Internal error"):
            await door.ask("create", client, ask(history(3)))
    assert [call.status for call in fake.calls] == [500]
