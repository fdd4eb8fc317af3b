"""Receipts are told to the log and to the current trace span, and add up."""

import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.embedders import HashedWords
from support.models import DEFAULT as MODEL
from support.models import NO_THINKING
from turnfold import Memory, Policy
from turnfold_fake import FakeClaude


@pytest.fixture
def talk():
    """Says something; gives the receipt, and the stand-in it was said to."""
    fake, receipts, history = FakeClaude(lambda _: "Well. " + "fjord " * 400), [], []
    policy = Policy(fold_at=8_000, keep_tokens=2_000, recall_floor=-1.0, clock=fake.clock)
    with Memory(
        "memory:", policy=policy, embedder=HashedWords(), on_receipt=receipts.append
    ) as memory:
        client = memory.wrap(fake.client(), user_id="ada", conversation="c")

        def say(turns=1):
            for _ in range(turns):
                said = f"Question {len(history)}. " + "ember and kelp and lagoon " * 100
                history.append({"role": "user", "content": said})
                answer = client.messages.create(
                    model=MODEL, max_tokens=999, messages=history, thinking=NO_THINKING
                )
                history.append({"role": "assistant", "content": answer.content[0].text})
                fake.clock.advance(60)
            return receipts[-1]

        yield say, fake


def until_folded(say):
    """The receipt of the first turn that folds."""
    while not (receipt := say()).folded:
        pass
    return receipt


def test_a_receipt_says_why_it_folded_and_what_it_sent(talk):
    say, fake = talk
    receipt = until_folded(say)
    assert receipt.folded == receipt.in_memory > 0
    assert "is over 8000" in receipt.fold_reason
    assert (receipt.user_id, receipt.conversation) == ("ada", "c")
    assert receipt.hits
    assert receipt.tokens.sent < receipt.tokens.full
    assert receipt.usage.prompt_tokens == sum(
        fake.calls[-1].usage[name]
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    assert receipt.estimate_error == receipt.tokens.sent / receipt.usage.prompt_tokens - 1
    assert receipt.saved == pytest.approx(receipt.full_cost - receipt.cost)
    assert set(receipt.seconds) >= {"begin", "fold", "recall", "build", "finish"}


def test_a_receipt_counts_what_the_cache_missed(talk):
    say, fake = talk
    until_folded(say)
    warm = say()
    assert warm.folded == 0
    assert warm.fold_reason == ""
    assert warm.cache_missed < warm.usage.cache_read / 10
    fake.clock.advance(3_600)
    cold = say()
    assert cold.folded == 0
    assert cold.usage.cache_read == 0
    assert cold.cache_missed == warm.usage.prompt_tokens


def test_a_receipt_is_logged_without_a_word_of_the_conversation(talk, caplog):
    say, _ = talk
    with caplog.at_level(logging.INFO, "turnfold.receipt"):
        receipt = say()
    [line] = [r.getMessage() for r in caplog.records if r.name == "turnfold.receipt"]
    assert f"sent {receipt.tokens.sent} of {receipt.tokens.full} tokens" in line
    assert "ember" not in line


@pytest.fixture
def traced():
    """A tracer provider, and the spans that it has finished."""
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return provider, spans


def asked(client):
    return client.messages.create(
        model=MODEL, max_tokens=99, messages=[{"role": "user", "content": "ember"}]
    )


@pytest.mark.parametrize("stream", [False, True])
def test_the_span_of_the_call_gets_the_figures(stream, traced):
    (provider, spans), receipts, fake = traced, [], FakeClaude("Well.")
    with Memory("memory:", embedder=HashedWords(), on_receipt=receipts.append) as memory:
        client = memory.wrap(fake.client(open_telemetry={"tracer_provider": provider}))
        said = [{"role": "user", "content": "ember"}]
        if stream:
            with client.messages.stream(model=MODEL, max_tokens=99, messages=said) as events:
                events.until_done()
        else:
            client.messages.create(model=MODEL, max_tokens=99, messages=said)
    [span] = spans.get_finished_spans()
    assert span.attributes["turnfold.tokens.sent"] == receipts[-1].tokens.sent
    assert span.attributes["turnfold.saved"] == pytest.approx(receipts[-1].saved)
    assert span.attributes["turnfold.cache.written"] == receipts[-1].usage.cache_write_5m
    assert span.attributes["turnfold.estimate_error"] == receipts[-1].estimate_error
    told = {k: v for k, v in span.attributes.items() if k.startswith("turnfold.")}
    assert "ember" not in str(told)


def test_where_nobody_wants_receipts_the_span_is_as_the_sdk_makes_it(traced):
    provider, spans = traced
    with Memory("memory:", embedder=HashedWords()) as memory:
        for client in (FakeClaude("Well.").client(), memory.wrap(FakeClaude("Well.").client())):
            asked(client.with_options(open_telemetry={"tracer_provider": provider}))
    bare, wrapped = spans.get_finished_spans()
    assert set(wrapped.attributes) == set(bare.attributes)


@pytest.mark.parametrize("how", ["option", "copy", "variable"])
@pytest.mark.parametrize("kind", ["client", "async_client"])
async def test_without_traces_nothing_of_opentelemetry_is_called(how, kind, traced, monkeypatch):
    def refuse(*_, **__):
        pytest.fail("the program's own span is no affair of memory's")

    receipts, provider = [], traced[0]
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false" if how == "variable" else "true")
    off = {"open_telemetry": False} if how != "variable" else {}
    with Memory("memory:", embedder=HashedWords(), on_receipt=receipts.append) as memory:
        made = getattr(FakeClaude("Well."), kind)(**off if how == "option" else {})
        client = memory.wrap(made)
        client = client.with_options(**off) if how == "copy" else client
        with provider.get_tracer("app").start_as_current_span("app") as app:
            monkeypatch.setattr(trace, "get_current_span", refuse)
            answer = asked(client)
            if kind == "async_client":
                await answer
    assert receipts[-1].turn == 1
    assert not app.attributes


def test_a_tracer_that_fails_costs_no_receipt(traced, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no exporter")

    receipts = []
    with Memory("memory:", embedder=HashedWords(), on_receipt=receipts.append) as memory:
        fake = FakeClaude("Well.").client(open_telemetry={"tracer_provider": traced[0]})
        client = memory.wrap(fake)
        monkeypatch.setattr(Span, "is_recording", broken)
        assert asked(client).content[-1].text == "Well."
        monkeypatch.undo()
        monkeypatch.setattr(trace, "get_current_span", broken)
        assert asked(client).content[-1].text == "Well."
    assert [receipt.degraded for receipt in receipts] == [(), ()]


def test_breakpoints_stop_when_turns_come_too_late_for_the_cache_and_come_back(talk):
    say, fake = talk

    def marked(pause):
        say()
        fake.clock.advance(pause)
        return "cache_control" in str(fake.calls[-1].body)

    assert [marked(3_600) for _ in range(20)][-3:] == [False] * 3
    assert [marked(30) for _ in range(20)][-3:] == [True] * 3


def test_one_estimate_is_corrected_by_what_the_api_counts(talk):
    say, _ = talk
    first = abs(say().estimate_error)
    assert first > 0.1, "these words are estimated badly"
    folds = [receipt for receipt in (say() for _ in range(12)) if receipt.folded]
    for receipt in folds:
        counted = int(receipt.fold_reason.split()[3])
        assert counted < 12_000
